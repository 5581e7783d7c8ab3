"""Our journal behind the same interface. Each record is what an agent stores when a slot ends: a sealed, chained and signed
record, and with it, in the same change, the transaction that is to be sent. Records of a batch are handed in one by one at the
same time, and share a commit.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from storeforward.changes import Changes
from storeforward.items import Item, ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.records import NewRecord, Stream
from tools.bench.peers.serving import Store, serve
from tools.society.keys import seeded_key

KEY: Final = seeded_key(1, "bench")
PACK: Final = 100
KIND: Final = 7


def change(text: str) -> Changes:
    """A record with the transaction that reports it."""
    body = text.encode()
    item = NewItem(Priority.BILLING, KIND, 0, 0, None, body, 0, record=0)
    return Changes((NewRecord(Stream.ENERGY, 1, body),), (item,))


class JournalStore:
    """A journal with its outbox."""

    def __init__(self, folder: str) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._taken: list[Item] = []
        self._journal = self._runner.run(self._open(Path(folder) / "journal.db"))

    async def _open(self, path: Path) -> Journal:
        opening = Journal.open(path, device=bytes(20), sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16))
        return await self._stack.enter_async_context(opening)

    def put(self, texts: Sequence[str]) -> int:
        return self._runner.run(self._apply([change(text) for text in texts]))

    async def _apply(self, changes: Sequence[Changes]) -> int:
        return len(await asyncio.gather(*map(self._journal.apply, changes)))

    def settle(self) -> None:
        """What is acknowledged is on the disk."""

    def take(self) -> list[str]:
        self._taken = self._runner.run(self._journal.outbox.due(PACK))
        return [item.tx.decode() for item in self._taken]

    def done(self) -> None:
        marks = tuple(Mark(item.id, ItemState.PROVEN, 1, 0) for item in self._taken)
        self._runner.run(self._apply([Changes(marks=marks)]))

    def close(self) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()


def opened(folder: str) -> Store:
    return JournalStore(folder)


if __name__ == "__main__":
    serve(opened, sys.argv[1:])
