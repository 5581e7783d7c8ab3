"""The meter at the grid connection: it reports, and neither trades nor steers. Slots settle on what it says."""

from __future__ import annotations

from agent.appliances.base import Appliance, Drivers, Seen
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint

_REASON = "A meter measures; it neither trades nor switches anything."


class GridMeter(Appliance[Reading]):
    """The state of a meter is its reading."""

    trades = False

    def __init__(self, drivers: Drivers, rules: object, is_passive: bool) -> None:
        super().__init__(drivers)

    async def look(self, reading: Reading) -> Reading:
        return reading

    def wants(self, state: Reading) -> Wants:
        return NO_MARKET

    def bid(self, state: Reading, seen: Seen) -> Decision:
        return Decision((), (), _REASON)

    def steer(self, state: Reading, seen: Seen) -> Setpoint:
        return Setpoint(None, _REASON)
