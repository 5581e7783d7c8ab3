"""Speed of the journal and the outbox: how soon a change is on the disk, how many a second, and how fast a backlog drains.

    python -m tools.bench.storeforward [--quick] [--folder DIR]

Every figure includes hash chain, signature where the stream has one, and the way to the journal's thread and back. Without
--folder the journal lies in memory-backed storage, if there is any: then the figures are the code's, not the disk's.
Targets: one energy record with its transaction and three marks in at most 250 us; 20,000 acknowledged records/s in groups.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.clock import SystemClock
from storeforward.changes import Changes
from storeforward.items import ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.records import NewRecord, Stream
from tools.bench.table import Bench
from tools.society.keys import seeded_key

MEMORY_BACKED = Path("/dev/shm")
BODY = bytes(200)
TX = bytes(300)
KEY = seeded_key(1, "bench")
US_PER_S = 1_000_000


def reading(number: int) -> NewItem:
    """A transaction made and signed around its record's hash, as the agent does it."""
    return NewItem(Priority.BILLING, 7, number * 900, 0, None, lambda record_hash: KEY.sign(record_hash) + TX, 0, record=0)


async def slot_changes(journal: Journal, count: int, bench: Bench) -> None:
    """What an agent writes at the end of a slot: its energy, the transaction, and news of three earlier ones."""
    times_us: list[float] = []
    news: Sequence[Mark] = ()
    for number in range(count):
        changes = Changes((NewRecord(Stream.ENERGY, 1, BODY),), (reading(number),), marks=tuple(news))
        started = time.perf_counter()
        applied = await journal.apply(changes)
        times_us.append((time.perf_counter() - started) * US_PER_S)
        (item_id,) = applied.items
        states = (ItemState.SENT, ItemState.SEEN, ItemState.PROVEN)
        news = [Mark(item_id - age, state, number, 0) for age, state in enumerate(states) if item_id > age]
    bench.row("energy record + transaction + 3 marks, median", "us", statistics.median(times_us))
    bench.row("energy record + transaction + 3 marks, 99th percentile", "us", statistics.quantiles(times_us, n=100)[98])


async def grouped(journal: Journal, stream: Stream, producers: int, each: int, bench: Bench) -> None:
    """Many producers at once share transactions."""

    async def produce() -> None:
        for _ in range(each):
            await journal.apply(Changes((NewRecord(stream, 1, BODY),)))

    started = time.perf_counter()
    await asyncio.gather(*(produce() for _ in range(producers)))
    rate = producers * each / (time.perf_counter() - started)
    bench.row(f"{stream.name.lower()} records acknowledged, {producers} producers", "records/s", rate)


async def drain(journal: Journal, count: int, page: int, bench: Bench) -> None:
    """A backlog from the disk to a sender that gets its proofs at once."""
    for first in range(0, count, 500):
        backlog = tuple(
            NewItem(Priority.TELEMETRY, 7, number, 0, b"bench %d" % number, TX, 0) for number in range(first, first + 500)
        )
        await journal.apply(Changes(enqueue=backlog))
    started = time.perf_counter()
    drained = 0
    while items := await journal.outbox.due(page):
        await journal.apply(Changes(marks=tuple(Mark(item.id, ItemState.PROVEN, 1, 0) for item in items)))
        drained += len(items)
    bench.row(f"backlog drained, {page} at a time", "items/s", drained / (time.perf_counter() - started))


async def measure(path: Path, count: int, bench: Bench) -> None:
    """Fill a new journal with ever more work."""
    started = time.perf_counter()
    opening = Journal.open(path, device=bytes(20), sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16))
    async with opening as journal:
        await journal.apply(Changes((NewRecord(Stream.ENERGY, 1, BODY),)))
        bench.row("new journal opened and first record on the disk", "ms", (time.perf_counter() - started) * 1000)
        await slot_changes(journal, count, bench)
        await grouped(journal, Stream.ENERGY, 100, count // 20, bench)
        await grouped(journal, Stream.SAMPLE, 100, count // 20, bench)
        await drain(journal, 5 * count, 100, bench)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of the journal and the outbox.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--folder", type=Path, help="a folder on the disk to measure")
    args = parser.parse_args()
    parent = args.folder or (MEMORY_BACKED if MEMORY_BACKED.is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="homewatt-bench-", dir=parent) as folder:
        path = Path(folder) / "journal.db"
        bench = Bench("storeforward")
        asyncio.run(measure(path, 200 if args.quick else 2_000, bench))
        bench.row("size of all that on the disk", "MB", path.stat().st_size / 1e6)
        print(bench.write())


if __name__ == "__main__":
    main()
