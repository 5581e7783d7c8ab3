"""One open book in memory: its orders, their sums by price and by device, and what has been traded in it already.

It keeps sums true and writes its own record; whether an order may stand at all is for tools.fullnode.rules.trading.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from agent.vocabulary import Book, Level, Mode, OpenEntry, Receipt, Side, Tariff
from lightclient.values import BookRecord, BookStatus, OrderRecord


@dataclass(slots=True)
class DeviceInBook:
    """What one device has standing and traded in one book."""

    standing: int = 0
    ordered_wh: dict[Side, int] = field(default_factory=lambda: {Side.BUY: 0, Side.SELL: 0})
    traded_wh: dict[Side, int] = field(default_factory=lambda: {Side.BUY: 0, Side.SELL: 0})
    receipts: list[Receipt] = field(default_factory=list)

    def exposure_wh(self, side: Side) -> int:
        """Energy it would buy (sell) if all that stands were filled, less what it sold (bought)."""
        other = Side.SELL if side is Side.BUY else Side.BUY
        return self.ordered_wh[side] + self.traded_wh[side] - self.traded_wh[other]

    def add_receipt(self, receipt: Receipt) -> None:
        self.receipts.append(receipt)
        self.traded_wh[receipt.side] += receipt.energy_wh


class OpenBook:
    """The book of a slot whose gate lies ahead."""

    def __init__(self, tariff: Tariff) -> None:
        self.tariff = tariff
        self.orders: dict[bytes, OrderRecord] = {}
        self.devices: dict[bytes, DeviceInBook] = {}
        self.open_orders: set[bytes] = set()
        self.traded_wh = 0
        self._levels: dict[Side, dict[int, int]] = {Side.BUY: {}, Side.SELL: {}}

    @property
    def is_untouched(self) -> bool:
        """Nothing stands in it and nothing has been traded, so its tariff binds nobody yet."""
        return not self.orders and not self.traded_wh

    def device(self, device: bytes) -> DeviceInBook:
        return self.devices.setdefault(device, DeviceInBook())

    def exposure_wh(self, device: bytes, side: Side) -> int:
        entry = self.devices.get(device)
        return entry.exposure_wh(side) if entry else 0

    def standing(self, device: bytes) -> int:
        entry = self.devices.get(device)
        return entry.standing if entry else 0

    def add(self, order_id: bytes, order: OrderRecord) -> None:
        self.orders[order_id] = order
        entry = self.device(order.device)
        entry.standing += 1
        self._count(order, entry, order.remaining_wh)
        if order.mode == Mode.OPEN:
            self.open_orders.add(order_id)

    def remove(self, order_id: bytes) -> OrderRecord:
        order = self.orders.pop(order_id)
        entry = self.devices[order.device]
        entry.standing -= 1
        self._count(order, entry, -order.remaining_wh)
        self.open_orders.discard(order_id)
        return order

    def take(self, order_id: bytes, energy_wh: int) -> OrderRecord | None:
        """Take part of an open order; the order as it stands now, or None when nothing of it is left."""
        order = self.orders[order_id]
        if energy_wh == order.remaining_wh:
            self.remove(order_id)
            return None
        self._count(order, self.devices[order.device], -energy_wh)
        self.orders[order_id] = left = replace(order, remaining_wh=order.remaining_wh - energy_wh)
        return left

    def _count(self, order: OrderRecord, entry: DeviceInBook, energy_wh: int) -> None:
        side = Side(order.side)
        entry.ordered_wh[side] += energy_wh
        if order.mode == Mode.CALL:
            levels = self._levels[side]
            level_wh = levels.get(order.limit_ueur_kwh, 0) + energy_wh
            if level_wh:
                levels[order.limit_ueur_kwh] = level_wh
            else:
                del levels[order.limit_ueur_kwh]

    def record(self) -> BookRecord:
        """The book as it stands in the state while it is open."""
        buys = sorted(self._levels[Side.BUY].items(), reverse=True)
        sells = sorted(self._levels[Side.SELL].items())
        book = Book(self.tariff, tuple(map(_level, buys)), tuple(map(_level, sells)), tuple(self._open_entries()))
        return BookRecord(BookStatus.OPEN, book, None, self.traded_wh)

    def _open_entries(self) -> Iterable[OpenEntry]:
        """Buys dearest first, then sells cheapest first, equals in ledger order."""

        def rank(order_id: bytes) -> tuple[int, int, int]:
            order = self.orders[order_id]
            limit = order.limit_ueur_kwh
            return order.side, -limit if order.side == Side.BUY else limit, order.position

        for order_id in sorted(self.open_orders, key=rank):
            order = self.orders[order_id]
            whole = bool(order.all_or_nothing)
            yield OpenEntry(order_id, Side(order.side), order.limit_ueur_kwh, order.remaining_wh, whole)


def _level(item: tuple[int, int]) -> Level:
    return Level(*item)
