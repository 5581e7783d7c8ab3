"""The cases of strategies/battery.md."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vocabulary import TICK_UEUR_KWH, Mode, Order, Side
from strategies.battery import BatteryRules, BatterySnapshot, Reach, bid, curve, steer
from strategies.facts import StorageFacts
from strategies.view import MarketView
from tests.strategies.markets import (
    ASK,
    BID,
    NOW_SLOT_S,
    bought_wh,
    entry,
    market,
    position,
    price_lines,
    quote,
    sold_wh,
    steering,
)

STORAGE = StorageFacts(60_000, 20_000, 20_000)
RULES = BatteryRules(STORAGE)
MIDDLE = replace(RULES, opening="middle")
FLOOR = replace(RULES, opening="floor", threshold_ueur_kwh=90_000)
ALL_RULES = (RULES, MIDDLE, FLOOR)

sunny_days = price_lines(([2_000] * 32 + [-6_000] * 32 + [3_000] * 32) * 7, call=80_000)


def seen(stored_wh: int, view: MarketView | None = None, power_w: int = 0, grid_w: int | None = None) -> BatterySnapshot:
    return BatterySnapshot(view or market(history=sunny_days), None, (), stored_wh, power_w, grid_w)


def steered(view: MarketView, bought: int, sold: int, leftover: tuple[Order, ...], grid_w: int | None) -> BatterySnapshot:
    return BatterySnapshot(view, position(bought, sold, slot_s=NOW_SLOT_S), leftover, 30_000, 0, grid_w)


def rest(side: Side, wh: int, limit: int) -> Order:
    return Order(NOW_SLOT_S, side, wh, limit)


def test_truthful_limits_include_the_losses() -> None:
    orders = curve(quote(), STORAGE, Reach(30_000, 5_000, 5_000), [120_000] * 20)
    assert [(o.side, o.limit_ueur_kwh) for o in orders] == [(Side.BUY, 114_000), (Side.SELL, 126_315)]


def test_worth_above_the_ask_buys_at_the_ask_and_below_the_bid_sells_at_the_bid() -> None:
    rich = curve(quote(), STORAGE, Reach(30_000, 5_000, 5_000), [200_000] * 20)
    poor = curve(quote(), STORAGE, Reach(30_000, 5_000, 5_000), [20_000] * 20)
    assert [(o.side, o.energy_wh, o.limit_ueur_kwh) for o in rich] == [(Side.BUY, 5_000, ASK)]
    assert [(o.side, o.energy_wh, o.limit_ueur_kwh) for o in poor] == [(Side.SELL, 5_000, BID)]


def test_the_middle_rule_buys_at_the_middle_and_sells_a_tick_above() -> None:
    buy, sell = bid(seen(30_000), MIDDLE).orders
    assert (buy.limit_ueur_kwh, sell.limit_ueur_kwh) == (85_000, 85_000 + TICK_UEUR_KWH)
    assert (buy.energy_wh, sell.energy_wh) == (5_000, 5_000)


def offered(*bids: int) -> MarketView:
    buys = [entry(Side.BUY, limit, 1_000, name=b"b%d" % limit) for limit in sorted(bids, reverse=True)]
    return market(quotes=(quote(open_entries=[entry(Side.SELL, BID + 1, 3_000, name=b"array"), *buys]),))


@pytest.mark.parametrize(
    ("bids", "expected"), [((), BID + TICK_UEUR_KWH), ((50_000,), 51_000), ((89_500,), 90_000), ((120_000,), 90_000)]
)
def test_the_floor_rule_outbids_by_a_tick_up_to_its_threshold(bids: tuple[int, ...], expected: int) -> None:
    (order,) = bid(seen(30_000, offered(*bids)), FLOOR).orders
    assert (order.side, order.limit_ueur_kwh, order.mode) == (Side.BUY, expected, Mode.OPEN)


def test_the_floor_rule_sells_above_its_threshold_when_nobody_offers() -> None:
    (order,) = bid(seen(30_000, market()), FLOOR).orders
    assert order.side == Side.SELL
    assert order.limit_ueur_kwh > 90_000


def test_the_floor_rule_waits_when_its_threshold_is_below_what_the_utility_pays() -> None:
    decision = bid(seen(30_000, offered()), replace(FLOOR, threshold_ueur_kwh=30_000))
    assert decision.orders == ()
    assert "waits" in decision.reason


def test_the_reason_of_the_floor_rule_names_trend_and_threshold() -> None:
    view = replace(offered(), history=sunny_days)
    reason = bid(seen(30_000, view), FLOOR).reason
    assert "Prices are" in reason
    assert "9.0 ct" in reason


@pytest.mark.parametrize("rules", ALL_RULES)
def test_full_it_buys_nothing_and_empty_it_sells_nothing(rules: BatteryRules) -> None:
    assert bought_wh(bid(seen(60_000, offered()), rules).orders) == 0
    assert sold_wh(bid(seen(0, market()), rules).orders) == 0


@pytest.mark.parametrize("rules", ALL_RULES)
def test_without_a_market_it_orders_nothing(rules: BatteryRules) -> None:
    decision = bid(seen(30_000, market(quotes=())), rules)
    assert decision.orders == ()
    assert decision.reason


def test_what_is_traded_already_counts_against_the_power() -> None:
    orders = bid(seen(30_000, market(quotes=(quote(bought=4_000),))), MIDDLE).orders
    assert bought_wh(orders) == 1_000
    assert sold_wh(orders) == 9_000


def test_without_a_proven_position_it_keeps_the_surplus_for_the_building() -> None:
    blind = BatterySnapshot(steering(), None, (), 30_000, 1_000, -4_000)
    assert steer(blind, RULES).power_w == 5_000
    assert steer(replace(blind, grid_power_w=None), RULES).power_w == 0


def test_it_delivers_its_position_and_what_was_left_over_at_the_tariff() -> None:
    leftover = (rest(Side.BUY, 500, ASK), rest(Side.BUY, 800, ASK - 1))
    assert steer(steered(steering(), 1_000, 0, leftover, None), RULES).power_w == 6_000
    assert steer(steered(steering(), 1_000, 0, leftover, -9_000), replace(RULES, balance=False)).power_w == 6_000


def test_balancing_offsets_the_building_within_what_was_left_over() -> None:
    leftover = (rest(Side.SELL, 500, 120_000), rest(Side.BUY, 250, 80_000))
    assert steer(steered(steering(), 0, 0, leftover, 1_500), RULES).power_w == -1_500
    assert steer(steered(steering(), 0, 0, leftover, 9_000), RULES).power_w == -2_000
    assert steer(steered(steering(), 0, 0, leftover, -9_000), RULES).power_w == 1_000
    assert steer(steered(steering(), 0, 0, (), 9_000), RULES).power_w == 0


def test_balancing_comes_before_the_tariff_and_does_not_count_twice() -> None:
    leftover = (rest(Side.SELL, 1_000, BID),)
    assert steer(steered(steering(), 0, 0, leftover, 1_000), RULES).power_w == -4_000


charges = st.integers(0, 60_000)
nets = st.lists(st.integers(-15_000, 15_000), max_size=200)


@settings(max_examples=60, deadline=None)
@given(first=charges, second=charges, nets=nets, rules=st.sampled_from((RULES, MIDDLE)), price=st.integers(BID, ASK))
def test_a_fuller_battery_never_bids_more_for_the_same_slot(
    first: int, second: int, nets: list[int], rules: BatteryRules, price: int
) -> None:
    view = market(history=price_lines(nets, call=70_000))
    emptier, fuller = (bid(seen(stored, view), rules).orders for stored in sorted((first, second)))
    tolerance_wh = 4  # each of the orders rounds its energy down
    assert bought_wh(fuller, price) <= bought_wh(emptier, price) + tolerance_wh
    assert sold_wh(fuller, price) >= sold_wh(emptier, price) - tolerance_wh


@settings(max_examples=60, deadline=None)
@given(
    stored=charges,
    nets=nets,
    rules=st.sampled_from(ALL_RULES),
    power_w=st.integers(-20_000, 20_000),
    asks=st.lists(st.integers(-300_000, 800_000), min_size=96, max_size=96),
)
def test_orders_are_lawful_under_any_prices(
    stored: int, nets: list[int], rules: BatteryRules, power_w: int, asks: list[int]
) -> None:
    view = market(history=price_lines(nets, call=70_000), asks=asks)
    decision = bid(seen(stored, view, power_w, 3_000), rules)
    assert decision.reason
    assert len(decision.orders) <= 8
    assert bought_wh(decision.orders, -(10**9)) <= 5_000
    assert sold_wh(decision.orders) <= 5_000
    book = view.quotes[0].book.tariff
    assert all(book.bid_ueur_kwh <= o.limit_ueur_kwh <= book.ask_ueur_kwh and o.energy_wh > 0 for o in decision.orders)
    buys = [o.limit_ueur_kwh for o in decision.orders if o.side == Side.BUY]
    sells = [o.limit_ueur_kwh for o in decision.orders if o.side == Side.SELL]
    assert not buys or not sells or max(buys) < min(sells) or book.ask_ueur_kwh == book.bid_ueur_kwh
    assert decision == bid(seen(stored, view, power_w, 3_000), rules)


@given(rivals=st.lists(st.integers(BID, ASK), max_size=5), threshold=st.integers(BID + 1, ASK))
def test_it_never_bids_above_its_threshold(rivals: list[int], threshold: int) -> None:
    orders = bid(seen(30_000, offered(*rivals)), replace(FLOOR, threshold_ueur_kwh=threshold)).orders
    assert all(order.limit_ueur_kwh <= threshold for order in orders if order.side == Side.BUY)


@given(
    bought=st.integers(0, 5_000),
    left_buy=st.integers(0, 5_000),
    left_sell=st.integers(0, 5_000),
    grid_w=st.integers(-80_000, 80_000),
)
def test_balancing_never_leaves_what_was_left_over(bought: int, left_buy: int, left_sell: int, grid_w: int) -> None:
    leftover = (rest(Side.BUY, left_buy, 80_000), rest(Side.SELL, left_sell, 90_000))
    power_w = steer(steered(steering(), bought, 0, leftover, grid_w), RULES).power_w
    assert power_w is not None
    assert -20_000 <= power_w <= 20_000
    assert min(20_000, bought * 4) - left_sell * 4 <= power_w <= bought * 4 + left_buy * 4
