"""Figures about a running journal, for status pages and alarms. Reading them costs a few milliseconds and writes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field

from storeforward.items import LAST_OPEN, ItemState, Priority
from storeforward.records import Record, Stream


@dataclass(frozen=True, slots=True)
class Captured:
    """When a record was captured: Unix ns (None: not known then) and, where it was in this boot, how long ago that is."""

    seq: int
    wall_ns: int | None
    age_ns: int | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The journal at one moment.

    `depth`: open items by priority; `oldest_unsent`: the oldest record about which an item is still open, None where none is.
    `last_fsync_ns`: monotonic ns of the last commit, None before the first. `bytes_written_today`, `flushes_today`: wear.py;
    after a kill the day lacks up to ten minutes. `groups`, `grouped_changes`, `largest_group`: transactions since the
    start, the changes that shared them, and the most that shared one. `size_bytes` is the part of the file in use,
    `bound_bytes` what the options allow it, 0 for no bound.
    `kept` and `evicted`: records by stream, over the journal's whole life. `scrubbed_at_ns`: Unix ns when the journal was last
    read through to its end and found whole, None before the first time; `scrubbed_permille`: how much of its records the pass
    under way has read, 1000 between two.
    """

    depth: Mapping[Priority, int]
    dead_letters: int
    oldest_unsent: Captured | None
    last_fsync_ns: int | None
    flush_count: int
    flushes_today: int
    bytes_written_today: int
    groups: int
    grouped_changes: int
    largest_group: int
    size_bytes: int
    bound_bytes: int
    kept: Mapping[Stream, int]
    evicted: Mapping[Stream, int]
    scrubbed_at_ns: int | None
    scrubbed_permille: int


@dataclass(slots=True)
class Tally:
    """What the writer counts while it works."""

    kept: dict[Stream, int]
    evicted: dict[Stream, int]
    groups: int = 0
    grouped_changes: int = 0
    largest_group: int = 0
    last_fsync_ns: int | None = field(default=None)

    def stored(self, streams: Mapping[Stream, int]) -> None:
        """Records went in."""
        for stream, count in streams.items():
            self.kept[stream] = self.kept.get(stream, 0) + count

    def went(self, stream: Stream, count: int) -> None:
        """Records went out."""
        self.kept[stream] -= count
        self.evicted[stream] = self.evicted.get(stream, 0) + count

    def grouped(self, changes: int, monotonic_ns: int) -> None:
        """A transaction of so many changes was committed."""
        self.groups += 1
        self.grouped_changes += changes
        self.largest_group = max(self.largest_group, changes)
        self.last_fsync_ns = monotonic_ns


def count_records(connection: sqlite3.Connection, after_seq: int) -> dict[Stream, int]:
    """How many records of each stream there are above a number; reads as many."""
    rows = connection.execute("SELECT stream, COUNT(*) FROM all_records WHERE seq > ? GROUP BY stream", (after_seq,))
    return {Stream(stream): count for stream, count in rows}


def read_depth(connection: sqlite3.Connection) -> dict[Priority, int]:
    """How many items are open, by priority."""
    rows = connection.execute(f"SELECT priority, COUNT(*) FROM items WHERE state <= {LAST_OPEN:d} GROUP BY priority")
    return {Priority(priority): count for priority, count in rows}


def count_dead_letters(connection: sqlite3.Connection) -> int:
    (count,) = connection.execute(f"SELECT COUNT(*) FROM items WHERE state = {ItemState.REFUSED:d}").fetchone()
    return int(count)


def read_oldest_unsent(connection: sqlite3.Connection, boot_id: bytes, monotonic_ns: int) -> Captured | None:
    """The oldest record about which an item is open; `monotonic_ns` is now, in the boot `boot_id`."""
    row = connection.execute(
        "SELECT data FROM all_records WHERE seq ="
        f" (SELECT MIN(record_seq) FROM items WHERE state <= {LAST_OPEN:d} AND record_seq IS NOT NULL)"
    ).fetchone()
    if row is None:
        return None
    record = Record.decode(row[0])
    age_ns = monotonic_ns - record.monotonic_ns if record.boot_id == boot_id else None
    return Captured(record.seq, record.wall_ns or None, age_ns)
