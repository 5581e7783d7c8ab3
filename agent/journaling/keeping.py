"""The agent's one way into its journal: stores changes whole, lets a failing disk degrade the agent instead of stopping it.
A journal that broke stops it, in its safe state: the next start sets the file aside, and goes on with what can be read in it.

Marks that may wait (that something was sent) ride along with the next change and save a transaction of their own; if the
process dies before, the item is sent once more, which the ledger counts once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from agent.clock import now_s
from agent.status import Status, Trouble
from agent.vocabulary import Clock
from storeforward.changes import Applied, Changes
from storeforward.errors import AlreadyDecided, JournalDamaged, StorageFailed
from storeforward.items import Item, Mark, NewItem
from storeforward.journal import Journal
from storeforward.records import NewRecord, StoredRecord, Stream
from storeforward.reserve import REFUSED as DISK_FULL

Values = Sequence[tuple[str, bytes | None]]
Found = TypeVar("Found")


class Keeper:
    """Writes to the journal for all parts of one agent."""

    def __init__(self, journal: Journal, clock: Clock, status: Status) -> None:
        self._journal = journal
        self._clock = clock
        self._status = status
        self._riding: list[Mark] = []
        self._boarded: set[int] = set()
        self._unknown: dict[Stream, str] = {}

    @property
    def journal(self) -> Journal:
        return self._journal

    @property
    def only_needed(self) -> bool:
        """Whether samples and events are better kept in memory, because the disk has no room for them."""
        return self._journal.disk_is_full

    def ride_along(self, mark: Mark) -> None:
        """Store this mark with the next change. It is dropped where that change, or one before it, decides the item."""
        self._riding.append(mark)
        self._boarded.add(mark.item_id)

    def rides(self, item_id: int) -> bool:
        """Whether a mark of this item waits to be stored."""
        return item_id in self._boarded

    async def store(
        self,
        records: Iterable[NewRecord] = (),
        enqueue: Iterable[NewItem] = (),
        marks: Iterable[Mark] = (),
        values: Values = (),
    ) -> Applied | None:
        """Store a change; None where the disk does not take it: then nothing of it is stored, and the status says so."""
        riding, self._riding = self._riding, []
        changes = Changes(tuple(records), tuple(enqueue), tuple(marks), values=tuple(values))
        try:
            applied = await self._apply(changes, riding)
        except JournalDamaged:
            raise
        except StorageFailed as error:
            self._riding = riding + self._riding
            self._status.set(Trouble.JOURNAL, str(error), now_s(self._clock))
            return None
        self._boarded.difference_update(mark.item_id for mark in riding)
        if self._journal.disk_is_full:
            self._status.set(Trouble.JOURNAL, f"{self._journal.path}: {DISK_FULL}", now_s(self._clock))
        else:
            self._status.clear(Trouble.JOURNAL, now_s(self._clock))
        return applied

    async def _apply(self, changes: Changes, riding: Sequence[Mark]) -> Applied:
        if riding:
            try:
                return await self._journal.apply(replace(changes, marks=(*riding, *changes.marks)))
            except AlreadyDecided:
                pass  # proven while it was on its way a second time
        return await self._journal.apply(changes)

    def understood(self, stored: StoredRecord, decode: Callable[[bytes], Found]) -> Found | None:
        """What the body of a record says; None for one that `decode` does not know (ValueError), which the status says.

        Another version of this software may have written it. If it was the disk, whoever reads the journal through finds it.
        """
        try:
            return decode(stored.record.body)
        except ValueError as error:
            stream = stored.record.stream
            self._unknown.setdefault(stream, f"{stream.name.lower()} from record {stored.record.seq} on ({error})")
            cause = (
                f"{self._journal.path}: left out: {', '.join(self._unknown.values())}."
                " Next: run the version that wrote them; homewatt journal verify says whether they are whole"
            )
            self._status.set(Trouble.RECORDS, cause, now_s(self._clock))
            return None

    async def due(self, limit: int) -> list[Item]:
        """What is to be handed in now; nothing where the disk cannot be read."""
        return await self.read(self._journal.outbox.due(limit)) or []

    async def open_items(self) -> list[Item]:
        """What may be under way (of a long backlog the part next in line); nothing where the disk cannot be read."""
        return await self.read(self._journal.outbox.open_items()) or []

    async def parked(self, limit: int) -> list[Item]:
        """What was handed in several times without a result, other items each time; nothing where the disk cannot be read."""
        return await self.read(self._journal.outbox.parked(limit)) or []

    async def read(self, reading: Awaitable[Found]) -> Found | None:
        """What reading the journal brings; None where the disk cannot be read, which the status says. Raises JournalDamaged."""
        try:
            return await reading
        except JournalDamaged:
            raise
        except StorageFailed as error:
            self._status.set(Trouble.JOURNAL, str(error), now_s(self._clock))
            return None

    async def flush(self) -> None:
        """Store the marks that wait."""
        if self._riding:
            await self.store()
