"""The messages of the ledger: what the body of a transaction says, one class per kind.

`decode_body` judges form and bounds only (Malformed); whether a message may be carried out is for the ledger's rules.
Source: docs/ledger.md, "Message kinds".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from agent.vocabulary import Mode, Side
from lightclient.wire import ID_BYTES, MAX_SEQ, Malformed

MAX_ENERGY_WH: Final = 10**6
MAX_PRICE_UEUR_KWH: Final = 10**7
MAX_TARIFF_SLOTS: Final = 144
MAX_PROGRAM_SLOTS: Final = 96
MAX_TRANSFER_UEUR: Final = 10**15
HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    """Put an order into the book of a slot. Its id is the hash of the payload (wire.order_id)."""

    KIND: ClassVar[int] = 1
    slot_s: int
    side: Side
    energy_wh: int
    limit_ueur_kwh: int
    mode: Mode
    all_or_nothing: bool

    def body(self) -> tuple[Any, ...]:
        return (
            self.slot_s,
            int(self.side),
            self.energy_wh,
            self.limit_ueur_kwh,
            int(self.mode),
            int(self.all_or_nothing),
        )


@dataclass(frozen=True, slots=True)
class ReplaceOrder:
    """Replace an own order by a new one for the same slot, side, mode and all-or-nothing rule. It loses its position."""

    KIND: ClassVar[int] = 2
    order_id: bytes
    expected_wh: int
    """The remaining energy that the sender believes the order to have; otherwise the answer is "gone"."""
    energy_wh: int
    limit_ueur_kwh: int

    def body(self) -> tuple[Any, ...]:
        return (self.order_id, self.expected_wh, self.energy_wh, self.limit_ueur_kwh)


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Take an own order back."""

    KIND: ClassVar[int] = 3
    order_id: bytes
    expected_wh: int

    def body(self) -> tuple[Any, ...]:
        return (self.order_id, self.expected_wh)


@dataclass(frozen=True, slots=True)
class AcceptOrder:
    """Take a named open order of somebody else, wholly or in part: a binding trade at that order's price."""

    KIND: ClassVar[int] = 4
    order_id: bytes
    energy_wh: int

    def body(self) -> tuple[Any, ...]:
        return (self.order_id, self.energy_wh)


@dataclass(frozen=True, slots=True)
class BlockProgram:
    """A set of accepts over consecutive slots: all or nothing."""

    KIND: ClassVar[int] = 5
    accepts: tuple[AcceptOrder, ...]

    def body(self) -> tuple[Any, ...]:
        return (tuple(accept.body() for accept in self.accepts),)


@dataclass(frozen=True, slots=True)
class PostTariff:
    """The utility's ask and bid for consecutive slots."""

    KIND: ClassVar[int] = 6
    first_slot_s: int
    prices: tuple[tuple[int, int], ...]
    """(ask_ueur_kwh, bid_ueur_kwh) per slot."""

    def body(self) -> tuple[Any, ...]:
        return (self.first_slot_s, self.prices)


@dataclass(frozen=True, slots=True)
class OpenReading:
    """A device's cumulative registers at both ends of a slot, in numbers. Carries seq 0: (device, slot) counts once."""

    KIND: ClassVar[int] = 7
    slot_s: int
    import_start_wh: int
    export_start_wh: int
    import_end_wh: int
    export_end_wh: int
    record_hash: bytes

    def body(self) -> tuple[Any, ...]:
        return (
            self.slot_s,
            self.import_start_wh,
            self.export_start_wh,
            self.import_end_wh,
            self.export_end_wh,
            self.record_hash,
        )


@dataclass(frozen=True, slots=True)
class CommittedReading:
    """A reading whose numbers stay with those who may see them. The ledger knows the kind and refuses it for now."""

    KIND: ClassVar[int] = 8
    slot_s: int
    commitment: bytes
    record_hash: bytes

    def body(self) -> tuple[Any, ...]:
        return (self.slot_s, self.commitment, self.record_hash)


@dataclass(frozen=True, slots=True)
class Transfer:
    """The treasurer books money in (positive) or out (negative) of a party's account."""

    KIND: ClassVar[int] = 9
    party: bytes
    amount_ueur: int
    reference: bytes

    def body(self) -> tuple[Any, ...]:
        return (self.party, self.amount_ueur, self.reference)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a device's journal came to by a slot: what is in it stays there, but nobody can say later that it was otherwise.
    Carries seq 0: (device, slot) counts once.

    Counted since the notice before: `events` and `gaps` are records of these streams, `evicted` the records that the gaps say
    went, captured from `first_s` to `last_s` (0, 0: nothing went, or not known). `record_hash` is that of the newest of them
    and vouches, through the journal's hash chain, for all before it.
    """

    KIND: ClassVar[int] = 10
    slot_s: int
    events: int
    gaps: int
    evicted: int
    first_s: int
    last_s: int
    record_hash: bytes

    def body(self) -> tuple[Any, ...]:
        return (self.slot_s, self.events, self.gaps, self.evicted, self.first_s, self.last_s, self.record_hash)


Message = (
    PlaceOrder
    | ReplaceOrder
    | CancelOrder
    | AcceptOrder
    | BlockProgram
    | PostTariff
    | OpenReading
    | CommittedReading
    | Transfer
    | Notice
)


def _integer(value: Any, low: int, high: int, name: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"{name} is not an integer from {low} to {high}")
    return value


def _bytes(value: Any, length: int, name: str) -> bytes:
    if type(value) is not bytes or len(value) != length:
        raise Malformed(f"{name} is not a string of {length} bytes")
    return value


def _energy(value: Any) -> int:
    return _integer(value, 1, MAX_ENERGY_WH, "energy_wh")


def _price(value: Any) -> int:
    return _integer(value, -MAX_PRICE_UEUR_KWH, MAX_PRICE_UEUR_KWH, "price")


def _slot(value: Any) -> int:
    return _integer(value, 0, MAX_SEQ, "slot_s")


def _register(value: Any) -> int:
    return _integer(value, 0, MAX_SEQ, "register")


def _place(slot: Any, side: Any, energy: Any, limit: Any, mode: Any, whole: Any) -> PlaceOrder:
    mode_checked = Mode(_integer(mode, 0, 1, "mode"))
    whole_checked = bool(_integer(whole, 0, 1, "all_or_nothing"))
    if whole_checked and mode_checked is not Mode.OPEN:
        raise Malformed("only an open order may be all-or-nothing")
    side_checked = Side(_integer(side, 1, 2, "side"))
    return PlaceOrder(_slot(slot), side_checked, _energy(energy), _price(limit), mode_checked, whole_checked)


def _replace(order: Any, expected: Any, energy: Any, limit: Any) -> ReplaceOrder:
    return ReplaceOrder(_bytes(order, ID_BYTES, "order_id"), _energy(expected), _energy(energy), _price(limit))


def _cancel(order: Any, expected: Any) -> CancelOrder:
    return CancelOrder(_bytes(order, ID_BYTES, "order_id"), _energy(expected))


def _accept(order: Any, energy: Any) -> AcceptOrder:
    return AcceptOrder(_bytes(order, ID_BYTES, "order_id"), _energy(energy))


def _program(accepts: Any) -> BlockProgram:
    if type(accepts) is not tuple or not 1 <= len(accepts) <= MAX_PROGRAM_SLOTS:
        raise Malformed(f"a block program is an array of 1 to {MAX_PROGRAM_SLOTS} accepts")
    for accept in accepts:
        if type(accept) is not tuple or len(accept) != 2:
            raise Malformed("an accept is [order_id, energy_wh]")
    return BlockProgram(tuple(_accept(*accept) for accept in accepts))


def _tariff(first_slot: Any, prices: Any) -> PostTariff:
    if type(prices) is not tuple or not 1 <= len(prices) <= MAX_TARIFF_SLOTS:
        raise Malformed(f"a tariff is an array of 1 to {MAX_TARIFF_SLOTS} slots")
    for pair in prices:
        if type(pair) is not tuple or len(pair) != 2:
            raise Malformed("a slot's tariff is [ask, bid]")
    return PostTariff(_slot(first_slot), tuple((_price(ask), _price(bid)) for ask, bid in prices))


def _reading(slot: Any, *fields: Any) -> OpenReading:
    *registers, record_hash = fields
    import_start, export_start, import_end, export_end = (_register(value) for value in registers)
    if import_end < import_start or export_end < export_start:
        raise Malformed("a register went back")
    record = _bytes(record_hash, HASH_BYTES, "record_hash")
    return OpenReading(_slot(slot), import_start, export_start, import_end, export_end, record)


def _committed(slot: Any, commitment: Any, record_hash: Any) -> CommittedReading:
    return CommittedReading(
        _slot(slot), _bytes(commitment, HASH_BYTES, "commitment"), _bytes(record_hash, HASH_BYTES, "record_hash")
    )


def _transfer(party: Any, amount: Any, reference: Any) -> Transfer:
    if type(reference) is not bytes or len(reference) > HASH_BYTES:
        raise Malformed(f"reference is not a string of at most {HASH_BYTES} bytes")
    checked = _integer(amount, -MAX_TRANSFER_UEUR, MAX_TRANSFER_UEUR, "amount_ueur")
    return Transfer(_bytes(party, ID_BYTES, "party"), checked, reference)


def _notice(slot: Any, *fields: Any) -> Notice:
    *numbers, record_hash = fields
    names = "events", "gaps", "evicted", "first_s", "last_s"
    checked = [_integer(value, 0, MAX_SEQ, name) for value, name in zip(numbers, names, strict=True)]
    events, gaps, evicted, first_s, last_s = checked
    if not events and not gaps:
        raise Malformed("a notice is about one record at least")
    if (evicted and not gaps) or (last_s and not evicted) or first_s > last_s:
        raise Malformed("only gaps say what went, and when")
    record = _bytes(record_hash, HASH_BYTES, "record_hash")
    return Notice(_slot(slot), events, gaps, evicted, first_s, last_s, record)


_DECODERS: Final[dict[int, tuple[int, Callable[..., Message]]]] = {
    PlaceOrder.KIND: (6, _place),
    ReplaceOrder.KIND: (4, _replace),
    CancelOrder.KIND: (2, _cancel),
    AcceptOrder.KIND: (2, _accept),
    BlockProgram.KIND: (1, _program),
    PostTariff.KIND: (2, _tariff),
    OpenReading.KIND: (6, _reading),
    CommittedReading.KIND: (3, _committed),
    Transfer.KIND: (3, _transfer),
    Notice.KIND: (7, _notice),
}
"""Kind number -> (number of body fields, decoder). A new message kind is a class above and a row here."""


def decode_body(kind: int, body: tuple[Any, ...]) -> Message:
    """The message that a body carries. Raises Malformed for unknown kinds, wrong types and numbers out of bounds."""
    row = _DECODERS.get(kind)
    if row is None:
        raise Malformed(f"unknown kind {kind}")
    fields, decoder = row
    if len(body) != fields:
        raise Malformed(f"kind {kind} has {fields} fields, not {len(body)}")
    return decoder(*body)
