"""The recorder sees what a program does to the files of one folder, in order, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.soak.campaign import Unavailable
from tools.soak.recording import RECORDER, Entry, Operation, compile_preload, read_log, recorded_environment

PROGRAM = """
import os, sys
home = sys.argv[1]
handle = os.open(f"{home}/a", os.O_RDWR | os.O_CREAT)
os.write(handle, b"one")
os.pwrite(handle, b"two", 100)
os.fdatasync(handle)
os.ftruncate(handle, 7)
os.fsync(handle)
os.close(handle)
os.rename(f"{home}/a", f"{home}/b")
os.unlink(f"{home}/b")
folder = os.open(home, os.O_RDONLY)
os.fsync(folder)
os.close(folder)
with open(sys.argv[2], "w") as elsewhere:
    elsewhere.write("not recorded")
"""


def record(tmp_path: Path) -> tuple[Path, list[Entry]]:
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    try:
        library = compile_preload(RECORDER, tmp_path)
    except Unavailable as lacking:
        pytest.skip(str(lacking))
    environment = dict(recorded_environment(library, home, log))
    subprocess.run([sys.executable, "-c", PROGRAM, str(home), str(tmp_path / "elsewhere")], env=environment, check=True)
    return home, list(read_log(log))


def test_every_operation_is_recorded_once_and_in_order(tmp_path: Path) -> None:
    home, entries = record(tmp_path)
    file, folder = entries[0].inode, home.stat().st_ino
    assert entries == [
        Entry(Operation.NAME, file, 0, b"a"),
        Entry(Operation.WRITE, file, 0, b"one"),
        Entry(Operation.WRITE, file, 100, b"two"),
        Entry(Operation.SYNC, file, 0, b""),
        Entry(Operation.TRUNCATE, file, 7, b""),
        Entry(Operation.SYNC, file, 0, b""),
        Entry(Operation.MOVE, 0, 0, b"a\0b"),
        Entry(Operation.UNLINK, 0, 0, b"b"),
        Entry(Operation.SYNC, folder, 0, b""),
    ]


def test_a_log_that_breaks_off_is_not_read(tmp_path: Path) -> None:
    record(tmp_path)
    log = tmp_path / "log"
    log.write_bytes(log.read_bytes() + b"W" + bytes(16) + b"\xff\0\0\0")
    with pytest.raises(ValueError, match="ends within an entry"):
        list(read_log(log))
