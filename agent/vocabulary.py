"""The words that all folders share: frozen dataclasses and enumerations, no behaviour beyond arithmetic on themselves.

This module imports nothing of ours. Rules that hold for every name below:

* Integers everywhere. A number carries its unit in its name: `_s` Unix seconds UTC, `_ns` nanoseconds, `_wh` watt-hours,
  `_w` watts, `_ueur` millionths of a euro, `_ueur_kwh` millionths of a euro per kWh, `_mc` thousandths of a degree Celsius.
* Power is positive from the grid into the appliance: a solar array reads negative, a discharging battery too.
* A *slot* is a delivery period, aligned to UTC and named by the Unix second of its start (`slot_s`).
* `price_ueur_kwh * energy_wh // 1000` is an amount in ueur, computed once and booked on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Protocol

TICK_UEUR_KWH = 1_000
"""The step by which strategies outbid one another; a limit may be any integer."""


class Kind(StrEnum):
    """What a device is. The kind chooses its strategy and its adapter; the ledger treats all kinds alike."""

    SOLAR = "solar"
    BATTERY = "battery"
    WASHER = "washer"
    EV = "ev"
    FREEZER = "freezer"
    BASE_LOAD = "base_load"
    GRID_METER = "grid_meter"
    UTILITY = "utility"


class Side(IntEnum):
    """Side of an order, as it stands on the wire."""

    BUY = 1
    SELL = 2


class Mode(IntEnum):
    """How an order trades: CALL waits for the call at the gate; OPEN may be accepted until the gate, then joins the call."""

    CALL = 0
    OPEN = 1


@dataclass(frozen=True, slots=True)
class Tariff:
    """The utility's standing offer for one slot: it sells at the ask and buys at the bid, bid <= ask."""

    slot_s: int
    ask_ueur_kwh: int
    bid_ueur_kwh: int


@dataclass(frozen=True, slots=True)
class Order:
    """What a strategy wants to stand in the book of a slot."""

    slot_s: int
    side: Side
    energy_wh: int
    limit_ueur_kwh: int
    mode: Mode = Mode.CALL
    all_or_nothing: bool = False


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An own order that the ledger has, or that is on its way there."""

    order_id: bytes
    order: Order
    remaining_wh: int


@dataclass(frozen=True, slots=True)
class Accept:
    """The wish to take a named open order of somebody else, wholly or in part."""

    slot_s: int
    order_id: bytes
    energy_wh: int


@dataclass(frozen=True, slots=True)
class Level:
    """Call orders of one side at one price, added up."""

    limit_ueur_kwh: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class OpenEntry:
    """One open order in a book."""

    order_id: bytes
    side: Side
    limit_ueur_kwh: int
    remaining_wh: int
    all_or_nothing: bool


@dataclass(frozen=True, slots=True)
class Book:
    """The proven book of one slot. Levels and open entries stand best first (buys dearest, sells cheapest)."""

    tariff: Tariff
    buys: tuple[Level, ...]
    sells: tuple[Level, ...]
    open_entries: tuple[OpenEntry, ...]

    @property
    def slot_s(self) -> int:
        return self.tariff.slot_s


@dataclass(frozen=True, slots=True)
class SlotPrice:
    """One line of the price history. `call_ueur_kwh` is None where nothing was matched."""

    slot_s: int
    ask_ueur_kwh: int
    bid_ueur_kwh: int
    call_ueur_kwh: int | None
    traded_wh: int
    net_load_wh: int | None
    """Metered net import of the building without its storage devices; None until the slot has settled."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One match of one device in one slot: bought or sold `energy_wh` at `price_ueur_kwh`."""

    side: Side
    energy_wh: int
    price_ueur_kwh: int


@dataclass(frozen=True, slots=True)
class Position:
    """What a device has traded for a slot. `net_wh` is bought minus sold."""

    slot_s: int
    bought_wh: int
    sold_wh: int
    receipts: tuple[Receipt, ...]

    @property
    def net_wh(self) -> int:
        return self.bought_wh - self.sold_wh


@dataclass(frozen=True, slots=True)
class Reading:
    """What one appliance did at one instant. The registers count since the meter was fitted and never decrease."""

    taken_at_s: int
    power_w: int
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class SlotEnergy:
    """The cumulative registers of a device at both ends of a slot."""

    slot_s: int
    import_start_wh: int
    export_start_wh: int
    import_end_wh: int
    export_end_wh: int

    @property
    def net_wh(self) -> int:
        """Imported minus exported energy within the slot."""
        return (self.import_end_wh - self.import_start_wh) - (self.export_end_wh - self.export_start_wh)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy decided: the orders that shall stand for the slots it names, what to accept, and why.

    `orders` replaces all that stands for the slots in `slots`; slots not named there are left alone.
    `reason` is a sentence that a resident can read; it is never empty, also when nothing is wanted.
    """

    slots: tuple[int, ...]
    orders: tuple[Order, ...]
    reason: str
    accepts: tuple[Accept, ...] = ()


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What an appliance shall do now, and why.

    `power_w` is the target power (positive: grid into appliance; for a switched load any value above 0 means on; for a
    solar array the most it may feed in, as a negative number). None leaves the appliance to itself.
    `until_s` is when the strategy wants to be asked again at the latest, None: at the next slot or event.
    """

    power_w: int | None
    reason: str
    until_s: int | None = None


Sign = Callable[[bytes], bytes]
"""Signs a payload with the identity key: ES256, raw r||s, 64 bytes, low s."""


class Clock(Protocol):
    """Where the time comes from. Cores never read a clock; shells are given one."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""

    def monotonic_ns(self) -> int:
        """Nanoseconds since an arbitrary start; never goes back."""


def amount_ueur(price_ueur_kwh: int, energy_wh: int) -> int:
    """The amount of a trade in ueur, rounded down once (design: computed once and booked on both sides)."""
    return price_ueur_kwh * energy_wh // 1000
