"""A scenario: what a building's sun, loads, cars and washers do over some days, and what the utility asks and bids.

Integers only. Energies are milliwatt-hours (`_mwh`, a thousandth of a Wh; never megawatt-hours), because recorded energies have
that resolution and the plants must lose nothing. Slots count from the start of the scenario; an end slot is the first one that
no longer belongs. The file format is docs/scenario.md, read by `tools.society.scenariofile`.

ScenarioError   a scenario that cannot be read or run: file, place in it, what was expected; trying again does not help
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from agent.vocabulary import Kind

MWH_PER_WH: Final = 1_000
MWH_PER_KWH: Final = 1_000_000
PPM: Final = 1_000_000
DAY_S: Final = 86_400

CAN_BE_LEFT_OUT: Final = frozenset({Kind.SOLAR, Kind.BATTERY, Kind.WASHER, Kind.EV, Kind.FREEZER, Kind.BASE_LOAD})


class ScenarioError(Exception):
    """A scenario that cannot be read or run."""

    retry = False

    def __init__(self, file: str, place: str, expected: str) -> None:
        super().__init__(f"{file}: {place}: {expected}" if place else f"{file}: {expected}")
        self.file = file
        self.place = place
        self.expected = expected


@dataclass(frozen=True, slots=True)
class BatterySpec:
    """A battery of the whole building. Powers are at its meter, charge is inside it."""

    capacity_mwh: int
    power_w: int
    eta_charge_ppm: int
    eta_discharge_ppm: int
    initial_mwh: int
    final_mwh_at_least: int
    """What the optimum must leave in it; the society is free, the report values the difference."""

    @property
    def eta_charge(self) -> float:
        return self.eta_charge_ppm / PPM

    @property
    def eta_discharge(self) -> float:
        return self.eta_discharge_ppm / PPM


@dataclass(frozen=True, slots=True)
class EvSession:
    """One car at its charger. Energies are at the charger's meter."""

    user: str
    first_slot: int
    end_slot: int
    energy_mwh: int
    """To be delivered until `end_slot`."""
    max_w: int
    discharge_w: int = 0
    """Above 0: the car can feed back; then `stored_mwh` and `capacity_mwh` are known too."""
    stored_mwh: int = 0
    capacity_mwh: int = 0


@dataclass(frozen=True, slots=True)
class WasherJob:
    """One wash: loaded from `ready_slot` on, to be done before `end_by_slot`; its energy per slot from its start on."""

    ready_slot: int
    end_by_slot: int
    energy_mwh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class FreezerSpec:
    """The chest freezer that stands in every home; the file says nothing about it. Temperatures in m°C."""

    power_w: int = 157
    cop_permille: int = 1_600
    leak_mw_k: int = 1_000
    heat_j_k: int = 65_000
    room_mc: int = 20_000
    coldest_mc: int = -20_000
    warmest_mc: int = -16_000
    start_mc: int = -18_000
    min_off_s: int = 300


@dataclass(frozen=True, slots=True)
class Reference:
    """What others computed for exactly this scenario, in EUR; None where the file does not say."""

    no_market_eur: float | None
    netting_eur: float | None
    optimum_eur: float | None


@dataclass(frozen=True)
class Scenario:
    """A building over `slots` slots from the Unix second `start_s` on. Lists per slot have exactly `slots` entries."""

    file: str
    name: str
    note: str
    attribution: tuple[str, ...]
    """Whom the data comes from; shown wherever results are shown."""
    start_s: int
    slot_duration_s: int
    slots: int
    ask_ueur_kwh: tuple[int, ...]
    bid_ueur_kwh: tuple[int, ...]
    pv_mwh: tuple[int, ...]
    """What the sun offers; zeros where the building has no array."""
    load_mwh: tuple[tuple[int, ...], ...]
    """Per home what nobody can move."""
    battery: BatterySpec | None
    ev_sessions: tuple[EvSession, ...]
    washer_jobs: tuple[WasherJob, ...]
    reference: Reference | None
    freezer: FreezerSpec = FreezerSpec()
    known_users: tuple[str, ...] = ()
    """Users who have a charger even if no session of theirs lies within these slots."""
    absent: frozenset[Kind] = field(default=frozenset())
    """Kinds of appliance that the building does not have, or that were left out."""

    @property
    def homes(self) -> int:
        return len(self.load_mwh)

    @property
    def days(self) -> int:
        """Whole days that the scenario covers."""
        return self.slots * self.slot_duration_s // DAY_S

    @property
    def end_s(self) -> int:
        return self.start_s + self.slots * self.slot_duration_s

    def has(self, kind: Kind) -> bool:
        return kind not in self.absent

    def slot_s(self, slot: int) -> int:
        """The Unix second at which a slot starts."""
        return self.start_s + slot * self.slot_duration_s

    @cached_property
    def ev_users(self) -> tuple[str, ...]:
        """User i charges in home i. Raises ScenarioError if there are more users than homes."""
        users = tuple(sorted({*self.known_users, *(session.user for session in self.ev_sessions)}))
        if len(users) > self.homes:
            expected = f"expected at most one user per home: {len(users)} users, {self.homes} homes in load_kwh"
            raise ScenarioError(self.file, "ev_sessions", expected)
        return users

    def ev_sessions_of(self, home: int) -> tuple[EvSession, ...]:
        """The sessions at a home's charger in order of time; none where it has no charger, or nobody comes."""
        if home >= len(self.ev_users):
            return ()
        user = self.ev_users[home]
        return tuple(sorted((s for s in self.ev_sessions if s.user == user), key=lambda session: session.first_slot))

    def washer_jobs_of(self, home: int) -> tuple[WasherJob, ...]:
        """The jobs of a home's washer in order of time."""
        return self._jobs_by_home[home]

    @cached_property
    def _jobs_by_home(self) -> tuple[tuple[WasherJob, ...], ...]:
        """Each job, by (ready, end, place in the file), goes to the next home in rotation whose washer is free in its window.

        Raises ScenarioError if no home's washer is.
        """
        homes: list[list[WasherJob]] = [[] for _ in range(self.homes)]
        following = 0
        order = sorted(
            range(len(self.washer_jobs)), key=lambda i: (self.washer_jobs[i].ready_slot, self.washer_jobs[i].end_by_slot)
        )
        for index in order:
            job = self.washer_jobs[index]
            for step in range(self.homes):
                home = (following + step) % self.homes
                if not homes[home] or homes[home][-1].end_by_slot <= job.ready_slot:
                    homes[home].append(job)
                    following = home + 1
                    break
            else:
                expected = (
                    f"expected a home whose washer is free from slot {job.ready_slot} to {job.end_by_slot}; all are taken"
                )
                raise ScenarioError(self.file, f"washer_jobs[{index}]", expected)
        return tuple(tuple(jobs) for jobs in homes)

    def window(self, start_day: int, days: int | None = None) -> Scenario:
        """Some days of the scenario; without `days` all that remain.

        Sessions and jobs that do not lie wholly inside are left out, and so is the reference; the chargers stay.
        Raises ScenarioError where the scenario does not cover the days.
        """
        first, end = window_slots(self.file, self.slots, self.slot_duration_s, start_day, days)
        if (first, end) == (0, self.slots):
            return self
        return replace(
            self,
            start_s=self.slot_s(first),
            slots=end - first,
            ask_ueur_kwh=self.ask_ueur_kwh[first:end],
            bid_ueur_kwh=self.bid_ueur_kwh[first:end],
            pv_mwh=self.pv_mwh[first:end],
            load_mwh=tuple(home[first:end] for home in self.load_mwh),
            ev_sessions=tuple(
                replace(session, first_slot=session.first_slot - first, end_slot=session.end_slot - first)
                for session in self.ev_sessions
                if first <= session.first_slot and session.end_slot <= end
            ),
            washer_jobs=tuple(
                replace(job, ready_slot=job.ready_slot - first, end_by_slot=job.end_by_slot - first)
                for job in self.washer_jobs
                if first <= job.ready_slot and job.end_by_slot <= end
            ),
            known_users=self.ev_users,
            reference=None,
        )

    def without(self, kinds: Collection[Kind]) -> Scenario:
        """The same building with some kinds of appliance left out; homes stay parties.

        The reference stays unless something that it counts was left out; it knows no freezers. Raises ScenarioError for a kind
        that no building can do without.
        """
        for kind in kinds:
            if kind not in CAN_BE_LEFT_OUT:
                known = ", ".join(sorted(CAN_BE_LEFT_OUT))
                raise ScenarioError(self.file, "", f"{kind} cannot be left out; these can: {known}")
        absent = self.absent | frozenset(kinds)
        return replace(
            self,
            pv_mwh=(0,) * self.slots if Kind.SOLAR in absent else self.pv_mwh,
            load_mwh=((0,) * self.slots,) * self.homes if Kind.BASE_LOAD in absent else self.load_mwh,
            battery=None if Kind.BATTERY in absent else self.battery,
            ev_sessions=() if Kind.EV in absent else self.ev_sessions,
            known_users=() if Kind.EV in absent else self.known_users,
            washer_jobs=() if Kind.WASHER in absent else self.washer_jobs,
            reference=self.reference if frozenset(kinds) <= {Kind.FREEZER} | self.absent else None,
            absent=absent,
        )


def window_slots(file: str, slots: int, slot_duration_s: int, start_day: int, days: int | None) -> tuple[int, int]:
    """(first slot, end slot) of some days, counted from the scenario's start. Raises ScenarioError outside of it."""
    per_day = DAY_S // slot_duration_s
    first = start_day * per_day
    end = slots if days is None else first + days * per_day
    if not 0 <= first < end <= slots:
        asked = "all" if days is None else days
        raise ScenarioError(file, "", f"it covers {slots / per_day:g} days; asked for {asked} from day {start_day} on")
    return first, end
