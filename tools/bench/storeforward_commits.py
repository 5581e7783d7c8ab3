"""A commit for each record, beside bare SQLite on the same disk in the same seconds, and on disks that flush more slowly.

    python -m tools.bench.storeforward_commits FOLDER COMMITS      the medians alone, as JSON

Bare SQLite blocks its caller, so its like is the journal's own writer, called as it is in the journal's thread: seal,
signature, commit, upkeep. What the way to that thread and back costs besides is shown apart: *from an event loop* is how long a
caller waits who has the answer to each record before there is the next one; bare SQLite in a thread is measured so, too.

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

from storeforward.loading import load
from storeforward.records import Stream
from storeforward.turns import COUNT_EVERY
from storeforward.writer import Request, Written
from tools.bench.storeforward_journals import AT_ONCE, BODY, KEY, opened, record
from tools.bench.table import Bench
from tools.soak.campaign import Unavailable
from tools.soak.recording import compile_preload

BLOCK: Final = 50
"""Commits of each kind in turn, so that a disk that is busy for a moment is so for all of them."""
US_PER_S: Final = 1_000_000
SLOWER_US: Final = (300, 1_000, 4_000)
PAGE: Final = bytes(4096)
SIGNED: Final = "signed and chained"
UNSIGNED: Final = "chained"
STREAMS: Final = {SIGNED: Stream.ENERGY, UNSIGNED: Stream.SAMPLE}

Put = Callable[[], Awaitable[object]]


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


class BareWriter:
    """A journal without its thread and its event loop."""

    def __init__(self, path: Path, stream: Stream) -> None:
        loaded, _, _ = load(path, bytes(20), KEY.sign, bytes(16), AT_ONCE, None, None)
        self._writer, self._upkeep = loaded.writer, loaded.upkeep
        self._stream = stream
        self._puts = 0

    def put(self) -> None:
        request = Request(record(self._stream), time.monotonic_ns())
        (outcome,) = self._writer.write((request,))
        assert isinstance(outcome, Written)
        self._puts += 1
        if self._puts % COUNT_EVERY == 0:
            self._upkeep.count_written(time.time_ns())

    def close(self) -> None:
        self._writer.close()


async def commit_rows(bench: Bench, folder: Path, commits: int) -> None:
    """Rates of one commit per record; from medians, because single flushes of a shared disk take very long."""
    took_us = await medians_us(folder, commits)
    bench.row("4 KiB appended to a file and flushed", "us", took_us["flush"])
    bench.row("a commit per record: bare SQLite, WAL, synchronous FULL", "records/s", US_PER_S / took_us["bare"])
    for what in STREAMS:
        bench.row(f"a commit per record: {what}", "records/s", US_PER_S / took_us[what])
        bench.row(f"{what}, share of bare SQLite", "%", 100 * took_us["bare"] / took_us[what])
    bench.row("from an event loop: bare SQLite in a thread", "us", took_us["threaded"])
    for what in STREAMS:
        bench.row(f"from an event loop: {what}", "us", took_us[f"{what}, from a loop"])
    for slower_us in SLOWER_US:
        try:
            took_us = _slower(folder, slower_us, max(2 * BLOCK, commits // 10))
        except Unavailable as error:
            print(f"slower disks are left out: {error}")
            return
        for what in STREAMS:
            share = 100 * took_us["bare"] / took_us[what]
            looped = 100 * took_us["bare"] / took_us[f"{what}, from a loop"]
            bench.row(f"a flush {slower_us / 1000:g} ms slower: {what}, share of bare SQLite", "%", share)
            bench.row(f"a flush {slower_us / 1000:g} ms slower: {what}, from an event loop, share of it", "%", looped)


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
    writers = {what: BareWriter(folder / f"{stream.name}.db", stream) for what, stream in STREAMS.items()}
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT, 0o600)

    def flush() -> None:
        os.write(plain, PAGE)
        os.fdatasync(plain)

    with ThreadPoolExecutor(1) as thread:
        async with opened(folder / "signed.db", AT_ONCE) as signed, opened(folder / "unsigned.db", AT_ONCE) as unsigned:
            puts: dict[str, Put] = {
                "flush": _blocking(flush),
                "bare": _blocking(bare.put),
                **{what: _blocking(writer.put) for what, writer in writers.items()},
                "threaded": lambda: loop.run_in_executor(thread, threaded.put),
                f"{SIGNED}, from a loop": lambda: signed.apply(record(Stream.ENERGY)),
                f"{UNSIGNED}, from a loop": lambda: unsigned.apply(record(Stream.SAMPLE)),
            }
            times_s = await in_turn(puts, commits)
    for close in (bare.close, threaded.close, *(writer.close for writer in writers.values())):
        close()
    os.close(plain)
    return {kind: statistics.median(taken_s) * US_PER_S for kind, taken_s in times_s.items()}


def _blocking(call: Callable[[], object]) -> Put:
    async def put() -> None:
        call()

    return put


async def in_turn(puts: dict[str, Put], times: int) -> dict[str, list[float]]:
    """Seconds that each of so many calls took, kind by kind, in blocks."""
    times_s: dict[str, list[float]] = {kind: [] for kind in puts}
    for _ in range(0, times, BLOCK):
        for kind, put in puts.items():
            for _ in range(BLOCK):
                started_s = time.perf_counter()
                await put()
                times_s[kind].append(time.perf_counter() - started_s)
    return times_s


if __name__ == "__main__":
    print(json.dumps(asyncio.run(medians_us(Path(sys.argv[1]), int(sys.argv[2])))))
