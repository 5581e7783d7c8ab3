"""What a journal counts of itself and remembers over starts: wear of the flash, records by stream, how far the scrub has come.

Saved now and then with another change, and at the end. What a kill cost is made good at the next start: records are counted
from the last saved one on; so a start takes no longer for a large journal.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgpack

from agent.vocabulary import Clock
from storeforward.database import failure_in_use, read_own, save_own
from storeforward.eviction import evicted_before
from storeforward.metrics import Captured, Metrics, Tally, count_dead_letters, count_records, read_depth
from storeforward.records import Stream
from storeforward.scrub import Scrub
from storeforward.wear import WalReader, read_wear, save_wear

_log = logging.getLogger(__name__)

SAVE_EVERY_NS: Final = 600 * 10**9
"""How much of a day's wear a kill may cost."""
_NAME: Final = "counts"


class Upkeep:
    """The figures of one open journal."""

    def __init__(self, connection: sqlite3.Connection, path: Path, scrub: Scrub) -> None:
        self._connection = connection
        self._path = path
        self._saved_ns = 0
        self.scrub = scrub
        self.tally = Tally(_kept(connection), dict(evicted_before(connection)))
        self.wear = read_wear(connection)
        self._log_reader = WalReader(path)
        self._log_reader.look()  # what is in it was counted by who wrote it

    def save_when_due(self, last_seq: int, sealed: Mapping[Stream, int], monotonic_ns: int) -> None:
        """Save all of it within a transaction in which records up to `last_seq` were sealed, where that is due again."""
        if monotonic_ns - self._saved_ns >= SAVE_EVERY_NS:
            self.save(last_seq, sealed)
            self._saved_ns = monotonic_ns

    def save(self, last_seq: int, sealed: Mapping[Stream, int]) -> None:
        """Save all of it within a transaction."""
        save_wear(self._connection, self.wear)
        self.scrub.progress.save(self._connection)
        tally = self.tally
        ever = {stream: tally.kept.get(stream, 0) + tally.evicted.get(stream, 0) + sealed.get(stream, 0) for stream in Stream}
        save_own(self._connection, _NAME, msgpack.packb((last_seq, [[int(stream), count] for stream, count in ever.items()])))

    def count_written(self, now_ns: int) -> None:
        """Count what the log took since the last time, by the day of the wall clock."""
        try:
            self.wear.add(self._log_reader.look(), now_ns)
        except OSError as error:  # the change itself is stored, or has failed for the same reason
            _log.warning("journal %s: what it wrote cannot be counted: %s", self._path, error)

    def step_scrub(self, clock: Clock) -> bool:
        """Take a step of reading the journal through; whether it was the last one of this pass. Raises StorageFailed."""
        evicted = sum(self.tally.evicted.values())
        try:
            return self.scrub.step(self._connection, evicted, clock.monotonic_ns, clock.now_ns())
        except sqlite3.Error as error:
            raise failure_in_use(self._path, error) from error

    def metrics(self, last_seq: int, oldest_unsent: Captured | None, *, size_bytes: int, bound_bytes: int) -> Metrics:
        """All figures together with those that are not counted here."""
        tally, wear, progress = self.tally, self.wear, self.scrub.progress
        return Metrics(
            depth=read_depth(self._connection),
            dead_letters=count_dead_letters(self._connection),
            oldest_unsent=oldest_unsent,
            last_fsync_ns=tally.last_fsync_ns,
            flush_count=wear.flushes,
            flushes_today=wear.flushes_today,
            bytes_written_today=wear.bytes_today,
            groups=tally.groups,
            grouped_changes=tally.grouped_changes,
            largest_group=tally.largest_group,
            size_bytes=size_bytes,
            bound_bytes=bound_bytes,
            kept=dict(tally.kept),
            evicted=dict(tally.evicted),
            scrubbed_at_ns=progress.done_ns or None,
            scrubbed_permille=progress.permille(last_seq),
        )

    def close(self) -> None:
        self._log_reader.close()


def _kept(connection: sqlite3.Connection) -> dict[Stream, int]:
    """How many records of each stream there are: of the numbers up to the saved one all that there ever were without those
    that the gaps name, and of the later ones what is there."""
    last_seq, ever = _saved(connection)
    kept = count_records(connection, last_seq)
    gone = evicted_before(connection, last_seq)
    for stream, count in ever.items():
        left = kept.get(stream, 0) + count - gone.get(stream, 0)
        if left:
            kept[stream] = left
    return kept


def _saved(connection: sqlite3.Connection) -> tuple[int, dict[Stream, int]]:
    saved = read_own(connection, _NAME)
    if saved is None:
        return 0, {}
    try:
        last_seq, ever = msgpack.unpackb(saved)
        return last_seq, {Stream(stream): count for stream, count in ever}
    except (TypeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"not the counts of a journal: {error}") from error
