"""What the benchmarks of the journal share: a fresh journal, a record of 200 bytes, and times in the words of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from storeforward.changes import Changes
from storeforward.items import NewItem, Priority
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import NewRecord, Stream
from tools.bench.table import Bench
from tools.society.keys import seeded_key

KEY: Final = seeded_key(1, "bench")
BODY: Final = bytes(200)
TX: Final = bytes(300)
READING_KIND: Final = 7
MS_PER_S: Final = 1_000
AT_ONCE: Final = JournalOptions(group_records=1)
"""So that a sample does not wait for others."""


def opened(path: Path, options: JournalOptions | None = None) -> AbstractAsyncContextManager[Journal]:
    return Journal.open(path, device=bytes(20), sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16), options=options)


def record(stream: Stream) -> Changes:
    """One record alone."""
    return Changes((NewRecord(stream, 1, BODY),))


def reading(number: int) -> NewItem:
    """A transaction made and signed around its record's hash, as the agent does it."""
    make = lambda record_hash: KEY.sign(record_hash) + TX  # noqa: E731
    return NewItem(Priority.BILLING, READING_KIND, number * 900, 0, None, make, 0, record=0)


def percentile_rows(bench: Bench, what: str, times_s: Sequence[float]) -> None:
    """Median and 99th percentile of how long something took."""
    cuts = statistics.quantiles(times_s, n=100, method="inclusive")
    bench.row(f"{what}, median", "ms", cuts[49] * MS_PER_S)
    bench.row(f"{what}, 99th percentile", "ms", cuts[98] * MS_PER_S)
