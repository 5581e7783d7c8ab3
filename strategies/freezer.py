"""The freezer: cools ahead when electricity is cheap, resells by abstaining, and never leaves its temperature band."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Decision, Order, Position, Setpoint
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class FreezerRules:
    """The appliance's physics and the resident's temperature band. Defaults: a common chest freezer."""

    power_w: int = 157
    cop_permille: int = 1_600
    leak_mw_k: int = 1_000
    """Heat that leaks in, milliwatts per kelvin of difference to the room."""
    heat_j_k: int = 65_000
    """Heat capacity, joules per kelvin."""
    room_mc: int = 20_000
    coldest_mc: int = -20_000
    warmest_mc: int = -16_000
    min_off_s: int = 300


@dataclass(frozen=True, slots=True)
class FreezerSnapshot:
    """`air_mc` is the temperature now, `power_w` the power now; `off_since_s` when the compressor was last switched off, None
    while it runs or when that is unknown."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    air_mc: int
    power_w: int
    off_since_s: int | None


def bid(seen: FreezerSnapshot, rules: FreezerRules) -> Decision: ...


def steer(seen: FreezerSnapshot, rules: FreezerRules) -> Setpoint:
    """Power above 0: compressor on; 0: off. `until_s` tells when to ask again, at most a minute away near a limit."""
