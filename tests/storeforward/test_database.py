"""The file itself: how it is opened, what is done with a damaged one, and how its schema grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeforward.database import open_database, storage_failure
from storeforward.errors import DiskFailed, JournalDamaged, JournalFull, JournalTooNew, StorageFailed
from storeforward.files import set_aside
from storeforward.migrations import migrate, scripts
from storeforward.options import JournalOptions
from storeforward.records import Record, Stream
from tests.storeforward.kit import energy, opened, run
from tools.society.virtualclock import VirtualClock


def test_a_commit_survives_a_power_cut_and_no_memory_map_is_used(tmp_path: Path) -> None:
    connection, _ = open_database(tmp_path / "journal.db", JournalOptions(cache_kib=64), lambda connection: connection)
    with closing(connection):
        pragmas = ("journal_mode", "synchronous", "mmap_size", "locking_mode", "cache_size")
        values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == ["wal", 2, 0, "exclusive", -64]


def fill(path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            for number in range(200):
                await journal.apply(energy(number))

    run(main)


def garble_head(content: bytearray) -> None:
    content[:40] = b"x" * 40


def garble_page(content: bytearray) -> None:
    content[3 * 4096 : 4 * 4096] = b"\xa5" * 4096


def cut_off(content: bytearray) -> None:
    del content[len(content) // 2 :]


@pytest.mark.parametrize("damage", [garble_head, garble_page, cut_off])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(tmp_path: Path, damage: Callable[[bytearray], None]) -> None:
    path = tmp_path / "journal.db"
    fill(path)
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            assert journal.set_aside == tmp_path / "journal.db.damaged-1"
            assert await journal.read_records(Stream.ENERGY) == []
            assert journal.outbox.count() == 0
            await journal.apply(energy(1))
        async with opened(path, clock) as journal:
            assert journal.set_aside is None
            assert len(await journal.read_records(Stream.ENERGY)) == 1

    run(main)
    assert (tmp_path / "journal.db.damaged-1").read_bytes() == content, "nothing of it is lost"


def test_each_damaged_file_gets_a_name_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    for number in (1, 2):
        path.write_bytes(b"%d" % number)
        path.with_name("journal.db-wal").write_bytes(b"log %d" % number)
        assert set_aside(path) == tmp_path / f"journal.db.damaged-{number}"
    assert (tmp_path / "journal.db.damaged-1").read_bytes() == b"1"
    assert (tmp_path / "journal.db.damaged-2-wal").read_bytes() == b"log 2"
    assert not path.with_name("journal.db-wal").exists()


def test_a_database_newer_than_the_code_stops_the_start_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    fill(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    async def main(clock: VirtualClock) -> None:
        with pytest.raises(JournalTooNew, match="has schema 99"):
            async with opened(path, clock):
                pass

    run(main)
    assert path.read_bytes() == before


def test_the_files_of_the_schema_count_up(tmp_path: Path) -> None:
    assert [number for number, _ in scripts()] == list(range(1, len(scripts()) + 1))
    (tmp_path / "002_late.sql").write_text("")
    with pytest.raises(ValueError, match="do not count up from 1"):
        scripts(tmp_path)


def test_missing_migrations_happen_together_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "001_one.sql").write_text("CREATE TABLE one (id INTEGER PRIMARY KEY);")
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, tmp_path)
        (tmp_path / "002_two.sql").write_text("ALTER TABLE one ADD COLUMN two TEXT;")
        (tmp_path / "003_three.sql").write_text("INSERT INTO one (id, two, three) VALUES (1, 2, 3);")
        with pytest.raises(sqlite3.OperationalError, match="three"):
            migrate(connection, path, tmp_path)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert [row[1] for row in connection.execute("PRAGMA table_info (one)")] == ["id"]
        (tmp_path / "003_three.sql").write_text("INSERT INTO one (id, two) VALUES (1, 2);")
        migrate(connection, path, tmp_path)
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT * FROM one").fetchall() == [(1, "2")]


@pytest.mark.parametrize(
    ("code", "expected", "retry"),
    [
        (sqlite3.SQLITE_CORRUPT, JournalDamaged, False),
        (sqlite3.SQLITE_CORRUPT_INDEX, JournalDamaged, False),
        (sqlite3.SQLITE_NOTADB, JournalDamaged, False),
        (sqlite3.SQLITE_FULL, JournalFull, True),
        (sqlite3.SQLITE_IOERR_FSYNC, DiskFailed, True),
    ],
)
def test_what_the_disk_does_has_a_name(code: int, expected: type[StorageFailed], retry: bool) -> None:
    error = sqlite3.OperationalError("as SQLite words it")
    error.sqlite_errorcode = code
    failure = storage_failure(Path("journal.db"), error)
    assert type(failure) is expected
    assert failure.retry is retry
    assert str(failure) == "journal.db: as SQLite words it"


records = st.builds(
    Record,
    device=st.binary(min_size=20, max_size=20),
    boot_id=st.binary(min_size=16, max_size=16),
    seq=st.integers(1, 2**53),
    monotonic_ns=st.integers(0, 2**63),
    wall_ns=st.integers(0, 2**63),
    stream=st.sampled_from(Stream),
    body=st.binary(max_size=300),
    previous=st.binary(min_size=32, max_size=32),
    samples=st.sampled_from((b"", bytes(32))),
)


@given(record=records)
def test_a_record_reads_back(record: Record) -> None:
    assert Record.decode(record.encode()) == record


@given(record=records, data=st.data())
def test_a_changed_byte_gives_another_record_or_none(record: Record, data: st.DataObject) -> None:
    content = bytearray(record.encode())
    index = data.draw(st.integers(0, len(content) - 1))
    content[index] ^= data.draw(st.integers(1, 255))
    try:
        found: Record | None = Record.decode(bytes(content))
    except ValueError:
        found = None
    assert found != record
