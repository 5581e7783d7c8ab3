"""How soon a device that is switched on has something on its disk, and how long it takes to open a large journal."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Final

from agent.clock import SystemClock, now_s
from storeforward.changes import Changes
from storeforward.records import NewRecord, Stream
from tools.bench.storeforward_journals import BODY, MS_PER_S, opened, reading
from tools.bench.table import Bench
from tools.soak.coldstart import first_record_s

OPENINGS: Final = 5
PER_CHANGE: Final = 1_000
BYTES_PER_MB: Final = 1_000_000


def cold_start_rows(bench: Bench, folder: Path, starts: int) -> None:
    """The real agent, before a node that never says a word; interpreter and imports are part of it."""
    took_s = []
    for number in range(starts):
        home = folder / f"start-{number}"
        home.mkdir()
        first_s = first_record_s(home, {}, freezer_since_s=now_s(SystemClock()))
        if first_s is None:
            raise RuntimeError("an agent was started and wrote nothing")
        took_s.append(first_s)
    bench.row("process start to first durable record, median", "ms", statistics.median(took_s) * MS_PER_S)
    bench.row("process start to first durable record, longest", "ms", max(took_s) * MS_PER_S)


async def opening_rows(bench: Bench, folder: Path, records: int) -> None:
    """Opening a journal of so many records, which the system's memory may still hold."""
    path = folder / "large.db"
    async with opened(path) as journal:
        for written in range(0, records, PER_CHANGE):
            samples = (NewRecord(Stream.SAMPLE, 1, BODY) for _ in range(PER_CHANGE - 1))
            await journal.apply(Changes((NewRecord(Stream.ENERGY, 1, BODY), *samples), (reading(written),)))
    took_s = []
    for _ in range(OPENINGS):
        started_s = time.perf_counter()
        async with opened(path):
            took_s.append(time.perf_counter() - started_s)
    size_mb = path.stat().st_size // BYTES_PER_MB
    bench.row(f"opening a journal of {size_mb} MB", "ms", statistics.median(took_s) * MS_PER_S)
