"""The log of a disk's writes, and what the disk may hold after a cut: what was flushed, and any part of what was not."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest

from tools.soak.blocklog import SECTOR, BlockDisk, DiskWrite, read_block_log
from tools.soak.guest import BLOCK, MAGIC, acknowledgement

FIRST = 16
"""A sector behind the superblock's block."""
SEEDS = range(100)


def entry(sector: int, data: bytes, flags: int) -> bytes:
    return struct.pack("<QQQQ", sector, len(data) // SECTOR, flags, 0).ljust(SECTOR, b"\0") + data


def log_file(path: Path, *entries: bytes, magic: int = 0x6A736677736872) -> Path:
    path.write_bytes(struct.pack("<QQQI", magic, 1, len(entries), SECTOR).ljust(SECTOR, b"\0") + b"".join(entries))
    return path


def write(byte: bytes, sector: int = FIRST, sectors: int = 2, *, flush: bool = False, forced: bool = False) -> DiskWrite:
    return DiskWrite(sector, b"" if flush else byte * sectors * SECTOR, flush, forced)


FLUSH = write(b"", 0, flush=True)


def found(tmp_path: Path, *writes: DiskWrite) -> set[bytes]:
    """The sectors from FIRST on, after cuts behind the last of these requests."""
    disk = BlockDisk(b"o" * 64 * SECTOR)
    for request in writes:
        disk.take(request)
    seen = set()
    for seed in SEEDS:
        disk.write_cut(tmp_path / "image", Random(seed))
        content = (tmp_path / "image").read_bytes()
        assert content[: FIRST * SECTOR] + content[(FIRST + 2) * SECTOR :] == b"o" * 62 * SECTOR
        seen.add(bytes(content[at] for at in (FIRST * SECTOR, (FIRST + 1) * SECTOR)))
    return seen


def test_requests_are_read_in_order(tmp_path: Path) -> None:
    path = log_file(tmp_path / "log", entry(8, b"a" * SECTOR, 0), entry(0, b"", 1), entry(9, b"b" * 2 * SECTOR, 2))
    assert list(read_block_log(path)) == [
        DiskWrite(8, b"a" * SECTOR, False, False),
        DiskWrite(0, b"", True, False),
        DiskWrite(9, b"b" * 2 * SECTOR, False, True),
    ]


def test_another_format_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no log of block writes"):
        list(read_block_log(log_file(tmp_path / "log", magic=1)))


def test_what_was_flushed_is_there(tmp_path: Path) -> None:
    assert found(tmp_path, write(b"n"), FLUSH) == {b"nn"}


def test_what_was_forced_is_there_without_a_flush(tmp_path: Path) -> None:
    assert found(tmp_path, write(b"n", forced=True)) == {b"nn"}


def test_what_was_not_flushed_is_there_or_lost_or_torn(tmp_path: Path) -> None:
    assert found(tmp_path, write(b"n")) == {b"nn", b"oo", b"no", b"on"}


def test_a_later_write_may_arrive_without_an_earlier_one(tmp_path: Path) -> None:
    assert {b"1o", b"o2", b"12"} <= found(tmp_path, write(b"1", FIRST, 1), write(b"2", FIRST + 1, 1))


def test_an_acknowledgement_is_known_by_its_beginning() -> None:
    assert acknowledgement((MAGIC + (258).to_bytes(8, "little")).ljust(BLOCK, b"\0")) == 258
    assert acknowledgement(bytes(BLOCK)) is None
    assert acknowledgement(b"") is None
