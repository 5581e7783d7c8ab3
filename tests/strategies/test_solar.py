"""The cases of strategies/solar.md."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Mode, Side
from strategies.solar import SolarRules, SolarSnapshot, bid, steer
from strategies.view import MarketView
from tests.strategies.markets import ASK, BID, NEXT_SLOT_S, entry, market, own_slots, position, quote

RULES = SolarRules(nameplate_w=50_000)
OPEN = replace(RULES, opening="open", full_cost_ueur_kwh=80_000)
EARLY_S, LATE_S = NEXT_SLOT_S - 300, NEXT_SLOT_S - 90


def seen(power_w: int, view: MarketView | None = None, history_wh: tuple[int, ...] = ()) -> SolarSnapshot:
    return SolarSnapshot(view or market(), None, (), power_w, own_slots(history_wh))


def with_bids(*bids: tuple[int, int], now_s: int, whole: bool = False) -> MarketView:
    entries = [entry(Side.BUY, limit, wh, name=b"%d" % i, all_or_nothing=whole) for i, (limit, wh) in enumerate(bids)]
    return market(now_s=now_s, quotes=(quote(open_entries=entries),))


def test_no_sun_no_offer() -> None:
    decision = bid(seen(0), RULES)
    assert decision.orders == ()
    assert decision.reason


def test_the_forecast_is_offered_just_above_what_the_utility_pays() -> None:
    (order,) = bid(seen(-8_000), RULES).orders
    assert (order.side, order.energy_wh, order.limit_ueur_kwh, order.mode) == (Side.SELL, 2_000, BID + 1, Mode.CALL)


def test_the_owners_floor_holds() -> None:
    (order,) = bid(seen(-8_000), replace(RULES, floor_ueur_kwh=70_000)).orders
    assert order.limit_ueur_kwh == 70_000


def test_what_is_sold_is_not_offered_again() -> None:
    decision = bid(seen(-8_000, market(quotes=(quote(sold=2_000),))), RULES)
    assert decision.orders == ()
    assert "sold" in decision.reason


def test_the_morning_follows_the_envelope_of_the_last_days() -> None:
    """Twice the power is expected where the sun of the last days doubled."""
    day = [0] * 96
    day[-1], day[0] = -1_000, -2_000
    history = tuple(day[1:] + day[:1]) * 7
    flat = bid(seen(-4_000, history_wh=(-1_000,) * 672), RULES).orders[0].energy_wh
    rising = bid(seen(-4_000, history_wh=history), RULES).orders
    assert flat == 1_000
    assert rising[0].energy_wh != flat


def test_openly_nobody_bids_so_it_asks_the_lowest_price() -> None:
    (order,) = bid(seen(-8_000, market(now_s=EARLY_S)), OPEN).orders
    assert (order.limit_ueur_kwh, order.mode) == (BID + 1, Mode.OPEN)


def test_while_others_bid_it_asks_its_full_cost_and_waits() -> None:
    decision = bid(seen(-8_000, with_bids((50_000, 1_000), now_s=EARLY_S)), OPEN)
    assert decision.accepts == ()
    assert decision.orders[0].limit_ueur_kwh == 80_000
    assert "5.0 ct" in decision.reason
    assert "8.0 ct" in decision.reason


def test_just_before_the_gate_it_takes_the_best_bids() -> None:
    decision = bid(seen(-8_000, with_bids((60_000, 1_200), (50_000, 5_000), now_s=LATE_S)), OPEN)
    assert [(accept.order_id, accept.energy_wh) for accept in decision.accepts] == [(b"0", 1_200), (b"1", 800)]
    assert decision.orders == ()


def test_the_rest_is_asked_at_the_floor() -> None:
    decision = bid(seen(-8_000, with_bids((60_000, 1_200), now_s=LATE_S)), OPEN)
    assert [order.energy_wh for order in decision.orders] == [800]
    assert decision.orders[0].limit_ueur_kwh == BID + 1


def test_a_bid_below_the_floor_does_not_count() -> None:
    decision = bid(seen(-8_000, with_bids((BID, 1_000), now_s=LATE_S)), OPEN)
    assert decision.accepts == ()
    assert "Nobody bids" in decision.reason


def test_a_bid_too_large_to_fill_whole_is_left_alone() -> None:
    decision = bid(seen(-8_000, with_bids((60_000, 9_000), now_s=LATE_S, whole=True)), OPEN)
    assert decision.accepts == ()


def test_it_curtails_only_when_feeding_in_costs_more_than_the_floor() -> None:
    paid = seen(-8_000, market(quotes=(), now_s=NEXT_SLOT_S))
    assert steer(paid, RULES).power_w is None
    negative = market(quotes=(), now_s=NEXT_SLOT_S, asks=(50_000,) * 96, bids=(-10_000,) * 96)
    sold = replace(seen(-8_000, negative), position_now=position(sold=500))
    assert steer(sold, RULES).power_w == -2_000
    assert steer(sold, replace(RULES, floor_ueur_kwh=-20_000)).power_w is None


@given(power_w=st.integers(-200_000, 1_000), history=st.lists(st.integers(-30_000, 10), max_size=200))
def test_never_more_than_the_nameplate_and_never_below_the_floor(power_w: int, history: list[int]) -> None:
    decision = bid(seen(power_w, history_wh=tuple(history)), RULES)
    assert decision.reason
    assert sum(order.energy_wh for order in decision.orders) <= RULES.nameplate_w // 4
    assert all(BID < order.limit_ueur_kwh <= ASK for order in decision.orders)
