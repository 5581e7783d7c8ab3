"""The own orders: which stand, and which messages turn what stands into what is wanted. Pure; nothing is sent from here.

A message is made only where something changes. An order counts as standing from the moment it is stored for sending; a proven
refusal takes it back, and what it replaced stands again unless that was gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from agent.vocabulary import Decision, Mode, OpenEntry, Order, Side, StandingOrder
from lightclient.messages import AcceptOrder, CancelOrder, PlaceOrder, ReplaceOrder
from lightclient.refusals import Refusal
from lightclient.wire import pack, unpack

OrderMessage = PlaceOrder | ReplaceOrder | CancelOrder | AcceptOrder

MAX_ENERGY_WH: Final = 10**6
"""The ledger takes no larger order."""


@dataclass(frozen=True, slots=True)
class Change:
    """One message to send for a slot. `stands` is the order that it puts into the book, None for a cancel or an accept;
    `ends` is the id of the own order that it takes out."""

    slot_s: int
    message: OrderMessage
    stands: Order | None
    ends: bytes | None


def changes(standing: Sequence[StandingOrder], decision: Decision) -> list[Change]:
    """What to send so that the slots a decision names hold its orders and no others, and its accepts are made.

    Unchanged orders are left alone; an order of the same slot, side and form is replaced rather than cancelled and placed;
    cancels go first, so that their escrow and nameplate are free for what follows.
    """
    ours = [order for order in standing if order.order.slot_s in decision.slots]
    wanted = []
    for order in decision.orders:
        kept = next((own for own in ours if own.order == order and own.remaining_wh == order.energy_wh), None)
        if kept is None:
            wanted.append(order)
        else:
            ours.remove(kept)
    replacing: list[Change] = []
    placing: list[Change] = []
    for order in wanted:
        old = next((own for own in ours if _form(own.order) == _form(order)), None)
        if old is None:
            placing.append(_place(order))
        else:
            ours.remove(old)
            message = ReplaceOrder(old.order_id, old.remaining_wh, order.energy_wh, order.limit_ueur_kwh)
            replacing.append(Change(order.slot_s, message, order, old.order_id))
    cancels = [Change(o.order.slot_s, CancelOrder(o.order_id, o.remaining_wh), None, o.order_id) for o in ours]
    accepts = [Change(a.slot_s, AcceptOrder(a.order_id, a.energy_wh), None, None) for a in decision.accepts]
    return [*cancels, *replacing, *accepts, *placing]


def _form(order: Order) -> tuple[int, Side, Mode, bool]:
    """What a replacement cannot change."""
    return order.slot_s, order.side, order.mode, order.all_or_nothing


def _place(order: Order) -> Change:
    message = PlaceOrder(order.slot_s, order.side, order.energy_wh, order.limit_ueur_kwh, order.mode, order.all_or_nothing)
    return Change(order.slot_s, message, order, None)


@dataclass(frozen=True, slots=True)
class _Sent:
    """An own order, the sequence number that brings its result, and the order that it took the place of."""

    standing: StandingOrder
    seq: int
    replaced: StandingOrder | None


class OwnOrders:
    """What stands for each slot, as far as this agent knows."""

    def __init__(self) -> None:
        self._sent: dict[bytes, _Sent] = {}
        self._cancelled: dict[int, StandingOrder] = {}
        self._accepted: set[int] = set()

    def standing(self, slot_s: int | None = None) -> tuple[StandingOrder, ...]:
        """Own orders of one slot, or of all, in the order in which they were sent."""
        return tuple(s.standing for s in self._sent.values() if slot_s is None or s.standing.order.slot_s == slot_s)

    def may_be_matched(self, slot_s: int) -> bool:
        """Whether there may be trades in this slot before its call: own open orders, or accepts of others'."""
        ours = (sent.standing.order for sent in self._sent.values())
        return slot_s in self._accepted or any(o.slot_s == slot_s and o.mode is Mode.OPEN for o in ours)

    def involved(self, slot_s: int) -> bool:
        """Whether the ledger may come to know a position of ours in this slot. False is certain."""
        slots = {sent.standing.order.slot_s for sent in self._sent.values()}
        slots.update(order.order.slot_s for order in self._cancelled.values())
        return slot_s in slots or slot_s in self._accepted

    def copy(self) -> OwnOrders:
        """A copy that changes by itself, for what is not stored yet."""
        other = OwnOrders()
        other._sent, other._cancelled, other._accepted = dict(self._sent), dict(self._cancelled), set(self._accepted)
        return other

    def become(self, other: OwnOrders) -> None:
        """Take over what a changed copy knows, once that is stored."""
        self._sent, self._cancelled, self._accepted = other._sent, other._cancelled, other._accepted

    def sent(self, change: Change, order_id: bytes, seq: int) -> None:
        """A change was stored for sending; `order_id` is the id that its payload gives to an order."""
        ended = self._sent.pop(change.ends, None) if change.ends is not None else None
        replaced = ended.standing if ended is not None else None
        if change.stands is not None:
            standing = StandingOrder(order_id, change.stands, change.stands.energy_wh)
            self._sent[order_id] = _Sent(standing, seq, replaced)
        elif replaced is not None:
            self._cancelled[seq] = replaced
        if isinstance(change.message, AcceptOrder):
            self._accepted.add(change.slot_s)

    def result(self, seq: int, code: int) -> None:
        """A result was proven. A refused order does not stand; what it should have ended stands still, unless it is gone."""
        cancelled = self._cancelled.pop(seq, None)
        if code == Refusal.OK:
            return
        ended = next((sent for sent in self._sent.values() if sent.seq == seq), None)
        if ended is not None:
            del self._sent[ended.standing.order_id]
        survivor = cancelled if ended is None else ended.replaced
        if survivor is not None and code != Refusal.GONE:
            self._sent[survivor.order_id] = _Sent(survivor, seq, None)

    def seen_in_book(self, entries: Iterable[OpenEntry]) -> None:
        """Take over what a proven book says of own open orders; one that is not in it may still be on its way."""
        for entry in entries:
            own = self._sent.get(entry.order_id)
            if own is not None and own.standing.remaining_wh != entry.remaining_wh:
                self._sent[entry.order_id] = replace(own, standing=replace(own.standing, remaining_wh=entry.remaining_wh))

    def taken(self, order_id: bytes) -> None:
        """A proof showed that this order does not stand any more."""
        self._sent.pop(order_id, None)

    def close(self, slot_s: int) -> None:
        """The gate of a slot, and of all before it, is over: nothing stands there."""
        self._sent = {key: sent for key, sent in self._sent.items() if sent.standing.order.slot_s > slot_s}
        self._cancelled = {seq: order for seq, order in self._cancelled.items() if order.order.slot_s > slot_s}
        self._accepted = {accepted_s for accepted_s in self._accepted if accepted_s > slot_s}

    def encode(self) -> bytes:
        """What a restart must know: the orders that stand, and the numbers that bring their results."""
        rows = []
        for sent in self._sent.values():
            own, order = sent.standing, sent.standing.order
            terms = [order.slot_s, int(order.side), order.energy_wh, order.limit_ueur_kwh, int(order.mode)]
            rows.append([own.order_id, sent.seq, own.remaining_wh, *terms, int(order.all_or_nothing)])
        return pack(rows)

    def restore(self, data: bytes) -> None:
        """Take over what `encode` wrote before the restart."""
        for order_id, seq, remaining_wh, slot_s, side, energy_wh, limit, mode, whole in unpack(data):
            order = Order(slot_s, Side(side), energy_wh, limit, Mode(mode), bool(whole))
            self._sent[order_id] = _Sent(StandingOrder(order_id, order, remaining_wh), seq, None)


def within_bounds(decision: Decision, room_wh: Mapping[tuple[int, Side], int]) -> Decision:
    """A decision with orders that the ledger can take at all: 1 Wh or more, at most `room_wh` per slot and side.

    A strategy may know less than the nameplate; an order above it would be refused whole.
    """
    left_wh = dict(room_wh)
    orders = []
    for order in decision.orders:
        key = order.slot_s, order.side
        energy_wh = min(order.energy_wh, left_wh.get(key, 0), MAX_ENERGY_WH)
        if energy_wh > 0:
            left_wh[key] -= energy_wh
            orders.append(order if energy_wh == order.energy_wh else replace(order, energy_wh=energy_wh))
    return replace(decision, orders=tuple(orders))
