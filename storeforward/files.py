"""The journal's files: the lock that keeps a second process out, and the place where a damaged file is put."""

from __future__ import annotations

import fcntl
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from storeforward.errors import JournalInUse, JournalUnreadable


def is_locked(path: Path) -> bool:
    """Whether somebody has the journal at `path` open, by the kernel's list of locks: asking takes none."""
    try:
        inode = path.with_name(path.name + ".lock").stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    return any(f":{inode} " in line for line in locks.splitlines() if "FLOCK" in line)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the journal at `path`. It goes with the process, however that ends. Raises JournalInUse.

    The lock is a file of its own, because closing any handle of the database file would drop SQLite's own locks.
    """
    lock_path = path.with_name(path.name + ".lock")
    try:
        lock = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnreadable(path, error.strerror or str(error)) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalInUse(path) from error
        yield
    finally:
        os.close(lock)


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its write-ahead log, so that both can still be read by hand. Returns the new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    for suffix in ("-wal", ""):  # the log first: a log without its database is never mistaken for the new one's
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    _condemned(path).unlink(missing_ok=True)
    sync_folder(path.parent)
    return aside


def condemn(path: Path) -> None:
    """Leave word that the database broke while in use: what the next start looks at need not be what broke."""
    with suppress(OSError):  # then the next start's own check must do
        _condemned(path).touch()
        sync_folder(path.parent)


def is_condemned(path: Path) -> bool:
    return _condemned(path).exists()


def _condemned(path: Path) -> Path:
    return path.with_name(path.name + ".condemned")


def asides(path: Path) -> list[Path]:
    """The databases that were set aside from `path` and are still there, the oldest first."""
    found = []
    for file in path.parent.glob(f"{glob.escape(path.name)}.damaged-*"):
        number = file.name.removeprefix(f"{path.name}.damaged-")
        if number.isdecimal():
            found.append((int(number), file))
    return [file for _, file in sorted(found)]


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable: a file's own sync does not."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
