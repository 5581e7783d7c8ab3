"""Small markets of 1-minute slots with several books in sight, for open trading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.vocabulary import Book, Mode, OpenEntry, Order, Position, Side, StandingOrder, Tariff
from strategies.view import MarketView, Quote

SLOT_S, GATE_LEAD_S = 60, 60
NOW_S = 1_781_935_200 + 30
FIRST_S = NOW_S + 90
"""The slot whose gate is next, half a minute ahead."""
ASK, BID = 90_000, 70_000


def slot_s(place: int) -> int:
    return FIRST_S + place * SLOT_S


def entry(side: Side, limit: int, wh: int, name: bytes = b"rival") -> OpenEntry:
    return OpenEntry(name, side, limit, wh, all_or_nothing=False)


def own(place: int, side: Side, limit: int, wh: int) -> StandingOrder:
    return StandingOrder(b"own", Order(slot_s(place), side, wh, limit, Mode.OPEN), wh)


def quote(
    place: int,
    entries: Sequence[OpenEntry] = (),
    *,
    net_wh: int = 0,
    standing: Sequence[StandingOrder] = (),
    ask: int = ASK,
) -> Quote:
    """The book of a slot, counted from the next gate's."""
    mine = [OpenEntry(o.order_id, o.order.side, o.order.limit_ueur_kwh, o.remaining_wh, False) for o in standing]
    position = Position(slot_s(place), max(0, net_wh), max(0, -net_wh), ())
    return Quote(Book(Tariff(slot_s(place), ask, BID), (), (), (*mine, *entries)), position, tuple(standing))


def market(quotes: Sequence[Quote], asks: Mapping[int, int] | None = None, slots: int = 120) -> MarketView:
    """`asks`: the utility's ask from some places on; before them `ASK`."""
    steps = sorted((asks or {}).items())
    tariffs = []
    for place in range(-1, slots):
        price = next((ask for first, ask in reversed(steps) if first <= place), ASK)
        tariffs.append(Tariff(slot_s(place), price, min(BID, price)))
    return MarketView(NOW_S, SLOT_S, GATE_LEAD_S, tuple(quotes), tuple(tariffs), ())
