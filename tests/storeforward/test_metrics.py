"""Figures about a running journal, and tables that do not grow for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storeforward.changes import Changes
from storeforward.errors import AlreadyDecided, UnknownItem
from storeforward.items import ItemState, Mark, Priority, Renewal
from storeforward.itemtable import DROPPED_AT_ONCE, KEPT_DECIDED
from storeforward.metrics import Captured
from storeforward.options import JournalOptions
from storeforward.records import Stream
from storeforward.wear import FRAME_BYTES, Cost, WalReader, Wear
from tests.storeforward.kit import START_S, energy, item, marks, opened, power_cut, record, run
from tools.society.virtualclock import VirtualClock

DAY_NS = 86_400 * 10**9


def test_depth_age_and_groups(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            empty = await journal.metrics()
            assert (empty.depth, empty.dead_letters, empty.oldest_unsent, empty.last_fsync_ns) == ({}, 0, None, None)
            assert (empty.kept, empty.evicted, empty.bound_bytes) == ({}, {}, 0)
            await journal.apply(Changes(enqueue=(item(1, Priority.TRADE), item(2), item(3))))
            await journal.apply(marks((await journal.outbox.open_items())[:1], ItemState.REFUSED, 9))
            await asyncio.sleep(10)
            await journal.apply(energy(4))
            await asyncio.sleep(5)
            sample = Changes((record(Stream.SAMPLE),))
            await asyncio.gather(*(journal.apply(sample) for _ in range(100)))
            found = await journal.metrics()
        assert found.depth == {Priority.BILLING: 3}
        assert found.dead_letters == 1
        assert found.oldest_unsent == Captured(seq=1, wall_ns=START_S * 10**9, age_ns=5 * 10**9)
        assert found.last_fsync_ns == 15 * 10**9
        assert (found.groups, found.grouped_changes, found.largest_group) == (4, 103, 100)
        assert found.kept == {Stream.ENERGY: 1, Stream.SAMPLE: 100}

    run(main)


def test_the_age_of_what_was_captured_in_another_boot_is_not_known_by_its_monotonic_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, boot_id=b"a" * 16) as journal:
            await journal.apply(energy(1))
        async with opened(path, clock, boot_id=b"b" * 16) as journal:
            found = await journal.metrics()
        assert found.oldest_unsent == Captured(1, START_S * 10**9, None)

    run(main)


def test_bytes_written_are_those_of_the_log_and_of_what_is_copied_from_it(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    log = path.with_name("journal.db-wal")

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, JournalOptions(checkpoint_pages=100)) as journal:
            await journal.apply(energy(0))
            before, size = await journal.metrics(), log.stat().st_size
            for number in range(1, 4):
                await journal.apply(energy(number))
            after = await journal.metrics()
            assert after.bytes_written_today - before.bytes_written_today == log.stat().st_size - size
            assert after.flush_count - before.flush_count == 3
            for number in range(4, 100):
                await journal.apply(energy(number))
            later = await journal.metrics()
            frames = (later.bytes_written_today - after.bytes_written_today) / FRAME_BYTES
            assert 96 * 4 < frames < 96 * 10
            assert later.flush_count - after.flush_count > 96, "checkpoints flush too"

    run(main)


def test_a_days_wear_is_kept_over_a_restart_and_begins_anew_with_the_day(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            await journal.apply(energy(1))
            first = await journal.metrics()
            assert first.bytes_written_today > 0
        async with opened(path, clock) as journal:
            await journal.apply(energy(2))
            second = await journal.metrics()
            assert second.bytes_written_today > first.bytes_written_today
            assert second.flush_count < second.flushes_today
            await asyncio.sleep(86_400)
            await journal.apply(energy(3))
            assert (await journal.metrics()).flushes_today < second.flushes_today
            await journal.apply(energy(4))
            cut = power_cut(path, tmp_path / "cut")
        async with opened(cut, clock) as journal:
            assert (await journal.metrics()).bytes_written_today < second.bytes_written_today + 10 * FRAME_BYTES

    run(main)


def test_a_day_is_counted_for_itself() -> None:
    wear = Wear()
    wear.add(Cost(100, 1), 5 * DAY_NS)
    wear.add(Cost(50, 1), 5 * DAY_NS + 1)
    assert (wear.day, wear.bytes_today, wear.flushes_today) == (5, 150, 2)
    wear.add(Cost(7, 1), 6 * DAY_NS)
    assert (wear.day, wear.bytes_today, wear.flushes_today, wear.flushes) == (6, 7, 1, 3)


def test_without_a_log_nothing_was_written(tmp_path: Path) -> None:
    reader = WalReader(tmp_path / "journal.db")
    assert reader.look() == Cost()
    (tmp_path / "journal.db-wal").touch()
    assert reader.look() == Cost()
    reader.close()


def test_in_a_year_the_outbox_does_not_grow(tmp_path: Path) -> None:
    """A transaction per quarter of an hour, decided on the next day."""

    async def main(clock: VirtualClock) -> None:
        most, news = 0, tuple[Mark, ...]()
        async with opened(tmp_path / "journal.db", clock) as journal:
            for day in range(365):
                applied = await journal.apply(Changes(enqueue=tuple(item(96 * day + slot) for slot in range(96)), marks=news))
                final = ItemState.EXPIRED if day % 3 else ItemState.PROVEN
                news = tuple(Mark(item_id, final, day + 1) for item_id in applied.items)
                (count,) = await journal._read(lambda connection: connection.execute("SELECT COUNT(*) FROM items").fetchone())
                most = max(most, count)
        assert most <= KEPT_DECIDED + DROPPED_AT_ONCE

    run(main)


def test_news_of_an_item_that_was_dropped_changes_nothing(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            refused = (await journal.apply(Changes(enqueue=(item(0),)))).items[0]
            await journal.apply(Changes(marks=(Mark(refused, ItemState.REFUSED, 3, 17, "no"),)))
            for first in range(1, 2 * KEPT_DECIDED, 256):
                many = tuple(item(number) for number in range(first, first + 256))
                applied = await journal.apply(Changes(enqueue=many))
                await journal.apply(Changes(marks=tuple(Mark(done, ItemState.PROVEN, 5, 0) for done in applied.items)))
            gone = refused + 1
            await journal.apply(Changes(marks=(Mark(gone, ItemState.PROVEN, 5, 0),)))
            with pytest.raises(AlreadyDecided, match="is GONE"):
                await journal.apply(Changes(marks=(Mark(gone, ItemState.SENT),)))
            with pytest.raises(AlreadyDecided, match="is GONE"):
                await journal.apply(Changes(renewals=(Renewal(gone, b"new", b"tx", 9),)))
            with pytest.raises(UnknownItem):
                await journal.apply(Changes(marks=(Mark(applied.items[-1] + 1, ItemState.PROVEN, 5, 0),)))
            assert [letter.id for letter in await journal.outbox.dead_letters()] == [refused], "until somebody looked at it"
            assert (await journal.metrics()).dead_letters == 1

    run(main)
