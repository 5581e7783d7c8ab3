"""What the report needs from the ledger, collected while the blocks are made: bounded arrays, nothing is kept twice.

It stands beside the node and reads committed state; it is no part of the ledger and no agent sees it. Slots are numbered
from the window's first one; of slots outside the window (lead-in and run-on) only the money is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.vocabulary import Side
from lightclient import keys
from lightclient.messages import (
    AcceptOrder,
    BlockProgram,
    CancelOrder,
    Notice,
    OpenReading,
    PlaceOrder,
    ReplaceOrder,
    decode_body,
)
from lightclient.refusals import Refusal
from lightclient.values import BookRecord, OrderRecord, PositionRecord, SettlementRecord
from lightclient.wire import decode_tx
from tools.society.sales import Sales

NO_PRICE: Final = -(2**63)
"""Stands in an array where there is no price; a price has at most 24 bits."""

MESSAGES: Final = (PlaceOrder.KIND, ReplaceOrder.KIND, CancelOrder.KIND, AcceptOrder.KIND, BlockProgram.KIND)
FIRST_CONSUMING: Final = Refusal.EXPIRED
"""Refusals below it are of transactions that need not even decode."""

Read = Callable[[bytes], bytes | None]
"""Reads one key of the committed state."""


def _zeros(slots: int) -> array[int]:
    return array("q", bytes(8 * slots))


def _no_prices(slots: int) -> array[int]:
    return array("q", [NO_PRICE]) * slots


@dataclass(slots=True)
class DeviceColumns:
    """Per slot of one device: energies in Wh, amounts in ueur as its account paid them."""

    metered_wh: array[int]
    position_wh: array[int]
    imbalance_wh: array[int]
    balanced_wh: array[int]
    trades_ueur: array[int]
    imbalance_ueur: array[int]

    @classmethod
    def of(cls, slots: int) -> DeviceColumns:
        return cls(*(_zeros(slots) for _ in range(6)))


@dataclass(slots=True)
class SlotColumns:
    """Per slot of the society. Prices are NO_PRICE where there was none, or where the slot has not settled."""

    ask_ueur_kwh: array[int]
    bid_ueur_kwh: array[int]
    call_ueur_kwh: array[int]
    grid_import_wh: array[int]
    grid_export_wh: array[int]
    grid_ueur: array[int]
    society_ueur: array[int]

    @classmethod
    def of(cls, slots: int) -> SlotColumns:
        return cls(*(_no_prices(slots) for _ in range(3)), *(_zeros(slots) for _ in range(4)))


@dataclass(slots=True)
class Counters:
    """What stood in the blocks."""

    blocks: int = 0
    transactions: int = 0
    messages: int = 0
    """Orders, replacements, cancels, accepts and block programs, the refused ones too."""
    readings: int = 0
    late_readings: int = 0
    notices: int = 0
    races_lost: int = 0
    """Accepts, replacements and cancels that came too late for their order ("gone")."""
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Outside:
    """What was paid for slots outside the window, in ueur."""

    devices_ueur: dict[bytes, int] = field(default_factory=dict)
    society_ueur: int = 0
    grid_ueur: int = 0


class LedgerBook:
    """Watches the blocks of one run: `before_block` ahead of each, `after_commit` once it is committed."""

    def __init__(
        self, read: Read, devices: Sequence[bytes], first_slot_s: int, slots: int, duration_s: int, gate_lead_s: int
    ) -> None:
        self.slots = slots
        self.first_slot_s = first_slot_s
        self.duration_s = duration_s
        self.columns = SlotColumns.of(slots)
        self.devices = {device: DeviceColumns.of(slots) for device in devices}
        self.counters = Counters()
        self.sales = Sales()
        self.outside = Outside()
        self.settled = 0
        """Slots of the window that have settled."""
        self._read = read
        self._gate_lead_s = gate_lead_s
        self._placed: dict[int, dict[bytes, tuple[bytes, Side]]] = {}
        """Slot -> order -> (device, side) for slots whose gate lies ahead; also orders that stand no more."""
        self._pending: list[int] = []
        """Slots that have ended and not settled."""
        self._next_end_s: int | None = None
        self._silent: set[tuple[bytes, int]] = set()
        """(device, slot) that settled without the device's reading."""

    @property
    def complete(self) -> bool:
        """Whether every slot of the window has settled."""
        return self.settled == self.slots

    @property
    def silent(self) -> int:
        """How many readings of the window's settled slots are still missing."""
        return sum(self.index(slot_s) is not None for _, slot_s in self._silent)

    def index(self, slot_s: int) -> int | None:
        """Number of a slot within the window; None outside."""
        number = (slot_s - self.first_slot_s) // self.duration_s
        return number if 0 <= number < self.slots else None

    def before_block(self, time_s: int) -> None:
        """Note the sales of the calls that a block at `time_s` runs: only the state before it still has their orders."""
        for slot_s in [slot for slot in self._placed if slot - self._gate_lead_s <= time_s]:
            placed = self._placed.pop(slot_s)
            value = self._read(keys.book(slot_s))
            if value is not None and time_s < slot_s and self.index(slot_s) is not None:
                records = (self._read(keys.order(order_id)) for order_id in placed)
                standing = [OrderRecord.decode(record) for record in records if record is not None]
                self.sales.add_call(standing, BookRecord.decode(value).book.tariff)

    def after_commit(self, time_s: int, txs: Sequence[bytes], codes: Sequence[int], order_ids: Sequence[bytes]) -> None:
        """Take in a committed block; `order_ids` has per transaction the id of the order that it placed."""
        self.counters.blocks += 1
        for tx, code, order_id in zip(txs, codes, order_ids, strict=True):
            self._transaction(tx, code, order_id)
        self._settle(time_s)

    def _transaction(self, tx: bytes, code: int, order_id: bytes) -> None:
        self.counters.transactions += 1
        if code:
            name = Refusal(code).name.lower()
            self.counters.refused[name] = self.counters.refused.get(name, 0) + 1
            if code < FIRST_CONSUMING:
                return
        sealed = decode_tx(tx)
        kind, sender = sealed.envelope.kind, sealed.envelope.sender
        if kind in MESSAGES:
            self.counters.messages += 1
            self.counters.races_lost += code == Refusal.GONE
        if code == Refusal.OK:
            self._carried_out(decode_body(kind, sealed.body), sender, order_id)

    def _carried_out(self, message: object, sender: bytes, order_id: bytes) -> None:
        match message:
            case PlaceOrder():
                self._placed.setdefault(message.slot_s, {})[order_id] = (sender, message.side)
            case ReplaceOrder():
                slot_s = self._slot_of(message.order_id)
                self._placed[slot_s][order_id] = self._placed[slot_s][message.order_id]
            case AcceptOrder():
                self._accepted(sender, message)
            case BlockProgram():
                for accept in message.accepts:
                    self._accepted(sender, accept)
            case OpenReading():
                self.counters.readings += 1
                if (sender, message.slot_s) in self._silent:
                    self.counters.late_readings += 1
                    self._line(sender, message.slot_s)
            case Notice():
                self.counters.notices += 1

    def _slot_of(self, order_id: bytes) -> int:
        return next(slot_s for slot_s, placed in self._placed.items() if order_id in placed)

    def _accepted(self, taker: bytes, accept: AcceptOrder) -> None:
        slot_s = self._slot_of(accept.order_id)
        maker, side = self._placed[slot_s][accept.order_id]
        if self.index(slot_s) is not None:
            seller, buyer = (maker, taker) if side is Side.SELL else (taker, maker)
            self.sales.add(seller, buyer, accept.energy_wh)

    def _settle(self, time_s: int) -> None:
        """Look at the slots that have ended and not settled yet; they are few."""
        if self._next_end_s is None:
            self._next_end_s = time_s - time_s % self.duration_s + self.duration_s
        while self._next_end_s <= time_s:
            self._pending.append(self._next_end_s - self.duration_s)
            self._next_end_s += self.duration_s
        for slot_s in list(self._pending):
            value = self._read(keys.settlement(slot_s))
            if value is not None:
                self._pending.remove(slot_s)
                self._settled(slot_s, SettlementRecord.decode(value))

    def _settled(self, slot_s: int, record: SettlementRecord) -> None:
        number = self.index(slot_s)
        if number is None:
            self.outside.society_ueur += record.society_ueur
            self.outside.grid_ueur += record.grid_ueur
        else:
            self.settled += 1
            columns = self.columns
            columns.ask_ueur_kwh[number] = record.ask_ueur_kwh
            columns.bid_ueur_kwh[number] = record.bid_ueur_kwh
            columns.call_ueur_kwh[number] = NO_PRICE if record.call_ueur_kwh is None else record.call_ueur_kwh
            columns.grid_import_wh[number] = record.grid_import_wh
            columns.grid_export_wh[number] = record.grid_export_wh
            columns.grid_ueur[number] = record.grid_ueur
            columns.society_ueur[number] = record.society_ueur
        for device in self.devices:
            self._line(device, slot_s)

    def _line(self, device: bytes, slot_s: int) -> None:
        """Take over how a device's slot was settled; a line that is not there yet comes with its late reading."""
        value = self._read(keys.position(device, slot_s))
        record = None if value is None else PositionRecord.decode(value)
        number = self.index(slot_s)
        if record is not None and number is not None:
            self.devices[device].position_wh[number] = record.position().net_wh
        line = None if record is None else record.line
        if line is None:
            self._silent.add((device, slot_s))
            return
        self._silent.discard((device, slot_s))
        if number is None:
            paid = self.outside.devices_ueur.get(device, 0) + line.trades_ueur + line.imbalance_ueur
            self.outside.devices_ueur[device] = paid
            return
        columns = self.devices[device]
        columns.metered_wh[number] = line.metered_wh
        columns.imbalance_wh[number] = line.imbalance_wh
        columns.balanced_wh[number] = line.balanced_wh
        columns.trades_ueur[number] = line.trades_ueur
        columns.imbalance_ueur[number] = line.imbalance_ueur
