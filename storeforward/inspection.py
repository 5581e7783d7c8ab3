"""Looks into a journal without touching it, whether an agent has it open or not: at a private copy of the file and its log.

The agent holds its database exclusively, so nobody else may even read it; a copy of two files that are being written to can be
of two different moments. What makes it one: the log is only ever appended to, and a reader stops at the first frame that is not
whole. Only a checkpoint writes into the database and lets the log begin anew. So a copy is taken again if either happened
meanwhile, by the database's size and time and by the head of the log.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Final

from storeforward.database import storage_failure
from storeforward.errors import DiskFailed, JournalBusy, JournalUnreadable
from storeforward.migrations import migrate

SETTLE_S: Final = 0.02
"""A file's time counts in the kernel's ticks: after two of them a write changes it for certain."""
MOST_TRIES: Final = 10
_LOG_HEAD: Final = 32


@dataclass(frozen=True, slots=True)
class _State:
    """What a checkpoint changes."""

    size: int
    changed_ns: int
    log_head: bytes


@contextmanager
def inspect(path: Path, scratch: Path, pause: Callable[[float], object]) -> Iterator[sqlite3.Connection]:
    """A connection to a copy of the journal as it stood at one moment during the call, brought to the newest schema.

    The copy lies in a folder of its own in `scratch` and goes with the block; `pause` waits so many seconds. The journal itself
    is only read. Raises JournalUnreadable, JournalTooNew, JournalDamaged, JournalBusy, DiskFailed.
    """
    with ExitStack() as stack:
        with _named(path):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="journal-", dir=scratch)))
            copy = folder / path.name
            _copy(path, copy, pause)
        try:
            connection = stack.enter_context(closing(sqlite3.connect(copy, isolation_level=None)))
            migrate(connection, path)
            connection.execute("PRAGMA query_only = ON")
            yield connection
        except sqlite3.Error as error:
            raise storage_failure(path, error) from error


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """What keeps a copy from being made, in our words."""
    try:
        yield
    except FileNotFoundError as error:
        raise JournalUnreadable(Path(error.filename or path), "no such file") from error
    except PermissionError as error:
        raise JournalUnreadable(path, error.strerror or str(error)) from error
    except OSError as error:
        raise DiskFailed(Path(error.filename or path), error.strerror or str(error)) from error


def _copy(path: Path, copy: Path, pause: Callable[[float], object]) -> None:
    log, log_copy = (file.with_name(file.name + "-wal") for file in (path, copy))
    for _ in range(MOST_TRIES):
        before = _state(path, log)
        pause(SETTLE_S)
        copyfile(path, copy)
        log_copy.unlink(missing_ok=True)
        try:
            copyfile(log, log_copy)
        except FileNotFoundError:  # the journal was closed
            log_copy.unlink(missing_ok=True)
        if _state(path, log) == before:
            return
    raise JournalBusy(path, MOST_TRIES)


def _state(path: Path, log: Path) -> _State:
    try:
        with log.open("rb") as file:
            head = file.read(_LOG_HEAD)
    except FileNotFoundError:
        head = b""
    status = path.stat()
    return _State(status.st_size, status.st_mtime_ns, head)
