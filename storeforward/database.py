"""The journal's SQLite file: opening, checking, writing, reading. Everything here blocks and belongs to one thread.

WAL with synchronous=FULL: a commit that returned survives a power cut. Exactly one connection, without mmap: SQLite before
3.51.3 can lose data when two connections write and checkpoint at once, and controllers ship such versions.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from storeforward.chain import NOTHING, Place
from storeforward.errors import DiskFailed, JournalDamaged, JournalFull, JournalUnreadable, StorageFailed
from storeforward.files import condemn, is_condemned, set_aside, sync_folder
from storeforward.items import LAST_OPEN, Item, ItemState, Priority
from storeforward.migrations import migrate
from storeforward.options import JournalOptions
from storeforward.records import Chain, Record, RecordRef, SalvagedRecord, StoredRecord, Stream, record_hash
from storeforward.sqlitefile import PAGE_BYTES

_log = logging.getLogger(__name__)

OWN: Final = "journal: "
"""How the names of the journal's own values begin."""
_SMALL_TABLES: Final = frozenset(("items", "named_values", "sequence", "wear"))
_DAMAGED: Final = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_LOST_SECTORS: Final = frozenset((sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS))
_ITEM: Final = (
    "SELECT id, priority, state, kind, slot_s, seq, reference, tx, expires_height, record_seq, attempts, height, code, detail"
    " FROM items"
)


Loaded = TypeVar("Loaded")


class Damage(sqlite3.DatabaseError):
    """What was read is not what was written, though SQLite itself noticed nothing."""

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


def open_database(
    path: Path, options: JournalOptions, load: Callable[[sqlite3.Connection], Loaded]
) -> tuple[Loaded, Path | None]:
    """Open or create the database and let `load` read what is needed of it. One that is damaged as far as this sees (small
    tables, and whatever `load` reads) is set aside and a fresh one begun: (what was loaded, where the old one went).

    Raises JournalTooNew, JournalUnreadable, JournalFull.
    """
    aside = None
    try:
        loaded = _open(path, options, load)
    except sqlite3.Error as error:
        if _primary_code(error) == sqlite3.SQLITE_FULL:
            raise JournalFull(path, str(error)) from error
        if not _is_damage(error):
            raise JournalUnreadable(path, str(error)) from error
        aside = set_aside(path)
        _log.error("journal %s is damaged (%s); set aside as %s, a fresh one is begun", path, error, aside.name)
        try:
            loaded = _open(path, options, load)
        except sqlite3.Error as second:
            raise JournalUnreadable(path, str(second)) from second
    sync_folder(path.parent)
    return loaded, aside


def _open(path: Path, options: JournalOptions, load: Callable[[sqlite3.Connection], Loaded]) -> Loaded:
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
                raise Damage("it broke while it was in use")
            _check_small_tables(connection)
        migrate(connection, path)
        if options.max_mib:
            connection.execute(f"PRAGMA max_page_count = {options.max_mib * 1024 * 1024 // PAGE_BYTES}")
        with damage_if_meaningless():
            return load(connection)
    except BaseException:
        connection.close()
        raise


def _check_small_tables(connection: sqlite3.Connection) -> None:
    """Read what stays small however large the journal is, with its indices. Raises sqlite3.DatabaseError."""
    for name in _SMALL_TABLES & {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}:
        (verdict,) = connection.execute(f"PRAGMA integrity_check ({name})").fetchone()
        if verdict != "ok":
            raise Damage(_one_line(verdict))


def check_pages(connection: sqlite3.Connection) -> str | None:
    """Read the whole file, but for comparing indices with their tables: what is wrong with it, None if nothing is. Takes
    minutes for a large journal on a slow card. Raises sqlite3.DatabaseError."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return None if verdict == "ok" else _one_line(verdict)


def _one_line(verdict: str) -> str:
    """SQLite words its findings in lines; a log has one for each event."""
    return " ".join(verdict.split())


@contextmanager
def damage_if_meaningless() -> Iterator[None]:
    """Bytes that SQLite hands out without complaint and that mean nothing were changed on the disk."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise Damage(str(error)) from error


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
    newest = connection.execute("SELECT seq FROM all_records ORDER BY seq DESC LIMIT 1").fetchone()
    last = 0 if newest is None else int(newest[0])
    place = read_place(connection, last)
    return Chain(device, boot_id, last + 1, head=place.head.record_hash, samples_head=place.samples.record_hash)


def read_place(connection: sqlite3.Connection, seq: int) -> Place:
    """Where the hash chains stand behind the record `seq`, whether that one is still there or not."""
    signed = [stream for stream in Stream if stream is not Stream.SAMPLE]
    return Place(seq, _newest(connection, signed, seq), _newest(connection, [Stream.SAMPLE], seq))


def _newest(connection: sqlite3.Connection, streams: Sequence[Stream], up_to: int) -> RecordRef:
    """The newest record of some streams, stream by stream: between two signed records there may be any number of samples."""
    query = "SELECT seq FROM all_records WHERE stream = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"
    rows = [connection.execute(query, (stream, up_to)).fetchone() for stream in streams]
    newest = max((row[0] for row in rows if row is not None), default=0)
    if not newest:
        return NOTHING
    row = connection.execute("SELECT data FROM all_records WHERE seq = ?", (newest,)).fetchone()
    if row is None:
        raise Damage(f"record {newest} is in an index, and not there")
    return RecordRef(newest, record_hash(row[0]))


def read_values(connection: sqlite3.Connection) -> dict[str, bytes]:
    """All named values but the journal's own."""
    rows = connection.execute("SELECT name, value FROM named_values").fetchall()
    return {name: value for name, value in rows if not name.startswith(OWN)}


def read_own(connection: sqlite3.Connection, name: str) -> bytes | None:
    """A value that the journal keeps for itself."""
    row = connection.execute("SELECT value FROM named_values WHERE name = ?", (OWN + name,)).fetchone()
    return None if row is None else bytes(row[0])


def save_own(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    """Save one, within a transaction."""
    connection.execute("INSERT OR REPLACE INTO named_values (name, value) VALUES (?, ?)", (OWN + name, value))


def read_first_free(connection: sqlite3.Connection) -> int:
    """The first ledger sequence number that was certainly never used."""
    (first_free,) = connection.execute("SELECT first_free FROM sequence").fetchone()
    return int(first_free)


def read_records(connection: sqlite3.Connection, stream: Stream, after_seq: int, limit: int) -> list[StoredRecord]:
    """A page of `read_all`. Raises ValueError for a record that was altered."""
    return list(read_all(connection, after_seq, stream, limit))


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


def read_all(
    connection: sqlite3.Connection, after_seq: int, stream: Stream | None = None, limit: int = -1
) -> Generator[StoredRecord, None, None]:
    """Records above a sequence number in order, of one stream or of all; without a limit all. Raises ValueError for one that
    was altered."""
    condition = "" if stream is None else f" AND stream = {stream:d}"
    query = f"SELECT seq, stream, data, signature, proven_height FROM all_records WHERE seq > ?{condition} ORDER BY seq LIMIT ?"
    with closing(connection.execute(query, (after_seq, limit))) as rows:  # an error that is kept would keep the file locked
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


def read_items(connection: sqlite3.Connection, after_id: int, limit: int) -> list[Item]:
    """Items whatever became of them, oldest first. Raises ValueError for one that makes no sense."""
    rows = connection.execute(f"{_ITEM} WHERE id > ? ORDER BY id LIMIT ?", (after_id, limit)).fetchall()
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
