"""The outbox as the rest of the agent sees it. Changes to it go through `Journal.apply`, together with what they are about."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from agent.vocabulary import Clock
from storeforward.database import read_open, read_refused
from storeforward.items import Item, ItemState, Priority
from storeforward.parking import Parked, is_parked
from storeforward.window import Want, Window

Answer = TypeVar("Answer")


class Read(Protocol):
    """Runs a job on the database in the journal's thread; `then` hears of its end in the same order in which the thread ended
    jobs and writes."""

    def __call__(
        self,
        job: Callable[[sqlite3.Connection], Answer],
        then: Callable[[asyncio.Future[Answer]], object] | None = None,
        /,
    ) -> asyncio.Future[Answer]: ...


class Outbox:
    """Signed transactions on their way to the ledger."""

    def __init__(self, window: Window, read: Read, clock: Clock) -> None:
        self._window = window
        self._read = read
        self._clock = clock
        self._reading = asyncio.Lock()

    @property
    def counts(self) -> Mapping[ItemState, int]:
        """How many items are queued, sent, seen, and how many dead letters (refused) there are."""
        return self._window.counts

    def count(self) -> int:
        """How many items are open."""
        return self._window.count()

    def next_due_ns(self) -> int | None:
        """The monotonic time at which something is to be sent, None while nothing is open. A time gone by means now."""
        return self._window.next_due_ns()

    async def due(self, limit: int) -> list[Item]:
        """What is to be sent now, at most `limit` items: orders, then billing, then telemetry, oldest first in each. What was
        sent before and comes back after its back-off goes between the others, never in front of all of them.

        An item stays due until it is marked as sent. Raises StorageFailed.
        """
        await self._refill()
        return self._window.due(limit, self._clock.monotonic_ns())

    async def open_items(self) -> list[Item]:
        """What is next in line and what was sent lately, by priority, oldest first; of many parked items some. While no more
        than `window_items` of a priority are open, and no more parked, that is all. Raises StorageFailed.
        """
        await self._refill()
        return self._window.open_items()

    async def parked(self, limit: int) -> list[Item]:
        """At most `limit` items that were sent several times and have no result, other ones each time, until all had their
        turn; then from the first one on. Raises StorageFailed."""
        await self._refill()
        priorities = self._window.parked()
        found = []
        for priority, parked in priorities:
            found += await self._parked_of(priority, parked, limit // len(priorities))
        return found

    async def _parked_of(self, priority: Priority, parked: Parked, limit: int) -> list[Item]:
        found: list[Item] = []
        while len(found) < limit:
            page = await self._read(partial(read_open, priority=priority, after_id=parked.asked_id, limit=limit))
            for item in page:
                parked.asked_id = item.id
                if is_parked(item):
                    found.append(item)
                    if len(found) == limit:
                        break
            if len(page) < limit or parked.asked_id >= parked.last_id:
                parked.asked_id = 0
                break
        return found

    async def dead_letters(self, after_id: int = 0, limit: int = 100) -> list[Item]:
        """Items whose refusal is proven, oldest first, with height, code and detail. Raises StorageFailed."""
        return await self._read(partial(read_refused, after_id=after_id, limit=limit))

    async def _refill(self) -> None:
        async with self._reading:
            while wants := self._window.wants():
                for want in wants:
                    job = partial(read_open, priority=want.priority, after_id=want.after_id, limit=want.limit)
                    await self._read(job, partial(self._filled, want))

    def _filled(self, want: Want, page: asyncio.Future[list[Item]]) -> None:
        if not page.cancelled() and page.exception() is None:
            self._window.fill(want, page.result(), self._clock.monotonic_ns())
