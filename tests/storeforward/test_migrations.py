"""Databases of released schemas are opened and read completely; a migration that fails leaves them as they were."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from storeforward.chain import Whole
from storeforward.changes import Changes
from storeforward.database import open_database, read_all, read_chain, read_records
from storeforward.eviction import Evictor, Now
from storeforward.items import ItemState, Priority
from storeforward.migrations import migrate, scripts
from storeforward.options import JournalOptions
from storeforward.records import Record, Stream
from tests.storeforward.kit import BOOT_ID, DEVICE, START_S, all_records, energy, marks, opened, record, run, walked
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


@pytest.mark.parametrize("version", [2, 3])
def test_samples_of_an_older_schema_are_read_and_evicted_before_the_new_ones(tmp_path: Path, version: int) -> None:
    """They lie in another table than those that come now; both are one stream."""
    path = unpacked(version, tmp_path)

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, JournalOptions(group_records=1), boot_id=b"n" * 16) as journal:
            before = [stored.record.seq for stored in await journal.read_records(Stream.SAMPLE, limit=10**9)]
            assert len(before) == 103
            whole = walked(await all_records(journal))
            assert isinstance(whole, Whole)
            assert whole.evicted > 0
            new = await journal.apply(Changes((record(Stream.SAMPLE), record(Stream.EVENT), record(Stream.SAMPLE))))
            seqs = [ref.seq for ref in new.records]
            assert seqs == [whole.last_seq + 1, whole.last_seq + 2, whole.last_seq + 3]
            after = [stored.record.seq for stored in await journal.read_records(Stream.SAMPLE, limit=10**9)]
            assert after == [*before, seqs[0], seqs[2]]
            page = await journal.read_records(Stream.SAMPLE, before[-2], limit=2)
            assert [stored.record.seq for stored in page] == [before[-1], seqs[0]]
            assert (await journal.metrics()).kept[Stream.SAMPLE] == 105
            assert walked(await all_records(journal)) == replace(whole, records=whole.records + 3, last_seq=seqs[2], unsigned=1)
            while not await journal._read(lambda connection: journal._turns._upkeep.step_scrub(clock)):
                pass
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            evictor = Evictor(connection, lambda new: None, None)
            late = Now((START_S + 10**8) * 10**9, 0, BOOT_ID)
            left = after
            while (done := evictor.drop_old(late, 1, rows=30)) is not None and done.stream is Stream.SAMPLE:
                left = left[done.count :]
                found = [stored.record.seq for stored in read_records(connection, Stream.SAMPLE, 0, 1_000)]
                assert found == left, "the oldest go first, from whichever table"
            assert left == after[-1:], "the newest one stays"

    run(main)


def test_reading_a_stream_never_sorts_the_journal(tmp_path: Path) -> None:
    """With a journal of a gigabyte, one page of a stream read by sorting all of it would hold up every record."""
    asked: list[str] = []
    with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as connection:
        migrate(connection, tmp_path / "journal.db")
        connection.set_trace_callback(asked.append)
        read_chain(connection, DEVICE, BOOT_ID)
        for stream in Stream:
            read_records(connection, stream, 7, 100)
            list(read_all(connection, 7, stream, 100))
        list(read_all(connection, 7))
        evictor = Evictor(connection, lambda new: None, None)
        evictor.make_room(100)
        evictor.drop_old(Now(None, 0, BOOT_ID), 1, 100)
        evictor.join_gaps()
        connection.set_trace_callback(None)
        asked = [query for query in asked if "all_records" in query]
        assert len(asked) > 40
        for query in asked:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
            assert not any("TEMP B-TREE" in step or "CO-ROUTINE" in step for step in plan), (query, plan)
