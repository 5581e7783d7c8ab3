"""Gaps: what the journal says of records that it evicted, in a signed record of its own that is kept in their place.

    body = msgpack([1, level, [[stream, [skip, count, skip, count, ...]], ...], first_ns, last_ns, digest, kept, why])

A gap names every record that went by its sequence number: runs of consecutive ones, each as the distance from the end of
the run before it (the first from 0) and its length. So a journal in which a record is missing that no gap names was tampered
with. `first_ns` and `last_ns` are the first and the last known time of capture among the records, 0 where none is known.
`digest` is the SHA-256 over the hashes of the records in their order: who holds a copy of them can show that it is theirs.

Gaps are not evicted, but many are replaced by one of the next level, which names the records that they named and them too.
Its runs grow together where nothing was kept in between, so gaps take room in proportion to what is kept, not to what went.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgpack

from storeforward.records import Stream

_FORMAT: Final = 1
"""Another format comes with another number of the schema: code that does not know it must not open the file."""

Runs = tuple[tuple[int, int], ...]
"""Sequence numbers: (first, last) of each run of consecutive ones, ascending, with something between any two."""


class Kept(StrEnum):
    """What is kept of records that went, beside the gap."""

    MINUTE_MEANS = "minute means"
    SLOT_MEANS = "slot means"
    NOTHING = "nothing"
    GAP = "one gap for many"
    """They were gaps, and the records that those named."""


class Why(StrEnum):
    """Why records went."""

    SIZE = "size"
    AGE = "age"
    SIZE_UNSENT = "size, though what it tells is not proven yet"
    """Nothing else was left. The transaction itself waits in the outbox and is sent all the same."""
    COUNT = "count"
    """Many gaps became one."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that went."""

    level: int
    evicted: Mapping[Stream, Runs]
    first_ns: int
    last_ns: int
    digest: bytes
    kept: Kept
    why: Why

    def count(self, stream: Stream, up_to: int | None = None) -> int:
        """How many records of a stream went, of all numbers or of those up to one."""
        runs = self.evicted.get(stream, ())
        if up_to is None:
            return sum(last - first + 1 for first, last in runs)
        return sum(min(last, up_to) - first + 1 for first, last in runs if first <= up_to)

    def encode(self) -> bytes:
        """The body of its record."""
        evicted = [[int(stream), _flattened(runs)] for stream, runs in sorted(self.evicted.items())]
        span = self.first_ns, self.last_ns
        return bytes(msgpack.packb([_FORMAT, self.level, evicted, *span, self.digest, str(self.kept), str(self.why)]))

    @classmethod
    def decode(cls, body: bytes) -> Gap:
        """The gap in the body of a record. Raises ValueError for bytes that `encode` did not make."""
        try:
            form, level, evicted, first_ns, last_ns, digest, kept, why = msgpack.unpackb(body)
            runs = MappingProxyType({Stream(stream): _raised(flat) for stream, flat in evicted})
        except (TypeError, msgpack.exceptions.UnpackException) as error:
            raise ValueError(f"not a gap: {error}") from error
        if form != _FORMAT:
            raise ValueError(f"a gap of format {form}, known is {_FORMAT}")
        return cls(level, runs, first_ns, last_ns, digest, Kept(kept), Why(why))


def runs_of(seqs: Iterable[int]) -> Runs:
    """Runs of ascending sequence numbers."""
    return _joined((seq, seq) for seq in seqs)


def merged(gaps: Sequence[tuple[int, bytes, Gap]]) -> Gap:
    """One gap for several, given in order as (sequence number, record hash, gap). It stands for them too."""
    runs: dict[Stream, list[tuple[int, int]]] = {Stream.GAP: [(seq, seq) for seq, _, _ in gaps]}
    for _, _, gap in gaps:
        for stream, more in gap.evicted.items():
            runs.setdefault(stream, []).extend(more)
    known_ns = [ns for _, _, gap in gaps for ns in (gap.first_ns, gap.last_ns) if ns]
    return Gap(
        level=1 + max(gap.level for _, _, gap in gaps),
        evicted=MappingProxyType({stream: _joined(sorted(parts)) for stream, parts in runs.items()}),
        first_ns=min(known_ns, default=0),
        last_ns=max(known_ns, default=0),
        digest=digest_of(record_hash for _, record_hash, _ in gaps),
        kept=Kept.GAP,
        why=Why.COUNT,
    )


def digest_of(record_hashes: Iterable[bytes]) -> bytes:
    """The digest by which a copy of evicted records is recognised."""
    digest = hashlib.sha256()
    for record_hash in record_hashes:
        digest.update(record_hash)
    return digest.digest()


def _joined(runs: Iterable[tuple[int, int]]) -> Runs:
    joined: list[tuple[int, int]] = []
    for first, last in runs:
        if joined and first == joined[-1][1] + 1:
            joined[-1] = joined[-1][0], last
        else:
            joined.append((first, last))
    return tuple(joined)


def _flattened(runs: Runs) -> list[int]:
    flat: list[int] = []
    end = 0
    for first, last in runs:
        flat += (first - end, last - first + 1)
        end = last + 1
    return flat


def _raised(flat: Sequence[int]) -> Runs:
    runs: list[tuple[int, int]] = []
    end = 0
    for skip, count in zip(flat[::2], flat[1::2], strict=True):
        if count < 1 or skip < (1 if runs else 0):
            raise ValueError("runs of a gap do not ascend")
        runs.append((end + skip, end + skip + count - 1))
        end += skip + count
    return tuple(runs)
