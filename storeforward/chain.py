"""Whether a journal is whole: every record the device's own, in both hash chains, and nothing missing but what a gap names.

The records are walked once, in order; of them only the heads of the chains are remembered, of the gaps their runs. Records
that were cut off at the newest end cannot be missed from the journal alone: the ledger has the hashes of what was proven.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from storeforward.gaps import Gap
from storeforward.records import NO_HASH, Record, RecordRef, StoredRecord, Stream
from storeforward.signatures import Verify


@dataclass(frozen=True, slots=True)
class Break:
    """Where a journal is not whole: the first sequence number that is at fault, and why."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A journal in which nothing is wrong. `unsigned`: samples at its end that no signed record covers yet."""

    records: int
    evicted: int
    last_seq: int
    unsigned: int


NOTHING: Final = RecordRef(0, NO_HASH)


@dataclass(frozen=True, slots=True)
class Place:
    """Behind a record: its number (0: before all), and up to it the newest record of each chain that is still there."""

    seq: int = 0
    head: RecordRef = NOTHING
    samples: RecordRef = NOTHING


BEGINNING: Final = Place()


class Walk:
    """Takes all records in order of their sequence numbers, from a place on. `gaps`: all of the stream GAP; those behind the
    place are met again on the way."""

    def __init__(self, verify: Verify, gaps: Iterable[StoredRecord], start: Place = BEGINNING) -> None:
        self._verify = verify
        self._gaps: set[bytes] = set()
        self._missing: list[tuple[int, int, Stream]] = []
        self._next = 0
        self._device: bytes | None = None
        self._seq = start.seq
        self._head, self._samples_head = start.head.record_hash, start.samples.record_hash
        self._gone = self._samples_gone = False
        self._records = self._evicted = self._unsigned = 0
        self._broken: Break | None = None
        for stored in gaps:
            if stored.record.seq > start.seq:
                self._gaps.add(stored.ref.record_hash)
            try:
                gap = Gap.decode(stored.record.body)
            except ValueError as error:
                self._broken = self._broken or Break(stored.record.seq, str(error))
                continue
            for stream, runs in gap.evicted.items():
                for first, last in runs:
                    self._miss(first, last, stream, start)
        self._missing.sort()

    def _miss(self, first: int, last: int, stream: Stream, start: Place) -> None:
        """Expect that a run is not there. What of it lies before the start may have been what a chain went on from."""
        if last > start.seq:
            self._missing.append((max(first, start.seq + 1), last, stream))
        if first > start.seq:
            return
        if stream is Stream.SAMPLE:
            self._samples_gone |= min(last, start.seq) > start.samples.seq
        else:
            self._gone |= min(last, start.seq) > start.head.seq

    def take(self, stored: StoredRecord) -> Break | None:
        """Follow the chains through the next record. Once something is wrong, the answer stays the same."""
        if self._broken is None:
            reason = self._hole(stored.record) or self._link(stored) or self._seal(stored)
            if reason is not None:
                self._broken = Break(self._seq, reason)
        return self._broken

    def end(self) -> Whole | Break:
        """What the walk came to, after the last record."""
        if self._broken is None and self._next < len(self._missing):
            first, _, _ = self._missing[self._next]
            self._broken = Break(first, "is named by a gap, and lies beyond the newest record or is named twice")
        if self._broken is None and self._gaps:
            self._broken = Break(self._seq, "is the newest record, and not all of the gaps were met before it")
        return self._broken or Whole(self._records, self._evicted, self._seq, self._unsigned)

    def _hole(self, record: Record) -> str | None:
        """Go on to the record's number, over what the gaps name and nothing else."""
        if record.seq <= self._seq:
            self._seq = record.seq
            return "does not follow the one before it"
        self._seq += 1
        while self._next < len(self._missing) and self._missing[self._next][0] <= record.seq:
            first, last, stream = self._missing[self._next]
            if first < self._seq:
                self._seq = first
                return "is named by two gaps"
            if first > self._seq:
                return "is missing, and no gap names it"
            if last >= record.seq:
                self._seq = record.seq
                return "is here, though a gap says that it went"
            self._next += 1
            self._seq = last + 1
            self._evicted += last - first + 1
            if stream is Stream.SAMPLE:
                self._samples_gone = True
            else:
                self._gone = True
        return None if self._seq == record.seq else "is missing, and no gap names it"

    def _link(self, stored: StoredRecord) -> str | None:
        """Follow the chain that the record is in, and in a signed record the samples' chain too."""
        record, record_hash = stored.record, stored.ref.record_hash
        self._device = self._device or record.device
        if record.device != self._device:
            return "is another device's"
        if record.stream is Stream.SAMPLE:
            if record.previous != self._samples_head and not self._samples_gone:
                return "does not go on from the sample before it"
            self._samples_head, self._samples_gone = record_hash, False
            return None
        if record.previous != self._head and not self._gone:
            return "does not go on from the record before it"
        if record.samples != self._samples_head and not self._samples_gone:
            return "covers other samples than those before it"
        self._head, self._gone = record_hash, False
        self._samples_head, self._samples_gone = record.samples, False
        self._gaps.discard(record_hash)
        return None

    def _seal(self, stored: StoredRecord) -> str | None:
        self._records += 1
        if stored.record.stream is Stream.SAMPLE:
            self._unsigned += 1
            return None
        self._unsigned = 0
        if stored.signature is None or not self._verify(stored.data, stored.signature):
            return "is not signed by the device"
        return None
