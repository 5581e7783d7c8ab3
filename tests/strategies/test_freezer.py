"""The cases of strategies/freezer.md, and the band that is never left."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vocabulary import Position, Side
from strategies.cold import LEVELS, worths_of_cold
from strategies.freezer import FreezerRules, FreezerSnapshot, bid, steer, store_of
from strategies.view import MarketView
from tests.strategies.markets import ASK, BID, NOW_SLOT_S, SLOT_S, bought_wh, entry, market, position, quote, steering
from tools.bench.race_world import FreezerPlant

RULES = FreezerRules()
RISING = (ASK,) * 2 + (300_000,) * 94


def seen(air_mc: int, view: MarketView | None = None, power_w: int = 0) -> FreezerSnapshot:
    return FreezerSnapshot(view or market(), None, (), air_mc, power_w, None)


def test_cold_enough_and_no_dearer_later_it_orders_nothing() -> None:
    decision = bid(seen(-18_500), RULES)
    assert decision.orders == ()
    assert "cold enough" in decision.reason


def test_it_buys_at_the_ask_what_it_must_have() -> None:
    orders = bid(seen(-16_500), RULES).orders
    assert orders[0].limit_ueur_kwh == ASK
    assert orders[0].energy_wh >= RULES.power_w * RULES.min_run_s // 3600 - 1


def test_it_cools_ahead_of_a_rise() -> None:
    assert bought_wh(bid(seen(-17_500, market(asks=RISING)), RULES).orders) > bought_wh(bid(seen(-17_500), RULES).orders)


def holding(limit: int, bought: int = 10) -> MarketView:
    return market(quotes=(quote(bought=bought, open_entries=[entry(Side.BUY, limit, 50)]),))


def test_it_abstains_and_resells_what_it_bought_when_offered_more_than_its_worth() -> None:
    decision = bid(seen(-18_500, holding(ASK)), RULES)
    assert [(accept.order_id, accept.energy_wh) for accept in decision.accepts] == [(b"rival", 10)]
    assert "abstains" in decision.reason
    assert "13.0 ct" in decision.reason


def test_it_keeps_what_is_worth_more_and_what_it_needs() -> None:
    assert bid(seen(-18_500, holding(BID)), RULES).accepts == ()
    assert bid(seen(-16_300, holding(ASK)), RULES).accepts == ()
    assert bid(seen(-18_500, holding(ASK, bought=0)), RULES).accepts == ()


def test_it_buys_ahead_only_where_its_owner_wishes() -> None:
    offered = market(quotes=(quote(open_entries=[entry(Side.SELL, BID + 1, 500)]),))
    assert bid(seen(-18_500, offered), RULES).accepts == ()
    (accept,) = bid(seen(-18_500, offered), replace(RULES, buy_ahead=True)).accepts
    assert 0 < accept.energy_wh < 40


def held(air_mc: int, bought: int, power_w: int = 0, now_s: int = NOW_SLOT_S) -> FreezerSnapshot:
    return replace(seen(air_mc, steering(now_s), power_w), position_now=position(bought=bought, slot_s=NOW_SLOT_S))


def test_the_band_rules_over_the_market() -> None:
    assert steer(held(-16_100, 0), RULES).power_w == RULES.power_w
    assert steer(held(-20_000, 39, RULES.power_w), RULES).power_w == 0


def test_it_cools_until_what_it_bought_is_used_up() -> None:
    start = steer(held(-18_000, 13), RULES)
    assert (start.power_w, start.until_s) == (RULES.power_w, NOW_SLOT_S + 13 * 3600 // RULES.power_w)
    assert steer(held(-18_500, 13, RULES.power_w, NOW_SLOT_S + 300), RULES).power_w == 0


def test_it_rests_for_the_minimum_time() -> None:
    resting = replace(held(-16_100, 39), off_since_s=NOW_SLOT_S - 100)
    assert (steer(resting, RULES).power_w, steer(resting, RULES).until_s) == (0, NOW_SLOT_S + 200)


def test_offline_it_is_a_thermostat() -> None:
    assert steer(seen(-18_000, steering(), RULES.power_w), RULES).power_w == RULES.power_w
    assert steer(seen(-18_000, steering()), RULES).power_w == 0


temperatures = st.integers(-20_500, -15_500)
price_lists = st.lists(st.integers(1, 900_000), min_size=96, max_size=96)


@settings(max_examples=80, deadline=None)
@given(first=temperatures, second=temperatures, asks=price_lists, price=st.integers(0, 900_000))
def test_a_warmer_freezer_never_bids_less(first: int, second: int, asks: list[int], price: int) -> None:
    cold, warm = sorted((first, second))
    view = market(asks=asks, bids=[0] * 96)
    colder, warmer = (bid(seen(air_mc, view), RULES).orders for air_mc in (cold, warm))
    assert bought_wh(warmer, price) >= bought_wh(colder, price)


@settings(max_examples=80, deadline=None)
@given(air=temperatures, asks=st.lists(st.integers(-300_000, 900_000), min_size=96, max_size=96))
def test_orders_are_lawful_and_reasons_never_empty(air: int, asks: list[int]) -> None:
    view = market(asks=asks)
    decision = bid(seen(air, view), RULES)
    book = view.quotes[0].book.tariff
    assert decision.reason
    assert bought_wh(decision.orders, -(10**9)) <= RULES.power_w // 4 + 1
    assert all(book.bid_ueur_kwh <= o.limit_ueur_kwh <= book.ask_ueur_kwh for o in decision.orders)
    assert decision == bid(seen(air, view), RULES)


@given(prices=st.lists(st.integers(-300_000, 900_000), max_size=30))
def test_the_worth_of_cold_falls_with_the_cold(prices: list[int]) -> None:
    worths = worths_of_cold(store_of(RULES, SLOT_S), prices)
    assert len(worths) == LEVELS
    assert worths == sorted(worths, reverse=True)


@settings(max_examples=25, deadline=None)
@given(
    bought=st.lists(st.integers(-40, 40), min_size=40, max_size=40), offline=st.booleans(), start_c=st.integers(-1990, -1650)
)
def test_the_band_is_kept_whatever_is_traded(bought: list[int], offline: bool, start_c: int) -> None:
    plant = FreezerPlant(air_c=start_c / 100, warmest_c=start_c / 100, coldest_c=start_c / 100)
    for index, wh in enumerate(bought):
        slot_s = now_s = NOW_SLOT_S + index * SLOT_S
        traded = None if offline else Position(slot_s, max(0, wh), max(0, -wh), ())
        while now_s < slot_s + SLOT_S:
            snapshot = FreezerSnapshot(
                market(now_s=now_s, quotes=()), traded, (), round(plant.air_c * 1000), 157 if plant.on else 0, plant.off_since_s
            )
            setpoint = steer(snapshot, RULES)
            assert setpoint.reason
            until_s = min(slot_s + SLOT_S, max(now_s + 1, setpoint.until_s or 0))
            plant.step((setpoint.power_w or 0) > 0, now_s, until_s - now_s)
            now_s = until_s
    assert plant.coldest_c >= -20.1
    assert plant.warmest_c <= -16.0
