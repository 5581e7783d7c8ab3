"""A washer, dryer or dishwasher with remote start. Once it runs it is left alone."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from agent.appliances.base import Appliance, Command, Drivers, Seen, need
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from drivers.abilities import WashJob, WashProgram
from strategies import passive, washer
from strategies.washer import Wash, WasherRules, WasherSnapshot

HISTORY_EVERY_SLOTS = 4


@dataclass(frozen=True, slots=True)
class WasherState:
    """The wash that waits or runs, if any."""

    job: WashJob | None


class Washer(Appliance[WasherState]):
    """Starts a wash in the slot it was bought for, or when the deadline leaves no other."""

    steers = True

    def __init__(self, drivers: Drivers, rules: WasherRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._machine = need(drivers, WashProgram)
        self._rules = rules
        self._is_passive = is_passive
        self.bids_openly = rules.opening == "open" and not is_passive

    async def look(self, reading: Reading) -> WasherState:
        return WasherState(await self._machine.job())

    def bid(self, state: WasherState, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return washer.bid(_snapshot(state, seen), self._rules)

    def steer(self, state: WasherState, seen: Seen) -> Setpoint:
        if self._is_passive:
            return passive.steer_washer(_snapshot(state, seen), self._rules)
        return washer.steer(_snapshot(state, seen), self._rules)

    def wants(self, state: WasherState) -> Wants:
        if self._is_passive:
            return NO_MARKET
        if state.job is None:
            return Wants()
        quotes = self._rules.gates_ahead if self.bids_openly else 1
        if state.job.started_s is not None:
            return Wants(quotes)
        return Wants(quotes, history_every=HISTORY_EVERY_SLOTS, tariffs=True)

    def situation(self, state: WasherState) -> Hashable:
        return None if state.job is None else (state.job.job_id, state.job.started_s)

    def occasion(self, state: WasherState) -> Hashable:
        return None if state.job is None else state.job.job_id

    def command(self, setpoint: Setpoint, state: WasherState) -> Command | None:
        job = state.job
        if job is None or job.started_s is not None or not setpoint.power_w:
            return None
        return Command(("start", job.job_id), self._machine.start)


def _snapshot(state: WasherState, seen: Seen) -> WasherSnapshot:
    job = state.job
    wash = None if job is None else Wash(job.ready_s, job.end_by_s, job.slot_energy_wh, job.started_s)
    return WasherSnapshot(seen.market, seen.position_now, seen.leftover_now, wash)
