"""Power cuts under a real file system: ext4 in a virtual machine, on a disk with a volatile cache whose every write is logged.

The workload of the other power cuts runs in the machine. Afterwards, for each cut point, the disk is put together as a cut at
that moment may leave it (blocklog.py), mounted here, so that ext4 replays its own journal, and what lies there is judged.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from tools.soak.blocklog import BlockDisk, DiskWrite, read_block_log
from tools.soak.campaign import MEMORY_BACKED, Outcome, Unavailable, Violation
from tools.soak.guest import acknowledgement
from tools.soak.judging import Judge, WholeJudge, read_truth
from tools.soak.recorded import JOURNAL
from tools.soak.virtualmachine import fetch_kernel, run_logged

CAMPAIGN: Final = "ext4-power-cuts"
_DISK_BYTES: Final = 32 << 20
_LOG_BYTES: Final = 1 << 30
"""Room for the log; the file is sparse."""
_MAKE_FILE_SYSTEM: Final = ("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")


def run(folder: Path, seed: int, points: int, changes: int, tell: Callable[[str], None]) -> Outcome:
    """Cut the power at `points` moments of one life in a virtual machine. Raises Unavailable, and Violation; `folder/found.img`
    is the disk that was found then, after it was looked at."""
    if os.geteuid():
        raise Unavailable("only root may mount the disks that are found")
    kernel = fetch_kernel()
    fresh, disk, log = folder / "fresh.img", folder / "disk.img", folder / "log.img"
    for path, size_bytes in ((fresh, _DISK_BYTES), (log, _LOG_BYTES)):
        path.touch()
        os.truncate(path, size_bytes)
    subprocess.run([*_MAKE_FILE_SYSTEM, fresh], check=True)
    shutil.copy(fresh, disk)
    run_logged(kernel, disk, log, "tools.soak.guest", seed, changes)
    writes = list(read_block_log(log))
    tell(f"{len(writes):,} requests to the disk over {changes:,} changes")
    with _mounted(disk, folder / "end") as home:
        try:
            truth = read_truth(home / JOURNAL, seed, changes)
        except ValueError as broken:
            raise Violation(CAMPAIGN, seed, "the whole life", str(broken)) from broken
    chance = Random(f"points {seed}")
    cuts = sorted((chance.randint(0, len(writes)), variant) for variant in range(points))
    judge = WholeJudge(truth)
    image = (MEMORY_BACKED if MEMORY_BACKED.is_dir() else folder) / f"homewatt-soak-{os.getpid()}.img"
    try:
        _try(judge, BlockDisk(fresh.read_bytes()), writes, cuts, image, seed, tell)
    except Violation:
        shutil.copy(image, folder / "found.img")
        raise
    finally:
        image.unlink(missing_ok=True)
    figures = {
        "changes": changes,
        "records": len(truth.records),
        "writes to the disk": sum(not write.is_flush for write in writes),
        "flushes": sum(write.is_flush for write in writes),
        "cut points": points,
        "journals found with more than what was acknowledged": judge.beyond,
        "journals found that were written to and opened again": judge.continued,
        "acknowledged changes lost": 0,
    }
    return Outcome(CAMPAIGN, seed, figures)


def _try(
    judge: Judge,
    disk: BlockDisk,
    writes: list[DiskWrite],
    cuts: list[tuple[int, int]],
    image: Path,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """Judge what each cut (number of writes, variant) leaves. Raises Violation."""
    taken = acknowledged = 0
    for place, (number, variant) in enumerate(cuts):
        for write in writes[taken:number]:
            disk.take(write)
            acknowledged = acknowledgement(write.data) or acknowledged
        taken = number
        disk.write_cut(image, Random(f"cut {seed} {number} {variant}"))
        where = f"cut after request {number}, variant {variant}"
        try:
            with _mounted(image, image.with_suffix("")) as home:
                problem = asyncio.run(judge.problem(home / JOURNAL, acknowledged))
        except subprocess.CalledProcessError as error:
            problem = f"ext4 cannot be mounted: {error.stderr}"
        if problem is not None:
            raise Violation(CAMPAIGN, seed, where, problem)
        if (place + 1) % 100 == 0:
            tell(f"{place + 1:,} of {len(cuts):,} cut points")


@contextmanager
def _mounted(image: Path, folder: Path) -> Iterator[Path]:
    """The file system in an image. Raises CalledProcessError."""
    folder.mkdir()
    try:
        subprocess.run(["mount", "-o", "loop", image, folder], check=True, capture_output=True, text=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True, capture_output=True)
    finally:
        folder.rmdir()
