"""A solar array: offers what it expects to produce and no more, and takes any price above its owner's floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.vocabulary import Decision, Order, Position, Setpoint, SlotEnergy
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class SolarRules:
    """The owner's limits.

    `opening`: "call" offers the forecast in the call at the floor; "open" posts an open ask, looks for the highest open bid
    and takes it within `accept_lead_s` before the gate, so that a late better bid wins.
    """

    nameplate_w: int
    floor_ueur_kwh: int = 0
    """Never below this price: rather curtail. Any price above the utility's bid beats feeding in."""
    full_cost_ueur_kwh: int = 60_000
    """Investment and operation per kWh: asked first by an open array while others bid."""
    opening: Literal["call", "open"] = "call"
    accept_lead_s: int = 45


@dataclass(frozen=True, slots=True)
class SolarSnapshot:
    """`power_w` is the power now (feeding in is negative); `own_history` the own metered slots, ascending, up to 8 days."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    power_w: int
    own_history: tuple[SlotEnergy, ...]


def bid(seen: SolarSnapshot, rules: SolarRules) -> Decision: ...


def steer(seen: SolarSnapshot, rules: SolarRules) -> Setpoint: ...
