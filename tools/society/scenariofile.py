"""Reads scenario files (.json or .json.gz, docs/scenario.md) into `Scenario`, strictly: the first wrong field is an error.

Nothing is guessed: an unknown field is refused, a list has as many entries as there are slots, a number is finite and within
its bounds.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from agent.vocabulary import Kind
from tools.society.scenario import MWH_PER_KWH, PPM, BatterySpec, EvSession, Reference, Scenario, ScenarioError, WasherJob

Item = TypeVar("Item")

SLOT_MINUTES: Final = (1, 5, 15)
UEUR_PER_EUR: Final = 1_000_000
W_PER_KW: Final = 1_000
MOST_EUR_PER_KWH: Final = 10.0
"""The ledger's bound for prices."""
MOST_KWH: Final = 1e6
MOST_KW: Final = 1e5

REQUIRED: Final = ("name", "t0_utc", "slot_minutes", "slots", "grid_buy_eur_per_kwh", "grid_sell_eur_per_kwh", "load_kwh")
OPTIONAL: Final = ("note", "attribution", "pv_kwh", "battery", "ev_sessions", "washer_jobs", "reference")


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario. Raises ScenarioError."""
    return read_scenario(str(path), load_raw(path))


def load_raw(path: Path) -> Any:
    """The JSON of a scenario file, unchecked. Raises ScenarioError where there is none."""
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except OSError as error:
        raise ScenarioError(str(path), "", f"cannot be read: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise ScenarioError(str(path), "", f"expected gzip: {error}") from error
    except ValueError as error:
        raise ScenarioError(str(path), "", f"expected JSON: {error}") from error


def read_scenario(file: str, raw: Any) -> Scenario:
    """Check decoded JSON; `file` is named in errors. Raises ScenarioError."""
    return _Reader(file).scenario(raw)


class _Reader:
    """Checks one file; `place` says where in it, as in `ev_sessions[3].end_slot`."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._slots = 0

    def scenario(self, raw: Any) -> Scenario:
        fields = self._object(raw, "", REQUIRED, OPTIONAL)
        minutes = self._whole(fields, "", "slot_minutes", 1, 15)
        if minutes not in SLOT_MINUTES:
            self._fail("slot_minutes", "expected 1, 5 or 15", minutes)
        self._slots = self._whole(fields, "", "slots", 1, 10**7)
        ask = self._series(fields["grid_buy_eur_per_kwh"], "grid_buy_eur_per_kwh", self._price)
        bid = self._series(fields["grid_sell_eur_per_kwh"], "grid_sell_eur_per_kwh", self._price)
        for slot, (ask_ueur_kwh, bid_ueur_kwh) in enumerate(zip(ask, bid, strict=True)):
            if bid_ueur_kwh > ask_ueur_kwh:
                expected = f"expected at most what the utility asks, {ask_ueur_kwh / UEUR_PER_EUR}"
                self._fail(f"grid_sell_eur_per_kwh[{slot}]", expected, bid_ueur_kwh / UEUR_PER_EUR)
        homes = self._list(fields["load_kwh"], "load_kwh")
        if not homes:
            self._fail("load_kwh", "expected at least one home", homes)
        sessions = self._optional_list(fields, "ev_sessions", self._session)
        jobs = self._optional_list(fields, "washer_jobs", self._job)
        absent = {kind for kind, key in ((Kind.SOLAR, "pv_kwh"), (Kind.BATTERY, "battery")) if fields.get(key) is None}
        absent |= {kind for kind, key in ((Kind.EV, "ev_sessions"), (Kind.WASHER, "washer_jobs")) if not fields.get(key)}
        scenario = Scenario(
            file=self._file,
            name=self._text(fields, "", "name"),
            note=self._text(fields, "", "note") if "note" in fields else "",
            attribution=self._attribution(fields.get("attribution", [])),
            start_s=self._start_s(fields["t0_utc"], minutes * 60),
            slot_duration_s=minutes * 60,
            slots=self._slots,
            ask_ueur_kwh=ask,
            bid_ueur_kwh=bid,
            pv_mwh=(0,) * self._slots if Kind.SOLAR in absent else self._series(fields["pv_kwh"], "pv_kwh", self._energy),
            load_mwh=tuple(self._series(home, f"load_kwh[{i}]", self._energy) for i, home in enumerate(homes)),
            battery=None if Kind.BATTERY in absent else self._battery(fields["battery"]),
            ev_sessions=sessions,
            washer_jobs=jobs,
            reference=None if fields.get("reference") is None else self._reference(fields["reference"]),
            absent=frozenset(absent),
        )
        self._check_one_car_at_a_time(scenario)
        scenario.washer_jobs_of(0)  # assigns the jobs to homes, which fails where they do not fit
        return scenario

    def _battery(self, raw: Any) -> BatterySpec:
        place = "battery"
        names = ("capacity_kwh", "power_kw", "eta_charge", "eta_discharge", "initial_kwh")
        fields = self._object(raw, place, names, ("final_kwh_at_least",))
        capacity_kwh = self._number(fields["capacity_kwh"], "battery.capacity_kwh", 0.001, MOST_KWH)
        initial_mwh = self._energy(fields["initial_kwh"], "battery.initial_kwh", capacity_kwh)
        return BatterySpec(
            capacity_mwh=round(capacity_kwh * MWH_PER_KWH),
            power_w=self._power(fields["power_kw"], "battery.power_kw"),
            eta_charge_ppm=round(self._number(fields["eta_charge"], "battery.eta_charge", 0.01, 1) * PPM),
            eta_discharge_ppm=round(self._number(fields["eta_discharge"], "battery.eta_discharge", 0.01, 1) * PPM),
            initial_mwh=initial_mwh,
            final_mwh_at_least=self._energy(fields.get("final_kwh_at_least", 0), "battery.final_kwh_at_least", capacity_kwh),
        )

    def _session(self, raw: Any, place: str) -> EvSession:
        names = ("user", "first_slot", "end_slot", "energy_kwh", "max_kw")
        fields = self._object(raw, place, names, ("capacity_kwh", "stored_kwh", "discharge_kw"))
        first = self._whole(fields, place, "first_slot", 0, self._slots - 1)
        stored_mwh = capacity_mwh = 0
        energy_mwh = self._energy(fields["energy_kwh"], f"{place}.energy_kwh")
        if "capacity_kwh" in fields or "stored_kwh" in fields or "discharge_kw" in fields:
            for key in ("capacity_kwh", "stored_kwh"):
                if key not in fields:
                    self._fail(f"{place}.{key}", "expected, because the session tells of its battery", None)
            capacity_mwh = self._energy(fields["capacity_kwh"], f"{place}.capacity_kwh")
            stored_mwh = self._energy(fields["stored_kwh"], f"{place}.stored_kwh", capacity_mwh / MWH_PER_KWH)
            if stored_mwh + energy_mwh > capacity_mwh:
                room_kwh = (capacity_mwh - stored_mwh) / MWH_PER_KWH
                self._fail(f"{place}.energy_kwh", f"expected at most what has room, {room_kwh:g}", fields["energy_kwh"])
        discharge_kw = self._number(fields.get("discharge_kw", 0), f"{place}.discharge_kw", 0, MOST_KW)
        return EvSession(
            user=self._text(fields, place, "user"),
            first_slot=first,
            end_slot=self._whole(fields, place, "end_slot", first + 1, self._slots),
            energy_mwh=energy_mwh,
            max_w=self._power(fields["max_kw"], f"{place}.max_kw"),
            discharge_w=round(discharge_kw * W_PER_KW),
            stored_mwh=stored_mwh,
            capacity_mwh=capacity_mwh,
        )

    def _job(self, raw: Any, place: str) -> WasherJob:
        fields = self._object(raw, place, ("ready_slot", "end_by_slot", "kwh_per_slot"), ())
        energies = self._list(fields["kwh_per_slot"], f"{place}.kwh_per_slot")
        if not energies:
            self._fail(f"{place}.kwh_per_slot", "expected at least one slot", energies)
        ready = self._whole(fields, place, "ready_slot", 0, self._slots - 1)
        return WasherJob(
            ready_slot=ready,
            end_by_slot=self._whole(fields, place, "end_by_slot", ready + len(energies), self._slots),
            energy_mwh=tuple(self._energy(kwh, f"{place}.kwh_per_slot[{i}]") for i, kwh in enumerate(energies)),
        )

    def _reference(self, raw: Any) -> Reference:
        """Only the three figures that the report compares with are read; what else stands there is for people."""
        if not isinstance(raw, dict):
            self._fail("reference", "expected an object", raw)

        def figure(key: str) -> float | None:
            return None if raw.get(key) is None else self._number(raw[key], f"reference.{key}", -1e9, 1e9)

        return Reference(figure("no_market_eur"), figure("netting_no_flex_eur"), figure("optimum_milp_eur"))

    def _attribution(self, raw: Any) -> tuple[str, ...]:
        lines = self._list(raw, "attribution")
        for index, line in enumerate(lines):
            if not isinstance(line, str):
                self._fail(f"attribution[{index}]", "expected text", line)
        return tuple(lines)

    def _start_s(self, raw: Any, duration_s: int) -> int:
        if not isinstance(raw, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", raw):
            self._fail("t0_utc", "expected UTC as in 2021-02-14T23:00:00Z", raw)
        try:
            start_s = int(datetime.strptime(raw, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp())
        except ValueError:
            self._fail("t0_utc", "expected a date that exists", raw)
        if start_s % duration_s or start_s < 0:
            self._fail("t0_utc", f"expected the start of a slot of {duration_s // 60} min", raw)
        return start_s

    def _check_one_car_at_a_time(self, scenario: Scenario) -> None:
        for home in range(len(scenario.ev_users)):
            sessions = scenario.ev_sessions_of(home)
            for earlier, later in pairwise(sessions):
                if later.first_slot < earlier.end_slot:
                    place = f"ev_sessions[{scenario.ev_sessions.index(later)}].first_slot"
                    expected = f"expected at least {earlier.end_slot}, when the earlier car of {later.user} has left"
                    self._fail(place, expected, later.first_slot)

    def _optional_list(self, fields: Mapping[str, Any], key: str, read: Callable[[Any, str], Item]) -> tuple[Item, ...]:
        entries = self._list([] if fields.get(key) is None else fields[key], key)
        return tuple(read(entry, f"{key}[{index}]") for index, entry in enumerate(entries))

    def _series(self, raw: Any, place: str, read: Callable[[Any, str], int]) -> tuple[int, ...]:
        entries = self._list(raw, place)
        if len(entries) != self._slots:
            raise ScenarioError(self._file, place, f"expected {self._slots} entries, as many as slots, got {len(entries)}")
        return tuple(read(entry, f"{place}[{index}]") for index, entry in enumerate(entries))

    def _price(self, raw: Any, place: str) -> int:
        return round(self._number(raw, place, -MOST_EUR_PER_KWH, MOST_EUR_PER_KWH) * UEUR_PER_EUR)

    def _energy(self, raw: Any, place: str, most_kwh: float = MOST_KWH) -> int:
        return round(self._number(raw, place, 0, most_kwh) * MWH_PER_KWH)

    def _power(self, raw: Any, place: str) -> int:
        return round(self._number(raw, place, 0.001, MOST_KW) * W_PER_KW)

    def _number(self, raw: Any, place: str, least: float, most: float) -> float:
        if type(raw) not in (int, float) or not math.isfinite(raw) or not least <= raw <= most:
            self._fail(place, f"expected a number from {least:g} to {most:g}", raw)
        return float(raw)

    def _whole(self, fields: Mapping[str, Any], place: str, key: str, least: int, most: int) -> int:
        value = fields[key]
        if type(value) is not int or not least <= value <= most:
            self._fail(_join(place, key), f"expected a whole number from {least} to {most}", value)
        return value

    def _text(self, fields: Mapping[str, Any], place: str, key: str) -> str:
        value = fields[key]
        if not isinstance(value, str) or (key != "note" and not value):
            self._fail(_join(place, key), "expected text", value)
        return value

    def _list(self, raw: Any, place: str) -> list[Any]:
        if not isinstance(raw, list):
            self._fail(place, "expected a list", raw)
        return raw

    def _object(self, raw: Any, place: str, required: tuple[str, ...], optional: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(raw, dict):
            self._fail(place, "expected an object", raw)
        for key in raw:
            if key not in required and key not in optional:
                known = ", ".join((*required, *optional))
                raise ScenarioError(self._file, _join(place, key), f"unknown field; known are {known}")
        for key in required:
            if key not in raw:
                raise ScenarioError(self._file, _join(place, key), "expected, but it is missing")
        return raw

    def _fail(self, place: str, expected: str, got: object) -> NoReturn:
        shown = json.dumps(got, default=str)
        raise ScenarioError(self._file, place, f"{expected}, got {shown if len(shown) <= 60 else shown[:57] + '...'}")


def _join(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
