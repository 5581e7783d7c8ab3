"""What stands, what is wanted, and the messages in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.trade.orders import Change, OwnOrders, changes, within_bounds
from agent.vocabulary import Accept, Decision, Mode, OpenEntry, Order, Side, StandingOrder
from lightclient.messages import AcceptOrder, CancelOrder, PlaceOrder, ReplaceOrder
from lightclient.refusals import Refusal

SLOT = 9_000
BUY = Order(SLOT, Side.BUY, 500, 100_000)
SELL = Order(SLOT, Side.SELL, 300, 120_000)


def want(*orders: Order, slots: tuple[int, ...] = (SLOT,), accepts: tuple[Accept, ...] = ()) -> Decision:
    return Decision(slots, orders, "because", accepts)


def stand(order: Order, number: int, remaining_wh: int | None = None) -> StandingOrder:
    return StandingOrder(bytes([number]) * 20, order, order.energy_wh if remaining_wh is None else remaining_wh)


def test_what_stands_as_wanted_costs_no_message() -> None:
    assert changes([stand(BUY, 1), stand(SELL, 2)], want(SELL, BUY)) == []


def test_another_price_is_a_replacement_and_a_partly_taken_order_is_filled_up() -> None:
    dearer = Order(SLOT, Side.BUY, 500, 101_000)
    assert changes([stand(BUY, 1)], want(dearer)) == [
        Change(SLOT, ReplaceOrder(bytes([1]) * 20, 500, 500, 101_000), dearer, bytes([1]) * 20)
    ]
    (change,) = changes([stand(BUY, 1, remaining_wh=200)], want(BUY))
    assert change.message == ReplaceOrder(bytes([1]) * 20, 200, 500, 100_000)


def test_the_other_side_and_the_other_mode_cannot_be_replaced() -> None:
    openly = Order(SLOT, Side.BUY, 500, 100_000, Mode.OPEN)
    found = changes([stand(BUY, 1)], want(openly, SELL))
    assert [type(change.message) for change in found] == [CancelOrder, PlaceOrder, PlaceOrder]


def test_slots_that_a_decision_does_not_name_are_left_alone() -> None:
    assert changes([stand(BUY, 1)], want(slots=(SLOT + 900,))) == []
    (cancel,) = changes([stand(BUY, 1)], want())
    assert cancel.message == CancelOrder(bytes([1]) * 20, 500)


def test_accepts_come_before_new_orders() -> None:
    found = changes([], want(SELL, accepts=(Accept(SLOT, bytes(20), 100),)))
    assert [type(change.message) for change in found] == [AcceptOrder, PlaceOrder]


ORDERS = st.builds(
    Order,
    slot_s=st.sampled_from((SLOT, SLOT + 900)),
    side=st.sampled_from(Side),
    energy_wh=st.integers(1, 3).map(lambda n: n * 100),
    limit_ueur_kwh=st.integers(1, 3).map(lambda n: n * 10_000),
    mode=st.sampled_from(Mode),
)


@given(st.lists(ORDERS, max_size=8), st.lists(ORDERS, max_size=8))
def test_carried_out_the_messages_leave_exactly_what_is_wanted(standing: list[Order], wanted: list[Order]) -> None:
    own = OwnOrders()
    for number, order in enumerate(standing):
        own.sent(Change(order.slot_s, _place(order), order, None), bytes([number]) * 20, number)
    decision = want(*wanted, slots=(SLOT, SLOT + 900))
    for number, change in enumerate(changes(own.standing(), decision), start=100):
        own.sent(change, bytes([number]) * 20, number)
        own.result(number, Refusal.OK)
    assert sorted(map(repr, (s.order for s in own.standing()))) == sorted(map(repr, wanted))
    assert changes(own.standing(), decision) == []


def _place(order: Order) -> PlaceOrder:
    return PlaceOrder(order.slot_s, order.side, order.energy_wh, order.limit_ueur_kwh, order.mode, order.all_or_nothing)


def _placed() -> tuple[OwnOrders, bytes]:
    own, order_id = OwnOrders(), b"a" * 20
    own.sent(Change(SLOT, _place(BUY), BUY, None), order_id, 1)
    return own, order_id


def test_a_refused_order_does_not_stand() -> None:
    own, _ = _placed()
    own.result(1, Refusal.NOT_BACKED)
    assert own.standing() == ()
    assert not own.involved(SLOT)


def test_a_refused_replacement_leaves_the_old_order_unless_that_is_gone() -> None:
    for code, left in ((Refusal.NOT_BACKED, 1), (Refusal.GONE, 0)):
        own, order_id = _placed()
        dearer = Order(SLOT, Side.BUY, 500, 101_000)
        own.sent(Change(SLOT, ReplaceOrder(order_id, 500, 500, 101_000), dearer, order_id), b"b" * 20, 2)
        assert [s.order for s in own.standing()] == [dearer]
        own.result(2, code)
        assert [s.order for s in own.standing()] == [BUY] * left


def test_a_cancel_on_its_way_still_involves_the_slot() -> None:
    own, order_id = _placed()
    own.sent(Change(SLOT, CancelOrder(order_id, 500), None, order_id), b"b" * 20, 2)
    assert own.standing() == ()
    assert own.involved(SLOT)
    own.result(2, Refusal.EXPIRED)
    assert [s.order for s in own.standing()] == [BUY]


def test_a_book_tells_what_is_left_of_an_open_order() -> None:
    own = OwnOrders()
    openly = Order(SLOT, Side.SELL, 300, 120_000, Mode.OPEN)
    own.sent(Change(SLOT, _place(openly), openly, None), b"a" * 20, 1)
    assert own.may_be_matched(SLOT)
    own.seen_in_book([OpenEntry(b"a" * 20, Side.SELL, 120_000, 100, False), OpenEntry(b"z" * 20, Side.BUY, 1, 1, False)])
    assert [s.remaining_wh for s in own.standing(SLOT)] == [100]


def test_an_accept_involves_its_slot_until_the_gate() -> None:
    own = OwnOrders()
    own.sent(Change(SLOT, AcceptOrder(b"x" * 20, 100), None, None), b"a" * 20, 1)
    assert own.may_be_matched(SLOT)
    own.close(SLOT)
    assert not own.involved(SLOT)


@given(st.lists(ORDERS, max_size=8))
def test_orders_survive_a_restart(orders: list[Order]) -> None:
    own = OwnOrders()
    for number, order in enumerate(orders):
        own.sent(Change(order.slot_s, _place(order), order, None), bytes([number]) * 20, number)
    again = OwnOrders()
    again.restore(own.encode())
    assert again.standing() == own.standing()


def test_a_changed_copy_changes_nothing_until_it_is_taken_over() -> None:
    own, order_id = _placed()
    after = own.copy()
    after.sent(Change(SLOT, CancelOrder(order_id, 500), None, order_id), b"b" * 20, 2)
    assert own.standing() != after.standing()
    own.become(after)
    assert own.standing() == ()


def test_orders_are_cut_to_the_room_of_their_slot_and_side() -> None:
    room = {(SLOT, Side.BUY): 700, (SLOT, Side.SELL): 0}
    kept = within_bounds(want(BUY, BUY, SELL, Order(SLOT + 900, Side.BUY, 1, 1)), room)
    assert [(order.side, order.energy_wh) for order in kept.orders] == [(Side.BUY, 500), (Side.BUY, 200)]
