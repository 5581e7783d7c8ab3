"""The cases of strategies/base_load.md."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Side
from strategies.base_load import BaseLoadRules, BaseLoadSnapshot, bid, steer
from strategies.view import MarketView
from tests.strategies.markets import ASK, market, own_slots, quote

RULES = BaseLoadRules()
WEEK = 7 * 96


def seen(power_w: int, history_wh: list[int], view: MarketView | None = None) -> BaseLoadSnapshot:
    return BaseLoadSnapshot(view or market(), None, (), power_w, own_slots(history_wh))


def test_without_a_market_it_orders_nothing_and_says_so() -> None:
    decision = bid(seen(400, [100] * WEEK, market(quotes=())), RULES)
    assert decision.orders == ()
    assert "No market" in decision.reason


def test_it_buys_the_usual_use_at_the_ask() -> None:
    (order,) = bid(seen(400, [100] * WEEK), RULES).orders
    assert (order.side, order.energy_wh, order.limit_ueur_kwh) == (Side.BUY, 100, ASK)


def test_part_of_an_unusual_use_is_expected_to_last() -> None:
    (order,) = bid(seen(1200, [100] * WEEK), RULES).orders
    assert order.energy_wh == 240


def test_without_history_the_present_is_expected() -> None:
    (order,) = bid(seen(1200, []), RULES).orders
    assert order.energy_wh == 300


def test_what_is_bought_is_not_bought_again() -> None:
    (order,) = bid(seen(400, [100] * WEEK, market(quotes=(quote(bought=60),))), RULES).orders
    assert order.energy_wh == 40


def test_a_home_that_uses_nothing_orders_nothing() -> None:
    decision = bid(seen(0, [0] * WEEK), RULES)
    assert decision.orders == ()
    assert decision.reason


def test_nothing_is_steered() -> None:
    assert steer(seen(0, []), RULES).power_w is None


@given(power_w=st.integers(0, 10**6), history=st.lists(st.integers(0, 10**5), max_size=120))
def test_never_more_than_the_meter_can_carry(power_w: int, history: list[int]) -> None:
    orders = bid(seen(power_w, history), RULES).orders
    assert sum(order.energy_wh for order in orders) <= RULES.nameplate_w // 4
