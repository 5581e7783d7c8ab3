"""The freezer's contracts over a quarter of an hour of 1-minute slots."""

from __future__ import annotations

from dataclasses import replace

from agent.vocabulary import OpenEntry, Side
from strategies.freezer import FreezerRules, FreezerSnapshot, bid
from strategies.view import Quote
from tests.strategies.minutes import ASK, BID, entry, market, quote, slot_s

RULES = FreezerRules(power_w=120, buy_ahead=True, gates_ahead=24)
RUN = 15
FALLS = {30: 75_000}
"""The utility's ask falls in half an hour."""


def seen(quotes: list[Quote], air_mc: int = -17_900) -> FreezerSnapshot:
    return FreezerSnapshot(market(quotes, FALLS), None, (), air_mc, 0, None)


def offers(limit: int = BID + 1, first: int = 0, count: int = 24) -> list[Quote]:
    stands = [entry(Side.SELL, limit, 40, b"array")]
    return [quote(place, stands if first <= place < first + count else ()) for place in range(24)]


def held(bids: list[OpenEntry], count: int = RUN) -> list[Quote]:
    """A run is held from the third book on; the first `count` books of it have bids."""
    run = [quote(2 + i, bids if i < count else (), net_wh=2) for i in range(RUN)]
    return [quote(0), quote(1), *run, *(quote(place) for place in range(2 + RUN, 24))]


def test_it_buys_a_whole_run_ahead_at_full_power() -> None:
    decision = bid(seen(offers(first=8)), RULES)
    assert [(accept.slot_s, accept.energy_wh) for accept in decision.accepts] == [(slot_s(8 + i), 2) for i in range(RUN)]
    assert "buys ahead 30 Wh of 15 slots at 7.0 ct" in decision.reason


def test_no_run_without_its_owners_wish_or_room_or_all_of_its_slots() -> None:
    assert bid(seen(offers()), replace(RULES, buy_ahead=False)).accepts == ()
    assert bid(seen(offers(), air_mc=-19_500), RULES).accepts == ()
    assert bid(seen(offers(count=RUN - 1)), RULES).accepts == ()


def test_no_run_at_more_than_its_cold_is_worth() -> None:
    assert bid(seen(offers(ASK)), RULES).accepts == ()


def test_no_second_run_while_one_is_held() -> None:
    quotes = [quote(place, [entry(Side.SELL, BID + 1, 40)], net_wh=2 if place < RUN else 0) for place in range(24)]
    assert bid(seen(quotes), RULES).accepts == ()


def test_it_abstains_for_the_whole_run_when_all_of_it_is_bid_for() -> None:
    decision = bid(seen(held([entry(Side.BUY, 81_000, 40)])), RULES)
    assert [(accept.slot_s, accept.energy_wh) for accept in decision.accepts] == [(slot_s(2 + i), 2) for i in range(RUN)]
    assert "abstains and sells 30 Wh of 15 slots at 8.1 ct" in decision.reason


def test_it_keeps_a_run_that_is_bid_for_in_part_or_too_low() -> None:
    assert bid(seen(held([entry(Side.BUY, 81_000, 40)], count=RUN - 1)), RULES).accepts == ()
    assert bid(seen(held([entry(Side.BUY, 71_000, 40)])), RULES).accepts == ()
    assert bid(seen(held([entry(Side.BUY, 81_000, 1)])), RULES).accepts == ()


def test_it_keeps_the_cold_that_it_needs() -> None:
    assert bid(seen(held([entry(Side.BUY, ASK, 40)]), air_mc=-16_900), RULES).accepts == ()
