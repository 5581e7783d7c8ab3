"""Which keys a wake asks for, and the view that their answers make."""

from __future__ import annotations

from agent.trade.market import NO_MARKET, MarketDesk, Wants
from agent.trade.orders import Change, OwnOrders
from agent.trade.timetable import Timetable
from agent.vocabulary import Book, Level, Mode, Order, Receipt, Side, SlotPrice, Tariff
from lightclient import keys
from lightclient.messages import PlaceOrder
from lightclient.proving import Proven
from lightclient.values import BookRecord, BookStatus, PositionRecord, TariffRecord, encode_history

D = 900
T0 = 1_772_323_200
DAY = 86_400
ME = b"m" * 20
NOW = T0 + 810


def desk() -> MarketDesk:
    return MarketDesk(ME, Timetable(D, 60))


def proven(key: bytes, value: bytes | None) -> Proven:
    return Proven(key, value, 10, NOW * 10**9)


def book(slot_s: int, ask: int = 200, status: BookStatus = BookStatus.OPEN) -> Proven:
    record = BookRecord(status, Book(Tariff(slot_s, ask, 50), (Level(150, 10),), (), ()), None, 0)
    return proven(keys.book(slot_s), record.encode())


def tariff(slot_s: int, source: int = 1) -> Proven:
    return proven(keys.tariff(slot_s), TariffRecord(200, 50, source).encode())


def test_a_device_that_does_not_trade_asks_for_nothing() -> None:
    assert desk().keys(NO_MARKET, OwnOrders(), NOW) == []


def test_the_book_of_the_next_gate_is_asked_for_and_becomes_a_quote() -> None:
    market, own = desk(), OwnOrders()
    assert market.keys(Wants(), own, NOW) == [keys.book(T0 + D)]
    (quote,) = market.take([book(T0 + D)], own, NOW)
    assert quote.slot_s == T0 + D
    assert quote.position.net_wh == 0
    view = market.view(NOW, (quote,))
    assert view.quotes == (quote,)


def test_several_gates_ahead() -> None:
    asked = desk().keys(Wants(quotes=3), OwnOrders(), NOW)
    assert asked == [keys.book(T0 + D), keys.book(T0 + 2 * D), keys.book(T0 + 3 * D)]


def test_a_closed_or_missing_book_is_no_quote() -> None:
    market = desk()
    assert market.take([book(T0 + D, status=BookStatus.CALLED), proven(keys.book(T0 + 2 * D), None)], OwnOrders(), NOW) == ()


def test_with_an_open_order_the_own_position_is_asked_for_too() -> None:
    market, own = desk(), OwnOrders()
    order = Order(T0 + D, Side.SELL, 100, 120, Mode.OPEN)
    own.sent(Change(T0 + D, PlaceOrder(T0 + D, Side.SELL, 100, 120, Mode.OPEN, False), order, None), b"a" * 20, 1)
    assert market.keys(Wants(), own, NOW) == [keys.book(T0 + D), keys.position(ME, T0 + D)]
    record = PositionRecord(T0 + D, (Receipt(Side.SELL, 40, 120),), (), None)
    (quote,) = market.take([book(T0 + D), proven(keys.position(ME, T0 + D), record.encode())], own, NOW)
    assert quote.position.sold_wh == 40
    assert [standing.order for standing in quote.standing] == [order]


def test_one_tariff_is_probed_and_only_if_it_stands_all_those_behind_it() -> None:
    market, own, wants = desk(), OwnOrders(), Wants(tariffs=True)
    assert market.keys(wants, own, NOW)[1:] == [keys.tariff(T0)]
    market.take([proven(keys.tariff(T0), None)], own, NOW)
    assert market.tariff_keys(NOW) == []
    assert market.tariff_keys(NOW + 1_800) == [keys.tariff(T0 + 2 * D)]  # the slot that runs by then
    market.take([tariff(T0 + 2 * D)], own, NOW + 1_800)
    more = market.tariff_keys(NOW + 1_800)
    assert more[0] == keys.tariff(T0 + 3 * D)
    assert len(more) == len(set(more)) == 36 * 4


def test_enough_tariffs_known_ask_for_no_more() -> None:
    market, own = desk(), OwnOrders()
    market.take([tariff(T0 + i * D) for i in range(97)], own, NOW)
    assert market.tariff_keys(NOW) == []
    view = market.view(NOW)
    assert [t.slot_s for t in view.tariffs] == [T0 + i * D for i in range(97)]


def test_the_row_of_tariffs_ends_at_a_hole_and_the_fallback_is_not_kept() -> None:
    market = desk()
    market.take([tariff(T0), tariff(T0 + D), tariff(T0 + 2 * D, source=2), tariff(T0 + 3 * D)], OwnOrders(), NOW)
    assert [t.slot_s for t in market.view(NOW).tariffs] == [T0, T0 + D]


def test_offline_the_last_known_tariff_stays() -> None:
    market = desk()
    market.take([tariff(T0)], OwnOrders(), NOW)
    later = market.view(NOW + 10 * D)
    assert [t.slot_s for t in later.tariffs] == [T0]
    assert later.current_tariff == Tariff(T0, 200, 50)
    assert later.quotes == ()


def test_days_are_asked_for_once_and_the_running_one_every_few_slots() -> None:
    market, own, wants = desk(), OwnOrders(), Wants(history_every=4)
    first = market.keys(wants, own, NOW)[1:]
    assert first == [keys.day_history(T0 + day * DAY) for day in range(-7, 1)]
    lines = (SlotPrice(T0 - D, 200, 50, 120, 10, 3),)
    market.take([proven(key, encode_history(lines) if key == keys.day_history(T0 - DAY) else None) for key in first], own, NOW)
    assert market.view(NOW).history == lines
    assert market.keys(wants, own, NOW + D)[1:] == []
    assert market.keys(wants, own, NOW + 4 * D)[1:] == [keys.day_history(T0)]


def test_yesterday_is_asked_for_again_until_it_has_settled() -> None:
    market, own, wants = desk(), OwnOrders(), Wants(history_every=4)
    unsettled = (SlotPrice(T0 - D, 200, 50, 120, 10, None),)
    asked = market.keys(wants, own, NOW)[1:]
    market.take([proven(k, encode_history(unsettled) if k == keys.day_history(T0 - DAY) else None) for k in asked], own, NOW)
    assert market.keys(wants, own, NOW + 4 * D)[1:] == [keys.day_history(T0 - DAY), keys.day_history(T0)]


def test_old_days_and_tariffs_are_forgotten() -> None:
    market, own = desk(), OwnOrders()
    old = encode_history((SlotPrice(T0 - 7 * DAY, 200, 50, None, 0, 0),))
    market.take([proven(keys.day_history(T0 - 7 * DAY), old), tariff(T0)], own, NOW)
    later = NOW + 3 * DAY
    market.take([proven(keys.day_history(T0 + 3 * DAY), None), tariff(T0 + 3 * DAY)], own, later)
    view = market.view(later)
    assert view.history == ()
    assert [t.slot_s for t in view.tariffs] == [T0 + 3 * DAY]
