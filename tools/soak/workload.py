"""A journal's life in made-up changes, and what must be in the journal after each of them. The same seed, the same life.

The changes are of the shapes that an agent makes: samples alone; a slot's energy with the reading made around its hash, the
meter's state and news of earlier items; orders; events in bulk; dead letters put back into the queue. A change says its number,
in a value or, where it is nothing but samples, in the bodies, so that a journal tells how far it got.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

import msgpack

from storeforward.changes import Changes
from storeforward.items import ItemState, Mark, NewItem, Priority, Renewal
from storeforward.records import NewRecord, RecordRef, Stream

NUMBER: Final = "change"
"""Named value: the number of the last change that is more than samples."""
_READING_KIND: Final = 7
_ORDER_KIND: Final = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """An item as the outbox must show it."""

    state: ItemState
    reference: bytes
    tx: bytes
    attempts: int = 0
    height: int | None = None
    code: int | None = None
    detail: str | None = None
    record_seq: int | None = None


@dataclass(slots=True)
class Expectation:
    """What must be in a journal after a number of changes. Sequence numbers of records count from 1."""

    number: int = 0
    records: int = 0
    proven: dict[int, int] = field(default_factory=dict)
    """Heights by record."""
    items: dict[int, Expected] = field(default_factory=dict)
    """Open ones and dead letters."""
    values: dict[str, bytes] = field(default_factory=dict)
    next_item: int = 1
    highest_seq: int = 0

    def take(self, changes: Changes, hashes: Sequence[bytes]) -> None:
        """One more change is in the journal; its records have these hashes."""
        self.number += 1
        first_seq = self.records + 1
        self.records += len(hashes)
        for new in changes.enqueue:
            about = RecordRef(first_seq + new.record, hashes[new.record]) if isinstance(new.record, int) else new.record
            record_hash = b"" if about is None else about.record_hash
            tx = new.tx if isinstance(new.tx, bytes) else new.tx(record_hash)
            reference = new.reference or record_hash
            seq = None if about is None else about.seq
            self.items[self.next_item] = Expected(ItemState.QUEUED, reference, tx, record_seq=seq)
            self.next_item += 1
            self.highest_seq = max(self.highest_seq, new.seq)
        for mark in changes.marks:
            self._mark(mark)
        for renewal in changes.renewals:
            item = self.items[renewal.item_id]
            renewed = Expected(ItemState.QUEUED, renewal.reference, renewal.tx, record_seq=item.record_seq)
            self.items[renewal.item_id] = renewed
        for name, value in changes.values:
            if value is None:
                self.values.pop(name, None)
            else:
                self.values[name] = value

    def _mark(self, mark: Mark) -> None:
        item = self.items.pop(mark.item_id)
        if mark.state is ItemState.PROVEN and item.record_seq is not None and mark.height is not None:
            self.proven[item.record_seq] = mark.height
        if mark.state in (ItemState.PROVEN, ItemState.EXPIRED):
            return
        self.items[mark.item_id] = replace(
            item,
            state=mark.state,
            attempts=item.attempts + (mark.state is ItemState.SENT),
            height=item.height if mark.height is None else mark.height,
            code=item.code if mark.code is None else mark.code,
            detail=item.detail if mark.detail is None else mark.detail,
        )

    def copy(self) -> Expectation:
        """As it stands now."""
        return replace(self, proven=dict(self.proven), items=dict(self.items), values=dict(self.values))


class Workload:
    """Makes one change after the other."""

    def __init__(self, seed: int, bulk: int = 1) -> None:
        """`bulk`: how many times larger events are than usual."""
        self._chance = Random(f"workload {seed}")
        self._bulk = bulk
        self._number = 0
        self._next_item = 1
        self._next_seq = 1
        self._states: dict[int, ItemState] = {}

    def next(self) -> Changes:
        """The next change."""
        self._number += 1
        kind = self._chance.choices(("samples", "slot", "order", "events", "repair"), (45, 30, 10, 10, 5))[0]
        if kind == "samples":
            count = self._chance.randint(1, 3)
            return Changes(tuple(self._record(Stream.SAMPLE, 40) for _ in range(count)))
        number = (NUMBER, b"%d" % self._number)
        if kind == "events":
            count = self._chance.randint(1, 12)
            streams = (self._chance.choice((Stream.EVENT, Stream.RECEIPT)) for _ in range(count))
            return Changes(tuple(self._record(stream, 300 * self._bulk) for stream in streams), values=(number,))
        if kind == "repair":
            return Changes(renewals=self._renewals(), values=(number, ("note", self._note())))
        marks = self._news()
        if kind == "slot":
            values = (number, ("meter", self._chance.randbytes(30)))
            return Changes((self._record(Stream.ENERGY, 30),), (self._reading(),), marks, values=values)
        return Changes((self._record(Stream.ORDER, 120),), (self._order(),), marks, values=(number,))

    def _record(self, stream: Stream, most_bytes: int) -> NewRecord:
        body = msgpack.packb([self._number, self._chance.randbytes(self._chance.randint(1, most_bytes))])
        return NewRecord(stream, self._chance.choice((None, self._number * 10**9)), body)

    def _reading(self) -> NewItem:
        self._enqueued()
        return NewItem(
            Priority.BILLING, _READING_KIND, self._number * 900, 0, None, lambda record_hash: b"tx of " + record_hash, 0, 0
        )

    def _order(self) -> NewItem:
        reference, seq = self._chance.randbytes(20), self._next_seq
        self._next_seq += 1
        self._enqueued()
        tx = self._chance.randbytes(200)
        return NewItem(Priority.TRADE, _ORDER_KIND, self._number * 900, seq, reference, tx, self._number + 1_000, 0)

    def _enqueued(self) -> None:
        self._states[self._next_item] = ItemState.QUEUED
        self._next_item += 1

    def _news(self) -> tuple[Mark, ...]:
        """What became of up to four items that were enqueued before this change."""
        known = [item for item, state in self._states.items() if state <= ItemState.SEEN and item < self._next_item]
        marks = []
        for item in self._chance.sample(known, min(len(known), self._chance.randint(0, 4))):
            wanted = (ItemState.SENT, ItemState.SEEN, ItemState.PROVEN, ItemState.REFUSED, ItemState.EXPIRED)
            state = self._chance.choices(wanted, (40, 15, 30, 10, 5))[0]
            self._states[item] = state
            is_final = state in (ItemState.PROVEN, ItemState.REFUSED)
            marks.append(Mark(item, state, self._number if is_final else None, 0 if is_final else None, state.name.lower()))
        return tuple(marks)

    def _renewals(self) -> tuple[Renewal, ...]:
        refused = [item for item, state in self._states.items() if state is ItemState.REFUSED]
        chosen = self._chance.sample(refused, min(len(refused), 2))
        for item in chosen:
            self._states[item] = ItemState.QUEUED
        return tuple(Renewal(item, self._chance.randbytes(20), self._chance.randbytes(200), 0) for item in chosen)

    def _note(self) -> bytes | None:
        return self._chance.choice((None, self._chance.randbytes(self._chance.randint(1, 9_000))))


def number_in(body: bytes) -> int:
    """The number of the change that a record came with."""
    return int(msgpack.unpackb(body)[0])
