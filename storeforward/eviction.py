"""What goes first when the journal has no room left, or has become too old: one table, and the one who carries it out.

Every step of it is one transaction: it takes the oldest records of one stream, writes what is kept of them (means, where the
producer can make them) and one signed gap that names them. A signed gap is what tells an eviction from a theft.

The newest record of a stream never goes: the hash chains go on from it. Gaps and time anchors never go; many gaps become one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, Protocol

from storeforward.database import damage_if_meaningless
from storeforward.gaps import Gap, Kept, Why, digest_of, merged, runs_of
from storeforward.items import LAST_OPEN, ItemState
from storeforward.records import NewRecord, Record, Stream, record_hash

NS_PER_DAY: Final = 86_400 * 10**9
LEAST_SAMPLES: Final = 64
LEAST_MEANS: Final = 8
"""So few are not worth a mean, which is a signed record of its own; they wait for company."""
WORTH: Final = 2
"""Means must take at most one part in so many of the room of what they replace; otherwise coarser ones are tried."""
SEAL_BYTES: Final = 250
"""Of a signed record beside its body, roughly."""
GAPS_TO_ONE: Final = 32
"""So many gaps of one level become one of the next."""


class Going(Enum):
    """Which records of a stream a step may take: an SQL condition over `all_records`."""

    ALL = "1"
    NOT_WAITING = f"NOT EXISTS (SELECT 1 FROM items WHERE record_seq = all_records.seq AND state <= {LAST_OPEN:d})"
    """All but those about which something still waits to be sent."""
    PROVEN = "proven_height IS NOT NULL"
    SETTLED = (
        f"NOT EXISTS (SELECT 1 FROM items WHERE record_seq = all_records.seq AND state <= {LAST_OPEN:d})"
        f" AND seq NOT IN (SELECT record_seq FROM items WHERE state = {ItemState.REFUSED:d} AND record_seq IS NOT NULL)"
    )
    """All but those about which something waits to be sent, or to be looked at by a person: a dead letter."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the order of eviction. `keep`: the means that may take the records' place, the finest first."""

    stream: Stream
    going: Going
    keep: tuple[Kept, ...] = ()
    least: int = 1
    why: Why = Why.SIZE


ORDER: Final = (
    Step(Stream.SAMPLE, Going.ALL, (Kept.MINUTE_MEANS, Kept.SLOT_MEANS), LEAST_SAMPLES),
    Step(Stream.MINUTE_MEAN, Going.ALL, (Kept.SLOT_MEANS,), LEAST_MEANS),
    Step(Stream.SLOT_MEAN, Going.ALL),
    Step(Stream.EVENT, Going.NOT_WAITING),
    Step(Stream.RECEIPT, Going.NOT_WAITING),
    Step(Stream.ORDER, Going.NOT_WAITING),
    Step(Stream.ENERGY, Going.PROVEN),
    Step(Stream.ENERGY, Going.NOT_WAITING),
    Step(Stream.ORDER, Going.ALL, why=Why.SIZE_UNSENT),
    Step(Stream.ENERGY, Going.ALL, why=Why.SIZE_UNSENT),
)
"""For want of room: a step is taken when those above it have nothing left to take."""

BY_AGE: Final = tuple(
    Step(stream, Going.SETTLED, why=Why.AGE)
    for stream in (
        Stream.SAMPLE,
        Stream.MINUTE_MEAN,
        Stream.SLOT_MEAN,
        Stream.EVENT,
        Stream.RECEIPT,
        Stream.ORDER,
        Stream.ENERGY,
    )
)
"""What is older than the options allow goes without a mean, which would be as old."""


class Summaries(Protocol):
    """Makes means of samples. Pure, and never raises: a body that it does not know counts for nothing."""

    def minutes(self, samples: Sequence[Record]) -> list[NewRecord]:
        """Records of the stream MINUTE_MEAN that say what samples say, minute by minute."""

    def slots(self, records: Sequence[Record]) -> list[NewRecord]:
        """Records of the stream SLOT_MEAN that say what samples, or means over minutes, say slot by slot."""


@dataclass(frozen=True, slots=True)
class Now:
    """When the newest record was captured: by the wall clock (None: not known) and by the monotonic clock of its boot."""

    wall_ns: int | None
    monotonic_ns: int
    boot_id: bytes


@dataclass(frozen=True, slots=True)
class Eviction:
    """What a step did. `count` 0: it looked at records and left them where they are."""

    stream: Stream
    count: int
    kept: Kept = Kept.NOTHING
    why: Why = Why.SIZE


class Evictor:
    """Carries out steps, each within a transaction that the caller opens. `append` seals and stores a record."""

    def __init__(
        self, connection: sqlite3.Connection, append: Callable[[NewRecord], None], summaries: Summaries | None
    ) -> None:
        self._connection = connection
        self._append = append
        self._summaries = summaries
        self._looked: dict[Step, int] = {}

    def look_again(self) -> None:
        """Something was proven or refused, or more came: what a step left alone may go now."""
        self._looked.clear()

    def make_room(self, rows: int) -> Eviction | None:
        """One step of the order, over at most `rows` records. None: nothing is left that may go."""
        for step in ORDER:
            page = self._page(step, self._looked.get(step, 0), rows)
            if len(page) < step.least:
                continue
            goes = [(seq, data) for seq, data, may_go in page if may_go]
            if goes:
                return self._evict(step, goes)
            self._looked[step] = page[-1][0]
            return Eviction(step.stream, 0)
        return None

    def drop_old(self, now: Now, max_days: int, rows: int) -> Eviction | None:
        """One step over records that are older than `max_days`. None: there are none."""
        for step in BY_AGE:
            page = [(seq, data) for seq, data, may_go in self._page(step, 0, rows) if may_go]
            old = page[: _too_old(page, now, max_days)]
            if old:
                return self._evict(step, old)
        return None

    def join_gaps(self) -> Eviction | None:
        """Let many gaps of one level become one. None: there are not so many. Raises Damage for one that was altered."""
        levels: dict[int, list[tuple[int, bytes, Gap]]] = {}
        query = "SELECT seq, data FROM all_records WHERE stream = ? ORDER BY seq"
        for seq, data in self._connection.execute(query, (Stream.GAP,)):
            with damage_if_meaningless():
                gap = Gap.decode(Record.decode(data).body)
            levels.setdefault(gap.level, []).append((seq, record_hash(data), gap))
        for _, gaps in sorted(levels.items()):
            if len(gaps) >= GAPS_TO_ONE:
                self._delete([seq for seq, _, _ in gaps])
                self._append(NewRecord(Stream.GAP, None, merged(gaps).encode()))
                return Eviction(Stream.GAP, len(gaps), Kept.GAP, Why.COUNT)
        return None

    def _page(self, step: Step, after_seq: int, rows: int) -> list[tuple[int, bytes, int]]:
        """The oldest records of a step's stream but the newest one, and which of them may go."""
        return self._connection.execute(
            f"SELECT seq, data, {step.going.value} FROM all_records WHERE stream = ? AND seq > ?"
            " AND seq < (SELECT seq FROM all_records WHERE stream = ? ORDER BY seq DESC LIMIT 1) ORDER BY seq LIMIT ?",
            (step.stream, after_seq, step.stream, rows),
        ).fetchall()

    def _evict(self, step: Step, goes: Sequence[tuple[int, bytes]]) -> Eviction:
        records = [record for _, data in goes if (record := _decoded(data)) is not None]
        kept, means = self._means(step, records, sum(len(data) for _, data in goes))
        known_ns = [record.wall_ns for record in records if record.wall_ns]
        seqs = [seq for seq, _ in goes]
        gap = Gap(
            level=0,
            evicted=MappingProxyType({step.stream: runs_of(seqs)}),
            first_ns=known_ns[0] if known_ns else 0,
            last_ns=known_ns[-1] if known_ns else 0,
            digest=digest_of(record_hash(data) for _, data in goes),
            kept=kept,
            why=step.why,
        )
        self._delete(seqs)
        for new in (*means, NewRecord(Stream.GAP, None, gap.encode())):
            self._append(new)
        return Eviction(step.stream, len(goes), kept, step.why)

    def _means(self, step: Step, records: Sequence[Record], size: int) -> tuple[Kept, Sequence[NewRecord]]:
        """The finest means that are worth their room."""
        if self._summaries is not None:
            make = {Kept.MINUTE_MEANS: self._summaries.minutes, Kept.SLOT_MEANS: self._summaries.slots}
            for kept in step.keep:
                means = make[kept](records)
                if means and WORTH * sum(SEAL_BYTES + len(new.body) for new in means) <= size:
                    return kept, means
        return Kept.NOTHING, ()

    def _delete(self, seqs: Sequence[int]) -> None:
        for table in ("records", "samples"):  # a number is in one of them, and only the one stream's are within its runs
            self._connection.executemany(f"DELETE FROM {table} WHERE seq BETWEEN ? AND ?", runs_of(seqs))


def evicted_before(connection: sqlite3.Connection, up_to: int | None = None) -> Mapping[Stream, int]:
    """How many records of each stream the gaps name, of all numbers or of those up to one."""
    counts: dict[Stream, int] = {}
    for (data,) in connection.execute("SELECT data FROM all_records WHERE stream = ?", (Stream.GAP,)):
        gap = Gap.decode(Record.decode(data).body)
        for stream in gap.evicted:
            counts[stream] = counts.get(stream, 0) + gap.count(stream, up_to)
    return counts


def _decoded(data: bytes) -> Record | None:
    """None where the disk changed the bytes without anybody noticing: they go as they are."""
    try:
        return Record.decode(data)
    except ValueError:
        return None


def _too_old(page: Sequence[tuple[int, bytes]], now: Now, max_days: int) -> int:
    """How many of the oldest records are certainly too old. One whose age is not known goes with a younger one that is."""
    most_ns = max_days * NS_PER_DAY
    count = 0
    for place, (_, data) in enumerate(page):
        age_ns = _age_ns(_decoded(data), now)
        if age_ns is not None and age_ns <= most_ns:
            break
        if age_ns is not None:
            count = place + 1
    return count


def _age_ns(record: Record | None, now: Now) -> int | None:
    if record is None:
        return None
    if now.wall_ns is not None and 0 < record.wall_ns <= now.wall_ns:
        return now.wall_ns - record.wall_ns
    return now.monotonic_ns - record.monotonic_ns if record.boot_id == now.boot_id else None
