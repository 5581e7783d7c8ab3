"""What runs in the virtual machine: the workload on a file system of its own, with acknowledgements written past every cache.

    python -m tools.soak.guest FOLDER SEED CHANGES

An acknowledgement is one block, written directly to the disk and not synced: it stands in the disk's log of writes in the order
in which things happened, and makes nothing else durable.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Final

from storeforward.changes import Applied
from tools.soak.recorded import ACKNOWLEDGED, SESSIONS, live

BLOCK: Final = 4096
MAGIC: Final = b"homewatt acknowledged "
_NUMBER: Final = struct.Struct("<Q")


def acknowledgement(block: bytes) -> int | None:
    """The number in a block that acknowledges a change, None for any other block."""
    return int(_NUMBER.unpack_from(block, len(MAGIC))[0]) if block.startswith(MAGIC) else None


class _DirectFile:
    """One block of a file, rewritten in place and around the page cache."""

    def __init__(self, path: Path) -> None:
        with path.open("wb") as file:  # so that the block has its place on the disk
            file.write(bytes(BLOCK))
            os.fsync(file.fileno())
        self._handle = os.open(path, os.O_WRONLY | os.O_DIRECT)
        self._block = mmap.mmap(-1, BLOCK)  # aligned, as direct writes demand

    def acknowledge(self, number: int, applied: Applied) -> None:
        self._block[: len(MAGIC) + _NUMBER.size] = MAGIC + _NUMBER.pack(number)
        os.pwrite(self._handle, self._block, 0)


def main() -> None:
    folder, seed, changes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    file = _DirectFile(folder / ACKNOWLEDGED)
    for share, end in SESSIONS:
        process = os.fork()
        if not process:
            asyncio.run(live(folder, seed, round(changes * share), file.acknowledge, abrupt=end == "abrupt"))
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if status:
            sys.exit(f"a session ended with {status}")


if __name__ == "__main__":
    main()
