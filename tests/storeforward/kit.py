"""What the journal's tests share: a device with a key, a clock on virtual time, and the picture of a power cut."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

from agent.journaling import entries
from agent.vocabulary import Reading
from storeforward.chain import Break, Walk, Whole
from storeforward.changes import Changes
from storeforward.eviction import Summaries
from storeforward.items import Item, ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import NewRecord, StoredRecord, Stream
from storeforward.signatures import verifier
from tools.society.keys import seeded_key
from tools.society.virtualclock import VirtualClock, run_virtual

START_S = 1_613_343_600
DEVICE = bytes(range(20))
BOOT_ID = bytes(16)
KEY = seeded_key(1, "device")
Answer = TypeVar("Answer")


def run(main: Callable[[VirtualClock], Coroutine[Any, Any, Answer]]) -> Answer:
    return run_virtual(main, START_S)


def opened(
    path: Path,
    clock: VirtualClock,
    options: JournalOptions | None = None,
    boot_id: bytes = BOOT_ID,
    summaries: Summaries | None = None,
) -> AbstractAsyncContextManager[Journal]:
    return Journal.open(path, device=DEVICE, sign=KEY.sign, clock=clock, boot_id=boot_id, options=options, summaries=summaries)


async def all_records(journal: Journal) -> list[StoredRecord]:
    """Every record there is, in order."""
    records = [stored for stream in Stream for stored in await journal.read_records(stream, limit=10**9)]
    return sorted(records, key=lambda stored: stored.record.seq)


def walked(records: list[StoredRecord]) -> Whole | Break:
    """What is to be said of a journal with these records."""
    walk = Walk(verifier(KEY.public_key()), [stored for stored in records if stored.record.stream is Stream.GAP])
    for stored in records:
        walk.take(stored)
    return walk.end()


def record(stream: Stream = Stream.ENERGY, body: bytes = b"body", taken_ns: int | None = START_S * 10**9) -> NewRecord:
    return NewRecord(stream, taken_ns, body)


def sample_of(reading: Reading) -> NewRecord:
    return entries.sample(reading, reading.taken_at_s * 10**9)


def item(number: int, priority: Priority = Priority.BILLING, seq: int = 0) -> NewItem:
    reference = b"item-%d" % number
    return NewItem(priority, 7, number * 900, seq, reference, b"tx of " + reference, expires_height=1000)


def energy(number: int) -> Changes:
    """A reading with its transaction, which is made from the record's hash."""
    about = NewItem(Priority.BILLING, 7, number * 900, 0, None, lambda record_hash: b"tx" + record_hash, 0, record=0)
    return Changes(records=(record(body=b"slot-%d" % number),), enqueue=(about,))


def marks(items: list[Item], state: ItemState, height: int | None = None) -> Changes:
    return Changes(marks=tuple(Mark(item.id, state, height, 0 if height else None) for item in items))


def power_cut(path: Path, folder: Path) -> Path:
    """The journal as another process would find it now: nothing that is still in memory is in it."""
    folder.mkdir()
    for suffix in ("", "-wal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.copy(part, folder / part.name)
    return folder / path.name
