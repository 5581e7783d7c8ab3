"""A home's base load: measured by its sub-meter, bought at whatever the market asks, never steered."""

from __future__ import annotations

from agent.appliances.base import Appliance, Drivers, Seen
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from strategies import base_load, passive
from strategies.base_load import BaseLoadRules, BaseLoadSnapshot


class BaseLoad(Appliance[Reading]):
    """The state of a base load is its reading."""

    def __init__(self, drivers: Drivers, rules: BaseLoadRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._rules = rules
        self._is_passive = is_passive

    async def look(self, reading: Reading) -> Reading:
        return reading

    def wants(self, state: Reading) -> Wants:
        return NO_MARKET if self._is_passive else Wants()

    def bid(self, state: Reading, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return base_load.bid(self._snapshot(state, seen), self._rules)

    def steer(self, state: Reading, seen: Seen) -> Setpoint:
        return base_load.steer(self._snapshot(state, seen), self._rules)

    def _snapshot(self, state: Reading, seen: Seen) -> BaseLoadSnapshot:
        return BaseLoadSnapshot(seen.market, seen.position_now, seen.leftover_now, state.power_w, seen.own_history)
