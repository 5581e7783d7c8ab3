"""The log that QEMU's `blklogwrites` keeps of a disk, and what the disk may hold after a power cut.

The disk has a volatile cache: what was written before the last flush that returned is there; each later write was, by itself,
carried out or lost, whole or by sectors. Format: dm-log-writes, Linux, Documentation/admin-guide/device-mapper/log-writes.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

SECTOR: Final = 512
_FIRST_BLOCK_SECTORS: Final = 8
"""ext4 relies on it that its superblock, in the first block, is written whole or not at all."""
_MAGIC: Final = 0x6A736677736872
_SUPER: Final = struct.Struct("<QQQI")
_ENTRY: Final = struct.Struct("<QQQQ")
_FLUSH: Final = 1
_FUA: Final = 2
_DISCARD: Final = 4


@dataclass(frozen=True, slots=True)
class DiskWrite:
    """One request that the disk has answered. A flush has no data; a forced write (FUA) is durable when it is answered."""

    sector: int
    data: bytes
    is_flush: bool
    is_forced: bool


def read_block_log(log: Path) -> Iterator[DiskWrite]:
    """All requests in order. Raises ValueError for another format."""
    with log.open("rb") as file:
        magic, version, entries, sector_bytes = _SUPER.unpack(file.read(_SUPER.size))
        if (magic, version, sector_bytes) != (_MAGIC, 1, SECTOR):
            raise ValueError(f"{log} is no log of block writes with sectors of {SECTOR} bytes")
        at = SECTOR
        for _ in range(entries):
            file.seek(at)
            sector, sectors, flags, _ = _ENTRY.unpack(file.read(_ENTRY.size))
            at += SECTOR
            file.seek(at)
            data = b"" if flags & _DISCARD else file.read(sectors * SECTOR)
            at += len(data)
            yield DiskWrite(sector, data, bool(flags & _FLUSH), bool(flags & _FUA))


class BlockDisk:
    """What a disk holds, fed request by request."""

    def __init__(self, content: bytes) -> None:
        self._durable = bytearray(content)
        self._pending: list[DiskWrite] = []

    def take(self, write: DiskWrite) -> None:
        """One more request was answered."""
        if write.is_flush:
            for pending in self._pending:
                start = pending.sector * SECTOR
                self._durable[start : start + len(pending.data)] = pending.data
            self._pending.clear()
        if write.is_forced:
            self._durable[write.sector * SECTOR : write.sector * SECTOR + len(write.data)] = write.data
        elif write.data:
            self._pending.append(write)

    def write_cut(self, image: Path, chance: Random) -> None:
        """Write the whole disk to a file, as it may be found after a power cut at this moment."""
        luck = chance.choice((0.0, 0.3, 0.7, 0.95, 1.0))
        with image.open("wb") as file:
            file.write(self._durable)
            for write in self._pending:
                start, data = write.sector * SECTOR, write.data
                if chance.random() < luck:
                    file.seek(start)
                    file.write(data)
                elif write.sector >= _FIRST_BLOCK_SECTORS and chance.random() < 0.5:  # torn: some of its sectors arrived
                    for at in range(0, len(data), SECTOR):
                        if chance.random() < 0.5:
                            file.seek(start + at)
                            file.write(data[at : at + SECTOR])
