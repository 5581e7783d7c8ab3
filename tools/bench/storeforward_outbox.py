"""The outbox at work: the change at the end of a slot, and a backlog from the disk to a sender."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.items import ItemState, Mark, NewItem, Priority
from tools.bench.storeforward_disk import slot_change
from tools.bench.storeforward_journals import READING_KIND, TX, opened, percentile_rows
from tools.bench.table import Bench

PAGE: Final = 100
STORED_AT_ONCE: Final = 500
MS_PER_S: Final = 1_000


async def slot_rows(bench: Bench, folder: Path, slots: int) -> None:
    """A new journal, and what an agent writes at the end of each slot."""
    started_s = time.perf_counter()
    times_s = []
    async with opened(folder / "slots.db") as journal:
        await journal.apply(slot_change(0))
        bench.row("new journal opened and first record on the disk", "ms", (time.perf_counter() - started_s) * MS_PER_S)
        for number in range(1, slots):
            change = slot_change(number)
            slot_started_s = time.perf_counter()
            await journal.apply(change)
            times_s.append(time.perf_counter() - slot_started_s)
    percentile_rows(bench, "slot: energy, transaction and 3 marks", times_s)


async def drain_rows(bench: Bench, folder: Path, backlog: int) -> None:
    """A backlog that a process finds when it starts, handed to a sender that gets its proofs at once."""
    path = folder / "backlog.db"
    async with opened(path) as journal:
        for first in range(0, backlog, STORED_AT_ONCE):
            numbers = range(first, first + STORED_AT_ONCE)
            items = tuple(NewItem(Priority.BILLING, READING_KIND, n, 0, b"bench %d" % n, TX, 0) for n in numbers)
            await journal.apply(Changes(enqueue=items))
    drained: list[int] = []
    started_s = time.perf_counter()
    async with opened(path) as journal:
        bench.row(f"journal with a backlog of {backlog:,} opened", "ms", (time.perf_counter() - started_s) * MS_PER_S)
        started_s = time.perf_counter()
        while items_due := await journal.outbox.due(PAGE):
            drained += (item.slot_s for item in items_due)
            await journal.apply(Changes(marks=tuple(Mark(item.id, ItemState.PROVEN, 1, 0) for item in items_due)))
        took_s = time.perf_counter() - started_s
    if drained != list(range(backlog)):
        raise AssertionError(f"{len(drained)} items came out of a backlog of {backlog}, or out of order")
    bench.row(f"backlog drained, {PAGE} at a time, in order and once", "items/s", backlog / took_s)
