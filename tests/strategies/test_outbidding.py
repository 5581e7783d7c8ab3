"""Bidding openly over several books: by ticks, up to a limit, never down."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import TICK_UEUR_KWH, Mode, Side
from strategies import battery, solar, washer
from strategies.battery import BatteryRules, BatterySnapshot
from strategies.facts import StorageFacts
from strategies.outbidding import raised_bid
from strategies.solar import SolarRules, SolarSnapshot
from strategies.view import Quote
from strategies.washer import Wash, WasherRules, WasherSnapshot
from tests.strategies.minutes import ASK, BID, FIRST_S, NOW_S, SLOT_S, entry, market, own, quote, slot_s

OFFER = entry(Side.SELL, ASK, 40, b"array")
PRICES = st.integers(BID, ASK)


def bid_of(limit: int, name: bytes = b"rival") -> tuple[object, ...]:
    return (entry(Side.BUY, limit, 40, name),)


def test_it_opens_just_above_the_utility_and_goes_a_tick_over_a_rival() -> None:
    assert raised_bid(quote(0), (quote(0),), ASK) == BID + TICK_UEUR_KWH
    contested = quote(0, [entry(Side.BUY, 75_000, 40)])
    assert raised_bid(contested, (contested,), ASK) == 76_000
    assert raised_bid(contested, (contested,), 75_500) == 75_500


def test_a_new_book_is_opened_where_the_contest_stands() -> None:
    quotes = quote(0, [entry(Side.BUY, 78_000, 40)]), quote(1)
    assert raised_bid(quotes[1], quotes, ASK) == 79_000


def test_a_bid_that_stands_is_not_lowered_when_the_rival_leaves() -> None:
    left = quote(0, standing=[own(0, Side.BUY, 80_000, 40)])
    assert raised_bid(left, (left,), ASK) == 80_000


@given(first=PRICES, second=PRICES, most=PRICES)
def test_a_dearer_rival_never_makes_it_bid_less(first: int, second: int, most: int) -> None:
    low, high = sorted((first, second))
    bids = [raised_bid(q, (q,), most) for q in (quote(0, [entry(Side.BUY, limit, 40)]) for limit in (low, high))]
    assert bids[0] <= bids[1] <= most


BATTERY = BatteryRules(
    StorageFacts(capacity_wh=1_800, charge_w=2_400, discharge_w=2_400),
    opening="floor",
    threshold_ueur_kwh=80_000,
    gates_ahead=8,
)


def battery_at(stored_wh: int, quotes: list[Quote]) -> BatterySnapshot:
    return BatterySnapshot(market(quotes), None, (), stored_wh, 0, None)


def test_the_battery_bids_in_every_book_that_offers() -> None:
    quotes = [quote(0, [OFFER]), quote(1), quote(2, [OFFER])]
    decision = battery.bid(battery_at(0, quotes), BATTERY)
    assert [(order.slot_s, order.side, order.mode) for order in decision.orders] == [
        (slot_s(0), Side.BUY, Mode.OPEN),
        (slot_s(2), Side.BUY, Mode.OPEN),
    ]
    assert decision.slots == tuple(slot_s(place) for place in range(3))


def test_its_bids_together_fit_into_it() -> None:
    decision = battery.bid(battery_at(1_700, [quote(place, [OFFER]) for place in range(8)]), BATTERY)
    room_wh = 100 * 1000 // BATTERY.storage.eta_charge_permille
    assert room_wh - 8 <= sum(order.energy_wh for order in decision.orders) <= room_wh + 8


def test_its_offers_together_are_in_it() -> None:
    decision = battery.bid(battery_at(100, [quote(place) for place in range(8)]), BATTERY)
    assert {order.side for order in decision.orders} == {Side.SELL}
    assert sum(order.energy_wh for order in decision.orders) <= 95


def running(quotes: list[Quote]) -> WasherSnapshot:
    wash = Wash(NOW_S - 3_600, NOW_S + 7_200, (40,) * 60, started_s=FIRST_S - 2 * SLOT_S)
    return WasherSnapshot(market(quotes), None, (), wash)


OPEN_WASHER = WasherRules(opening="open", gates_ahead=3)


def test_the_washer_bids_for_all_slots_in_sight() -> None:
    quotes = [quote(place, [OFFER, entry(Side.BUY, 71_000, 40)]) for place in range(3)]
    orders = washer.bid(running(quotes), OPEN_WASHER).orders
    assert [(order.slot_s, order.energy_wh, order.limit_ueur_kwh) for order in orders] == [
        (slot_s(place), 40, 72_000) for place in range(3)
    ]


@pytest.mark.parametrize("rival", [ASK - TICK_UEUR_KWH, ASK])
def test_the_washer_leaves_it_to_the_utility_when_outbidding_costs_as_much(rival: int) -> None:
    decision = washer.bid(running([quote(0, [entry(Side.BUY, rival, 40)])]), OPEN_WASHER)
    assert decision.orders[0].limit_ueur_kwh == ASK - TICK_UEUR_KWH
    assert "it buys there" in decision.reason


ARRAY = SolarRules(nameplate_w=2_400, opening="open", full_cost_ueur_kwh=80_000, gates_ahead=3)


def sunny(quotes: list[Quote], now_s: int = NOW_S) -> SolarSnapshot:
    return SolarSnapshot(replace(market(quotes), now_s=now_s), None, (), -2_400, ())


def test_the_array_asks_in_all_books_and_takes_bids_in_the_next_one_alone() -> None:
    bids = [entry(Side.BUY, 71_000, 40, b"battery")]
    decision = solar.bid(sunny([quote(0, bids), quote(1, bids), quote(2)]), ARRAY)
    assert [(accept.slot_s, accept.energy_wh) for accept in decision.accepts] == [(slot_s(0), 40)]
    assert [(order.slot_s, order.limit_ueur_kwh) for order in decision.orders] == [(slot_s(1), 80_000), (slot_s(2), BID + 1)]


def test_what_was_taken_from_its_offer_is_not_offered_again() -> None:
    decision = solar.bid(sunny([quote(0), quote(1, net_wh=-2)]), ARRAY)
    assert [order.energy_wh for order in decision.orders] == [40, 38]


def test_it_never_asks_less_than_somebody_bids() -> None:
    decision = solar.bid(sunny([quote(0), quote(1, [entry(Side.BUY, 85_000, 40)])]), ARRAY)
    assert decision.orders[1].limit_ueur_kwh == 85_000
