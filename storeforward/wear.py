"""What the journal costs the flash: bytes written and flushes, counted from the write-ahead log itself.

Every commit appends frames to the log and flushes it; once the log is long enough, each page in it is copied to the database
once (log and database flushed), and the next commit begins the log anew with other salts in its header (flushed too). So the
frame headers tell all: `WalReader` reads those that were added. What the file system writes besides (its own journal, the
file's inode) is not in it, nor is what the flash's controller makes of it.
"""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storeforward.sqlitefile import FRAME_HEADER_BYTES, PAGE_BYTES, WAL_HEADER_BYTES

FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_BYTES
_SALTS_IN_WAL: Final = slice(16, 24)
_SALTS_IN_FRAME: Final = slice(8, 16)
_PAGE_IN_FRAME: Final = slice(0, 4)
_PAGES_AFTER_COMMIT: Final = slice(4, 8)
"""Of a frame that ends a transaction; zero in all others."""
DAY_NS: Final = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class Cost:
    """What was written between two looks."""

    bytes: int = 0
    flushes: int = 0


class WalReader:
    """Looks at the log of a database every few commits. Its own handle has no locks that closing it could drop."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-wal")
        self._handle: int | None = None
        self._salts = b""
        self._pages: set[bytes] = set()
        self._end = WAL_HEADER_BYTES

    def look(self) -> Cost:
        """What was written since the last look; the first look counts all that is in the log. Nothing where there is no log."""
        if self._handle is None:
            try:
                self._handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return Cost()
        size, flushes = self._read_on(self._handle)
        salts = os.pread(self._handle, WAL_HEADER_BYTES, 0)[_SALTS_IN_WAL]
        if salts != self._salts:
            if self._pages:  # the log that was there before has gone into the database
                size += PAGE_BYTES * len(self._pages)
                flushes += 2
            size += WAL_HEADER_BYTES
            flushes += 1
            self._salts, self._pages, self._end = salts, set(), WAL_HEADER_BYTES
            more, more_flushes = self._read_on(self._handle)
            size += more
            flushes += more_flushes
        return Cost(size, flushes)

    def _read_on(self, handle: int) -> tuple[int, int]:
        """Read the frames that were added: their bytes, and how many of them end a transaction, which is flushed then. Of a log
        that was begun anew its last frames are still there: what is new is shorter."""
        before, flushes = self._end, 0
        while self._salts and (frame := os.pread(handle, FRAME_HEADER_BYTES, self._end))[_SALTS_IN_FRAME] == self._salts:
            self._pages.add(frame[_PAGE_IN_FRAME])
            flushes += any(frame[_PAGES_AFTER_COMMIT])
            self._end += FRAME_BYTES
        return self._end - before, flushes

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@dataclass(slots=True)
class Wear:
    """Bytes and flushes of the current day (UTC, by the clock that the journal was given), and flushes since the start."""

    day: int = 0
    bytes_today: int = 0
    flushes_today: int = 0
    flushes: int = field(default=0, compare=False)

    def add(self, written: Cost, now_ns: int) -> None:
        """Count what was written just now."""
        day = now_ns // DAY_NS
        if day != self.day:
            self.day, self.bytes_today, self.flushes_today = day, 0, 0
        self.bytes_today += written.bytes
        self.flushes_today += written.flushes
        self.flushes += written.flushes


def read_wear(connection: sqlite3.Connection) -> Wear:
    """What was saved last."""
    return Wear(*connection.execute("SELECT day, bytes, flushes FROM wear").fetchone())


def save_wear(connection: sqlite3.Connection, wear: Wear) -> None:
    """Save it for the next start, and for who looks at the file of an agent that is stopped."""
    connection.execute("UPDATE wear SET day = ?, bytes = ?, flushes = ?", (wear.day, wear.bytes_today, wear.flushes_today))
