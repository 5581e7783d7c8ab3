"""Databases of released schemas are opened and read completely; a migration that fails leaves them as they were."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from storeforward.chain import Whole
from storeforward.database import open_database
from storeforward.items import ItemState, Priority
from storeforward.migrations import migrate, scripts
from storeforward.options import JournalOptions
from storeforward.records import Record, Stream
from tests.storeforward.kit import all_records, energy, marks, opened, run, walked
from tools.society.virtualclock import VirtualClock

DATABASES = Path(__file__).parent / "databases"


def unpacked(version: int, folder: Path) -> Path:
    path = folder / "journal.db"
    path.write_bytes(gzip.decompress((DATABASES / f"schema-{version:03}.db.gz").read_bytes()))
    return path


def test_a_journal_of_the_first_schema_is_read_completely_and_goes_on(tmp_path: Path) -> None:
    path = unpacked(1, tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT data, signature, proven_height FROM records ORDER BY seq").fetchall()
        items = connection.execute("SELECT id, state, reference, tx, detail FROM items ORDER BY id").fetchall()

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, boot_id=b"n" * 16) as journal:
            records = await all_records(journal)
            assert [(found.data, found.signature, found.proven_height) for found in records] == before
            assert walked(records) == Whole(records=280, evicted=0, last_seq=280, unsigned=0)
            metrics = await journal.metrics()
            assert metrics.kept == {
                Stream.ENERGY: 80,
                Stream.ORDER: 20,
                Stream.RECEIPT: 20,
                Stream.EVENT: 80,
                Stream.SAMPLE: 80,
            }
            assert journal.outbox.counts[ItemState.QUEUED] == 9
            open_ids = {row[0] for row in items if row[1] <= ItemState.SEEN}
            assert {item.id for item in await journal.outbox.open_items()} == open_ids
            assert {item.id for item in await journal.outbox.dead_letters()} == {row[0] for row in items if row[1] == 4}
            assert metrics.depth == {
                priority: sum(item.priority is priority for item in await journal.outbox.open_items())
                for priority in (Priority.TRADE, Priority.BILLING)
            }
            assert journal.values["floor"] == b"36"
            assert journal.next_seq() == 65
            applied = await journal.apply(energy(1_000))
            assert applied.records[0].seq == 281
            assert applied.items[0] == 101
            await journal.apply(marks(await journal.outbox.open_items(), ItemState.PROVEN, 500))
            assert walked(await all_records(journal)) == Whole(records=281, evicted=0, last_seq=281, unsigned=0)

    run(main)


def test_each_old_database_has_what_its_number_says() -> None:
    found = sorted(DATABASES.glob("*.db.gz"))
    assert [int(path.name[7:10]) for path in found] == list(range(1, len(found) + 1))
    assert len(found) < len(scripts()) + 1


def test_a_migration_that_fails_leaves_an_old_journal_as_it_was(tmp_path: Path) -> None:
    path = unpacked(1, tmp_path)
    schema = tmp_path / "schema"
    schema.mkdir()
    for _, script in scripts():
        (schema / script.name).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")
    (schema / f"{len(scripts()) + 1:03}_wrong.sql").write_text("UPDATE records SET nobody = 1;", encoding="utf-8")
    before = path.read_bytes()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="nobody"):
            migrate(connection, path, schema)
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert path.read_bytes() == before
    connection, aside = open_database(path, JournalOptions(), lambda connection: connection)
    with closing(connection):
        assert aside is None
        rows = connection.execute("SELECT data FROM records ORDER BY seq").fetchall()
    assert [Record.decode(data).seq for (data,) in rows] == list(range(1, 281))
