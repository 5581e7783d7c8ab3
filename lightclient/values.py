"""What the values of the ledger's state mean: one frozen class per key, with `encode` and `decode`.

The node writes them, the light client proves them and decodes them here. A value is a positional msgpack array of
integers, byte strings, ASCII text and arrays; an empty array stands for "none". Source: docs/ledger.md, "State".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

from agent.vocabulary import Book, Level, OpenEntry, Position, Receipt, Side, SlotPrice, Tariff
from lightclient.wire import pack, unpack


def _optional(value: int | None) -> tuple[int, ...]:
    return () if value is None else (value,)


def _first(value: tuple[int, ...]) -> int | None:
    return value[0] if value else None


class Flat:
    """A value whose fields are integers, byte strings and text, stored in the order in which the class names them."""

    __slots__ = ()

    def encode(self) -> bytes:
        return pack([getattr(self, name) for name in self.__dataclass_fields__])  # type: ignore[attr-defined]

    @classmethod
    def decode(cls, data: bytes) -> Self:
        return cls(*unpack(data))


@dataclass(frozen=True, slots=True)
class Params(Flat):
    """Parameters of the society. Key `params`."""

    version: int
    slot_duration_s: int
    gate_lead_s: int
    deviation_share_permille: int
    fallback_ask_ueur_kwh: int
    fallback_bid_ueur_kwh: int
    dispute_s: int
    heartbeat_s: int
    fuse_w: int
    """Fuse of the grid connection, reported only; 0: not known."""
    society: bytes
    """Party that carries what no device explains."""
    utility: bytes
    """Party that sells and buys at the grid meter."""
    grid_meter: bytes
    """Device at the grid connection; empty: there is none, and slots settle on the sum of the devices."""


class Role(IntEnum):
    """Bits of a party's roles."""

    BOARD = 1
    MAKER = 2
    INSTALLER = 4
    METER_OPERATOR = 8
    TREASURER = 16
    UTILITY = 32
    VALIDATOR = 64
    AUDITOR = 128


@dataclass(frozen=True, slots=True)
class PartyRecord(Flat):
    """A party. Key `p`."""

    public_key: bytes
    name: str
    roles: int


@dataclass(frozen=True, slots=True)
class Account(Flat):
    """The account of a party. Key `a`. What it can still place is balance_ueur - locked_ueur."""

    balance_ueur: int
    locked_ueur: int


@dataclass(frozen=True, slots=True)
class DeviceRecord(Flat):
    """A device. Key `d`. Nameplates are the most power it can draw and feed in."""

    public_key: bytes
    kind: str
    model: str
    owner: bytes
    beneficiary: bytes
    installer: bytes
    apartment: str
    sub_meter: bytes
    """Device that measures the apartment above it; empty: none."""
    phase: int
    nameplate_import_w: int
    nameplate_export_w: int
    firmware_digest: bytes
    epoch: int
    status: int
    """1 active, 2 quarantined, 3 decommissioned."""

    @property
    def is_storage(self) -> bool:
        return self.nameplate_import_w > 0 and self.nameplate_export_w > 0


@dataclass(frozen=True, slots=True)
class Sequence(Flat):
    """What a sender has used. Key `q`. Bit i of `window` says that seq `highest - i` is used (1,024 bits, big-endian)."""

    highest: int
    window: bytes
    hour_s: int
    """Start of the hour (UTC) in which `messages` were counted."""
    messages: int


@dataclass(frozen=True, slots=True)
class TxResult(Flat):
    """Result of a transaction. Key `r`."""

    height: int
    code: int


@dataclass(frozen=True, slots=True)
class TariffRecord(Flat):
    """The tariff of a slot. Key `t`. `source` is 1 for the utility's own, 2 for the parameters' fallback."""

    ask_ueur_kwh: int
    bid_ueur_kwh: int
    source: int


class BookStatus(IntEnum):
    OPEN = 1
    CALLED = 2
    """The call has run; the book is closed."""
    LAPSED = 3
    """The slot began before a block could run the call; the orders lapsed."""


@dataclass(frozen=True, slots=True)
class BookRecord:
    """The book of a slot. Key `b`."""

    status: BookStatus
    book: Book
    call_ueur_kwh: int | None
    traded_wh: int
    """Energy matched, by accepts and by the call."""

    def encode(self) -> bytes:
        book = self.book
        return pack(
            [
                int(self.status),
                [book.tariff.slot_s, book.tariff.ask_ueur_kwh, book.tariff.bid_ueur_kwh],
                [[level.limit_ueur_kwh, level.energy_wh] for level in book.buys],
                [[level.limit_ueur_kwh, level.energy_wh] for level in book.sells],
                [[e.order_id, int(e.side), e.limit_ueur_kwh, e.remaining_wh, int(e.all_or_nothing)] for e in book.open_entries],
                _optional(self.call_ueur_kwh),
                self.traded_wh,
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> BookRecord:
        status, tariff, buys, sells, entries, call, traded_wh = unpack(data)
        book = Book(
            Tariff(*tariff),
            tuple(Level(*level) for level in buys),
            tuple(Level(*level) for level in sells),
            tuple(OpenEntry(e[0], Side(e[1]), e[2], e[3], bool(e[4])) for e in entries),
        )
        return cls(BookStatus(status), book, _first(call), traded_wh)


@dataclass(frozen=True, slots=True)
class OrderRecord(Flat):
    """An order that stands. Key `o`. It is deleted when nothing of it stands any more and when its book closes."""

    device: bytes
    slot_s: int
    side: int
    energy_wh: int
    remaining_wh: int
    limit_ueur_kwh: int
    mode: int
    all_or_nothing: int
    position: int
    """Place in ledger order: height x 2^20 plus the index of the transaction within its block."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """An own order, or part of one, that the call left unfilled."""

    side: Side
    limit_ueur_kwh: int
    energy_wh: int


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """How a device's slot was settled. Amounts are what the device's account paid (negative: received)."""

    metered_wh: int
    imbalance_wh: int
    balanced_wh: int
    """Part of the imbalance that balanced the others, without sign."""
    netted_wh: int
    """Part netted inside the society, without sign."""
    tariff_wh: int
    """Part bought or sold at the tariff, without sign."""
    trades_ueur: int
    imbalance_ueur: int
    late: int
    """1 when the reading came after the slot had settled; 2 when the dispute time ended without one."""


@dataclass(frozen=True, slots=True)
class PositionRecord:
    """What a device traded for a slot, what the call left of its orders, and how it was settled. Key `x`."""

    slot_s: int
    receipts: tuple[Receipt, ...]
    leftovers: tuple[Leftover, ...]
    line: SettlementLine | None

    def position(self) -> Position:
        bought = sum(r.energy_wh for r in self.receipts if r.side is Side.BUY)
        sold = sum(r.energy_wh for r in self.receipts if r.side is Side.SELL)
        return Position(self.slot_s, bought, sold, self.receipts)

    def encode(self) -> bytes:
        line = self.line
        return pack(
            [
                self.slot_s,
                [[int(r.side), r.energy_wh, r.price_ueur_kwh] for r in self.receipts],
                [[int(left.side), left.limit_ueur_kwh, left.energy_wh] for left in self.leftovers],
                [] if line is None else [getattr(line, name) for name in SettlementLine.__slots__],
            ]
        )

    @classmethod
    def decode(cls, data: bytes) -> PositionRecord:
        slot_s, receipts, leftovers, line = unpack(data)
        return cls(
            slot_s,
            tuple(Receipt(Side(r[0]), r[1], r[2]) for r in receipts),
            tuple(Leftover(Side(left[0]), left[1], left[2]) for left in leftovers),
            SettlementLine(*line) if line else None,
        )


@dataclass(frozen=True, slots=True)
class ReadingRecord(Flat):
    """A reading that counts. Key `e`."""

    import_start_wh: int
    export_start_wh: int
    import_end_wh: int
    export_end_wh: int
    record_hash: bytes
    height: int


@dataclass(frozen=True, slots=True)
class NoticeRecord(Flat):
    """A notice that counts. Key `n`."""

    events: int
    gaps: int
    evicted: int
    first_s: int
    last_s: int
    record_hash: bytes
    height: int


class SettledOn(IntEnum):
    GRID_METER = 1
    SUM_OF_DEVICES = 2


@dataclass(frozen=True, slots=True)
class SettlementRecord:
    """The settlement of a slot. Key `s`. Short energy was taken beyond the position, long energy given beyond it."""

    settled_on: SettledOn
    ask_ueur_kwh: int
    bid_ueur_kwh: int
    call_ueur_kwh: int | None
    short_ueur_kwh: int
    """What the short paid for netted energy (the ask where there was no call)."""
    long_ueur_kwh: int
    """What the long got for netted energy (the bid where there was no call)."""
    grid_import_wh: int
    grid_export_wh: int
    storage_net_wh: int
    """Metered net import of all storage devices."""
    short_wh: int
    long_wh: int
    balanced_wh: int
    netted_wh: int
    unexplained_wh: int
    """Grid meter minus the sum of the devices that reported and the positions of those that did not."""
    grid_ueur: int
    """What the society paid the utility for the slot."""
    society_ueur: int
    """What the society's account paid (negative: received) to make the books balance."""
    reported: int
    devices: int

    def encode(self) -> bytes:
        values = [getattr(self, name) for name in SettlementRecord.__slots__]
        values[0] = int(self.settled_on)
        values[3] = _optional(self.call_ueur_kwh)
        return pack(values)

    @classmethod
    def decode(cls, data: bytes) -> SettlementRecord:
        values = list(unpack(data))
        values[0] = SettledOn(values[0])
        values[3] = _first(values[3])
        return cls(*values)


def encode_history(lines: tuple[SlotPrice, ...]) -> bytes:
    """Price history of one UTC day, slots ascending. Key `h`."""
    return pack(
        [
            [
                line.slot_s,
                line.ask_ueur_kwh,
                line.bid_ueur_kwh,
                _optional(line.call_ueur_kwh),
                line.traded_wh,
                _optional(line.net_load_wh),
            ]
            for line in lines
        ]
    )


def decode_history(data: bytes) -> tuple[SlotPrice, ...]:
    return tuple(
        SlotPrice(slot_s, ask, bid, _first(call), traded, _first(net)) for slot_s, ask, bid, call, traded, net in unpack(data)
    )
