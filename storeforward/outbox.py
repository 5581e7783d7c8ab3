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
from storeforward.window import Window

Answer = TypeVar("Answer")


class Read(Protocol):
    """Runs a job on the database in the journal's thread."""

    def __call__(self, job: Callable[[sqlite3.Connection], Answer], /) -> asyncio.Future[Answer]: ...


class Outbox:
    """Signed transactions on their way to the ledger."""

    def __init__(self, window: Window, read: Read, clock: Clock) -> None:
        self._window = window
        self._read = read
        self._clock = clock

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
        """What is to be sent now, at most `limit` items: orders, then billing, then telemetry, oldest first in each.

        An item stays due until it is marked as sent, and comes back after its back-off. Raises StorageFailed.
        """
        await self._refill()
        return self._window.due(limit, self._clock.monotonic_ns())

    async def open_items(self) -> list[Item]:
        """All that may be under way, in the order of sending; of a long backlog the part next in line. Raises StorageFailed."""
        await self._refill()
        return self._window.open_items()

    async def dead_letters(self, after_id: int = 0, limit: int = 100) -> list[Item]:
        """Items whose refusal is proven, oldest first, with height, code and detail. Raises StorageFailed."""
        return await self._read(partial(read_refused, after_id=after_id, limit=limit))

    async def _refill(self) -> None:
        for priority, after_id, limit in self._window.wants():
            page = self._read(partial(read_open, priority=priority, after_id=after_id, limit=limit))
            # In a callback, so that the window hears of reads and writes in the order in which the thread did them.
            page.add_done_callback(partial(self._filled, priority, limit))
            await page

    def _filled(self, priority: Priority, limit: int, page: asyncio.Future[list[Item]]) -> None:
        if not page.cancelled() and page.exception() is None:
            self._window.fill(priority, limit, page.result())
