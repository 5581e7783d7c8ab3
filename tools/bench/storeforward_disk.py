"""What the journal asks of the disk: a commit per record beside bare SQLite's, and bytes.

Bytes are those of /proc/self/io, `write_bytes`: pages that this process handed to the block layer. What the file system writes
for itself, its own journal, is not in it. Nothing is measured where there is no /proc.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.items import ItemState, Mark
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import NewRecord, Stream
from tools.bench.storeforward_journals import BODY, opened, reading, record
from tools.bench.table import Bench

IO: Final = Path("/proc/self/io")
BLOCK: Final = 50
"""Commits of each kind in turn, so that a disk that is busy for a moment is so for all of them."""
DAY_S: Final = 86_400
SLOTS_A_DAY: Final = 96
MB: Final = 1_000_000
US_PER_S: Final = 1_000_000
PAGE: Final = bytes(4096)
AT_ONCE: Final = JournalOptions(group_records=1)
"""So that a sample does not wait for others."""


class BareSqlite:
    """A table of number and body, a commit per record, with the journal's settings for durability."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 256"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("CREATE TABLE records (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)")

    async def put(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.execute("INSERT INTO records (data) VALUES (?)", (BODY,))
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


async def commit_rows(bench: Bench, folder: Path, commits: int) -> None:
    """Rates of one commit per record; from medians, because single flushes of a shared disk take very long."""
    bare = BareSqlite(folder / "bare.db")
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT, 0o600)
    async with opened(folder / "signed.db") as signed, opened(folder / "unsigned.db", AT_ONCE) as unsigned:

        async def put_signed() -> object:
            return await signed.apply(record(Stream.ENERGY))

        async def put_unsigned() -> object:
            return await unsigned.apply(record(Stream.SAMPLE))

        async def flush() -> None:
            os.write(plain, PAGE)
            os.fdatasync(plain)

        puts: dict[str, Callable[[], Awaitable[object]]] = {
            "flush": flush,
            "bare": bare.put,
            "signed": put_signed,
            "unsigned": put_unsigned,
        }
        times_s: dict[str, list[float]] = {kind: [] for kind in puts}
        for _ in range(0, commits, BLOCK):
            for kind, put in puts.items():
                for _ in range(BLOCK):
                    started_s = time.perf_counter()
                    await put()
                    times_s[kind].append(time.perf_counter() - started_s)
    bare.close()
    os.close(plain)
    median_us = {kind: statistics.median(taken_s) * US_PER_S for kind, taken_s in times_s.items()}
    rates = {kind: US_PER_S / took_us for kind, took_us in median_us.items()}
    bench.row("4 KiB appended to a file and flushed, median", "us", median_us["flush"])
    bench.row("a commit per record: bare SQLite, WAL, synchronous FULL", "records/s", rates["bare"])
    bench.row("a commit per record: signed and chained", "records/s", rates["signed"])
    bench.row("a commit per record: chained", "records/s", rates["unsigned"])
    bench.row("signed and chained, share of bare SQLite", "%", 100 * rates["signed"] / rates["bare"])
    bench.row("chained, share of bare SQLite", "%", 100 * rates["unsigned"] / rates["bare"])
    bench.row("signed and chained, longer than bare SQLite", "us", median_us["signed"] - median_us["bare"])
    bench.row("chained, longer than bare SQLite", "us", median_us["unsigned"] - median_us["bare"])


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
