"""How many bytes the journal hands to the disk, for each record and in a day.

Bytes are those of /proc/self/io, `write_bytes`: pages that this process handed to the block layer. What the file system writes
for itself, its own journal, is not in it. Nothing is measured where there is no /proc.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.items import ItemState, Mark
from storeforward.journal import Journal
from storeforward.records import NewRecord, Stream
from tools.bench.storeforward_journals import AT_ONCE, BODY, opened, reading, record
from tools.bench.table import Bench

IO: Final = Path("/proc/self/io")
DAY_S: Final = 86_400
SLOTS_A_DAY: Final = 96
MB: Final = 1_000_000


async def byte_rows(bench: Bench, folder: Path, records: int) -> None:
    """Bytes that reach the disk for each record, and in a day of one sample per second and a slot every quarter of an hour."""
    if not IO.exists():
        print("bytes: not measured, this system has no /proc")
        return
    alone = await bytes_per(folder / "alone.db", records, one_sample)
    together = await bytes_per(folder / "together.db", records // 100, hundred_samples) / 100
    slot = await bytes_per(folder / "slot.db", records, a_slot)
    bench.row("to the disk for a sample alone, as at 1 Hz", "bytes", alone)
    bench.row("to the disk for a sample among 100", "bytes", together)
    bench.row("to the disk for a slot: energy, transaction and 3 marks", "bytes", slot)
    bench.row("to the disk in a day, 1 sample/s and 96 slots", "MB", (alone * DAY_S + slot * SLOTS_A_DAY) / MB)
    bench.row("to the disk in a day, samples at the slots' edges alone", "MB", slot * SLOTS_A_DAY / MB)


async def bytes_per(path: Path, changes: int, make: Callable[[Journal, int], Awaitable[object]]) -> float:
    """Bytes written per change, from opening a journal to closing it, checkpoints included."""
    before = written_bytes()
    async with opened(path, AT_ONCE) as journal:
        for number in range(changes):
            await make(journal, number)
    return (written_bytes() - before) / changes


async def one_sample(journal: Journal, number: int) -> object:
    return await journal.apply(record(Stream.SAMPLE))


async def hundred_samples(journal: Journal, number: int) -> object:
    return await asyncio.gather(*(journal.apply(record(Stream.SAMPLE)) for _ in range(100)))


async def a_slot(journal: Journal, number: int) -> object:
    """What an agent writes at the end of a slot: its energy, the transaction, and news of three earlier ones."""
    return await journal.apply(slot_change(number))


def slot_change(number: int) -> Changes:
    """The change of the slot `number`, counted from 0, in a journal that holds nothing else."""
    news = [
        Mark(number + 1 - age, state, number + 1, 0)
        for age, state in enumerate((ItemState.SENT, ItemState.SEEN, ItemState.PROVEN), 1)
        if number >= age
    ]
    return Changes((NewRecord(Stream.ENERGY, 1, BODY),), (reading(number),), marks=tuple(news))


def written_bytes() -> int:
    """What this process has handed to the block layer."""
    lines = dict(line.split(": ") for line in IO.read_text().splitlines())
    return int(lines["write_bytes"])
