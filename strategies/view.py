"""What every strategy sees of the market: one frozen snapshot, verified by the light client before it gets here."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Book, Position, SlotPrice, StandingOrder, Tariff


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
