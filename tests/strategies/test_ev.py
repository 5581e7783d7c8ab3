"""The cases of strategies/ev.md, and the departure that is always met."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vocabulary import TICK_UEUR_KWH, Book, Level, Order, Position, Side, StandingOrder, Tariff
from strategies.ev import EvRules, EvSnapshot, PluggedCar, best_ask, bid, steer, worth_now
from strategies.facts import StorageFacts
from strategies.view import MarketView, Quote
from tests.strategies import minutes
from tests.strategies.markets import (
    ASK,
    BID,
    NEXT_SLOT_S,
    NOW_SLOT_S,
    SLOT_S,
    bought_wh,
    market,
    position,
    price_lines,
    quote,
    steering,
)

RULES = EvRules()
PLANNING = replace(RULES, storage=StorageFacts(60_000, 20_000, 20_000))
FULL_SLOT_WH = 1_800


def car(needs_wh: int, slots_left: int, **more: int) -> PluggedCar:
    return PluggedCar(NOW_SLOT_S - 3600, NEXT_SLOT_S + slots_left * SLOT_S, needs_wh, 7_200, **more)


def seen(plugged: PluggedCar | None, view: MarketView | None = None, power_w: int = 0) -> EvSnapshot:
    return EvSnapshot(view or market(), None, (), plugged, power_w)


def falling(*asks: int) -> MarketView:
    """Asks of the slot that runs (not for sale any more) and of the next ones."""
    return market(asks=(ASK, *asks, *(ASK,) * (96 - len(asks))))


def test_no_car_no_orders() -> None:
    assert bid(seen(None), RULES).orders == ()
    assert "No car" in bid(seen(None), RULES).reason


def test_a_car_that_leaves_before_the_slot_gets_nothing() -> None:
    assert bid(seen(car(1_000, 0)), RULES).orders == ()


def test_it_bids_the_dearest_price_that_it_would_otherwise_pay() -> None:
    later = [(12, 1_800), (8, 1_800), (9, 1_800)]
    assert worth_now(3_600, 1_800, later, reserve_wh=0, ask=100) == [(9, 1_800)]
    assert worth_now(1_800, 1_800, later, reserve_wh=0, ask=100) == [(8, 1_800)]


def test_a_part_saves_part_of_a_slot() -> None:
    assert worth_now(2_700, 1_800, [(8, 1_800), (9, 1_800)], reserve_wh=0, ask=100) == [(9, 900), (8, 900)]


def test_what_does_not_fit_later_is_worth_any_price() -> None:
    assert worth_now(3_600, 1_800, [(8, 1_800)], reserve_wh=0, ask=100) == [(100, 1_800)]
    assert worth_now(1_800, 1_800, [(8, 1_800)], reserve_wh=1_800, ask=100) == [(100, 1_800)]


def test_it_waits_for_cheaper_slots_and_says_so() -> None:
    decision = bid(seen(car(1_800, 6), falling(130_000, 130_000, 60_000, 130_000, 130_000, 130_000)), RULES)
    assert [order.limit_ueur_kwh for order in decision.orders] == [60_000]
    assert "cheaper" in decision.reason


def test_it_buys_at_the_ask_when_the_next_slot_is_cheapest() -> None:
    decision = bid(seen(car(1_800, 6), falling(60_000, *(130_000,) * 6)), RULES)
    assert [order.limit_ueur_kwh for order in decision.orders] == [60_000]


def test_what_it_charges_until_the_slot_is_not_bought() -> None:
    (order,) = bid(seen(car(1_000, 1), power_w=7_200), RULES).orders
    assert order.energy_wh == 1_000 - 7_200 * 90 // 3600


def holder(**more: int) -> PluggedCar:
    return car(-10_000, 20, **({"max_discharge_w": 7_200, "stored_wh": 30_000, "capacity_wh": 60_000} | more))


def cheap_morning() -> MarketView:
    return market(asks=(400_000,) * 4 + (100_000,) * 92, quotes=(quote(ask=400_000),))


def test_it_offers_what_it_does_not_need_below_the_best_ask_with_the_figures() -> None:
    decision = bid(seen(holder(), cheap_morning()), RULES)
    (order,) = decision.orders
    assert order.side == Side.SELL
    assert order.limit_ueur_kwh == 400_000 - TICK_UEUR_KWH
    assert order.energy_wh == FULL_SLOT_WH
    for figure in ("30.0 kWh", "20.0 kWh", "40.0 ct", "10.0 ct"):
        assert figure in decision.reason


def test_it_keeps_its_charge_when_buying_back_is_dearer() -> None:
    decision = bid(seen(holder(), market()), RULES)
    assert decision.orders == ()
    assert "keeps" in decision.reason


def test_it_never_sells_what_it_cannot_know_or_is_told_to_keep() -> None:
    assert bid(seen(holder(capacity_wh=0, stored_wh=0), cheap_morning()), RULES).orders == ()
    assert bid(seen(holder(max_discharge_w=0), cheap_morning()), RULES).orders == ()
    assert bid(seen(holder(), cheap_morning()), replace(RULES, sell=False)).orders == ()


def test_it_charges_what_it_bought_and_what_is_left_at_the_ask() -> None:
    bought = replace(seen(car(9_000, 20), steering()), position_now=position(bought=900, slot_s=NOW_SLOT_S))
    assert steer(bought, RULES).power_w == 3_600
    left = bid(seen(car(1_800, 1)), RULES).orders
    assert steer(replace(bought, leftover_now=left), RULES).power_w == 7_200


def test_it_delivers_what_it_sold() -> None:
    sold = replace(seen(holder(), steering()), position_now=position(sold=900, slot_s=NOW_SLOT_S))
    assert steer(sold, RULES).power_w == -3_600


def test_with_nothing_bought_it_waits() -> None:
    idle = replace(seen(car(1_800, 20), steering()), position_now=position(slot_s=NOW_SLOT_S))
    assert steer(idle, RULES).power_w == 0
    assert steer(seen(None, steering()), RULES).power_w == 0


def test_offline_it_charges_in_the_cheapest_slots_of_the_last_tariff() -> None:
    dear_now = steering(asks=(200_000,) * 4 + (100_000,) * 92)
    cheap_now = steering(asks=(100_000,) * 4 + (200_000,) * 92)
    assert steer(seen(car(1_800, 20), dear_now), RULES).power_w == 0
    assert steer(seen(car(1_800, 20), cheap_now), RULES).power_w == 7_200


def test_without_any_tariff_it_charges() -> None:
    assert steer(seen(car(1_800, 20), steering(asks=())), RULES).power_w == 7_200


prices = st.lists(st.integers(-100_000, 900_000), min_size=40, max_size=96)


@settings(max_examples=40, deadline=None)
@given(
    asks=prices,
    slots=st.integers(1, 30),
    share=st.integers(1, 100),
    fills=st.lists(st.integers(0, 100), min_size=31, max_size=31),
    offline=st.booleans(),
)
def test_departure_is_met_under_any_prices_and_any_luck_in_the_call(
    asks: list[int], slots: int, share: int, fills: list[int], offline: bool
) -> None:
    """`fills` says which percentage of the orders the call matches; the rest is carried out only where the ask was bid."""
    needs_wh = slots * FULL_SLOT_WH * share // 100
    departs_s = NOW_SLOT_S + slots * SLOT_S
    now = position(slot_s=NOW_SLOT_S)
    leftover: tuple[Order, ...] = ()
    for index in range(slots):
        slot_s = NOW_SLOT_S + index * SLOT_S
        plugged = PluggedCar(NOW_SLOT_S, departs_s, needs_wh, 7_200)
        snapshot = EvSnapshot(market(now_s=slot_s, quotes=(), asks=asks), None if offline else now, leftover, plugged, 0)
        power_w = steer(snapshot, RULES).power_w or 0
        needs_wh -= min(needs_wh, power_w * SLOT_S // 3600)
        plugged = PluggedCar(NOW_SLOT_S, departs_s, needs_wh, 7_200)
        ahead = quote_at(slot_s + SLOT_S, asks)
        orders = bid(EvSnapshot(replace(market(asks=asks), quotes=(ahead,)), None, (), plugged, 0), RULES).orders
        filled = [order.energy_wh * fills[index] // 100 for order in orders]
        now = Position(slot_s + SLOT_S, sum(filled), 0, ())
        leftover = tuple(replace(o, energy_wh=o.energy_wh - f) for o, f in zip(orders, filled, strict=True) if o.energy_wh > f)
    assert needs_wh <= slots


def quote_at(slot_s: int, asks: list[int]) -> Quote:
    ask = asks[min(len(asks) - 1, (slot_s - NOW_SLOT_S) // SLOT_S)]
    shown = quote(ask=ask, bid=min(ask, BID))
    tariff = replace(shown.book.tariff, slot_s=slot_s)
    return replace(shown, book=replace(shown.book, tariff=tariff), position=position(slot_s=slot_s))


@settings(max_examples=40, deadline=None)
@given(
    needs=st.integers(-20_000, 40_000),
    slots=st.integers(0, 120),
    nets=st.lists(st.integers(-15_000, 15_000), max_size=150),
    asks=prices,
)
def test_orders_are_lawful_and_reasons_never_empty(needs: int, slots: int, nets: list[int], asks: list[int]) -> None:
    view = market(history=price_lines(nets, call=70_000), asks=asks)
    snapshot = seen(car(needs, slots, max_discharge_w=7_200, stored_wh=20_000, capacity_wh=60_000), view)
    decision = bid(snapshot, PLANNING)
    book = view.quotes[0].book.tariff
    assert decision.reason
    assert bought_wh(decision.orders, -(10**9)) <= FULL_SLOT_WH
    assert all(book.bid_ueur_kwh <= o.limit_ueur_kwh <= book.ask_ueur_kwh and o.energy_wh > 0 for o in decision.orders)
    assert decision == bid(snapshot, PLANNING)
    assert steer(snapshot, PLANNING).reason


def parked(stored_wh: int, quotes: list[Quote], power_w: int = 0) -> EvSnapshot:
    """At the plug for two hours of 1-minute slots, with the wish to leave as it came with 20 kWh; prices fall in an hour."""
    leaves_s = minutes.slot_s(120)
    plugged = PluggedCar(minutes.NOW_S, leaves_s, 20_000 - stored_wh, 22_000, 6_000, stored_wh, 40_000)
    return EvSnapshot(minutes.market(quotes, {0: 280_000, 60: 110_000}), None, (), plugged, power_w)


KEEPER = replace(RULES, nameplate_w=22_000, reserve_wh=19_700, gates_ahead=5)


def dear(place: int, net_wh: int = 0) -> Quote:
    return minutes.quote(place, net_wh=net_wh, ask=280_000)


def test_over_several_gates_it_offers_all_that_it_does_not_need() -> None:
    decision = bid(parked(20_000, [dear(place) for place in range(5)]), KEEPER)
    assert [(order.slot_s, order.energy_wh) for order in decision.orders] == [(minutes.slot_s(i), 100) for i in range(3)]
    assert {order.limit_ueur_kwh for order in decision.orders} == {280_000 - TICK_UEUR_KWH}
    for figure in ("20.0 kWh of 40.0 kWh", "needs 0 Wh now and 20.0 kWh", "28.0 ct", "11.0 ct"):
        assert figure in decision.reason


def test_what_it_sold_already_is_not_offered_again() -> None:
    decision = bid(parked(20_000, [dear(0, net_wh=-100), *(dear(place) for place in range(1, 5))]), KEEPER)
    assert sum(order.energy_wh for order in decision.orders) == 200


def test_having_sold_it_buys_back_cheaper_and_not_now() -> None:
    decision = bid(parked(19_700, [dear(place) for place in range(5)]), KEEPER)
    assert all(order.side == Side.BUY and order.limit_ueur_kwh <= 110_000 for order in decision.orders)
    assert decision.slots == tuple(minutes.slot_s(place) for place in range(5))


def test_it_does_not_undercut_itself() -> None:
    own_order = StandingOrder(b"own", Order(minutes.slot_s(0), Side.SELL, 100, 279_000), 100)
    book = Book(Tariff(minutes.slot_s(0), 280_000, minutes.BID), (), (Level(279_000, 100),), ())
    alone = Quote(book, Position(minutes.slot_s(0), 0, 0, ()), (own_order,))
    assert best_ask(alone) == 280_000
    assert best_ask(replace(alone, book=replace(book, sells=(Level(279_000, 150),)))) == 279_000
