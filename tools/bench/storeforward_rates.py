"""How many records a second are acknowledged, and how soon: at the pace of a controller, and under all the load there is."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Final

from storeforward.journal import Journal
from storeforward.records import Stream
from tools.bench.storeforward_journals import opened, percentile_rows, record
from tools.bench.table import Bench

PRODUCERS: Final = 256
"""At once; each has one record under way, so that a group holds so many at most."""
US_PER_S: Final = 1_000_000
STREAMS: Final = (Stream.ENERGY, Stream.ORDER, Stream.SAMPLE)
PACES: Final = ((1, "1/s"), (100, "100/s"))


async def rate_rows(bench: Bench, folder: Path, records: int, rounds: int) -> None:
    """Records acknowledged after their fsync, one record per call. The best of several rounds: other work on the machine only
    ever makes one slower; processor time hardly depends on it, and stands beside it. Latencies are of all rounds together."""
    for stream in (Stream.ENERGY, Stream.SAMPLE):
        rates: list[float] = []
        processor_us: list[float] = []
        times_s: list[float] = []
        async with opened(folder / f"rate-{stream.name}.db") as journal:
            for _ in range(rounds):
                started_s, used_s = time.perf_counter(), time.process_time()
                times_s += await produce(journal, stream, records // rounds)
                count = len(times_s) // (len(rates) + 1)  # the same in every round
                rates.append(count / (time.perf_counter() - started_s))
                processor_us.append((time.process_time() - used_s) / count * US_PER_S)
        what = f"{stream.name.lower()} records, {PRODUCERS} producers"
        bench.row(f"{what}: acknowledged after fsync, best round", "records/s", max(rates))
        bench.row(f"{what}: slowest round", "records/s", min(rates))
        bench.row(f"{what}: processor time", "us/record", min(processor_us))
        percentile_rows(bench, f"{what}: acknowledged", times_s)


async def produce(journal: Journal, stream: Stream, records: int) -> list[float]:
    """Let all producers write at once; how long each acknowledgement took, in seconds."""
    times_s: list[float] = []

    async def producer() -> None:
        for _ in range(records // PRODUCERS):
            await timed(journal, stream, times_s)

    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    return times_s


async def latency_rows(bench: Bench, folder: Path, seconds: int) -> None:
    """How soon a record is acknowledged while all streams write at a pace, each at its own phase."""
    for pace, how in PACES:
        times_s: dict[Stream, list[float]] = {stream: [] for stream in STREAMS}
        async with opened(folder / f"pace-{pace}.db") as journal, asyncio.TaskGroup() as tasks:
            for place, stream in enumerate(STREAMS):
                phase_s = place / len(STREAMS) / pace
                tasks.create_task(keep_pace(journal, stream, pace, phase_s, pace * seconds, times_s[stream]))
        for stream, taken_s in times_s.items():
            percentile_rows(bench, f"{stream.name.lower()} records, each stream at {how}: acknowledged", taken_s)


async def keep_pace(journal: Journal, stream: Stream, pace: int, phase_s: float, records: int, times_s: list[float]) -> None:
    """Write records of a stream at a pace per second, whether or not the last one was acknowledged."""
    loop = asyncio.get_running_loop()
    first_s = loop.time() + phase_s
    async with asyncio.TaskGroup() as tasks:
        for number in range(records):
            await asyncio.sleep(first_s + number / pace - loop.time())
            tasks.create_task(timed(journal, stream, times_s))


async def timed(journal: Journal, stream: Stream, times_s: list[float]) -> None:
    started_s = time.perf_counter()
    await journal.apply(record(stream))
    times_s.append(time.perf_counter() - started_s)
