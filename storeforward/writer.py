"""Writes changes: seals records, stores items, marks and values. One transaction for all that wait together; blocks.
Between them it evicts, one step and one transaction at a time, when the bounds say so.

State that must agree with the disk (chain heads, the next item id) moves only when the commit has returned.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.vocabulary import Sign
from storeforward.bounds import HIGH_PERMILLE, LOW_PERMILLE, Bounds
from storeforward.changes import Applied, Changes
from storeforward.database import failure_in_use
from storeforward.errors import JournalDamaged, JournalFull, StorageFailed
from storeforward.eviction import Eviction, Evictor, Now, Summaries
from storeforward.items import LAST_OPEN, Item
from storeforward.itemtable import ItemTable, Moved, Renewed
from storeforward.metrics import Metrics, read_oldest_unsent
from storeforward.options import JournalOptions
from storeforward.records import Chain, NewRecord, RecordRef, SalvagedRecord, Stream, record_hash
from storeforward.sqlitefile import PAGE_BYTES
from storeforward.upkeep import Upkeep

_log = logging.getLogger(__name__)

STEPS_FOR_ROOM: Final = 16
"""Steps of eviction that a change waits for which the full journal did not take."""


@dataclass(frozen=True, slots=True)
class Request:
    """A change and the moment at which it was handed in, which counts as the moment of capture."""

    changes: Changes
    monotonic_ns: int


@dataclass(frozen=True, slots=True)
class Written:
    """A change on the disk, with what it did to the outbox."""

    applied: Applied
    queued: tuple[Item, ...]
    moved: tuple[Moved, ...]
    renewed: tuple[Renewed, ...]


Outcome = Written | Exception


class Writer:
    """The one writer of a database."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        sign: Sign,
        chain: Chain,
        first_free: int,
        options: JournalOptions,
        summaries: Summaries | None,
        upkeep: Upkeep,
    ) -> None:
        self._connection = connection
        self._path = path
        self._sign = sign
        self._chain = chain
        self._items = ItemTable(connection, first_free)
        self._max_days = options.max_days
        self._now = Now(None, 0, chain.boot_id)
        self._evictor = Evictor(connection, self._append, summaries)
        self._sealed: dict[Stream, int] = {}
        self._upkeep = upkeep
        self._evicted_last: Stream | None = None
        self.bounds = Bounds(options)
        self.bounds.gaps(upkeep.tally.kept.get(Stream.GAP, 0))
        self.on_full: Callable[[], bool] = lambda: False
        """Asked to make room on a full disk before anything is evicted; whether it did."""
        self.look_at_size()

    def write(self, requests: Sequence[Request]) -> list[Outcome]:
        """Write all requests in one transaction; where one of them is at fault, each in its own, so that it fails alone.

        What the full journal does not take is tried again once something was evicted.
        """
        outcomes = self._write(requests)
        if _took_none(outcomes):
            outcomes = self._write_with_room(requests, outcomes)
        try:
            if self.bounds.wants_a_look:
                self.look_at_size()
        except sqlite3.Error as error:  # the change itself is stored, or has failed for the same reason
            _log.warning("journal %s: its size cannot be told: %s", self._path, error)
        return outcomes

    def _write_with_room(self, requests: Sequence[Request], outcomes: list[Outcome]) -> list[Outcome]:
        """Make room for what the journal did not take, and try again."""
        if not self._is_at_bound() and self.on_full():
            outcomes = self._write(requests)
        for _ in range(STEPS_FOR_ROOM):
            if not _took_none(outcomes) or not self._may_make_room():
                break
            try:
                if not self.evict(requests[-1].monotonic_ns):
                    break
            except JournalDamaged as error:
                return [error] * len(requests)
            outcomes = self._write(requests)
        return outcomes

    def _write(self, requests: Sequence[Request]) -> list[Outcome]:
        try:
            with self._transaction():
                written = [self._apply(request) for request in requests]
                self._upkeep.save_when_due(self.last_seq, self._sealed, requests[-1].monotonic_ns)
        except Exception as error:
            if len(requests) == 1 or isinstance(error, StorageFailed):
                return [error] * len(requests)
            return [self._write((request,))[0] for request in requests]
        self._committed(requests)
        return [*written]

    def _committed(self, requests: Sequence[Request]) -> None:
        monotonic_ns = requests[-1].monotonic_ns
        records = [new for request in requests for new in request.changes.records]
        wall_ns = records[-1].taken_ns if records else self._now.wall_ns
        self._now = Now(wall_ns, monotonic_ns, self._chain.boot_id)
        self._upkeep.tally.grouped(len(requests), monotonic_ns)
        self.bounds.stored(len(records), wall_ns)

    def close(self) -> None:
        """Save what is counted, and close the database."""
        try:
            with self._transaction():
                self._upkeep.save(self.last_seq, {})
        except StorageFailed as error:
            _log.warning("journal %s: the count of what was written today is lost: %s", self._path, error)
        finally:
            self._upkeep.close()
            self._connection.close()

    def evict(self, monotonic_ns: int) -> bool:
        """Take a step of eviction, where one is due. Whether one was taken, so that it is worth asking again.

        Raises JournalDamaged.
        """
        self._now = replace(self._now, monotonic_ns=monotonic_ns)
        try:
            with self._transaction():
                done = self._evict()
        except JournalDamaged:
            raise
        except StorageFailed as error:
            _log.warning("journal %s: eviction failed: %s", self._path, error)
            self.bounds.spent()
            self.bounds.aged()
            return False
        if done is None or not done.count:
            return done is not None
        self._upkeep.tally.went(done.stream, done.count)
        self.look_at_size()
        if done.stream is not Stream.GAP:
            self.bounds.gap_added()
            self._say(done)
        return True

    def _evict(self) -> Eviction | None:
        """One step within a transaction; None where none is due."""
        if self.bounds.joining_due:
            done = self._evictor.join_gaps()
            if done is not None:
                return done
            self.bounds.gaps(0)
        if self.bounds.age_due:
            done = self._evictor.drop_old(self._now, self._max_days, self.bounds.rows())
            if done is not None:
                return done
            self.bounds.aged()
        if self.bounds.size_due:
            done = self._evictor.make_room(self.bounds.rows())
            if done is not None:
                return done
            self.bounds.spent()
            self._evictor.look_again()
        return None

    def _say(self, done: Eviction) -> None:
        """Say what goes when it is another stream's turn. Samples and means go in ordinary times."""
        if done.stream is not self._evicted_last:
            level = logging.INFO if done.stream in (Stream.SAMPLE, Stream.MINUTE_MEAN, Stream.SLOT_MEAN) else logging.WARNING
            _log.log(level, "journal %s: records of %s go (%s), kept: %s", self._path, done.stream.name, done.why, done.kept)
            self._evicted_last = done.stream

    def look_at_size(self) -> None:
        """Let the bounds know how full the file is."""
        pages, free = self._pages()
        self.bounds.look(pages - free)
        if not self.bounds.size_due:
            self._evictor.look_again()

    def _may_make_room(self) -> bool:
        """Whether eviction can help a change that the full journal did not take: not while pages are free already."""
        pages, free = self._pages()
        if free * 1000 > pages * (1000 - LOW_PERMILLE):
            return False
        self.bounds.full(pages - free)
        return True

    def _is_at_bound(self) -> bool:
        """Whether it is the options that allow no more, not the disk."""
        return self.bounds.bytes > 0 and self._pages()[0] * PAGE_BYTES * 1000 > self.bounds.bytes * HIGH_PERMILLE

    def _pages(self) -> tuple[int, int]:
        """Pages of the file, and how many of them are free."""
        pages, free = (self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
        return int(pages), int(free)

    def metrics(self, connection: sqlite3.Connection, monotonic_ns: int) -> Metrics:
        """Figures about the journal at the monotonic time given."""
        pages, free = self._pages()
        return self._upkeep.metrics(
            self.last_seq,
            read_oldest_unsent(connection, self._chain.boot_id, monotonic_ns),
            size_bytes=PAGE_BYTES * (pages - free),
            bound_bytes=self.bounds.bytes,
        )

    @property
    def last_seq(self) -> int:
        """Number of the newest record, 0 before the first."""
        return self._chain.next_seq - 1

    def _append(self, new: NewRecord) -> None:
        self._record(new, self._now.monotonic_ns)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit, or leave disk and counters as they were. Raises StorageFailed for what the disk does."""
        heads, counters = self._chain.heads(), self._items.counters()
        self._sealed.clear()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._chain.restore(heads)
            self._items.restore(counters)
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise failure_in_use(self._path, error) from error
            raise
        self._upkeep.tally.stored(self._sealed)

    def _apply(self, request: Request) -> Written:
        changes = request.changes
        refs = tuple(self._record(new, request.monotonic_ns) for new in changes.records)
        queued = tuple(self._items.enqueue(new, refs) for new in changes.enqueue)
        moved = tuple(moved for mark in changes.marks if (moved := self._items.mark(mark)))
        if any(move.mark.state > LAST_OPEN for move in moved):
            self._items.drop_decided()
            self._evictor.look_again()
        renewed = tuple(self._items.renew(renewal) for renewal in changes.renewals)
        for name, value in changes.values:
            self._set(name, value)
        for old in changes.salvaged:
            self._keep_salvaged(old)
        return Written(Applied(refs, tuple(item.id for item in queued)), queued, moved, renewed)

    def _record(self, new: NewRecord, monotonic_ns: int) -> RecordRef:
        data, ref = self._chain.append(new, monotonic_ns)
        if new.stream is Stream.SAMPLE:
            self._connection.execute("INSERT INTO samples (seq, data) VALUES (?, ?)", (ref.seq, data))
        else:
            row = ref.seq, new.stream, data, self._sign(data)
            self._connection.execute("INSERT INTO records (seq, stream, data, signature) VALUES (?, ?, ?, ?)", row)
        self._sealed[new.stream] = self._sealed.get(new.stream, 0) + 1
        return ref

    def _keep_salvaged(self, old: SalvagedRecord) -> None:
        """Keep a record out of a damaged file; nothing happens where it is kept already, or was never lost."""
        row = old.record.seq, record_hash(old.data), old.record.stream, old.data, old.signature, old.proven_height, old.origin
        self._connection.execute(
            "INSERT OR IGNORE INTO salvaged (seq, hash, stream, data, signature, proven_height, origin)"
            " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (SELECT 1 FROM all_records WHERE seq = ?1 AND data = ?4)",
            row,
        )

    def _set(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM named_values WHERE name = ?", (name,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO named_values (name, value) VALUES (?, ?)", (name, value))


def _took_none(outcomes: Sequence[Outcome]) -> bool:
    """Whether all failed for want of room."""
    return all(isinstance(outcome, JournalFull) for outcome in outcomes)
