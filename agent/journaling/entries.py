"""What the agent's records say: one function per kind of journal entry, each the body of a record."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import msgpack

from agent.vocabulary import Reading, SlotEnergy
from storeforward.records import NewRecord, Stream
from storeforward.timekeeping import Anchor


class ReceiptKind(IntEnum):
    """When a proven position was written down."""

    TRADED = 1
    """After the gate: what was bought and sold, and what the call left over."""
    SETTLED = 2
    """After settlement: the same with the settlement's line."""


def energy(slot: SlotEnergy, taken_ns: int | None) -> NewRecord:
    """[slot_s, import_start_wh, export_start_wh, import_end_wh, export_end_wh]"""
    return _record(Stream.ENERGY, taken_ns, [getattr(slot, name) for name in SlotEnergy.__slots__])


def decode_energy(body: bytes) -> SlotEnergy:
    """What `energy` wrote. Raises ValueError for other bytes."""
    return SlotEnergy(*_integers(body, "slot's energy", len(SlotEnergy.__slots__)))


def sample(reading: Reading, taken_ns: int) -> NewRecord:
    """[taken_at_s, power_w, import_wh, export_wh]"""
    return _record(Stream.SAMPLE, taken_ns, [getattr(reading, name) for name in Reading.__slots__])


def undated_sample(reading: Reading, monotonic_ns: int) -> NewRecord:
    """The same, taken while nobody knew the time: `taken_at_s` is 0, the monotonic time of capture is all there is."""
    body = [0, reading.power_w, reading.import_wh, reading.export_wh]
    return NewRecord(Stream.SAMPLE, None, bytes(msgpack.packb(body)), monotonic_ns)


def decode_sample(body: bytes) -> Reading:
    """What `sample` wrote. Raises ValueError for other bytes."""
    return Reading(*_integers(body, "sample", len(Reading.__slots__)))


def order(payload: bytes, taken_ns: int) -> NewRecord:
    """The payload of the transaction, as signed."""
    return NewRecord(Stream.ORDER, taken_ns, payload)


def receipt(kind: ReceiptKind, slot_s: int, height: int, value: bytes, taken_ns: int) -> NewRecord:
    """[kind, slot_s, height, value]: the ledger's value of the position's key, proven at `height`."""
    return _record(Stream.RECEIPT, taken_ns, [int(kind), slot_s, height, value])


def event(what: str, text: str, taken_ns: int | None) -> NewRecord:
    """[what, text]: something that a person may ask about later, in words."""
    return _record(Stream.EVENT, taken_ns, [what, text])


def decode_event(body: bytes) -> tuple[str, str]:
    """What `event` wrote. Raises ValueError for other bytes."""
    try:
        what, text = msgpack.unpackb(body)
    except (TypeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"no event: {error}") from error
    return str(what), str(text)


def anchor(told: Anchor, taken_ns: int | None) -> NewRecord:
    """An anchor of time, as it encodes itself; captured at the end of its span."""
    return NewRecord(Stream.ANCHOR, taken_ns, told.encode(), told.after_ns)


def _integers(body: bytes, what: str, count: int) -> list[int]:
    """The integers that a body consists of. Raises ValueError for anything else."""
    try:
        values = msgpack.unpackb(body)
    except (TypeError, ValueError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"no {what}: {error}") from error
    if not isinstance(values, list) or len(values) != count or not all(type(value) is int for value in values):
        raise ValueError(f"no {what}: {values!r:.80}")
    return values


def _record(stream: Stream, taken_ns: int | None, body: Sequence[object]) -> NewRecord:
    return NewRecord(stream, taken_ns, bytes(msgpack.packb(body)))
