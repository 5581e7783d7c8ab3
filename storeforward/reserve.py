"""What the journal does when the disk is full: it gives up a file that it had put by, and stores only what must not be lost.

    room for all ──the disk says full──> the reserve is given up: samples, means and events are refused
         ^                                      │ it is used up too: old records are evicted in their written order
         └──the reserve can be put by again─────┘ and as long as even that frees nothing, every change is refused

Nobody is told that something is stored which is not. The bound of the options is another matter: eviction.py sees to that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.errors import JournalFull
from storeforward.files import sync_folder
from storeforward.records import Stream
from storeforward.writer import Outcome, Request

_log = logging.getLogger(__name__)

RETRY_NS: Final = 60 * 10**9
"""How often it is tried to put the reserve by again."""
REFUSED: Final = "disk full: only energy and orders are stored"
_DISPENSABLE: Final = frozenset((Stream.SAMPLE, Stream.MINUTE_MEAN, Stream.SLOT_MEAN, Stream.EVENT))


class Reserve:
    """A file of nothing beside the journal. Size 0: there is none, and `put_by` always succeeds."""

    def __init__(self, journal: Path, size: int) -> None:
        self.path = journal.with_name(journal.name + ".reserve")
        self._size = size

    def put_by(self) -> bool:
        """Take the room, if twice as much is free: else the next record would need it back at once."""
        if not self._size:
            self.path.unlink(missing_ok=True)
            return True
        try:
            if self.path.exists() and self.path.stat().st_size == self._size:
                return True
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, 2 * self._size)
                os.ftruncate(handle, self._size)
            finally:
                os.close(handle)
        except OSError:  # full, a quota, a file system that is mounted to be read: all mean that there is nothing to put by
            self.give_up()
            return False
        return True

    def give_up(self) -> bool:
        """Give the room back; whether there was any."""
        try:
            self.path.unlink()
            sync_folder(self.path.parent)  # a journaling file system frees the blocks once it has written this down
        except OSError:
            return False
        return True


class Rationing:
    """Stands before the writer: hands changes to `write` and refuses what can be done without while the disk is full.

    `write` calls `on_full` when the disk took none of them, and tries once more if that made room.
    """

    def __init__(
        self, path: Path, reserve: Reserve, write: Callable[[Sequence[Request]], list[Outcome]], *, is_on: bool
    ) -> None:
        self._path = path
        self._reserve = reserve
        self._write = write
        self._next_try_ns = 0
        self.is_on = is_on
        """Whether the disk is full, or was when last tried."""

    def write(self, requests: Sequence[Request]) -> list[Outcome]:
        """The outcome of each request, in their order."""
        monotonic_ns = requests[-1].monotonic_ns
        if self.is_on and monotonic_ns >= self._next_try_ns:
            self._try_to_end(monotonic_ns)
        if not self.is_on:
            return self._write(requests)
        needed = [request for request in requests if not is_dispensable(request.changes)]
        outcomes = iter(self._write(needed) if needed else ())
        refused = JournalFull(self._path, REFUSED)
        return [refused if is_dispensable(request.changes) else next(outcomes) for request in requests]

    def on_full(self) -> bool:
        """The disk is full: whether the reserve made room. It does so once."""
        if not self.is_on:
            _log.error("journal %s: %s", self._path, REFUSED)
            self.is_on = True
        return self._reserve.give_up()

    def _try_to_end(self, monotonic_ns: int) -> None:
        self._next_try_ns = monotonic_ns + RETRY_NS
        if self._reserve.put_by():
            self.is_on = False
            _log.warning("journal %s: there is room on the disk again", self._path)


def is_dispensable(changes: Changes) -> bool:
    """Whether a change is nothing but samples, means and events: what is lost then is detail, not energy or money."""
    others = changes.enqueue or changes.marks or changes.renewals or changes.values or changes.salvaged
    return bool(changes.records) and not others and all(new.stream in _DISPENSABLE for new in changes.records)
