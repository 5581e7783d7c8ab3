"""The world of the strategy race: a scenario in integers, and plants that do what they are told.

Energies are Wh per slot from registers that floor the exact cumulative energy, so nothing is lost by rounding. The scenario
file is the one that `homewatt society` runs (docs/scenario.md).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from math import exp
from pathlib import Path
from typing import Any

from agent.vocabulary import Tariff

UEUR = 1_000_000
DAY_S = 86_400
WEEK = Path(__file__).parents[1] / "society" / "data" / "week_a.json.gz"
"""The scenario that comes with the repository: a week of sixteen homes."""


@dataclass(frozen=True, slots=True)
class Session:
    """One EV at its charger, from slot `first` to before slot `end`."""

    first: int
    end: int
    need_wh: int
    max_w: int


@dataclass(frozen=True, slots=True)
class Job:
    """One wash, to run within slots `ready` to before `end`."""

    ready: int
    end: int
    slot_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A building over some slots. `sessions` per charger, `jobs` per home."""

    start_s: int
    duration_s: int
    slots: int
    tariffs: tuple[Tariff, ...]
    sun_wh: tuple[int, ...]
    loads_wh: tuple[tuple[int, ...], ...]
    sessions: tuple[tuple[Session, ...], ...]
    jobs: tuple[tuple[Job, ...], ...]
    battery_capacity_wh: int
    battery_power_w: int
    battery_start_wh: int
    optimum_eur: float | None = None

    def window(self, first: int, count: int) -> World:
        """A part of the world; sessions and jobs that do not lie wholly in it are left out."""
        end = first + count
        inside = [[s for s in part if s.first >= first and s.end <= end] for part in self.sessions]
        washes = [[j for j in part if j.ready >= first and j.end <= end] for part in self.jobs]
        return replace(
            self,
            start_s=self.start_s + first * self.duration_s,
            slots=count,
            tariffs=self.tariffs[first:end],
            sun_wh=self.sun_wh[first:end],
            loads_wh=tuple(load[first:end] for load in self.loads_wh),
            sessions=tuple(tuple(replace(s, first=s.first - first, end=s.end - first) for s in part) for part in inside),
            jobs=tuple(tuple(replace(j, ready=j.ready - first, end=j.end - first) for j in part) for part in washes),
            optimum_eur=None,
        )

    def days(self, first: int, count: int | None) -> World:
        """So many days from a day on, counted from 0; None: to the end. The whole world keeps its optimum."""
        if not first and count is None:
            return self
        per_day = DAY_S // self.duration_s
        left = self.slots - first * per_day
        return self.window(first * per_day, left if count is None else min(left, count * per_day))

    def with_spot(self, spot_ueur_kwh: Sequence[int], adder_ueur_kwh: int) -> World:
        """The same building under other prices: ask = spot + adder, bid = max(spot, 0)."""
        tariffs = tuple(
            Tariff(self.start_s + k * self.duration_s, spot + adder_ueur_kwh, max(spot, 0))
            for k, spot in enumerate(spot_ueur_kwh)
        )
        return replace(self, tariffs=tariffs, optimum_eur=None)


def load_world(path: Path) -> World:
    raw = json.loads(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    duration_s = raw["slot_minutes"] * 60
    start_s = int(datetime.fromisoformat(raw["t0_utc"]).timestamp())
    users = sorted({session["user"] for session in raw["ev_sessions"]})
    return World(
        start_s=start_s,
        duration_s=duration_s,
        slots=raw["slots"],
        tariffs=tuple(
            Tariff(start_s + k * duration_s, round(ask * UEUR), round(bid * UEUR))
            for k, (ask, bid) in enumerate(zip(raw["grid_buy_eur_per_kwh"], raw["grid_sell_eur_per_kwh"], strict=True))
        ),
        sun_wh=registered(raw["pv_kwh"]),
        loads_wh=tuple(registered(load) for load in raw["load_kwh"]),
        sessions=tuple(tuple(_session(s) for s in raw["ev_sessions"] if s["user"] == user) for user in users),
        jobs=_jobs_by_home(raw["washer_jobs"], len(raw["load_kwh"])),
        battery_capacity_wh=round(raw["battery"]["capacity_kwh"] * 1000),
        battery_power_w=round(raw["battery"]["power_kw"] * 1000),
        battery_start_wh=round(raw["battery"]["initial_kwh"] * 1000),
        optimum_eur=raw.get("reference", {}).get("optimum_milp_eur"),
    )


def load_spot(path: Path, start_s: int, duration_s: int, slots: int) -> list[int]:
    """Day-ahead prices of an hourly CSV (time_utc, EUR/MWh) at the same time of another year, repeated into slots.

    The start keeps weekday and hour: it is moved by whole weeks into the file's year.
    """
    with gzip.open(path, "rt") as lines:
        rows = list(csv.reader(lines))[1:]
    prices = {int(datetime.fromisoformat(row[0]).astimezone(UTC).timestamp()): float(row[1]) for row in rows if row[1]}
    week_s = 7 * DAY_S
    while start_s > max(prices) - slots * duration_s:
        start_s -= 52 * week_s
    while start_s < min(prices):
        start_s += 52 * week_s
    last = 0
    spot = []
    for k in range(slots):
        at_s = start_s + k * duration_s
        last = round(prices.get(at_s - at_s % 3600, last / 1000) * 1000)
        spot.append(last)
    return spot


def registered(kwh: Iterable[float]) -> tuple[int, ...]:
    """Wh per slot of a register that floors the exact cumulative energy."""
    totals = [0, *(total // 1000 for total in accumulate(round(value * UEUR) for value in kwh))]
    return tuple(after - before for before, after in pairwise(totals))


def _session(raw: dict[str, Any]) -> Session:
    return Session(raw["first_slot"], raw["end_slot"], round(raw["energy_kwh"] * 1000), round(raw["max_kw"] * 1000))


def _jobs_by_home(raw: list[dict[str, Any]], homes: int) -> tuple[tuple[Job, ...], ...]:
    """Each job goes to the next home in rotation whose washer is free in its window."""
    ordered = sorted(enumerate(raw), key=lambda item: (item[1]["ready_slot"], item[1]["end_by_slot"], item[0]))
    jobs: list[list[Job]] = [[] for _ in range(homes)]
    turn = 0
    for _, entry in ordered:
        job = Job(entry["ready_slot"], entry["end_by_slot"], registered(entry["kwh_per_slot"]))
        while any(job.ready < other.end and other.ready < job.end for other in jobs[turn % homes]):
            turn += 1
        jobs[turn % homes].append(job)
        turn += 1
    return tuple(tuple(home) for home in jobs)


@dataclass(slots=True)
class BatteryPlant:
    """A battery with losses and limits. Energies in mWh, so that small flows are not rounded away."""

    capacity_mwh: int
    power_w: int
    stored_mwh: int
    last_w: int = 0
    eta_permille: int = 950

    def run(self, power_w: int, duration_s: int) -> int:
        """Follow the setpoint for a slot as far as charge and power allow; returns the net energy in Wh."""
        power_w = max(-self.power_w, min(self.power_w, power_w))
        self.last_w = power_w
        mwh = power_w * duration_s * 1000 // 3600
        if mwh >= 0:
            mwh = min(mwh, (self.capacity_mwh - self.stored_mwh) * 1000 // self.eta_permille)
            self.stored_mwh += mwh * self.eta_permille // 1000
            return mwh // 1000
        mwh = min(-mwh, self.stored_mwh * self.eta_permille // 1000)
        self.stored_mwh -= -(-mwh * 1000 // self.eta_permille)
        return -(mwh // 1000)


@dataclass(slots=True)
class ChargerPlant:
    """A charger and the cars that come to it."""

    sessions: tuple[Session, ...]
    delivered_wh: int = 0
    unmet_wh: int = 0
    last_w: int = 0
    current: Session | None = None

    def arrive(self, slot: int) -> None:
        """Let cars leave and come at the start of a slot."""
        if self.current is not None and self.current.end <= slot:
            self.unmet_wh += max(0, self.current.need_wh - self.delivered_wh)
            self.current = None
        if self.current is None:
            self.current = next((s for s in self.sessions if s.first <= slot < s.end), None)
            self.delivered_wh = self.last_w = 0

    def run(self, power_w: int, duration_s: int) -> int:
        if self.current is None:
            return 0
        wh = min(max(0, power_w) * duration_s // 3600, self.current.need_wh - self.delivered_wh)
        self.delivered_wh += wh
        self.last_w = wh * 3600 // duration_s
        return wh


@dataclass(slots=True)
class WasherPlant:
    """A washer and its loads of laundry."""

    jobs: tuple[Job, ...]
    started: int | None = None
    late: int = 0
    done: set[Job] = field(default_factory=set)

    def job(self, slot: int) -> Job | None:
        """The job that waits or runs during a slot."""
        return next((job for job in self.jobs if job not in self.done and job.ready <= slot), None)

    def run(self, start: bool, slot: int) -> int:
        job = self.job(slot)
        if job is None:
            return 0
        if self.started is None:
            if not start:
                return 0
            self.started = slot
        index = slot - self.started
        wh = job.slot_wh[index]
        if index + 1 == len(job.slot_wh):
            self.late += slot + 1 > job.end
            self.done.add(job)
            self.started = None
        return wh


@dataclass(slots=True)
class FreezerPlant:
    """A freezer of one heat capacity, in floats: this is the world, not an account. Defaults as in `FreezerRules`."""

    air_c: float = -18.0
    on: bool = False
    off_since_s: int | None = None
    warmest_c: float = -18.0
    coldest_c: float = -18.0
    used_mwh: float = 0.0
    power_w: int = 157

    def step(self, on: bool, now_s: int, seconds: int) -> None:
        """Run or rest for some seconds."""
        if self.on and not on:
            self.off_since_s = now_s
        self.on = on
        settles_c = 20.0 - (self.power_w * 1.6 if on else 0.0) / 1.0
        self.air_c = settles_c + (self.air_c - settles_c) * exp(-seconds * 1.0 / 65_000)
        self.warmest_c, self.coldest_c = max(self.warmest_c, self.air_c), min(self.coldest_c, self.air_c)
        self.used_mwh += self.power_w * seconds / 3.6 if on else 0.0
