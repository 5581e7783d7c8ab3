"""Reads the whole journal now and then: what a card forgot is found while its neighbours can still be salvaged, and not on the
day on which somebody needs it.

SQLite's pages carry no checksums, so what it hands out without complaint may still not be what was written. Records prove
themselves: each is named by its hash in the next one of its chain, every number is there or named by a gap, and the index has
as many as the table. One step reads one page of rows; between steps the journal may be written to and evicted from as it likes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import msgpack

from storeforward.chain import Break, Walk
from storeforward.database import Damage, damage_if_meaningless, read_all, read_items, read_own, read_place, save_own
from storeforward.records import Record, Stream, record_hash
from storeforward.signatures import Verify

PAGE_ROWS: Final = 256
STEP_NS: Final = 5_000_000
"""A step ends after this, or a little later: an acknowledgement may have to wait for it. The first one after an eviction reads
all gaps before, about 1 us for each run of numbers that they name."""
PAUSE_S: Final = 1.0
"""Between two steps. A journal of 500 MB is read in under two hours, with 1 part in 200 of the time at most."""
FIRST_S: Final = 60.0
"""After a start, others come first."""
EVERY_S: Final = 86_400.0
"""From the end of one pass to the beginning of the next."""
NEWEST: Final = 64
"""So many records are looked at before a journal is used: what a power cut can touch are the newest."""
NO_NUMBER: Final = 2**63 - 1
"""Higher than any."""
_NAME: Final = "scrub"


class Part(IntEnum):
    """What a pass goes through, in this order."""

    RECORDS = 1
    ITEMS = 2
    SALVAGED = 3


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass has come: `part` up to the row `number` (of salvaged records, of several with one number, up to `hash`).
    `done_ns`: Unix ns, by the device's clock, when the last whole pass ended; 0 before the first. `signed_seq`: signatures
    up to this record have been verified."""

    part: Part = Part.RECORDS
    number: int = 0
    hash: bytes = b""
    done_ns: int = 0
    signed_seq: int = 0

    @property
    def is_between(self) -> bool:
        """Whether a pass has ended and the next one not begun."""
        return (self.part, self.number) == (Part.RECORDS, 0) and self.done_ns > 0

    def wait_s(self, now_ns: int) -> float:
        """How long after a start to wait before going on. A clock that was set back is no reason to wait for ever."""
        if not self.is_between:
            return FIRST_S
        return min(EVERY_S, max(FIRST_S, EVERY_S - (now_ns - self.done_ns) / 10**9))

    def permille(self, last_seq: int) -> int:
        """How much of the records this pass has read; all between two passes."""
        if self.part is not Part.RECORDS or self.is_between:
            return 1000
        return 1000 * self.number // last_seq if last_seq else 0

    def save(self, connection: sqlite3.Connection) -> None:
        """Remember it, within a transaction."""
        save_own(connection, _NAME, msgpack.packb((self.part, self.number, self.hash, self.done_ns, self.signed_seq)))

    @classmethod
    def read(cls, connection: sqlite3.Connection) -> Progress:
        """What was remembered. Raises ValueError for what `save` did not write."""
        saved = read_own(connection, _NAME)
        if saved is None:
            return cls()
        try:
            part, number, hashed, done_ns, signed_seq = msgpack.unpackb(saved)
        except (TypeError, msgpack.exceptions.UnpackException) as error:
            raise ValueError(f"not the progress of a scrub: {error}") from error
        return cls(Part(part), number, hashed, done_ns, signed_seq)


class Scrub:
    """Goes through a journal step by step; blocks. `verify` checks signatures; without it the chains alone have to do.

    A signature is verified in the first pass that meets it: with every pass it would cost a controller minutes a day, and what
    changes on the disk shows in the hashes. `homewatt journal verify` checks all of them.
    """

    def __init__(self, verify: Verify | None, progress: Progress) -> None:
        self._verify = verify
        self._seq = 0
        self.progress = progress
        self._walk: Walk | None = None
        self._evicted = 0

    def step(self, connection: sqlite3.Connection, evicted: int, monotonic_ns: Callable[[], int], now_ns: int) -> bool:
        """Read on; whether the pass has ended with this step. `evicted` is how many records were ever evicted.

        Raises sqlite3.Error; Damage where something is not as it was written.
        """
        with damage_if_meaningless():
            match self.progress.part:
                case Part.RECORDS:
                    self._records(connection, evicted, monotonic_ns)
                case Part.ITEMS:
                    self._items(connection)
                case Part.SALVAGED:
                    return self._salvaged(connection, now_ns)
        return False

    def _records(self, connection: sqlite3.Connection, evicted: int, monotonic_ns: Callable[[], int]) -> None:
        until_ns = monotonic_ns() + STEP_NS
        before = self.progress.number
        if self._walk is None or evicted != self._evicted:  # other gaps, and what the chains stand on may have gone
            self._walk, self._evicted = walk_from(connection, self._check_once, before), evicted
        seen: dict[Stream, int] = {}
        with closing(read_all(connection, before, limit=PAGE_ROWS)) as rows:
            for stored in rows:
                self._seq = stored.record.seq
                if (broken := self._walk.take(stored)) is not None:
                    raise Damage(f"record {broken.seq} {broken.reason}")
                seen[stored.record.stream] = seen.get(stored.record.stream, 0) + 1
                self.progress = replace(self.progress, number=self._seq, signed_seq=max(self._seq, self.progress.signed_seq))
                if monotonic_ns() >= until_ns:
                    break
        if seen:
            _check_index(connection, before, self.progress.number, seen)
            return
        if isinstance(end := self._walk.end(), Break):
            raise Damage(f"record {end.seq} {end.reason}")
        _check_index(connection, before, NO_NUMBER, seen)
        self._next(Part.ITEMS)

    def _check_once(self, data: bytes, signature: bytes) -> bool:
        return self._seq <= self.progress.signed_seq or self._verify is None or self._verify(data, signature)

    def _items(self, connection: sqlite3.Connection) -> None:
        items = read_items(connection, self.progress.number, PAGE_ROWS)
        if items:
            self.progress = replace(self.progress, number=items[-1].id)
        else:
            self._next(Part.SALVAGED)

    def _salvaged(self, connection: sqlite3.Connection, now_ns: int) -> bool:
        rows = connection.execute(
            "SELECT seq, hash, data FROM salvaged WHERE (seq, hash) > (?, ?) ORDER BY seq, hash LIMIT ?",
            (self.progress.number, self.progress.hash, PAGE_ROWS),
        ).fetchall()
        for seq, hashed, data in rows:
            if record_hash(data) != hashed or Record.decode(data).seq != seq:
                raise Damage(f"salvaged record {seq} is not the one that was kept")
        if rows:
            self.progress = replace(self.progress, number=rows[-1][0], hash=rows[-1][1])
            return False
        self.progress = Progress(done_ns=max(1, now_ns), signed_seq=self.progress.signed_seq)
        return True

    def _next(self, part: Part) -> None:
        self._walk = None
        self.progress = Progress(part, done_ns=self.progress.done_ns, signed_seq=self.progress.signed_seq)


def check_newest(connection: sqlite3.Connection, verify: Verify | None, last_seq: int) -> None:
    """Read the newest records, as a scrub does. Raises sqlite3.Error, Damage, ValueError."""
    walk = walk_from(connection, verify or (lambda data, signature: True), max(0, last_seq - NEWEST))
    for stored in read_all(connection, max(0, last_seq - NEWEST)):
        if (broken := walk.take(stored)) is not None:
            raise Damage(f"record {broken.seq} {broken.reason}")


def walk_from(connection: sqlite3.Connection, verify: Verify, seq: int) -> Walk:
    """A walk that goes on behind a record."""
    return Walk(verify, read_all(connection, 0, Stream.GAP), read_place(connection, seq))


def _check_index(connection: sqlite3.Connection, after: int, last: int, seen: dict[Stream, int]) -> None:
    """What is not in the index by streams is never read or evicted."""
    (apart,) = connection.execute("SELECT COUNT(*) FROM samples WHERE seq > ? AND seq <= ?", (after, last)).fetchone()
    for stream in Stream:
        (count,) = connection.execute(
            "SELECT COUNT(*) FROM records INDEXED BY records_by_stream WHERE stream = ? AND seq > ? AND seq <= ?",
            (stream, after, last),
        ).fetchone()
        if stream is Stream.SAMPLE:
            count += apart
        if count != seen.get(stream, 0):
            raise Damage(f"the index has {count} records of {stream.name} between {after} and {last}")
