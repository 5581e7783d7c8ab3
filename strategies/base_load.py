"""The household's base load: nothing to steer, so it buys what it will use at whatever the market asks.

It never shades: bidding below the utility's ask saves cents at best and costs the ask when the call passes it by.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Decision, Order, Position, Setpoint, SlotEnergy
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class BaseLoadRules:
    """Nothing for the resident to set but how much the sub-meter can carry."""

    nameplate_w: int = 25_000


@dataclass(frozen=True, slots=True)
class BaseLoadSnapshot:
    """`power_w` is the power now; `own_history` the own metered slots, ascending, up to 8 days, holes allowed."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    power_w: int
    own_history: tuple[SlotEnergy, ...]


def bid(seen: BaseLoadSnapshot, rules: BaseLoadRules) -> Decision: ...


def steer(seen: BaseLoadSnapshot, rules: BaseLoadRules) -> Setpoint: ...
