"""Run as a program on a small disk: a journal while the disk fills up, is full, and has room again. Prints what it saw as JSON.

python -m tests.storeforward.full_disk FOLDER
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from storeforward.changes import Changes
from storeforward.errors import JournalFull
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import Stream
from storeforward.reserve import RETRY_NS
from tests.storeforward.kit import energy, opened, record, run
from tools.society.virtualclock import VirtualClock

DISK_BYTES = 4 * 1024 * 1024
OPTIONS = JournalOptions(reserve_kib=256, checkpoint_pages=32, group_wait_s=0)
BEFORE, WHILE_FULL = 50, 60
MOST = 3_000


async def stored(journal: Journal, changes: Changes) -> bool:
    try:
        await journal.apply(changes)
    except JournalFull:
        return False
    return True


async def fill_up(path: Path) -> None:
    """Take all that is left of the disk."""
    with path.open("wb", buffering=0) as ballast:
        for size in (65_536, 4_096, 1):
            try:
                while ballast.write(bytes(size)):
                    pass
            except OSError:
                continue


def sample(number: int) -> Changes:
    return Changes((record(Stream.SAMPLE, b"sample %d" % number),))


async def live(clock: VirtualClock, folder: Path) -> dict[str, object]:
    path, ballast = folder / "journal.db", folder / "ballast"
    energies: list[int] = []
    seen: dict[str, object] = {}
    async with opened(path, clock, OPTIONS) as journal:
        for number in range(BEFORE):
            await journal.apply(energy(number))
            energies.append(number)
        seen["full at first"] = journal.disk_is_full
        await fill_up(ballast)
        for number in range(BEFORE, BEFORE + WHILE_FULL):
            if await stored(journal, energy(number)):
                energies.append(number)
        seen["energies stored on a full disk"] = len(energies) - BEFORE
        seen["full"] = journal.disk_is_full
        seen["samples stored on a full disk"] = sum([await stored(journal, sample(number)) for number in range(10)])
        refused = 0
        for number in range(BEFORE + WHILE_FULL, MOST):
            if await stored(journal, energy(number)):
                energies.append(number)
            else:
                refused += 1
            if refused == 3:
                break
        seen["refused in the end"] = refused
        ballast.unlink()
        await asyncio.sleep(RETRY_NS / 10**9 + 1)
        await journal.apply(energy(MOST))
        await journal.apply(sample(0))
        energies.append(MOST)
        seen["full in the end"] = journal.disk_is_full
    async with opened(path, clock, OPTIONS) as journal:
        bodies = [found.record.body for found in await journal.read_records(Stream.ENERGY, limit=2 * MOST)]
        seen["all acknowledged are there"] = bodies == [b"slot-%d" % number for number in energies]
        seen["items"] = journal.outbox.count() == len(energies)
        seen["damaged"] = journal.set_aside is not None
    return seen


async def reopen_full(clock: VirtualClock, folder: Path) -> dict[str, object]:
    """A start on a disk that is full already."""
    path, ballast = folder / "again.db", folder / "ballast"
    async with opened(path, clock, OPTIONS) as journal:
        await journal.apply(energy(0))
    await fill_up(ballast)
    async with opened(path, clock, OPTIONS) as journal:
        first = await stored(journal, energy(1))
        seen: dict[str, object] = {"stored after a start on a full disk": first}
    async with opened(path, clock, OPTIONS) as journal:
        seen["full at the next start"] = journal.disk_is_full
        seen["kept"] = len(await journal.read_records(Stream.ENERGY))
    ballast.unlink()
    return seen


def main(folder: Path) -> None:
    async def both(clock: VirtualClock) -> dict[str, object]:
        return await live(clock, folder) | await reopen_full(clock, folder)

    print(json.dumps(run(both)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
