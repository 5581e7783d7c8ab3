"""Small markets for the strategies' tests: one quote ahead, flat or given prices, no network and no ledger."""

from __future__ import annotations

from collections.abc import Sequence

from agent.vocabulary import Book, OpenEntry, Order, Position, Side, SlotEnergy, SlotPrice, StandingOrder, Tariff
from strategies.view import MarketView, Quote

SLOT_S = 900
DAY_SLOTS = 96
NOW_SLOT_S = 1_613_345_400 + 6 * 3600
"""The slot that runs while bids are made; the next one is up for trading."""
NEXT_SLOT_S = NOW_SLOT_S + SLOT_S
ASK, BID = 130_000, 40_000


def tariff(slot_s: int = NEXT_SLOT_S, ask: int = ASK, bid: int = BID) -> Tariff:
    return Tariff(slot_s, ask, bid)


def position(bought: int = 0, sold: int = 0, slot_s: int = NEXT_SLOT_S) -> Position:
    return Position(slot_s, bought, sold, ())


def quote(
    *,
    ask: int = ASK,
    bid: int = BID,
    bought: int = 0,
    sold: int = 0,
    open_entries: Sequence[OpenEntry] = (),
    standing: Sequence[StandingOrder] = (),
) -> Quote:
    return Quote(Book(tariff(ask=ask, bid=bid), (), (), tuple(open_entries)), position(bought, sold), tuple(standing))


def entry(side: Side, limit: int, wh: int, name: bytes = b"rival", all_or_nothing: bool = False) -> OpenEntry:
    return OpenEntry(name, side, limit, wh, all_or_nothing)


def market(
    *,
    now_s: int = NEXT_SLOT_S - 90,
    quotes: Sequence[Quote] | None = None,
    asks: Sequence[int] = (ASK,) * DAY_SLOTS,
    bids: Sequence[int] | None = None,
    history: Sequence[SlotPrice] = (),
) -> MarketView:
    """A market whose tariffs start with the slot that runs. `asks[1]` is the next slot's."""
    bids = bids if bids is not None else [min(BID, ask) for ask in asks]
    tariffs = tuple(Tariff(NOW_SLOT_S + i * SLOT_S, ask, bid) for i, (ask, bid) in enumerate(zip(asks, bids, strict=True)))
    if quotes is None:
        quotes = (quote(ask=asks[1], bid=bids[1]),)
    return MarketView(now_s, SLOT_S, 60, tuple(quotes), tariffs, tuple(history))


def steering(now_s: int = NOW_SLOT_S, asks: Sequence[int] = (ASK,) * DAY_SLOTS) -> MarketView:
    """The market at a slot's start, when orders are not the question."""
    return market(now_s=now_s, quotes=(), asks=asks)


def own_slots(net_wh: Sequence[int], end_s: int = NOW_SLOT_S) -> tuple[SlotEnergy, ...]:
    """A meter's history that ends at `end_s`."""
    slots = []
    imported = exported = 0
    for index, wh in enumerate(net_wh):
        after = imported + max(0, wh), exported + max(0, -wh)
        slots.append(SlotEnergy(end_s - (len(net_wh) - index) * SLOT_S, imported, exported, *after))
        imported, exported = after
    return tuple(slots)


def price_lines(net_wh: Sequence[int], call: int | None = None, end_s: int = NOW_SLOT_S) -> tuple[SlotPrice, ...]:
    start_s = end_s - len(net_wh) * SLOT_S
    return tuple(SlotPrice(start_s + i * SLOT_S, ASK, BID, call, 1000, wh) for i, wh in enumerate(net_wh))


def bought_wh(orders: Sequence[Order], at_or_above: int = 0) -> int:
    """What the buys would take at a price: the demand curve at one point."""
    return sum(o.energy_wh for o in orders if o.side == Side.BUY and o.limit_ueur_kwh >= at_or_above)


def sold_wh(orders: Sequence[Order], at_or_below: int = 10**9) -> int:
    return sum(o.energy_wh for o in orders if o.side == Side.SELL and o.limit_ueur_kwh <= at_or_below)
