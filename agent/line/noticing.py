"""Notices: once an hour at most the agent makes known how much its journal noted, and how much of it went.

What events and gaps say stays on the device. A notice has their number and the hash of the newest of them, which vouches,
through the journal's hash chain, for all before it. So a device that sends no readings is held to its journal too.

What counts is what the notices before did not tell:

* events and gaps are the records of these streams behind the newest one that was told of, also those that went meanwhile: a
  gap names them by their numbers.
* evicted records are named by one gap at a time, because where many gaps become one, it stands for all that they named. So
  the sum over the gaps that are there never falls, and what it grew by is new. Gaps that became one are not in it.
* their time of capture lies within the spans of the new gaps. That of a gap in the place of many may begin earlier than what
  is new in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Final, Self

import msgpack

from agent.clock import NS_PER_S, now_s
from agent.journaling.keeping import Keeper
from agent.line.sealing import NEVER, Sealer
from agent.line.unnumbered import UNNUMBERED
from agent.time.keeping import TimeKeeper
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock
from lightclient.messages import Notice
from storeforward.gaps import Gap
from storeforward.items import NewItem
from storeforward.records import RecordRef, StoredRecord, Stream

NOTICE_EVERY_S: Final = 3_600
NOTICED: Final = "noticed"
"""Named value of the journal: how far notices have told."""
MOST_GAPS: Final = 10_000
"""More are never there at a time: many become one."""


@dataclass(frozen=True, slots=True)
class Told:
    """How far notices have told, and when."""

    edge_s: int
    """The slot's edge at which the last notice was made. Before the first one: the edge from which on the hours are counted."""
    seq: int = 0
    """Number of the newest event or gap that was told of."""
    evicted: int = 0
    """How many evicted records were told of in all."""

    def encode(self) -> bytes:
        return bytes(msgpack.packb(astuple(self)))

    @classmethod
    def decode(cls, value: bytes) -> Self:
        """Raises ValueError, TypeError for bytes that `encode` did not make."""
        told = cls(*msgpack.unpackb(value))
        if not all(type(number) is int for number in astuple(told)):
            raise ValueError(f"not what notices have told: {told}")
        return told


@dataclass(frozen=True, slots=True)
class News:
    """What was not told yet."""

    events: int
    gaps: int
    evicted: int
    first_s: int
    last_s: int
    """Unix seconds; both 0 where nothing went, or nobody knows when it was captured."""
    newest: RecordRef


def find_news(told: Told, events: int, newest_event: StoredRecord | None, gaps: Sequence[StoredRecord]) -> News | None:
    """What is new: of `events` records behind the told one, which end with `newest_event`, and of all gaps that are there."""
    known = [(stored, Gap.decode(stored.record.body)) for stored in gaps]
    fresh = [(stored, gap) for stored, gap in known if stored.record.seq > told.seq]
    newest = max([stored for stored, _ in fresh] + ([newest_event] if newest_event else []), key=_seq, default=None)
    if newest is None:
        return None

    def unseen(stream: Stream) -> int:
        return sum(gap.count(stream) - gap.count(stream, told.seq) for _, gap in fresh)

    evicted = sum(gap.count(stream) for _, gap in known for stream in gap.evicted if stream is not Stream.GAP) - told.evicted
    times_ns = [ns for _, gap in fresh for ns in (gap.first_ns, gap.last_ns) if ns and evicted]
    return News(
        events=events + unseen(Stream.EVENT),
        gaps=len(fresh) + unseen(Stream.GAP),
        evicted=evicted,
        first_s=min(times_ns, default=0) // NS_PER_S,
        last_s=max(times_ns, default=0) // NS_PER_S,
        newest=newest.ref,
    )


class Noticer:
    """Makes the notices of one agent. `enqueued` is called when one was stored that waits to be sent."""

    def __init__(
        self,
        keeper: Keeper,
        sealer: Sealer,
        timetable: Timetable,
        clock: Clock,
        time: TimeKeeper,
        enqueued: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._sealer = sealer
        self._timetable = timetable
        self._clock = clock
        self._time = time
        self._enqueued = enqueued

    async def tell(self) -> bool:
        """Store a notice where one is due and there is something to tell; whether it was. For whoever is awake after a slot's
        edge: nobody wakes for it. While nobody knows the time, or the disk has no room, it is put off."""
        if not self._time.is_anchored or self._keeper.only_needed:
            return False
        edge_s = self._timetable.slot_of(now_s(self._clock))
        journal = self._keeper.journal
        value = journal.values.get(NOTICED)
        with journal.must_make_sense():
            told = None if value is None else Told.decode(value)
        if told is None or edge_s < told.edge_s:
            await self._begin(told, edge_s)
            return False
        if edge_s // NOTICE_EVERY_S == told.edge_s // NOTICE_EVERY_S:
            return False
        news = await self._keeper.read(self._read(told))
        return news is not None and await self._store(told, news, edge_s)

    async def _begin(self, told: Told | None, edge_s: int) -> None:
        """Let an hour pass: the ledger may know no slot before this edge; and where the clock was set back, a slot that was
        told already may come again."""
        before = told or Told(edge_s)
        await self._keeper.store(values=[(NOTICED, Told(edge_s, before.seq, before.evicted).encode())])

    async def _read(self, told: Told) -> News | None:
        """What is new; None where nothing is, or where it cannot be told now. Raises StorageFailed."""
        journal = self._keeper.journal
        before = await journal.read_records(Stream.GAP, limit=MOST_GAPS)
        events, newest = 0, None
        async for stored in journal.all_records(Stream.EVENT, told.seq):
            events, newest = events + 1, stored
        gaps = await journal.read_records(Stream.GAP, limit=MOST_GAPS)
        if list(map(_seq, gaps)) != list(map(_seq, before)):
            return None  # what went while the events were read may be counted twice or not at all: at the next edge
        with journal.must_make_sense():  # the journal has read all gaps before, or written them itself
            return find_news(told, events, newest, gaps)

    async def _store(self, told: Told, news: News, edge_s: int) -> bool:
        """Put the notice of the slot that just ended into the outbox, and note that it has told, both or neither."""
        slot_s = edge_s - self._timetable.duration_s
        counts = news.events, news.gaps, news.evicted, news.first_s, news.last_s
        tx = self._sealer.seal_notice(Notice(slot_s, *counts, news.newest.record_hash))
        priority = UNNUMBERED[Notice.KIND].priority
        item = NewItem(priority, Notice.KIND, slot_s, 0, None, tx, NEVER, news.newest)
        now_told = Told(edge_s, news.newest.seq, told.evicted + news.evicted)
        if await self._keeper.store(enqueue=[item], values=[(NOTICED, now_told.encode())]) is None:
            return False
        self._enqueued()
        return True


def _seq(stored: StoredRecord) -> int:
    return stored.record.seq
