"""What a salvage found, for people: how many records of each stream, and which numbers are lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from storeforward.gaps import Gap
from storeforward.records import Record, Stream


@dataclass(slots=True)
class Findings:
    """What a damaged file held, for people. Complete once its records were gone through."""

    pages: int = 0
    unreadable_pages: int = 0
    """Pages of the database that the disk did not read, or that are no pages."""
    records: dict[Stream, int] = field(default_factory=dict)
    doubtful: int = 0
    """Places that held a record which nothing vouches for: a wrong signature, a sample that no later record names."""
    first_seq: int = 0
    last_seq: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)
    """First and last number of each run that was not found between the two."""
    _evicted: list[tuple[int, int]] = field(default_factory=list)

    def lost(self) -> list[tuple[int, int]]:
        """The holes without what the journal's own gaps say was evicted."""
        lost = []
        evicted = sorted(self._evicted)
        place = 0
        for first, last in self.holes:
            while place < len(evicted) and evicted[place][1] < first:
                place += 1
            at = place
            while first <= last and at < len(evicted) and evicted[at][0] <= last:
                if evicted[at][0] > first:
                    lost.append((first, evicted[at][0] - 1))
                first = max(first, evicted[at][1] + 1)
                at += 1
            if first <= last:
                lost.append((first, last))
        return lost

    @property
    def missing(self) -> int:
        """How many records are lost."""
        return sum(last - first + 1 for first, last in self.lost())

    def take(self, record: Record) -> None:
        """Count a record in; they come in order, but that a sample may follow records that were sealed after it."""
        self.records[record.stream] = self.records.get(record.stream, 0) + 1
        self.first_seq = self.first_seq or record.seq
        if self.last_seq and record.seq > self.last_seq + 1:
            self.holes.append((self.last_seq + 1, record.seq - 1))
        self.last_seq = max(self.last_seq, record.seq)
        if record.stream is Stream.GAP:
            with suppress(ValueError):
                self._evicted += [run for runs in Gap.decode(record.body).evicted.values() for run in runs]
