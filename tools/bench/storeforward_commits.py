"""A commit for each record, beside bare SQLite on the same disk in the same seconds.

Bare SQLite blocks its caller. A program with an event loop cannot do that: it hands the work to a thread and is woken when the
thread is done, as the journal does. So bare SQLite is measured in both ways.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from storeforward.records import Stream
from tools.bench.storeforward_journals import AT_ONCE, BODY, opened, record
from tools.bench.table import Bench

BLOCK: Final = 50
"""Commits of each kind in turn, so that a disk that is busy for a moment is so for all of them."""
US_PER_S: Final = 1_000_000
PAGE: Final = bytes(4096)

Puts = dict[str, Callable[[], Awaitable[object]]]


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
    """Rates of one commit per record; from medians, because single flushes of a shared disk take very long."""
    took_us = await medians_us(folder, commits)
    bench.row("4 KiB appended to a file and flushed, median", "us", took_us["flush"])
    for kind, what in (
        ("bare", "bare SQLite, WAL, synchronous FULL"),
        ("threaded", "the same from an event loop, in a thread"),
        ("signed", "signed and chained"),
        ("unsigned", "chained"),
    ):
        bench.row(f"a commit per record: {what}", "records/s", US_PER_S / took_us[kind])
    for kind, what in (("signed", "signed and chained"), ("unsigned", "chained")):
        bench.row(f"{what}, share of bare SQLite", "%", 100 * took_us["bare"] / took_us[kind])
        bench.row(f"{what}, share of bare SQLite in a thread", "%", 100 * took_us["threaded"] / took_us[kind])
        bench.row(f"{what}, longer than bare SQLite", "us", took_us[kind] - took_us["bare"])


async def medians_us(folder: Path, commits: int) -> dict[str, float]:
    """How long a commit of each kind takes."""
    loop = asyncio.get_running_loop()
    bare, threaded = BareSqlite(folder / "bare.db"), BareSqlite(folder / "threaded.db")
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT, 0o600)

    async def flush() -> None:
        os.write(plain, PAGE)
        os.fdatasync(plain)

    async def put_bare() -> None:
        bare.put()

    with ThreadPoolExecutor(1) as thread:
        async with opened(folder / "signed.db") as signed, opened(folder / "unsigned.db", AT_ONCE) as unsigned:
            puts: Puts = {
                "flush": flush,
                "bare": put_bare,
                "threaded": lambda: loop.run_in_executor(thread, threaded.put),
                "signed": lambda: signed.apply(record(Stream.ENERGY)),
                "unsigned": lambda: unsigned.apply(record(Stream.SAMPLE)),
            }
            times_s = await in_turn(puts, commits)
    for store in (bare, threaded):
        store.close()
    os.close(plain)
    return {kind: statistics.median(taken_s) * US_PER_S for kind, taken_s in times_s.items()}


async def in_turn(puts: Puts, times: int) -> dict[str, list[float]]:
    """Seconds that each of so many calls took, kind by kind, in blocks."""
    times_s: dict[str, list[float]] = {kind: [] for kind in puts}
    for _ in range(0, times, BLOCK):
        for kind, put in puts.items():
            for _ in range(BLOCK):
                started_s = time.perf_counter()
                await put()
                times_s[kind].append(time.perf_counter() - started_s)
    return times_s
