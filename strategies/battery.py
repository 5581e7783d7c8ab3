"""The battery: three ways to open (programme, middle, floor) and one way to follow what was traded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.vocabulary import Decision, Order, Position, Setpoint
from strategies.facts import StorageFacts
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class BatteryRules:
    """The owner's rules.

    `opening`: "programme" bids a curve from a dynamic programme (the default), "middle" the middle of the utility's ask and
    bid, "floor" open bids from just above the utility's bid, outbidding rivals by a tick up to the threshold of profitability.
    `threshold_ueur_kwh`: the threshold for "floor", None: from the prices of the last days, efficiency and wear.
    """

    storage: StorageFacts
    opening: Literal["programme", "middle", "floor"] = "programme"
    balance: bool = True
    """Balance on the live power at the grid connection, where there is a meter for it."""
    threshold_ueur_kwh: int | None = None


@dataclass(frozen=True, slots=True)
class BatterySnapshot:
    """`power_w` is the own power now (charging positive), `grid_power_w` the building's net power now including the own one
    (import positive), None without a meter at the grid connection."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    stored_wh: int
    power_w: int
    grid_power_w: int | None


def bid(seen: BatterySnapshot, rules: BatteryRules) -> Decision: ...


def steer(seen: BatterySnapshot, rules: BatteryRules) -> Setpoint: ...
