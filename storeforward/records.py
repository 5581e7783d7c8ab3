"""Records: what the journal keeps of each stream, sealed at capture and never rewritten.

    record = msgpack([1, device, boot_id, seq, monotonic_ns, wall_ns, stream, body, previous, samples])
    record_hash = SHA-256(record)

There are two hash chains. `previous` is the hash of the record before it in the same chain: samples form one, all other
streams the other. `samples` is the hash of the newest sample, so that the signature of an energy record covers the samples
before it; in a sample it is empty. Samples carry no signature of their own. A chain begins with 32 zero bytes.
`wall_ns` is 0 where the time was not known at capture. The body is the producer's and means nothing here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, cast

import msgpack

VERSION: Final = 1
NO_HASH: Final = bytes(32)


class Stream(IntEnum):
    """What a record is about. The numbers stand in signed records."""

    ENERGY = 1
    ORDER = 2
    RECEIPT = 3
    EVENT = 4
    SAMPLE = 5
    MINUTE_MEAN = 6
    """Means over minutes, in the place of samples that went."""
    GAP = 7
    """Which records went, and why: gaps.py. Written by the journal itself."""
    ANCHOR = 8
    """What time it was at an instant of the monotonic clock, and who says so."""
    SLOT_MEAN = 9
    """Means over slots, in the place of minute means that went."""


@dataclass(frozen=True, slots=True)
class NewRecord:
    """What a producer hands in. `taken_ns` is the Unix time of capture in ns, None where it is not known; `monotonic_ns` the
    time of capture by the boot's monotonic clock, None: the moment at which it is handed in."""

    stream: Stream
    taken_ns: int | None
    body: bytes
    monotonic_ns: int | None = None


@dataclass(frozen=True, slots=True)
class RecordRef:
    """Where a record went."""

    seq: int
    record_hash: bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was sealed."""

    device: bytes
    boot_id: bytes
    seq: int
    monotonic_ns: int
    wall_ns: int
    stream: Stream
    body: bytes
    previous: bytes
    samples: bytes

    def encode(self) -> bytes:
        """The bytes that are hashed and signed."""
        return _encoded(
            self.device,
            self.boot_id,
            self.seq,
            self.monotonic_ns,
            self.wall_ns,
            self.stream,
            self.body,
            self.previous,
            self.samples,
        )

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """The record in bytes that `encode` made. Raises ValueError for anything else."""
        try:
            version, device, boot_id, seq, monotonic_ns, wall_ns, stream, body, previous, samples = msgpack.unpackb(data)
        except (TypeError, msgpack.exceptions.UnpackException) as error:
            raise ValueError(f"not a record: {error}") from error
        record = cls(device, boot_id, seq, monotonic_ns, wall_ns, Stream(stream), body, previous, samples)
        numbers, parts = (seq, monotonic_ns, wall_ns), (device, boot_id, body, previous, samples)
        are_whole = all(type(number) is int for number in numbers) and all(type(part) is bytes for part in parts)
        if version != VERSION or not are_whole or record.encode() != data:
            raise ValueError("not the encoding of a record")
        return record


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record read back. `proven_height` is where the ledger has it, None until that was proven (or for what stays here)."""

    record: Record
    data: bytes
    signature: bytes | None
    proven_height: int | None

    @property
    def ref(self) -> RecordRef:
        return RecordRef(self.record.seq, record_hash(self.data))


@dataclass(frozen=True, slots=True)
class SalvagedRecord:
    """A record of another time of this journal, with its original bytes and signature. `origin`: the file it was found in."""

    record: Record
    data: bytes
    signature: bytes | None
    proven_height: int | None
    """None also where it is not known any more."""
    origin: str

    @property
    def record_hash(self) -> bytes:
        """Its name."""
        return record_hash(self.data)


@dataclass(slots=True)
class Chain:
    """The next sequence number and the heads of both hash chains."""

    device: bytes
    boot_id: bytes
    next_seq: int = 1
    head: bytes = NO_HASH
    samples_head: bytes = NO_HASH

    def heads(self) -> tuple[int, bytes, bytes]:
        """Where it stands now: for `restore`."""
        return self.next_seq, self.head, self.samples_head

    def restore(self, heads: tuple[int, bytes, bytes]) -> None:
        self.next_seq, self.head, self.samples_head = heads

    def append(self, new: NewRecord, monotonic_ns: int) -> tuple[bytes, RecordRef]:
        """Seal a record: its bytes, and where it stands."""
        sample = new.stream is Stream.SAMPLE
        data = _encoded(
            self.device,
            self.boot_id,
            self.next_seq,
            monotonic_ns if new.monotonic_ns is None else new.monotonic_ns,
            new.taken_ns or 0,
            new.stream,
            new.body,
            self.samples_head if sample else self.head,
            b"" if sample else self.samples_head,
        )
        ref = RecordRef(self.next_seq, record_hash(data))
        self.next_seq += 1
        if sample:
            self.samples_head = ref.record_hash
        else:
            self.head = ref.record_hash
        return data, ref


def _encoded(
    device: bytes,
    boot_id: bytes,
    seq: int,
    monotonic_ns: int,
    wall_ns: int,
    stream: Stream,
    body: bytes,
    previous: bytes,
    samples: bytes,
) -> bytes:
    """The bytes of a record. Every record is sealed by it, so it takes the fields one by one: a Record costs as much again."""
    fields = (VERSION, device, boot_id, seq, monotonic_ns, wall_ns, int(stream), body, previous, samples)
    return cast(bytes, msgpack.packb(fields))


def record_hash(data: bytes) -> bytes:
    """The name of a record: what the ledger gets to see of it."""
    return hashlib.sha256(data).digest()
