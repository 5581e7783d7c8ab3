"""A solar array behind an inverter that can be told to feed in less."""

from __future__ import annotations

from functools import partial

from agent.appliances.base import Appliance, Command, Drivers, Seen, need
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from drivers.abilities import FeedInLimit
from strategies import passive, solar
from strategies.solar import SolarRules, SolarSnapshot


class Solar(Appliance[Reading]):
    """The state of an array is its reading. What it may feed in changes with the slots only."""

    def __init__(self, drivers: Drivers, rules: SolarRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._inverter = need(drivers, FeedInLimit)
        self._rules = rules
        self._is_passive = is_passive
        self.bids_openly = rules.opening == "open" and not is_passive

    async def look(self, reading: Reading) -> Reading:
        return reading

    def wants(self, state: Reading) -> Wants:
        return NO_MARKET if self._is_passive else Wants(self._rules.gates_ahead if self.bids_openly else 1)

    def bid(self, state: Reading, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return solar.bid(self._snapshot(state, seen), self._rules)

    def steer(self, state: Reading, seen: Seen) -> Setpoint:
        if self._is_passive:
            return Setpoint(None, "The array delivers all it produces.")
        return solar.steer(self._snapshot(state, seen), self._rules)

    def command(self, setpoint: Setpoint, state: Reading) -> Command | None:
        limit_w = None if setpoint.power_w is None else max(0, -setpoint.power_w)
        return Command(("feed in", limit_w), partial(self._inverter.limit_feed_in, limit_w))

    def safe_command(self) -> Command | None:
        return Command(("feed in", None), partial(self._inverter.limit_feed_in, None))

    def _snapshot(self, state: Reading, seen: Seen) -> SolarSnapshot:
        return SolarSnapshot(seen.market, seen.position_now, seen.leftover_now, state.power_w, seen.own_history)
