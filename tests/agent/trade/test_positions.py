"""Proven positions, and slots whose settlement is awaited."""

from __future__ import annotations

from agent.trade.positions import KEPT_SLOTS, Positions, Unsettled
from agent.vocabulary import Order, Receipt, Side
from lightclient.values import Leftover, PositionRecord

D = 900
WEEK = 7 * 86_400


def test_a_position_is_known_only_once_it_is_proven() -> None:
    positions = Positions()
    assert positions.position(D) is None
    positions.proven(D, None)
    position = positions.position(D)
    assert position is not None
    assert position.net_wh == 0
    assert positions.leftover(D) == ()
    assert positions.leftover(2 * D) == ()


def test_receipts_and_leftovers_become_position_and_orders() -> None:
    positions = Positions()
    record = PositionRecord(D, (Receipt(Side.BUY, 300, 100),), (Leftover(Side.SELL, 150, 20),), None)
    positions.proven(D, record)
    position = positions.position(D)
    assert position is not None
    assert position.net_wh == 300
    assert positions.leftover(D) == (Order(D, Side.SELL, 20, 150),)


def test_only_the_newest_are_kept() -> None:
    positions = Positions()
    for slot in range(KEPT_SLOTS + 3):
        positions.proven(slot * D, None)
    assert positions.position(2 * D) is None
    assert positions.position(3 * D) is not None


def test_a_slot_that_does_not_settle_is_asked_for_ever_more_rarely_until_the_dispute_time_is_over() -> None:
    unsettled = Unsettled(D)
    unsettled.add(0)
    assert unsettled.due(D - 1, 4, WEEK) == []
    looks, at_s = [], 0
    while at_s <= WEEK + D:
        if unsettled.due(at_s, 4, WEEK):
            looks.append(at_s)
            unsettled.not_yet(0, at_s)
        at_s += D
    assert looks[:3] == [D, 2 * D, 3 * D]
    assert len(looks) < 20
    assert unsettled.due(2 * WEEK, 4, WEEK) == []


def test_the_oldest_come_first_and_settled_ones_not_again() -> None:
    unsettled = Unsettled(D)
    for slot in (3, 1, 2):
        unsettled.add(slot * D)
    assert unsettled.due(10 * D, 2, WEEK) == [D, 2 * D]
    unsettled.settled(D)
    again = Unsettled(D)
    again.restore(unsettled.encode())
    assert again.due(10 * D, 4, WEEK) == [2 * D, 3 * D]
