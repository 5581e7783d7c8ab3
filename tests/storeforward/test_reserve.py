"""A full disk: what is stored then, what is refused, and how it ends. On a real file system where that can be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storeforward.changes import Changes
from storeforward.errors import JournalFull
from storeforward.items import ItemState
from storeforward.records import Stream
from storeforward.reserve import RETRY_NS, Rationing, Reserve, is_dispensable
from storeforward.writer import Outcome, Request
from tests.storeforward.full_disk import BEFORE, DISK_BYTES, WHILE_FULL
from tests.storeforward.kit import energy, item, marks, record
from tools.soak.campaign import Unavailable
from tools.soak.recording import compile_preload

ROOT = Path(__file__).parents[2]
KIB = 1024


def on_tmpfs(folder: Path) -> subprocess.CompletedProcess[str]:
    """A real file system of that size, in a namespace of its own; some kernels do not let ordinary users have one."""
    mount = f"mount -t tmpfs -o size={DISK_BYTES} none {folder}"
    program = f"{mount} || exit 77; exec {sys.executable} -m tests.storeforward.full_disk {folder}"
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", program]
    if shutil.which("unshare") is None or subprocess.run([*command[:4], "true"], check=False, capture_output=True).returncode:
        pytest.skip("user namespaces are not to be had here")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("a tmpfs cannot be mounted here")
    return done


def on_small_disk(folder: Path) -> subprocess.CompletedProcess[str]:
    """The folder's own file system, with every write that would need more answered by ENOSPC."""
    try:
        library = compile_preload(Path(__file__).with_name("smalldisk.c"), folder.parent)
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    disk = {"SMALLDISK_FOLDER": str(folder), "SMALLDISK_BYTES": str(DISK_BYTES), "LD_PRELOAD": str(library)}
    command = [sys.executable, "-m", "tests.storeforward.full_disk", str(folder)]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **disk}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("disk", [on_tmpfs, on_small_disk])
def test_a_full_disk_takes_energies_only_until_there_is_room_again(disk: Any, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    done = disk(folder)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen == {
        "full at first": False,
        "energies stored on a full disk": WHILE_FULL,
        "full": True,
        "samples stored on a full disk": 0,
        "refused in the end": 3,
        "full in the end": False,
        "all acknowledged are there": True,
        "items": True,
        "damaged": False,
        "stored after a start on a full disk": True,
        "full at the next start": True,
        "kept": 2,
    }
    assert "disk full: only energy and orders are stored" in done.stderr
    assert BEFORE > 0


def test_a_reserve_takes_room_and_gives_it_back(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "journal.db", 64 * KIB)
    assert reserve.put_by()
    assert reserve.path.stat().st_blocks * 512 >= 64 * KIB
    assert reserve.put_by()
    assert reserve.give_up()
    assert list(tmp_path.iterdir()) == []
    assert not reserve.give_up()


def test_without_a_size_there_is_none_and_an_old_one_goes(tmp_path: Path) -> None:
    assert Reserve(tmp_path / "journal.db", 64 * KIB).put_by()
    assert Reserve(tmp_path / "journal.db", 0).put_by()
    assert list(tmp_path.iterdir()) == []


def test_a_reserve_that_cannot_be_had(tmp_path: Path) -> None:
    assert not Reserve(tmp_path / "missing" / "journal.db", KIB).put_by()


SAMPLES = Changes((record(Stream.SAMPLE),))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (SAMPLES, True),
        (Changes((record(Stream.EVENT), record(Stream.MINUTE_MEAN))), True),
        (Changes((record(Stream.SAMPLE), record(Stream.ENERGY))), False),
        (Changes((record(Stream.ORDER),)), False),
        (Changes((record(Stream.RECEIPT),)), False),
        (Changes((record(Stream.EVENT),), values=(("meter", b"x"),)), False),
        (Changes((record(Stream.EVENT),), enqueue=(item(1),)), False),
        (marks([], ItemState.SENT), False),
        (energy(1), False),
    ],
)
def test_what_can_be_done_without(changes: Changes, expected: bool) -> None:
    assert is_dispensable(changes) is expected


def test_refused_changes_keep_their_places_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    written: list[Changes] = []

    def write(requests: object) -> list[Outcome]:
        changes = [request.changes for request in requests]  # type: ignore[attr-defined]
        written.extend(changes)
        return [ValueError(str(id(change))) for change in changes]

    rationing = Rationing(path, Reserve(path, 0), write, is_on=False)
    first, second = energy(1), energy(2)
    rationing.on_full()
    rationing._next_try_ns = RETRY_NS
    mixed = [Request(changes, 0) for changes in (SAMPLES, first, SAMPLES, second)]
    outcomes = rationing.write(mixed)
    assert [type(outcome) for outcome in outcomes] == [JournalFull, ValueError, JournalFull, ValueError]
    assert written == [first, second]
    assert [str(outcome) for outcome in outcomes[1::2]] == [str(id(first)), str(id(second))]
    rationing.write([Request(SAMPLES, RETRY_NS)])
    assert not rationing.is_on
    assert written == [first, second, SAMPLES]
