"""Power cuts: a process lives with a journal while a recorder notes every write and sync; then the power is cut, on paper.

For each cut point a state of the disk is made that a cut at that moment may leave (diskstates.py), opened with the journal, and
read whole. What was acknowledged before the cut must be there to the last byte; of what was under way, a first part in whole
changes may be there; nothing else. The journal found must also take the next change and have it after one more start.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import SystemClock
from storeforward.errors import JournalError
from storeforward.items import Item
from storeforward.journal import Journal
from storeforward.records import StoredRecord
from tools.soak.campaign import DEVICE, KEY, MEMORY_BACKED, Outcome, Violation
from tools.soak.chain import ChainCheck
from tools.soak.diskstates import Disk, differences
from tools.soak.recorded import ACKNOWLEDGED, JOURNAL, OPTIONS, all_records, reached
from tools.soak.recording import RECORDER, Entry, Operation, compile_preload, read_log, recorded_environment
from tools.soak.workload import Expectation, Expected, Workload

CAMPAIGN: Final = "power-cuts"
_SESSIONS: Final = ((0.4, "clean"), (0.55, "abrupt"), (0.8, "abrupt"), (1.0, "clean"))
"""Share of the workload at which a process ends, and how: with the journal closed, or just gone."""
_GO_ON_EVERY: Final = 8
"""One in so many journals found is also written to and opened again."""


@dataclass(frozen=True, slots=True)
class Life:
    """A recorded life: every operation, what came of it in the end, and what must be there after each change."""

    seed: int
    folder_inode: int
    entries: list[Entry]
    records: list[StoredRecord]
    expected: list[Expectation]
    """By the number of changes that there have been."""
    acknowledged: list[int]
    """How many changes were acknowledged, by the number of entries until then."""

    def disk(self) -> Disk:
        return Disk(self.folder_inode)


@dataclass(frozen=True, slots=True)
class CutPoint:
    """After so many entries; the variant chooses what becomes of writes that were not synced."""

    entries: int
    variant: int

    def __str__(self) -> str:
        return f"cut after entry {self.entries}, variant {self.variant}"


def record_life(folder: Path, seed: int, changes: int) -> Life:
    """Let processes live through a workload, one after the other, and record them. Raises Unavailable, Violation."""
    home, log = folder / "home", folder / "log"
    home.mkdir()
    environment = recorded_environment(compile_preload(RECORDER, folder), home, log)
    for share, end in _SESSIONS:
        command = [sys.executable, "-m", "tools.soak.recorded", str(home), str(seed), str(round(changes * share)), end]
        subprocess.run(command, env=dict(environment), check=True)
    entries = list(read_log(log))
    disk = Disk(home.stat().st_ino)
    for entry in entries:
        disk.take(entry)
    files = {path.name: path.read_bytes() for path in home.iterdir()}
    unseen = differences(disk.running(), files)
    if unseen:
        raise Violation(CAMPAIGN, seed, "recording", f"the recorder missed writes to {', '.join(unseen)}")
    records = asyncio.run(_read(home / JOURNAL))
    problem = ChainCheck(KEY.public_key()).take(records)
    if problem is not None:
        raise Violation(CAMPAIGN, seed, "the whole life", problem)
    acknowledged = list(_acknowledged(entries))
    if acknowledged[-1] != changes:
        raise Violation(CAMPAIGN, seed, "the whole life", f"{acknowledged[-1]} of {changes} changes were acknowledged")
    return Life(seed, home.stat().st_ino, entries, records, _expectations(seed, changes, records), acknowledged)


def run(folder: Path, seed: int, points: int, changes: int, tell: Callable[[str], None]) -> Outcome:
    """Cut the power at `points` moments of one recorded life. Raises Violation, Unavailable."""
    life = record_life(folder, seed, changes)
    tell(f"{len(life.entries):,} operations recorded over {changes:,} changes")
    return cut_life(life, points, tell)


def cut_life(life: Life, points: int, tell: Callable[[str], None]) -> Outcome:
    """Cut the power at `points` moments, chosen by the life's seed. Raises Violation."""
    chance = Random(f"points {life.seed}")
    cuts = [CutPoint(chance.randint(0, len(life.entries)), variant) for variant in range(points)]
    with tempfile.TemporaryDirectory(dir=MEMORY_BACKED if MEMORY_BACKED.is_dir() else None) as home:
        found = asyncio.run(_try(life, Path(home), cuts, tell))
    kinds = [entry.operation for entry in life.entries]
    writes, syncs = kinds.count(Operation.WRITE), kinds.count(Operation.SYNC)
    figures = {
        "changes": len(life.expected) - 1,
        "records": len(life.records),
        "writes recorded": writes,
        "syncs recorded": syncs,
        "truncations recorded, and names made, moved, removed": len(kinds) - writes - syncs,
        "cut points": points,
        "journals found with more than what was acknowledged": found.beyond,
        "journals found that were written to and opened again": found.continued,
        "acknowledged changes lost": 0,
    }
    return Outcome(CAMPAIGN, life.seed, figures)


@dataclass(slots=True)
class _Found:
    """What the journals found were like."""

    beyond: int = 0
    continued: int = 0


async def _try(life: Life, home: Path, cuts: list[CutPoint], tell: Callable[[str], None]) -> _Found:
    """Open what each cut leaves, in an empty folder. The states of the disk are built in one pass. Raises Violation."""
    found = _Found()
    disk, taken = life.disk(), 0
    for place, cut in enumerate(sorted(cuts, key=lambda cut: cut.entries)):
        for entry in life.entries[taken : cut.entries]:
            disk.take(entry)
        taken = cut.entries
        _write(home, disk.cut(Random(f"cut {life.seed} {cut.entries} {cut.variant}")))
        problem = await _examine(home / JOURNAL, life, life.acknowledged[taken], found, go_on=place % _GO_ON_EVERY == 0)
        if problem is not None:
            raise Violation(CAMPAIGN, life.seed, str(cut), problem)
        if (place + 1) % 1_000 == 0:
            tell(f"{place + 1:,} of {len(cuts):,} cut points")
    return found


def _write(home: Path, files: Mapping[str, bytes]) -> None:
    """Let a folder hold these files and no others."""
    for path in tuple(home.iterdir()):
        path.unlink()
    for name, content in files.items():
        (home / name).write_bytes(content)


async def _examine(path: Path, life: Life, acknowledged: int, found: _Found, *, go_on: bool) -> str | None:
    """Open a journal that was found after a cut; what is wrong with it, or None."""
    try:
        async with _open(path) as journal:
            records = await all_records(journal)
            number = reached(journal, records)
            problem = await _compare(journal, records, number, life, acknowledged)
            if problem is not None or not go_on or number + 1 == len(life.expected):
                found.beyond += number > acknowledged
                return problem
            expected = life.expected[number].copy()
            workload = Workload(life.seed)
            changes = [workload.next() for _ in range(number + 1)][-1]
            applied = await journal.apply(changes)
            expected.take(changes, [ref.record_hash for ref in applied.records])
        async with _open(path) as journal:
            found.continued += 1
            return await _compare_state(journal, expected)
    except JournalError as error:
        return f"the journal does not open or read: {error}"


async def _compare(journal: Journal, records: list[StoredRecord], number: int, life: Life, acknowledged: int) -> str | None:
    if journal.set_aside is not None:
        return f"taken for damaged with {acknowledged} changes acknowledged"
    if number < acknowledged:
        return f"{acknowledged} changes were acknowledged, the journal has {number}"
    if number >= len(life.expected):
        return f"change {number} was never made"
    expected = life.expected[number]
    if len(records) != expected.records:
        return f"{len(records)} records after change {number}, {expected.records} belong to it"
    for stored, original in zip(records, life.records, strict=False):
        if (stored.data, stored.signature) != (original.data, original.signature):
            return f"record {original.record.seq} is not the one that was written"
        if stored.proven_height != expected.proven.get(stored.record.seq):
            return f"record {original.record.seq} is proven at {stored.proven_height}"
    return await _compare_state(journal, expected)


async def _compare_state(journal: Journal, expected: Expectation) -> str | None:
    items = [*await journal.outbox.open_items(), *await journal.outbox.dead_letters(limit=1_000_000)]
    there = {item.id: _as_expected(item) for item in items}
    if there != expected.items:
        wrong = [item for item in there.keys() | expected.items.keys() if there.get(item) != expected.items.get(item)]
        return f"items {sorted(wrong)} are not as change {expected.number} left them"
    if dict(journal.values) != expected.values:
        return f"the named values are not those of change {expected.number}"
    if journal.next_seq() <= expected.highest_seq:
        return f"ledger sequence number {expected.highest_seq} would be used twice"
    return None


def _as_expected(item: Item) -> Expected:
    return Expected(item.state, item.reference, item.tx, item.attempts, item.height, item.code, item.detail, item.record_seq)


def _open(path: Path) -> AbstractAsyncContextManager[Journal]:
    return Journal.open(path, device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16), options=OPTIONS)


async def _read(path: Path) -> list[StoredRecord]:
    async with _open(path) as journal:
        return await all_records(journal)


def _acknowledged(entries: list[Entry]) -> Iterator[int]:
    """The number of the last change acknowledged, before the first entry and after each."""
    number, inode = 0, 0
    yield number
    for entry in entries:
        if entry.operation is Operation.NAME and entry.name == ACKNOWLEDGED:
            inode = entry.inode
        elif entry.operation is Operation.WRITE and entry.inode == inode:
            number = int(entry.data)
        yield number


def _expectations(seed: int, changes: int, records: list[StoredRecord]) -> list[Expectation]:
    """What must be there after each change, from none to all."""
    workload, state = Workload(seed), Expectation()
    states = [state.copy()]
    for _ in range(changes):
        made = workload.next()
        state.take(made, [stored.ref.record_hash for stored in records[state.records :][: len(made.records)]])
        states.append(state.copy())
    return states
