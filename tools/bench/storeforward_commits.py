"""A commit for each record, beside bare SQLite on the same disk in the same seconds, and on disks that flush more slowly.

    python -m tools.bench.storeforward_commits FOLDER COMMITS      the medians alone, as JSON

A rate is that of records in a row, each in a transaction of its own, without waiting for the caller in between. *Alone* is how
long a caller waits who has the answer to each record before there is the next one. Bare SQLite blocks its caller, so both are
the same for it; a program with an event loop hands the work to a thread instead, and bare SQLite is measured so, too.

The slower disks are this one with a flush that takes so much more (slowflush.c, LD_PRELOAD): flushes of memory cards take
milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import Stream
from tools.bench.storeforward_journals import BODY, opened, record
from tools.bench.table import Bench
from tools.soak.campaign import Unavailable
from tools.soak.recording import compile_preload

BLOCK: Final = 50
"""Commits of each kind in turn, so that a disk that is busy for a moment is so for all of them."""
US_PER_S: Final = 1_000_000
SLOWER_US: Final = (300, 1_000, 4_000)
PAGE: Final = bytes(4096)
ONE_EACH: Final = JournalOptions(group_records=1, group_changes=1)
SIGNED: Final = "signed and chained"
UNSIGNED: Final = "chained"

Put = Callable[[int], Awaitable[object]]
"""Stores so many records."""


class BareSqlite:
    """A table of number and body, a commit per record, with the journal's settings for durability."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 256"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")

    def put(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO records (data) VALUES (?)", (BODY,))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


async def commit_rows(bench: Bench, folder: Path, commits: int) -> None:
    """Rates of one commit per record; from medians of blocks, because single flushes of a shared disk take very long."""
    took_us = await medians_us(folder, commits)
    bench.row("4 KiB appended to a file and flushed, median", "us", took_us["flush"])
    bench.row("a commit per record: bare SQLite, WAL, synchronous FULL", "records/s", US_PER_S / took_us["bare"])
    for what in (SIGNED, UNSIGNED):
        bench.row(f"a commit per record: {what}", "records/s", US_PER_S / took_us[what])
        bench.row(f"{what}, share of bare SQLite", "%", 100 * took_us["bare"] / took_us[what])
    bench.row("a commit per record, alone: bare SQLite from an event loop, in a thread", "us", took_us["threaded"])
    for what in (SIGNED, UNSIGNED):
        bench.row(f"a commit per record, alone: {what}", "us", took_us[f"{what}, alone"])
    for slower_us in SLOWER_US:
        try:
            took_us = _slower(folder, slower_us, max(2 * BLOCK, commits // 10))
        except Unavailable as error:
            print(f"slower disks are left out: {error}")
            return
        shares = {what: 100 * took_us["bare"] / took_us[what] for what in (SIGNED, UNSIGNED)}
        for what, share in shares.items():
            bench.row(f"a flush {slower_us / 1000:g} ms slower: {what}, share of bare SQLite", "%", share)


def _slower(folder: Path, slower_us: int, commits: int) -> dict[str, float]:
    """The same in a process whose flushes take longer. Raises Unavailable."""
    place = folder / f"slower-{slower_us}"
    place.mkdir()
    library = compile_preload(Path(__file__).with_name("slowflush.c"), place)
    environment = {**os.environ, "LD_PRELOAD": str(library), "SLOWFLUSH_US": str(slower_us)}
    command = [sys.executable, "-m", "tools.bench.storeforward_commits", str(place), str(commits)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return {kind: float(us) for kind, us in json.loads(done.stdout).items()}


async def medians_us(folder: Path, commits: int) -> dict[str, float]:
    """How long a commit of each kind takes."""
    loop = asyncio.get_running_loop()
    bare, threaded = BareSqlite(folder / "bare.db"), BareSqlite(folder / "threaded.db")
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT, 0o600)

    async def flush(count: int) -> None:
        for _ in range(count):
            os.write(plain, PAGE)
            os.fdatasync(plain)

    async def put_bare(count: int) -> None:
        for _ in range(count):
            bare.put()

    async def put_threaded(count: int) -> None:
        for _ in range(count):
            await loop.run_in_executor(thread, threaded.put)

    with ThreadPoolExecutor(1) as thread:
        async with opened(folder / "signed.db", ONE_EACH) as signed, opened(folder / "unsigned.db", ONE_EACH) as unsigned:
            puts: dict[str, Put] = {
                "flush": flush,
                "bare": put_bare,
                "threaded": put_threaded,
                SIGNED: _in_a_row(signed, Stream.ENERGY),
                UNSIGNED: _in_a_row(unsigned, Stream.SAMPLE),
                f"{SIGNED}, alone": _alone(signed, Stream.ENERGY),
                f"{UNSIGNED}, alone": _alone(unsigned, Stream.SAMPLE),
            }
            times_s: dict[str, list[float]] = {kind: [] for kind in puts}
            for _ in range(0, commits, BLOCK):
                for kind, put in puts.items():
                    started_s = time.perf_counter()
                    await put(BLOCK)
                    times_s[kind].append((time.perf_counter() - started_s) / BLOCK)
            groups = [(await journal.metrics()).largest_group for journal in (signed, unsigned)]
    assert groups == [1, 1], "each record has a transaction of its own"
    for store in (bare, threaded):
        store.close()
    os.close(plain)
    return {kind: statistics.median(taken_s) * US_PER_S for kind, taken_s in times_s.items()}


def _in_a_row(journal: Journal, stream: Stream) -> Put:
    async def put(count: int) -> None:
        await asyncio.gather(*(journal.apply(record(stream)) for _ in range(count)))

    return put


def _alone(journal: Journal, stream: Stream) -> Put:
    async def put(count: int) -> None:
        for _ in range(count):
            await journal.apply(record(stream))

    return put


if __name__ == "__main__":
    print(json.dumps(asyncio.run(medians_us(Path(sys.argv[1]), int(sys.argv[2])))))
