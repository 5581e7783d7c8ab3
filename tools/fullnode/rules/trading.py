"""Orders, replacements, cancels, accepts and block programs: one rule, one check, one refusal.

Every handler checks everything first and changes state last, so a refused message has changed nothing.
Source: docs/ledger.md, "Market rules".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agent.vocabulary import Mode, Side
from lightclient.messages import AcceptOrder, BlockProgram, CancelOrder, PlaceOrder, ReplaceOrder
from lightclient.refusals import Refusal
from lightclient.values import OrderRecord
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.book import OpenBook
from tools.fullnode.rules.books import Books
from tools.fullnode.rules.escrow import lock_ueur
from tools.fullnode.rules.registry import Registry

MAX_ORDERS_PER_SLOT: Final = 8
MAX_OPEN_ORDERS: Final = 512
MIN_MESSAGES_PER_HOUR: Final = 120


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the chain a transaction stands, and the id that its payload gives to an order."""

    height: int
    time_s: int
    position: int
    """Place in ledger order: height and index within the block in one number."""
    order_id: bytes


def messages_per_hour(duration_s: int) -> int:
    """How many orders, replacements, cancels and accepts a device may send: max(120, 8 for each slot of the hour)."""
    return max(MIN_MESSAGES_PER_HOUR, MAX_ORDERS_PER_SLOT * 3600 // duration_s)


def other(side: Side) -> Side:
    return Side.SELL if side is Side.BUY else Side.BUY


class Trading:
    """What devices do in open books."""

    def __init__(self, registry: Registry, accounts: Accounts, books: Books) -> None:
        self._registry = registry
        self._accounts = accounts
        self._books = books

    def place(self, sender: bytes, message: PlaceOrder, at: Place) -> Refusal:
        """Put an order into a book."""
        slot_s, side = message.slot_s, message.side
        if not self._registry.trades(sender):
            return Refusal.ROLE_MISSING
        if not self._registry.times.is_start(slot_s):
            return Refusal.SLOT_UNALIGNED
        book = self._books.open.get(slot_s)
        if book is None:
            return Refusal.BOOK_CLOSED if self._registry.times.gate_s(slot_s) <= at.time_s else Refusal.BOOK_NOT_OPEN
        if book.standing(sender) >= MAX_ORDERS_PER_SLOT:
            return Refusal.TOO_MANY_ORDERS
        if message.mode is Mode.OPEN and len(book.open_orders) >= MAX_OPEN_ORDERS:
            return Refusal.BOOK_FULL
        order = OrderRecord(
            device=sender,
            slot_s=slot_s,
            side=int(side),
            energy_wh=message.energy_wh,
            remaining_wh=message.energy_wh,
            limit_ueur_kwh=message.limit_ueur_kwh,
            mode=int(message.mode),
            all_or_nothing=int(message.all_or_nothing),
            position=at.position,
        )
        return self._admit(book, order, at.order_id, None)

    def replace(self, sender: bytes, message: ReplaceOrder, at: Place) -> Refusal:
        """Put another energy and limit in the place of an own order; it goes to the end of ledger order."""
        old = self._books.find(message.order_id)
        refusal = self._check_own(sender, old, message.expected_wh)
        if old is None or refusal:
            return refusal
        order = OrderRecord(
            device=sender,
            slot_s=old.slot_s,
            side=old.side,
            energy_wh=message.energy_wh,
            remaining_wh=message.energy_wh,
            limit_ueur_kwh=message.limit_ueur_kwh,
            mode=old.mode,
            all_or_nothing=old.all_or_nothing,
            position=at.position,
        )
        return self._admit(self._books.open[old.slot_s], order, at.order_id, (message.order_id, old))

    def cancel(self, sender: bytes, message: CancelOrder) -> Refusal:
        """Take an own order back."""
        order = self._books.find(message.order_id)
        refusal = self._check_own(sender, order, message.expected_wh)
        if order is None or refusal:
            return refusal
        self._lock(order, -1)
        self._books.remove_order(message.order_id)
        return Refusal.OK

    def accept(self, sender: bytes, message: AcceptOrder) -> Refusal:
        """Take a named open order, wholly or in part."""
        return self._accept_all(sender, (message,))

    def run_program(self, sender: bytes, message: BlockProgram) -> Refusal:
        """Accept orders of consecutive slots, all or none."""
        duration_s = self._registry.times.duration_s
        slots = [order.slot_s for order in map(self._books.find, (a.order_id for a in message.accepts)) if order is not None]
        if len(slots) < len(message.accepts):
            return Refusal.GONE
        if slots != list(range(slots[0], slots[0] + duration_s * len(slots), duration_s)):
            return Refusal.NOT_CONSECUTIVE
        return self._accept_all(sender, message.accepts)

    def _check_own(self, sender: bytes, order: OrderRecord | None, expected_wh: int) -> Refusal:
        if order is None:
            return Refusal.GONE
        if order.device != sender:
            return Refusal.NOT_YOURS
        return Refusal.OK if order.remaining_wh == expected_wh else Refusal.GONE

    def _admit(
        self, book: OpenBook, order: OrderRecord, order_id: bytes, replaced: tuple[bytes, OrderRecord] | None
    ) -> Refusal:
        """Check limit, nameplate and escrow of an order, given the one it replaces, and let it stand."""
        side = Side(order.side)
        if not book.tariff.bid_ueur_kwh <= order.limit_ueur_kwh <= book.tariff.ask_ueur_kwh:
            return Refusal.LIMIT_OUTSIDE_TARIFF
        replaced_wh = replaced[1].remaining_wh if replaced else 0
        exposure_wh = book.exposure_wh(order.device, side) + order.remaining_wh - replaced_wh
        if exposure_wh > self._registry.slot_limit_wh(order.device, side):
            return Refusal.ABOVE_NAMEPLATE
        freed_ueur = self._order_lock_ueur(replaced[1]) if replaced else 0
        refusal = self._check_backing(order.device, order.slot_s, self._order_lock_ueur(order) - freed_ueur)
        if refusal:
            return refusal
        if replaced:
            self._lock(replaced[1], -1)
            self._books.remove_order(replaced[0])
        self._lock(order, 1)
        self._books.add_order(order_id, order)
        return Refusal.OK

    def _accept_all(self, sender: bytes, accepts: Sequence[AcceptOrder]) -> Refusal:
        """Check every accept on its own and the escrow of all together, then match them all. Slots differ."""
        if not self._registry.trades(sender):
            return Refusal.ROLE_MISSING
        lock_sum_ueur, slot_s = 0, 0
        for accept in accepts:
            order = self._books.find(accept.order_id)
            refusal = self._check_accept(sender, accept, order)
            if order is None or refusal:
                return refusal
            slot_s = order.slot_s
            lock_sum_ueur += self._taker_lock_ueur(order, accept.energy_wh)
        refusal = self._check_backing(sender, slot_s, lock_sum_ueur)
        if refusal:
            return refusal
        for accept in accepts:
            self._match(sender, accept)
        return Refusal.OK

    def _check_accept(self, sender: bytes, accept: AcceptOrder, order: OrderRecord | None) -> Refusal:
        if order is None or order.mode != Mode.OPEN:
            return Refusal.GONE
        if order.device == sender:
            return Refusal.OWN_ORDER
        if order.all_or_nothing and accept.energy_wh < order.remaining_wh:
            return Refusal.WHOLE_ONLY
        if accept.energy_wh > order.remaining_wh:
            return Refusal.GONE
        side = other(Side(order.side))
        exposure_wh = self._books.open[order.slot_s].exposure_wh(sender, side) + accept.energy_wh
        if exposure_wh > self._registry.slot_limit_wh(sender, side):
            return Refusal.ABOVE_NAMEPLATE
        return Refusal.OK

    def _match(self, sender: bytes, accept: AcceptOrder) -> None:
        order = self._books.find(accept.order_id)
        assert order is not None, "checked before"
        tariff = self._books.open[order.slot_s].tariff
        side, limit = Side(order.side), order.limit_ueur_kwh
        rest_ueur = lock_ueur(tariff, side, limit, order.remaining_wh - accept.energy_wh)
        receipt_ueur = lock_ueur(tariff, side, limit, accept.energy_wh)
        maker = self._registry.account_of(order.device, order.slot_s)
        self._accounts.lock(maker, rest_ueur + receipt_ueur - self._order_lock_ueur(order))
        taker = self._registry.account_of(sender, order.slot_s)
        self._accounts.lock(taker, self._taker_lock_ueur(order, accept.energy_wh))
        self._books.match(accept.order_id, sender, accept.energy_wh)

    def _check_backing(self, device: bytes, slot_s: int, lock_ueur_more: int) -> Refusal:
        account = self._registry.account_of(device, slot_s)
        if self._accounts.balance_ueur(account) < 0:
            return Refusal.ACCOUNT_BELOW_ZERO
        if lock_ueur_more > 0 and self._accounts.available_ueur(account) < lock_ueur_more:
            return Refusal.NOT_BACKED
        return Refusal.OK

    def _order_lock_ueur(self, order: OrderRecord) -> int:
        tariff = self._books.open[order.slot_s].tariff
        return lock_ueur(tariff, Side(order.side), order.limit_ueur_kwh, order.remaining_wh)

    def _taker_lock_ueur(self, order: OrderRecord, energy_wh: int) -> int:
        tariff = self._books.open[order.slot_s].tariff
        return lock_ueur(tariff, other(Side(order.side)), order.limit_ueur_kwh, energy_wh)

    def _lock(self, order: OrderRecord, sign: int) -> None:
        account = self._registry.account_of(order.device, order.slot_s)
        self._accounts.lock(account, sign * self._order_lock_ueur(order))
