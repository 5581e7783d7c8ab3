"""What every strategy sees of the market: one frozen snapshot, verified by the light client before it gets here."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Book, OpenEntry, Order, Position, Side, SlotPrice, StandingOrder, Tariff


@dataclass(frozen=True, slots=True)
class Quote:
    """One book that can still be traded in (its gate lies ahead), with what is ours in it."""

    book: Book
    position: Position
    standing: tuple[StandingOrder, ...]

    @property
    def slot_s(self) -> int:
        return self.book.slot_s


@dataclass(frozen=True, slots=True)
class MarketView:
    """The market as one device knows it.

    `quotes`: books ahead that were fetched and proven, ascending; with no ledger empty. The first is the next gate's.
    `tariffs`: from the current slot on, ascending and without holes as far as they are proven (last known when offline).
    `history`: past slots, ascending, up to 8 days; may have holes and may lag by some slots.
    """

    now_s: int
    duration_s: int
    gate_lead_s: int
    quotes: tuple[Quote, ...]
    tariffs: tuple[Tariff, ...]
    history: tuple[SlotPrice, ...]

    @property
    def current_slot_s(self) -> int:
        return self.now_s - self.now_s % self.duration_s

    @property
    def current_tariff(self) -> Tariff | None:
        """The tariff of the slot that runs now; offline the last one known; None when there never was one."""
        current = [tariff for tariff in self.tariffs if tariff.slot_s <= self.current_slot_s]
        return current[-1] if current else (self.tariffs[0] if self.tariffs else None)


def rivals(quote: Quote, side: Side) -> tuple[OpenEntry, ...]:
    """Other devices' open orders on one side of a book, best first."""
    own = {order.order_id for order in quote.standing}
    return tuple(entry for entry in quote.book.open_entries if entry.side == side and entry.order_id not in own)


def in_slot_wh(power_w: int, duration_s: int) -> int:
    """Energy of a constant power over one slot, rounded towards zero."""
    return abs(power_w) * duration_s // 3600 * (1 if power_w >= 0 else -1)


def power_for(energy_wh: int, duration_s: int) -> int:
    """The constant power that makes this energy in `duration_s`, rounded towards zero."""
    return abs(energy_wh) * 3600 // duration_s * (1 if energy_wh >= 0 else -1)


def at_tariff(leftover: tuple[Order, ...], tariff: Tariff | None) -> int:
    """Net energy that may be carried out at the meter: what the call left of buys at the ask minus that of sells at the bid."""
    if tariff is None:
        return 0
    bought = sum(o.energy_wh for o in leftover if o.side == Side.BUY and o.limit_ueur_kwh >= tariff.ask_ueur_kwh)
    sold = sum(o.energy_wh for o in leftover if o.side == Side.SELL and o.limit_ueur_kwh <= tariff.bid_ueur_kwh)
    return bought - sold
