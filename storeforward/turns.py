"""Who has the journal's thread next: changes that wait to be stored, a step of eviction, a step of the scrub.

Changes that wait at the same time share a transaction. Between two transactions eviction has its turn where it is due, so that
neither makes the other wait for more than one; the scrub reads on when nobody else wants anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from agent.vocabulary import Clock
from storeforward import scrub
from storeforward.changes import Applied, Changes
from storeforward.errors import JournalDamaged
from storeforward.loading import Loaded
from storeforward.options import JournalOptions
from storeforward.reserve import Rationing
from storeforward.worker import Worker
from storeforward.writer import Outcome, Request, Written

_log = logging.getLogger(__name__)

COUNT_EVERY: Final = 16
"""Records after which it is counted what the disk took: to look costs as much as a tenth of a commit."""

Waiting = tuple[Request, "asyncio.Future[Applied]"]


class Turns:
    """Hands jobs to the worker. `stored` hears in the loop of every change that is on the disk, before its caller does."""

    def __init__(
        self,
        path: Path,
        loaded: Loaded,
        rationing: Rationing,
        worker: Worker,
        clock: Clock,
        options: JournalOptions,
        stored: Callable[[Request, Written], object],
    ) -> None:
        self._path = path
        self._writer = loaded.writer
        self._upkeep = loaded.upkeep
        self._rationing = rationing
        self._worker = worker
        self._clock = clock
        self._options = options
        self._stored = stored
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Waiting] = []
        self._waiting_records = 0
        self._uncounted = 0
        self._urgent = False
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._evicts = self._writer.bounds.due
        self._closed = False
        self._broke: asyncio.Future[JournalDamaged] = self._loop.create_future()
        self._scrub_timer = self._loop.call_later(self._upkeep.scrub.progress.wait_s(clock.now_ns()), self._scrub)
        self._next()

    def put(self, changes: Changes) -> asyncio.Future[Applied]:
        """Store a change with the next group; the answer comes when it is on the disk. Only samples are made to wait."""
        stored: asyncio.Future[Applied] = self._loop.create_future()
        self._waiting.append((Request(changes, self._clock.monotonic_ns()), stored))
        self._waiting_records += len(changes.records)
        if self._waiting_records >= self._options.group_records or not changes.can_wait:
            self._urgent = True
            self._next()
        elif self._timer is None and not self._urgent:
            self._timer = self._loop.call_later(self._options.group_wait_s, self._hurry)
        return stored

    async def wait_broken(self) -> NoReturn:
        """Raises JournalDamaged when somebody has found something that is not as it was written."""
        raise await asyncio.shield(self._broke)

    def broke(self, error: JournalDamaged) -> None:
        """Something was found that is not as it was written. Who waits for that hears of the first one."""
        if not self._broke.done():
            _log.error("journal %s broke: %s", self._path, error)
            self._broke.set_result(error)

    def count_written(self) -> None:
        """Let it be counted what the disk took, before whatever the thread is asked to do next."""
        self._uncounted = 0
        self._worker.tell(partial(self._upkeep.count_written, self._clock.now_ns()))

    async def close(self) -> None:
        """Store all that waits."""
        self._closed = True
        self._scrub_timer.cancel()
        self._hurry()
        while self._busy:
            await self._worker.run(_nothing)  # behind all that was handed in
        self.count_written()

    def _hurry(self) -> None:
        self._urgent = True
        self._next()

    def _next(self, *, evicted: bool = False) -> None:
        """Give the thread what is next, if it is free. `evicted`: that had the last turn."""
        if self._busy:
            return
        if self._evicts and not self._closed and not (evicted and self._urgent and self._waiting):
            self._busy = True
            self._worker.run(partial(self._writer.evict, self._clock.monotonic_ns()), self._evicted)
        elif self._urgent and self._waiting:
            self._write()

    def _write(self) -> None:
        group, self._waiting = self._waiting, []
        requests = [request for request, _ in group]
        self._uncounted += max(1, self._waiting_records)
        self._waiting_records = 0
        self._urgent = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        self._worker.run(partial(self._rationing.write, requests), partial(self._written, group))
        if self._uncounted >= COUNT_EVERY:
            self.count_written()

    def _written(self, group: list[Waiting], job: asyncio.Future[list[Outcome]]) -> None:
        self._busy = False
        self._evicts = self._writer.bounds.due
        fault = job.exception()  # of ours: the writer itself hands back what went wrong
        outcomes = job.result() if fault is None else [fault] * len(group)
        for (request, stored), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Written):
                self._stored(request, outcome)
            elif isinstance(outcome, JournalDamaged):
                self.broke(outcome)
            if stored.done():  # its caller was cancelled
                continue
            if isinstance(outcome, Written):
                stored.set_result(outcome.applied)
            else:
                stored.set_exception(outcome)
        self._next()

    def _evicted(self, job: asyncio.Future[bool]) -> None:
        self._busy = False
        error = job.exception()
        if isinstance(error, JournalDamaged):
            self.broke(error)
        elif error is not None:  # the key store, or a fault of ours: nothing has changed, and the next write asks again
            _log.error("journal %s: eviction failed: %s", self._path, error)
        self._evicts = error is None and self._writer.bounds.due
        self._next(evicted=True)

    def _scrub(self) -> None:
        """Read on in the journal, unless something hurries; samples that wait for company do not."""
        if self._busy or self._urgent:
            self._scrub_timer = self._loop.call_later(scrub.PAUSE_S, self._scrub)
            return
        self._busy = True
        self._worker.run(partial(self._upkeep.step_scrub, self._clock), self._scrubbed)

    def _scrubbed(self, job: asyncio.Future[bool]) -> None:
        self._busy = False
        error = job.exception()
        if isinstance(error, JournalDamaged):
            self.broke(error)
        elif not self._closed:
            if error is not None:  # the disk did not answer; it is asked again
                _log.warning("journal %s: cannot be read through: %s", self._path, error)
            pause_s = scrub.EVERY_S if error is None and job.result() else scrub.PAUSE_S
            self._scrub_timer = self._loop.call_later(pause_s, self._scrub)
        self._next()


def _nothing() -> None:
    """The job that is done when all before it are."""
