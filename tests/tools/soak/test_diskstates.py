"""What a power cut may leave: never less than what was synced, never anything that nobody wrote where nobody wrote."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from tools.soak.diskstates import SECTOR, Disk, differences
from tools.soak.recording import Entry, Operation

FOLDER = 1
FILE = 2
OTHER = 3
SEEDS = range(300)


def named(name: str, inode: int = FILE) -> Entry:
    return Entry(Operation.NAME, inode, 0, name.encode())


def written(data: bytes, offset: int = 0, inode: int = FILE) -> Entry:
    return Entry(Operation.WRITE, inode, offset, data)


def truncated(size: int, inode: int = FILE) -> Entry:
    return Entry(Operation.TRUNCATE, inode, size, b"")


def synced(inode: int = FILE) -> Entry:
    return Entry(Operation.SYNC, inode, 0, b"")


def disk(*entries: Entry) -> Disk:
    made = Disk(FOLDER)
    for entry in entries:
        made.take(entry)
    return made


def cuts(made: Disk) -> Iterator[dict[str, bytes]]:
    return (made.cut(Random(seed)) for seed in SEEDS)


def test_what_was_synced_is_there() -> None:
    made = disk(named("a"), written(b"x" * 1_000), synced(), synced(FOLDER))
    assert all(found == {"a": b"x" * 1_000} for found in cuts(made))


def test_a_name_is_durable_with_its_folder_and_not_before() -> None:
    made = disk(named("a"), written(b"x"), synced())
    assert {found.get("a") for found in cuts(made)} == {None, b"x"}


def test_a_write_that_was_not_synced_is_there_or_lost_or_torn_and_nothing_beside_it_is() -> None:
    before = b"o" * 4 * SECTOR
    made = disk(named("a"), written(before), synced(), synced(FOLDER), written(b"n" * 2 * SECTOR, 100))
    seen = [found["a"] for found in cuts(made)]
    assert all(len(found) == len(before) for found in seen)
    assert all(found[:100] == b"o" * 100 and found[100 + 2 * SECTOR :] == before[100 + 2 * SECTOR :] for found in seen)
    first_sectors = {found[100:SECTOR] for found in seen}
    part = SECTOR - 100
    assert {b"n" * part, b"o" * part, bytes(part)} < first_sectors  # and rubbish
    assert any(found[100:SECTOR] == b"n" * part and found[SECTOR : 100 + SECTOR] == b"o" * 100 for found in seen)


def test_a_lost_write_in_front_of_one_that_was_kept_leaves_a_hole() -> None:
    made = disk(named("a"), synced(FOLDER), written(b"1" * SECTOR), written(b"2" * SECTOR, SECTOR))
    assert bytes(SECTOR) + b"2" * SECTOR in {found["a"] for found in cuts(made)}


def test_a_truncation_is_carried_out_or_not() -> None:
    made = disk(named("a"), written(b"x" * 9), synced(), synced(FOLDER), truncated(4))
    assert {found["a"] for found in cuts(made)} == {b"x" * 9, b"x" * 4}


def test_names_change_in_order_and_a_rename_is_whole() -> None:
    moved = Entry(Operation.MOVE, 0, 0, b"a\0b")
    made = disk(named("a"), synced(FOLDER), moved, named("a", OTHER), Entry(Operation.UNLINK, 0, 0, b"b"))
    assert {"".join(sorted(found)) for found in cuts(made)} == {"a", "b", "ab"}


def test_a_new_file_with_an_old_inode_begins_empty() -> None:
    gone = Entry(Operation.UNLINK, 0, 0, b"a")
    made = disk(named("a"), written(b"old"), synced(), gone, named("b"), synced(FOLDER))
    assert all(found == {"b": b""} for found in cuts(made))


def test_the_running_system_sees_every_write() -> None:
    made = disk(named("a"), written(b"xyz"), truncated(2), written(b"!", 5), truncated(8))
    assert made.running() == {"a": b"xy\0\0\0!\0\0"}
    assert differences(made.running(), {"a": b"xy", "b": b""}) == ["a", "b"]
