"""All open books: when they open, with which tariff, and when the next one is due. Trading and closing happen elsewhere.

From the first tradable slot on there is a book for every slot, without a hole: the utility's tariff opens it, or the
parameters' fallback two hours before the slot.
"""

from __future__ import annotations

from agent.vocabulary import Receipt, Side, Tariff
from lightclient import keys
from lightclient.values import BookRecord, BookStatus, OrderRecord, PositionRecord, TariffRecord
from tools.fullnode.rules.book import OpenBook
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.state import State

OWN_TARIFF = 1
FALLBACK_TARIFF = 2


class Books:
    """Books by slot. `first_slot_s` is the first slot of the chain that is traded."""

    def __init__(self, state: State, registry: Registry, first_slot_s: int) -> None:
        self._state = state
        self._registry = registry
        self.open: dict[int, OpenBook] = {}
        self.slot_of_order: dict[bytes, int] = {}
        self._touched: set[int] = set()
        self._touched_positions: set[tuple[bytes, int]] = set()
        self._load()
        self._first_missing_s = first_slot_s
        self._skip_existing()

    def _load(self) -> None:
        """Rebuild the open books from keys and values alone."""
        for _, value in self._state.items_of(keys.book(0)[:1]):
            record = BookRecord.decode(value)
            if record.status is BookStatus.OPEN:
                book = self.open[record.book.slot_s] = OpenBook(record.book.tariff)
                book.traded_wh = record.traded_wh
        for key, value in self._state.items_of(keys.order(b"")):
            order = OrderRecord.decode(value)
            self.open[order.slot_s].add(key[1:], order)
            self.slot_of_order[key[1:]] = order.slot_s
        for key, value in self._state.items_of(keys.position(b"", 0)[:1]):
            position_book = self.open.get(int.from_bytes(key[-8:], "big"))
            if position_book is not None:
                for receipt in PositionRecord.decode(value).receipts:
                    position_book.device(key[1:-8]).add_receipt(receipt)

    def _skip_existing(self) -> None:
        while self._first_missing_s in self.open or keys.book(self._first_missing_s) in self._state:
            self._first_missing_s += self._registry.times.duration_s

    def next_gate_s(self) -> int | None:
        return self._registry.times.gate_s(min(self.open)) if self.open else None

    def next_fallback_s(self) -> int:
        """When the first slot that has no book yet gets one with the fallback."""
        return self._registry.times.fallback_s(self._first_missing_s)

    def open_overdue(self, time_s: int) -> None:
        """Open every missing book whose slot is at most two hours away, with the parameters' fallback."""
        params = self._registry.params
        while self.next_fallback_s() <= time_s:
            slot_s = self._first_missing_s
            tariff = Tariff(slot_s, params.fallback_ask_ueur_kwh, params.fallback_bid_ueur_kwh)
            self.open_with(tariff, FALLBACK_TARIFF)

    def open_with(self, tariff: Tariff, source: int) -> None:
        """Open a book, or give an untouched one another tariff."""
        self.open[tariff.slot_s] = OpenBook(tariff)
        record = TariffRecord(tariff.ask_ueur_kwh, tariff.bid_ueur_kwh, source)
        self._state.put(keys.tariff(tariff.slot_s), record.encode())
        self._touched.add(tariff.slot_s)
        self._skip_existing()

    def add_order(self, order_id: bytes, order: OrderRecord) -> None:
        self.open[order.slot_s].add(order_id, order)
        self.slot_of_order[order_id] = order.slot_s
        self._store(order_id, order)

    def remove_order(self, order_id: bytes) -> OrderRecord:
        order = self.open[self.slot_of_order.pop(order_id)].remove(order_id)
        self._state.delete(keys.order(order_id))
        self._touched.add(order.slot_s)
        return order

    def find(self, order_id: bytes) -> OrderRecord | None:
        slot_s = self.slot_of_order.get(order_id)
        return None if slot_s is None else self.open[slot_s].orders[order_id]

    def match(self, order_id: bytes, taker: bytes, energy_wh: int) -> None:
        """Book an accept of part or all of a standing order, on both sides."""
        order = self.open[self.slot_of_order[order_id]].orders[order_id]
        book = self.open[order.slot_s]
        side = Side(order.side)
        for device, device_side in ((order.device, side), (taker, Side.SELL if side is Side.BUY else Side.BUY)):
            book.device(device).add_receipt(Receipt(device_side, energy_wh, order.limit_ueur_kwh))
            self._touched_positions.add((device, order.slot_s))
        left = book.take(order_id, energy_wh)
        if left is None:
            del self.slot_of_order[order_id]
            self._state.delete(keys.order(order_id))
        else:
            self._store(order_id, left)
        book.traded_wh += energy_wh
        self._touched.add(order.slot_s)

    def _store(self, order_id: bytes, order: OrderRecord) -> None:
        self._state.put(keys.order(order_id), order.encode())
        self._touched.add(order.slot_s)

    def close(self, slot_s: int) -> OpenBook:
        """Take a book and its orders out; the caller writes what becomes of them."""
        book = self.open.pop(slot_s)
        for order_id in book.orders:
            del self.slot_of_order[order_id]
            self._state.delete(keys.order(order_id))
        return book

    def flush(self) -> None:
        """Write the books and positions that the block has touched and that are still open."""
        for slot_s in sorted(self._touched & self.open.keys()):
            self._state.put(keys.book(slot_s), self.open[slot_s].record().encode())
        for device, slot_s in sorted(self._touched_positions):
            if slot_s in self.open:
                receipts = tuple(self.open[slot_s].devices[device].receipts)
                self._state.put(keys.position(device, slot_s), PositionRecord(slot_s, receipts, (), None).encode())
        self._touched.clear()
        self._touched_positions.clear()
