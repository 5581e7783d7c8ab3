"""The journal's SQLite file: opening, checking, writing, reading. Everything here blocks and belongs to one thread.

WAL with synchronous=FULL: a commit that returned survives a power cut. Exactly one connection, without mmap: SQLite before
3.51.3 can lose data when two connections write and checkpoint at once, and controllers ship such versions.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from storeforward.errors import DiskFailed, JournalDamaged, JournalFull, JournalUnreadable, StorageFailed
from storeforward.files import condemn, is_condemned, set_aside, sync_folder
from storeforward.items import LAST_OPEN, Item, ItemState, Priority
from storeforward.migrations import migrate
from storeforward.options import JournalOptions
from storeforward.records import NO_HASH, Chain, Record, StoredRecord, Stream, record_hash
from storeforward.salvage import SalvagedRecord

_log = logging.getLogger(__name__)

PAGE_BYTES: Final = 4096
_DAMAGED: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_LOST_SECTORS: Final = frozenset((sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS))
_ITEM: Final = (
    "SELECT id, priority, state, kind, slot_s, seq, reference, tx, expires_height, record_seq, attempts, height, code, detail"
    " FROM items"
)


def open_database(path: Path, options: JournalOptions) -> tuple[sqlite3.Connection, Path | None]:
    """Open or create the database; a damaged one is set aside and a fresh one begun: (connection, where the old one went).

    Raises JournalTooNew, JournalUnreadable, JournalFull.
    """
    aside = None
    try:
        connection = _open(path, options)
    except sqlite3.Error as error:
        if _primary_code(error) == sqlite3.SQLITE_FULL:
            raise JournalFull(path, str(error)) from error
        if not _is_damage(error):
            raise JournalUnreadable(path, str(error)) from error
        aside = set_aside(path)
        _log.error("journal %s is damaged (%s); set aside as %s, a fresh one is begun", path, error, aside.name)
        try:
            connection = _open(path, options)
        except sqlite3.Error as second:
            raise JournalUnreadable(path, str(second)) from second
    sync_folder(path.parent)
    return connection, aside


def _open(path: Path, options: JournalOptions) -> sqlite3.Connection:
    is_new = not path.exists() or not path.stat().st_size
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=24)
    try:
        # One connection: the log's index needs no shared memory. First of all, or a full disk cannot give what is not needed.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute(f"PRAGMA cache_size = -{options.cache_kib}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute("PRAGMA foreign_keys = OFF")  # a record may be evicted before the item that told of it
        connection.execute(f"PRAGMA wal_autocheckpoint = {options.checkpoint_pages}")
        connection.execute(f"PRAGMA journal_size_limit = {options.checkpoint_pages * PAGE_BYTES}")
        if not is_new:
            if is_condemned(path):
                raise _Damage("it broke while it was in use")
            _check(connection)
        migrate(connection, path)
        if options.max_mib:
            connection.execute(f"PRAGMA max_page_count = {options.max_mib * 1024 * 1024 // PAGE_BYTES}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    """Read the whole file, but for comparing indices with their tables. Raises sqlite3.DatabaseError."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise _Damage(verdict)


class _Damage(sqlite3.DatabaseError):
    """quick_check found something."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether the file does not hold any more what was written to it, by its contents or because the disk cannot read it."""
    return _primary_code(error) in _DAMAGED or getattr(error, "sqlite_errorcode", 0) in _LOST_SECTORS


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def storage_failure(path: Path, error: sqlite3.Error) -> StorageFailed:
    """The library's error in our words."""
    if _is_damage(error):
        return JournalDamaged(path, str(error))
    if _primary_code(error) == sqlite3.SQLITE_FULL:
        return JournalFull(path, str(error))
    return DiskFailed(path, str(error))


def failure_in_use(path: Path, error: sqlite3.Error) -> StorageFailed:
    """The same for the journal itself: one that broke is set aside by the next start, whatever that start sees of it."""
    if _is_damage(error):
        condemn(path)
    return storage_failure(path, error)


def read_chain(connection: sqlite3.Connection, device: bytes, boot_id: bytes) -> Chain:
    """Where the hash chains go on."""
    (last,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM records").fetchone()
    heads = []
    for condition in ("stream <> ?", "stream = ?"):
        row = connection.execute(
            f"SELECT data FROM records WHERE {condition} ORDER BY seq DESC LIMIT 1", (Stream.SAMPLE,)
        ).fetchone()
        heads.append(record_hash(row[0]) if row else NO_HASH)
    return Chain(device, boot_id, last + 1, head=heads[0], samples_head=heads[1])


def read_values(connection: sqlite3.Connection) -> dict[str, bytes]:
    """All named values."""
    return dict(connection.execute("SELECT name, value FROM named_values").fetchall())


def read_first_free(connection: sqlite3.Connection) -> int:
    """The first ledger sequence number that was certainly never used."""
    (first_free,) = connection.execute("SELECT first_free FROM sequence").fetchone()
    return int(first_free)


def read_records(connection: sqlite3.Connection, stream: Stream, after_seq: int, limit: int) -> list[StoredRecord]:
    """Records of a stream in order."""
    rows = connection.execute(
        "SELECT data, signature, proven_height FROM records WHERE stream = ? AND seq > ? ORDER BY seq LIMIT ?",
        (stream, after_seq, limit),
    )
    return [StoredRecord(Record.decode(data), data, signature, height) for data, signature, height in rows]


def read_salvaged(connection: sqlite3.Connection, after: tuple[int, bytes], limit: int) -> list[SalvagedRecord]:
    """Records out of damaged files, of all streams, behind the (sequence number, hash) given, in that order."""
    rows = connection.execute(
        "SELECT data, signature, proven_height, origin FROM salvaged WHERE (seq, hash) > (?, ?) ORDER BY seq, hash LIMIT ?",
        (*after, limit),
    )
    return [SalvagedRecord(Record.decode(data), data, signature, height, origin) for data, signature, height, origin in rows]


def count_salvaged(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many records out of damaged files are kept, and their bytes."""
    count, size = connection.execute("SELECT COUNT(*), COALESCE(SUM(LENGTH(data)), 0) FROM salvaged").fetchone()
    return int(count), int(size)


def read_all(connection: sqlite3.Connection, after_seq: int, stream: Stream | None = None) -> Iterator[StoredRecord]:
    """All records above a sequence number in order, of one stream or of all. Raises ValueError for one that was altered."""
    condition = "" if stream is None else f" AND stream = {stream:d}"
    rows = connection.execute(
        f"SELECT seq, stream, data, signature, proven_height FROM records WHERE seq > ?{condition} ORDER BY seq", (after_seq,)
    )
    for seq, number, data, signature, height in rows:
        record = Record.decode(data)
        if (record.seq, record.stream) != (seq, number):
            raise ValueError(f"record {seq} says that it is record {record.seq} of stream {record.stream.name}")
        yield StoredRecord(record, data, signature, height)


def read_open(connection: sqlite3.Connection, priority: Priority, after_id: int, limit: int) -> list[Item]:
    """Open items of a priority, oldest first."""
    rows = connection.execute(
        f"{_ITEM} WHERE priority = ? AND id > ? AND state <= {LAST_OPEN:d} ORDER BY id LIMIT ?", (priority, after_id, limit)
    )
    return [_item(row) for row in rows]


def read_refused(connection: sqlite3.Connection, after_id: int, limit: int) -> list[Item]:
    """Dead letters, oldest first."""
    rows = connection.execute(f"{_ITEM} WHERE state = {ItemState.REFUSED:d} AND id > ? ORDER BY id LIMIT ?", (after_id, limit))
    return [_item(row) for row in rows]


def read_item(connection: sqlite3.Connection, item_id: int) -> Item:
    """One item that is known to exist, open or not."""
    return _item(connection.execute(f"{_ITEM} WHERE id = ?", (item_id,)).fetchone())


def count_items(connection: sqlite3.Connection) -> dict[ItemState, int]:
    """How many items are in each state that the outbox still cares for: the open ones and the dead letters."""
    rows = connection.execute(
        f"SELECT state, COUNT(*) FROM items WHERE state <= {LAST_OPEN:d} GROUP BY state"
        f" UNION ALL SELECT {ItemState.REFUSED:d}, COUNT(*) FROM items WHERE state = {ItemState.REFUSED:d}"
    )
    return {ItemState(state): count for state, count in rows if count}


def _item(row: Sequence[Any]) -> Item:
    item_id, priority, state, *rest = row
    return Item(item_id, Priority(priority), ItemState(state), *rest)
