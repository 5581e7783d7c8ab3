"""What happens at a gate: the call over what is left of a book, receipts and leftovers, or the lapse of its orders.

Source: docs/ledger.md, "The gate".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from agent.vocabulary import Book, Receipt, Side, SlotPrice
from lightclient import keys
from lightclient.values import BookRecord, BookStatus, Leftover, OrderRecord, PositionRecord
from tools.fullnode.rules import statekeys
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.auction import CallOrder, CallResult, uniform_price_call
from tools.fullnode.rules.book import OpenBook
from tools.fullnode.rules.books import Books
from tools.fullnode.rules.escrow import lock_ueur
from tools.fullnode.rules.history import History
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.state import State

Fills = dict[bytes, int]
"""Energy that the call gave to each order, in Wh."""


class Gates:
    """Closes books when their time has come."""

    def __init__(self, state: State, registry: Registry, accounts: Accounts, books: Books, history: History) -> None:
        self._state = state
        self._registry = registry
        self._accounts = accounts
        self._books = books
        self._history = history

    def run_due(self, height: int, time_s: int) -> list[int]:
        """Close every book whose gate is over, in slot order. Returns the slots."""
        due = sorted(slot_s for slot_s in self._books.open if self._registry.times.gate_s(slot_s) <= time_s)
        for slot_s in due:
            self._close(slot_s, lapsed=time_s >= slot_s)
            self._state.put(statekeys.closed_at(slot_s), statekeys.encode_height(height))
        return due

    def _close(self, slot_s: int, *, lapsed: bool) -> None:
        book = self._books.close(slot_s)
        in_order = sorted(book.orders.items(), key=lambda item: item[1].position)
        for _, order in in_order:
            self._lock(book, order.device, Side(order.side), order.limit_ueur_kwh, -order.remaining_wh)
        price_ueur_kwh: int | None = None
        fills: Fills = {}
        joining = [] if lapsed else [(order_id, order) for order_id, order in in_order if not order.all_or_nothing]
        if joining:
            result, fills = _call(book, joining)
            price_ueur_kwh = result.price_ueur_kwh
            book.traded_wh += result.traded_wh
        if price_ueur_kwh is not None:
            self._hand_out_receipts(book, joining, fills, price_ueur_kwh)
        self._write_positions(slot_s, book, joining, fills)
        status = BookStatus.LAPSED if lapsed else BookStatus.CALLED
        closed = BookRecord(status, Book(book.tariff, (), (), ()), price_ueur_kwh, book.traded_wh)
        self._state.put(keys.book(slot_s), closed.encode())
        tariff = book.tariff
        self._history.write(SlotPrice(slot_s, tariff.ask_ueur_kwh, tariff.bid_ueur_kwh, price_ueur_kwh, book.traded_wh, None))

    def _hand_out_receipts(
        self, book: OpenBook, joining: Sequence[tuple[bytes, OrderRecord]], fills: Fills, price_ueur_kwh: int
    ) -> None:
        """One receipt per device and side for all that the call gave it."""
        sums: defaultdict[tuple[bytes, int], int] = defaultdict(int)
        for order_id, order in joining:
            if fills[order_id]:
                sums[order.device, order.side] += fills[order_id]
        for (device, side), energy_wh in sorted(sums.items()):
            book.device(device).add_receipt(Receipt(Side(side), energy_wh, price_ueur_kwh))
            self._lock(book, device, Side(side), price_ueur_kwh, energy_wh)

    def _write_positions(self, slot_s: int, book: OpenBook, joining: Sequence[tuple[bytes, OrderRecord]], fills: Fills) -> None:
        """Receipts and leftovers of every device that had orders or trades in the book."""
        leftovers: defaultdict[bytes, list[Leftover]] = defaultdict(list)
        for order_id, order in joining:
            left_wh = order.remaining_wh - fills[order_id]
            if left_wh:
                leftovers[order.device].append(Leftover(Side(order.side), order.limit_ueur_kwh, left_wh))
        for device, entry in sorted(book.devices.items()):
            if entry.standing or entry.receipts:
                record = PositionRecord(slot_s, tuple(entry.receipts), tuple(leftovers.get(device, ())), None)
                self._state.put(keys.position(device, slot_s), record.encode())

    def _lock(self, book: OpenBook, device: bytes, side: Side, price_ueur_kwh: int, energy_wh: int) -> None:
        """Lock the escrow of an energy, or free it when the energy is negative."""
        account = self._registry.account_of(device, book.tariff.slot_s)
        amount_ueur = lock_ueur(book.tariff, side, price_ueur_kwh, abs(energy_wh))
        self._accounts.lock(account, amount_ueur if energy_wh > 0 else -amount_ueur)


def _call(book: OpenBook, joining: Sequence[tuple[bytes, OrderRecord]]) -> tuple[CallResult, Fills]:
    """Run the call over the orders that join it."""
    sides: dict[int, list[CallOrder]] = {Side.BUY: [], Side.SELL: []}
    for order_id, order in joining:
        sides[order.side].append(CallOrder(order_id, order.limit_ueur_kwh, order.remaining_wh, order.position))
    buys, sells = sides[Side.BUY], sides[Side.SELL]
    result = uniform_price_call(buys, sells, book.tariff)
    fills = {order.order_id: wh for order, wh in zip(buys, result.buy_fills_wh, strict=True)}
    fills.update((order.order_id, wh) for order, wh in zip(sells, result.sell_fills_wh, strict=True))
    return result, fills
