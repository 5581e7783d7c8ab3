"""Power cuts: a process lives with a journal while a recorder notes every write and sync; then the power is cut, on paper.

For each cut point a state of the disk is made that a cut at that moment may leave (diskstates.py), opened with the journal, and
judged (judging.py).
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from tools.soak.campaign import MEMORY_BACKED, Outcome, Violation
from tools.soak.diskstates import Disk, differences
from tools.soak.judging import Judge, WholeJudge, read_truth
from tools.soak.recorded import ACKNOWLEDGED, JOURNAL, SESSIONS
from tools.soak.recording import RECORDER, Entry, Operation, compile_preload, read_log, recorded_environment

CAMPAIGN: Final = "power-cuts"


@dataclass(frozen=True, slots=True)
class Life:
    """A recorded life: every operation, and what was acknowledged when."""

    seed: int
    folder_inode: int
    entries: list[Entry]
    acknowledged: list[int]
    """How many changes were acknowledged, by the number of entries until then."""
    sealed: list[list[tuple[int, bytes]]]
    """Sequence number and hash of each record, by the number of the change; there is no change 0."""
    journal: Path
    """As it was in the end."""

    def disk(self) -> Disk:
        return Disk(self.folder_inode)


@dataclass(frozen=True, slots=True)
class CutPoint:
    """After so many entries; the variant chooses what becomes of writes that were not synced."""

    entries: int
    variant: int

    def __str__(self) -> str:
        return f"cut after entry {self.entries}, variant {self.variant}"


def record_life(folder: Path, seed: int, changes: int, room: Literal["roomy", "bounded"] = "roomy") -> Life:
    """Let processes live through a workload, one after the other, and record them. Raises Unavailable, Violation."""
    home, log = folder / "home", folder / "log"
    home.mkdir()
    environment = recorded_environment(compile_preload(RECORDER, folder), home, log)
    for share, end in SESSIONS:
        command = [sys.executable, "-m", "tools.soak.recorded", str(home), str(seed), str(round(changes * share)), end, room]
        subprocess.run(command, env=dict(environment), check=True)
    entries = list(read_log(log))
    disk = Disk(home.stat().st_ino)
    for entry in entries:
        disk.take(entry)
    files = {path.name: path.read_bytes() for path in home.iterdir()}
    unseen = differences(disk.running(), files)
    if unseen:
        raise Violation(CAMPAIGN, seed, "recording", f"the recorder missed writes to {', '.join(unseen)}")
    lines = files[ACKNOWLEDGED].decode().splitlines()
    if [int(line.split()[0]) for line in lines] != list(range(1, changes + 1)):
        raise Violation(CAMPAIGN, seed, "the whole life", f"{len(lines)} of {changes} changes were acknowledged in order")
    sealed = [[], *map(_sealed, lines)]
    return Life(seed, home.stat().st_ino, entries, list(_acknowledged(entries)), sealed, home / JOURNAL)


def run(folder: Path, seed: int, points: int, changes: int, tell: Callable[[str], None]) -> Outcome:
    """Cut the power at `points` moments of one recorded life. Raises Violation, Unavailable."""
    life = record_life(folder, seed, changes)
    tell(f"{len(life.entries):,} operations recorded over {changes:,} changes")
    try:
        truth = read_truth(life.journal, seed, changes)
    except ValueError as broken:
        raise Violation(CAMPAIGN, seed, "the whole life", str(broken)) from broken
    return Outcome(CAMPAIGN, seed, cut_life(life, WholeJudge(truth), folder, points, tell))


def cut_life(life: Life, judge: Judge, folder: Path, points: int, tell: Callable[[str], None]) -> Mapping[str, int]:
    """Cut the power at `points` moments, chosen by the life's seed, and give figures.

    Raises Violation; then `folder/found` is what was found.
    """
    chance = Random(f"points {life.seed}")
    cuts = [CutPoint(chance.randint(0, len(life.entries)), variant) for variant in range(points)]
    with tempfile.TemporaryDirectory(dir=MEMORY_BACKED if MEMORY_BACKED.is_dir() else None) as home:
        asyncio.run(_try(life, judge, Path(home), folder, cuts, tell))
    kinds = [entry.operation for entry in life.entries]
    writes, syncs = kinds.count(Operation.WRITE), kinds.count(Operation.SYNC)
    return {
        "changes": len(life.sealed) - 1,
        "records": sum(map(len, life.sealed)),
        "writes recorded": writes,
        "syncs recorded": syncs,
        "truncations recorded, and names made, moved, removed": len(kinds) - writes - syncs,
        "cut points": points,
        "journals found with more than what was acknowledged": judge.beyond,
        "journals found that were written to and opened again": judge.continued,
        "acknowledged changes lost": 0,
    }


async def _try(life: Life, judge: Judge, home: Path, folder: Path, cuts: list[CutPoint], tell: Callable[[str], None]) -> None:
    """Open what each cut leaves, in `home`. The states of the disk are built in one pass. Raises Violation."""
    disk, taken = life.disk(), 0
    for place, cut in enumerate(sorted(cuts, key=lambda cut: cut.entries)):
        for entry in life.entries[taken : cut.entries]:
            disk.take(entry)
        taken = cut.entries
        _write(home, _found(disk, life, cut))
        problem = await judge.problem(home / JOURNAL, life.acknowledged[taken])
        if problem is not None:
            (folder / "found").mkdir(exist_ok=True)
            _write(folder / "found", _found(disk, life, cut))
            raise Violation(CAMPAIGN, life.seed, str(cut), problem)
        if (place + 1) % 1_000 == 0:
            tell(f"{place + 1:,} of {len(cuts):,} cut points")


def _found(disk: Disk, life: Life, cut: CutPoint) -> Mapping[str, bytes]:
    return disk.cut(Random(f"cut {life.seed} {cut.entries} {cut.variant}"))


def _write(home: Path, files: Mapping[str, bytes]) -> None:
    """Let a folder hold these files and no others."""
    for path in tuple(home.iterdir()):
        path.unlink()
    for name, content in files.items():
        (home / name).write_bytes(content)


def _acknowledged(entries: list[Entry]) -> Iterator[int]:
    """The number of the last change acknowledged, before the first entry and after each."""
    number, inode = 0, 0
    yield number
    for entry in entries:
        if entry.operation is Operation.NAME and entry.name == ACKNOWLEDGED:
            inode = entry.inode
        elif entry.operation is Operation.WRITE and entry.inode == inode:
            number = int(entry.data.split()[0])
        yield number


def _sealed(line: str) -> list[tuple[int, bytes]]:
    """The records in an acknowledgement."""
    pairs = (pair.split(":") for pair in line.split()[1:])
    return [(int(seq), bytes.fromhex(hexed)) for seq, hexed in pairs]
