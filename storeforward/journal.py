"""The journal: what is acknowledged is on the disk. One SQLite file, one connection, one thread, group commit.

    async with Journal.open(path, device=..., sign=..., clock=..., boot_id=...) as journal:
        applied = await journal.apply(Changes(records=(...), enqueue=(...)))

It stores and hands out; it knows no ledger and sends nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn, TypeVar

from agent.vocabulary import Clock, Sign
from storeforward import database
from storeforward.changes import Applied, Changes
from storeforward.errors import JournalClosed, JournalDamaged
from storeforward.eviction import Summaries
from storeforward.files import locked
from storeforward.loading import Loaded, load
from storeforward.metrics import Metrics
from storeforward.options import JournalOptions
from storeforward.outbox import Outbox
from storeforward.records import StoredRecord, Stream
from storeforward.reserve import Rationing
from storeforward.signatures import Verify
from storeforward.turns import Turns
from storeforward.worker import Worker
from storeforward.writer import Request, Written

PAGE: Final = 1_000
"""Records read at a time where all are wanted."""

Answer = TypeVar("Answer")


class Journal:
    """An open journal. Made by `Journal.open`."""

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        set_aside: Path | None,
        rationing: Rationing,
        worker: Worker,
        clock: Clock,
        options: JournalOptions,
    ) -> None:
        self.path = path
        self.set_aside = set_aside
        """Where a damaged file was put when this journal was opened, None in ordinary times."""
        self._connection = loaded.connection
        self._writer = loaded.writer
        self._rationing = rationing
        self._window = loaded.window
        self._values = loaded.values
        self._next_seq = loaded.first_free
        self.found_seq = loaded.writer.last_seq
        """Number of the newest record that was there when this journal was opened, 0 where none was."""
        self._worker = worker
        self._clock = clock
        self._closed = False
        self._turns = Turns(path, loaded, rationing, worker, clock, options, self._take)
        self.outbox = Outbox(loaded.window, self._read, clock)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        path: Path,
        *,
        device: bytes,
        sign: Sign,
        clock: Clock,
        boot_id: bytes,
        options: JournalOptions | None = None,
        summaries: Summaries | None = None,
        verify: Verify | None = None,
    ) -> AsyncIterator[Journal]:
        """Open or create the journal of a device (its id, 20 bytes) in a boot (16 bytes) of its machine.

        `summaries` makes means of samples that must go; without it nothing is kept of them. `verify` checks the device's
        signatures when the journal is read through; without it the hash chains alone have to do.

        A damaged file is set aside (`set_aside`) and a fresh one begun. On leaving, all that waits is written.
        Raises JournalInUse, JournalTooNew, JournalUnreadable, JournalFull.
        """
        options = options or JournalOptions()
        with locked(path), Worker(f"journal {path.name}", asyncio.get_running_loop()) as worker:
            loading = worker.run(partial(load, path, device, sign, boot_id, options, summaries, verify))
            journal = cls(path, *await loading, worker, clock, options)
            try:
                yield journal
            finally:
                await journal._close()

    @property
    def values(self) -> Mapping[str, bytes]:
        """Small named values, as they stand on the disk. Set through `Changes.values`."""
        return MappingProxyType(self._values)

    @contextmanager
    def must_make_sense(self) -> Iterator[None]:
        """For whoever takes something for what it once stored here, a named value above all: bytes that mean nothing to it
        (ValueError, TypeError) were changed on the disk. Raises JournalDamaged; the next start sets the file aside."""
        with _in_use(self.path):
            yield

    @property
    def disk_is_full(self) -> bool:
        """Whether only energy and orders are stored, for want of room on the disk. Changes with samples alone are refused."""
        return self._rationing.is_on

    def next_seq(self) -> int:
        """The next sequence number for a ledger transaction; none is ever handed out twice once an item has used it.

        Use it for an item of the next change: a number counts as used when its item is on the disk, before it is sent.
        """
        seq = self._next_seq
        self._next_seq += 1
        return seq

    def skip_seq(self, highest: int) -> None:
        """The ledger has seen numbers up to `highest`; go on above it. For a journal that had to be begun afresh."""
        self._next_seq = max(self._next_seq, highest + 1)

    async def apply(self, changes: Changes) -> Applied:
        """Store a change as a whole. On return it is on the disk; if this raises, nothing of it is.

        Changes that wait at the same time share a transaction. Only samples are made to wait for others.
        A cancelled caller's change is stored all the same.
        Raises StorageFailed (JournalFull, JournalDamaged, DiskFailed), BadChange, JournalClosed, and what
        `sign` or `MakeTx` raise.
        """
        if self._closed:
            raise JournalClosed("the journal is closed")
        return await self._turns.put(changes)

    async def read_records(self, stream: Stream, after_seq: int = 0, limit: int = 100) -> list[StoredRecord]:
        """Records of a stream with sequence numbers above `after_seq`, in order. What their bodies say is not looked at.

        Raises StorageFailed: JournalDamaged for a record that is none any more.
        """
        return await self._read(partial(database.read_records, stream=stream, after_seq=after_seq, limit=limit))

    async def all_records(self, stream: Stream, after_seq: int = 0) -> AsyncIterator[StoredRecord]:
        """The same to the end, read page by page. Raises StorageFailed."""
        while page := await self.read_records(stream, after_seq, PAGE):
            for stored in page:
                yield stored
            after_seq = page[-1].record.seq

    async def salvaged_bytes(self) -> int:
        """How much of the journal are records out of damaged files. Reads them all. Raises StorageFailed."""
        _, size = await self._read(database.count_salvaged)
        return size

    async def metrics(self) -> Metrics:
        """Figures about the journal now. Raises StorageFailed."""
        self._turns.count_written()
        return await self._read(partial(self._writer.metrics, monotonic_ns=self._clock.monotonic_ns()))

    async def wait_broken(self) -> NoReturn:
        """Wait until somebody comes across something in the journal that is not as it was written, at the latest who reads it
        through in the background; then raise JournalDamaged. What can be stored is stored until it is closed: the next start
        sets the file aside and finds it there.
        """
        await self._turns.wait_broken()

    def _take(self, request: Request, written: Written) -> None:
        self._window.queued(written.queued)
        for moved in written.moved:
            self._window.marked(moved.mark, moved.was, request.monotonic_ns)
        for renewed in written.renewed:
            self._window.renewed(renewed.item, renewed.was)
        for name, value in request.changes.values:
            if value is None:
                self._values.pop(name, None)
            else:
                self._values[name] = value

    def _read(
        self,
        job: Callable[[sqlite3.Connection], Answer],
        then: Callable[[asyncio.Future[Answer]], object] | None = None,
        /,
    ) -> asyncio.Future[Answer]:
        answer = self._worker.run(partial(_guarded, self.path, job, self._connection), then)
        answer.add_done_callback(self._heed)
        return answer

    def _heed(self, answer: asyncio.Future[Answer]) -> None:
        """A journal that broke is one for all, whoever was the first to read it."""
        if not answer.cancelled() and isinstance(error := answer.exception(), JournalDamaged):
            self._turns.broke(error)

    async def _close(self) -> None:
        self._closed = True
        await self._turns.close()
        await self._worker.run(self._writer.close)


def _guarded(path: Path, job: Callable[[sqlite3.Connection], Answer], connection: sqlite3.Connection) -> Answer:
    with _in_use(path):
        return job(connection)


@contextmanager
def _in_use(path: Path) -> Iterator[None]:
    """What goes wrong within the block, in the journal's words. Raises StorageFailed."""
    try:
        with database.damage_if_meaningless():
            yield
    except sqlite3.Error as error:
        raise database.failure_in_use(path, error) from error
