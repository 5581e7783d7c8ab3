"""A freezer behind a relay. With the relay closed its own thermostat rules: that is its safe state."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

from agent.appliances.base import Appliance, Command, Drivers, Seen, need
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from drivers.abilities import Switch, Thermometer
from strategies import freezer, passive
from strategies.freezer import FreezerRules, FreezerSnapshot

HISTORY_EVERY_SLOTS = 4


@dataclass(frozen=True, slots=True)
class FreezerState:
    """`off_since_s` is when the compressor was last seen to stop; None while it runs, or where that was never seen."""

    air_mc: int
    power_w: int
    off_since_s: int | None


class Freezer(Appliance[FreezerState]):
    """Cools when it is cheap, inside its temperature band."""

    steers = True

    def __init__(self, drivers: Drivers, rules: FreezerRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._relay = need(drivers, Switch)
        self._thermometer = need(drivers, Thermometer)
        self._rules = rules
        self._is_passive = is_passive
        self._ran = False
        self._off_since_s: int | None = None

    async def look(self, reading: Reading) -> FreezerState:
        runs = reading.power_w > 0
        if runs:
            self._off_since_s = None
        elif self._ran:
            self._off_since_s = reading.taken_at_s
        self._ran = runs
        return FreezerState(await self._thermometer.temperature_mc(), reading.power_w, self._off_since_s)

    def bid(self, state: FreezerState, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return freezer.bid(_snapshot(state, seen), self._rules)

    def steer(self, state: FreezerState, seen: Seen) -> Setpoint:
        if self._is_passive:
            return passive.steer_freezer(_snapshot(state, seen), self._rules)
        return freezer.steer(_snapshot(state, seen), self._rules)

    def wants(self, state: FreezerState) -> Wants:
        if self._is_passive:
            return NO_MARKET
        quotes = self._rules.gates_ahead if self._rules.buy_ahead else 1
        return Wants(quotes, history_every=HISTORY_EVERY_SLOTS, tariffs=True)

    def situation(self, state: FreezerState) -> Hashable:
        return state.power_w > 0

    def command(self, setpoint: Setpoint, state: FreezerState) -> Command | None:
        return None if setpoint.power_w is None else self._switch(setpoint.power_w > 0)

    def safe_command(self) -> Command | None:
        return self._switch(True)

    def _switch(self, on: bool) -> Command:
        return Command(("relay", on), partial(self._relay.switch, on))


def _snapshot(state: FreezerState, seen: Seen) -> FreezerSnapshot:
    own = state.air_mc, state.power_w, state.off_since_s
    return FreezerSnapshot(seen.market, seen.position_now, seen.leftover_now, *own)
