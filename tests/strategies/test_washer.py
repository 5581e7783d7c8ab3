"""The cases of strategies/washer.md, and the wash that is never late."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.vocabulary import TICK_UEUR_KWH, Mode, OpenEntry, Order, Side
from strategies.facts import StorageFacts
from strategies.view import MarketView, Quote
from strategies.washer import Wash, WasherRules, WasherSnapshot, bid, energy_between, steer
from tests.strategies.markets import ASK, BID, NEXT_SLOT_S, NOW_SLOT_S, SLOT_S, entry, market, position, quote, steering

RULES = WasherRules()
PARTS = (500, 200, 100)


def wash(slots_until_end: int = 20, started_s: int | None = None, ready_s: int = NOW_SLOT_S) -> Wash:
    return Wash(ready_s, NEXT_SLOT_S + slots_until_end * SLOT_S, PARTS, started_s)


def seen(waiting: Wash | None, view: MarketView | None = None) -> WasherSnapshot:
    return WasherSnapshot(view or market(), None, (), waiting)


def test_nothing_to_wash_nothing_to_buy() -> None:
    assert bid(seen(None), RULES).orders == ()
    assert bid(seen(wash(ready_s=NEXT_SLOT_S + 1)), RULES).orders == ()


def test_it_waits_for_the_cheaper_window_and_says_until_when() -> None:
    decision = bid(seen(wash(), market(asks=(ASK,) * 8 + (60_000,) * 88)), RULES)
    assert decision.orders == ()
    assert "waits until" in decision.reason


def test_it_starts_when_no_later_window_is_cheaper() -> None:
    (order,) = bid(seen(wash(), market(asks=(60_000,) * 5 + (ASK,) * 91)), RULES).orders
    assert (order.energy_wh, order.limit_ueur_kwh) == (500, 60_000)


def test_the_last_start_is_taken_at_any_price() -> None:
    (order,) = bid(seen(wash(slots_until_end=3), market(asks=(900_000,) * 3 + (1_000,) * 93)), RULES).orders
    assert order.limit_ueur_kwh == 900_000


def test_a_running_wash_buys_slot_by_slot() -> None:
    (order,) = bid(seen(wash(started_s=NOW_SLOT_S)), RULES).orders
    assert (order.energy_wh, order.limit_ueur_kwh) == (200, ASK)
    assert bid(seen(wash(started_s=NOW_SLOT_S - 2 * SLOT_S)), RULES).orders == ()


def test_parts_that_straddle_slots_are_shared_out() -> None:
    whole = [energy_between(wash(), NOW_SLOT_S + 300, NOW_SLOT_S + i * SLOT_S, SLOT_S) for i in range(4)]
    assert whole == [333, 300, 133, 33]


@pytest.mark.parametrize(
    ("entries", "limit"),
    [
        ((), BID + TICK_UEUR_KWH),
        ((entry(Side.BUY, 50_000, 900),), 50_000 + TICK_UEUR_KWH),
        ((entry(Side.BUY, ASK, 900),), ASK - TICK_UEUR_KWH),
        ((entry(Side.SELL, 60_000, 900),), BID + TICK_UEUR_KWH),
    ],
)
def test_openly_it_bids_a_tick_above_the_best_rival_and_always_below_the_ask(
    entries: tuple[OpenEntry, ...], limit: int
) -> None:
    view = market(quotes=(quote(open_entries=entries),))
    (order,) = bid(seen(wash(slots_until_end=3), view), replace(RULES, opening="open")).orders
    assert (order.limit_ueur_kwh, order.mode) == (limit, Mode.OPEN)


def test_it_starts_in_the_slot_that_it_ordered() -> None:
    idle = replace(seen(wash(), steering()), position_now=position(slot_s=NOW_SLOT_S))
    assert steer(idle, RULES).power_w == 0
    assert (steer(replace(idle, position_now=position(bought=500)), RULES).power_w or 0) > 0
    passed_by = (Order(NOW_SLOT_S, Side.BUY, 500, ASK),)
    assert (steer(replace(idle, leftover_now=passed_by), RULES).power_w or 0) > 0


def test_it_starts_at_the_last_moment_whatever_was_traded() -> None:
    late = replace(seen(wash(slots_until_end=2), steering()), position_now=position(slot_s=NOW_SLOT_S))
    assert (steer(late, RULES).power_w or 0) > 0


def test_a_running_wash_is_left_alone() -> None:
    assert steer(seen(wash(started_s=NOW_SLOT_S), steering()), RULES).power_w is None
    assert steer(seen(None, steering()), RULES).power_w is None


def test_a_wash_that_is_not_ready_is_not_started() -> None:
    setpoint = steer(seen(wash(ready_s=NOW_SLOT_S + 60), steering()), RULES)
    assert (setpoint.power_w, setpoint.until_s) == (0, NOW_SLOT_S + 60)


def test_offline_it_starts_in_the_cheapest_window_of_the_last_tariff() -> None:
    assert (steer(seen(wash(), steering(asks=(50_000,) * 4 + (ASK,) * 92)), RULES).power_w or 0) > 0
    assert steer(seen(wash(), steering(asks=(ASK,) * 8 + (50_000,) * 88)), RULES).power_w == 0


def test_an_owner_in_a_hurry_is_served_at_once() -> None:
    hurry = replace(RULES, wait=False)
    assert bid(seen(wash(), market(asks=(ASK,) * 8 + (1_000,) * 88)), hurry).orders
    assert (steer(replace(seen(wash(), steering()), position_now=position()), hurry).power_w or 0) > 0


@settings(max_examples=50, deadline=None)
@given(
    asks=st.lists(st.integers(-100_000, 900_000), min_size=40, max_size=96),
    parts=st.lists(st.integers(1, 800), min_size=1, max_size=10),
    spare=st.integers(0, 20),
    lost=st.lists(st.booleans(), min_size=40, max_size=40),
    planning=st.booleans(),
)
def test_never_late_under_any_prices_and_with_any_orders_lost(
    asks: list[int], parts: list[int], spare: int, lost: list[bool], planning: bool
) -> None:
    """`lost` says which slots' orders never reached the ledger, and with them the promise to start."""
    rules = replace(RULES, storage=StorageFacts(60_000, 20_000, 20_000)) if planning else RULES
    end_s = NOW_SLOT_S + (len(parts) + spare) * SLOT_S
    waiting = Wash(NOW_SLOT_S, end_s, tuple(parts), None)
    now = position(slot_s=NOW_SLOT_S)
    leftover: tuple[Order, ...] = ()
    for index in range(len(parts) + spare):
        slot_s = NOW_SLOT_S + index * SLOT_S
        view = market(now_s=slot_s, quotes=(), asks=asks)
        setpoint = steer(WasherSnapshot(view, now, leftover, waiting), rules)
        assert setpoint.reason
        if setpoint.power_w:
            assert slot_s + len(parts) * SLOT_S <= end_s
            return
        ahead = replace(market(now_s=slot_s + SLOT_S - 90, asks=asks), quotes=(quote_at(slot_s + SLOT_S, asks),))
        decision = bid(WasherSnapshot(ahead, None, (), waiting), rules)
        assert decision.reason
        leftover = () if lost[index] else decision.orders
    raise AssertionError("the wash never started")


def quote_at(slot_s: int, asks: list[int]) -> Quote:
    ask = asks[min(len(asks) - 1, (slot_s - NOW_SLOT_S) // SLOT_S)]
    shown = quote(ask=ask, bid=min(ask, BID))
    return replace(shown, book=replace(shown.book, tariff=replace(shown.book.tariff, slot_s=slot_s)))
