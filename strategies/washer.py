"""A washer (dryer, dishwasher): the cheapest window before the deadline, and never interrupted once started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.vocabulary import Decision, Order, Position, Setpoint
from strategies.facts import StorageFacts
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class WasherRules:
    """The resident's rules. `opening` "open" bids in the open, one tick above the rival; "call" its limit in the call.

    `wait`: False starts a wash as soon as it is ready, whatever the price.
    """

    nameplate_w: int = 2_500
    opening: Literal["call", "open"] = "call"
    wait: bool = True
    storage: StorageFacts | None = None
    """The society's battery, for the price forecast; None: price history alone."""


@dataclass(frozen=True, slots=True)
class Wash:
    """A wash that waits or runs. `slot_energy_wh` is its energy per slot from its start on."""

    ready_s: int
    end_by_s: int
    slot_energy_wh: tuple[int, ...]
    started_s: int | None


@dataclass(frozen=True, slots=True)
class WasherSnapshot:
    """`wash` is None when the machine is empty or done; `storage_wh` as in `EvSnapshot`."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    wash: Wash | None
    storage_wh: int | None = None


def bid(seen: WasherSnapshot, rules: WasherRules) -> Decision: ...


def steer(seen: WasherSnapshot, rules: WasherRules) -> Setpoint:
    """Power above 0 means: start the wash now; 0: do not start it; None: nothing to start or it runs by itself."""
    ...
