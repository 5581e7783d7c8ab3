"""The table of items as the writer sees it: what enters, what news changes, what is dropped. All within a caller's transaction.

State that must agree with the disk (the next item id, the first free sequence number) is taken back with the transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from storeforward.database import read_item
from storeforward.errors import AlreadyDecided, BadChange, DuplicateItem, UnknownItem
from storeforward.items import LAST_OPEN, Item, ItemState, Mark, NewItem, Renewal, check_mark, check_renewal
from storeforward.records import RecordRef

SEQUENCE_BLOCK: Final = 32
"""Ledger sequence numbers are put aside in blocks, so that the counter is written once in so many transactions."""
KEPT_DECIDED: Final = 1_024
"""Items that were proven or have expired are dropped once so many were stored after them. Until then their references keep the
same transaction from being stored twice, by a producer or out of a damaged file: what is older than that has expired on the
ledger too, which takes every transaction once in any case."""
DROPPED_AT_ONCE: Final = 256
GONE: Final = "GONE"
"""State of an item that was decided and dropped, in an error."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A mark that changed an open item, and the state it was in before."""

    mark: Mark
    was: ItemState


@dataclass(frozen=True, slots=True)
class Renewed:
    """An item back in the queue, and the state it was in before."""

    item: Item
    was: ItemState


class ItemTable:
    """Writes items."""

    def __init__(self, connection: sqlite3.Connection, first_free: int) -> None:
        self._connection = connection
        self._first_free = first_free
        (last,) = connection.execute("SELECT COALESCE(MAX(id), 0) FROM items").fetchone()
        self._next_item = int(last) + 1

    def counters(self) -> tuple[int, int]:
        """What goes back with a transaction: for `restore`."""
        return self._next_item, self._first_free

    def restore(self, counters: tuple[int, int]) -> None:
        self._next_item, self._first_free = counters

    def enqueue(self, new: NewItem, refs: Sequence[RecordRef]) -> Item:
        ref = refs[new.record] if isinstance(new.record, int) else new.record
        tx = new.tx
        if not isinstance(tx, bytes):
            tx = tx(_given(ref).record_hash)
        item = Item(
            id=self._next_item,
            priority=new.priority,
            state=ItemState.QUEUED,
            kind=new.kind,
            slot_s=new.slot_s,
            seq=new.seq,
            reference=_given(ref).record_hash if new.reference is None else new.reference,
            tx=tx,
            expires_height=new.expires_height,
            record_seq=None if ref is None else ref.seq,
            attempts=0,
            height=None,
            code=None,
            detail=None,
        )
        with _unique(item.reference):
            self._connection.execute(
                "INSERT INTO items (id, priority, state, kind, slot_s, seq, reference, tx, expires_height, record_seq)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    item.id,
                    item.priority,
                    item.state,
                    item.kind,
                    item.slot_s,
                    item.seq,
                    item.reference,
                    tx,
                    item.expires_height,
                    item.record_seq,
                ),
            )
        self._next_item += 1
        if item.seq >= self._first_free:
            self._first_free = item.seq + SEQUENCE_BLOCK
            self._connection.execute("UPDATE sequence SET first_free = ?", (self._first_free,))
        return item

    def mark(self, mark: Mark) -> Moved | None:
        was = self._state(mark.item_id)
        if was is None:  # decided long ago
            if mark.state <= LAST_OPEN:
                raise AlreadyDecided(mark.item_id, GONE, mark.state.name)
            return None
        check_mark(mark.item_id, was, mark.state)
        if was > LAST_OPEN:
            return None
        proven = mark.state is ItemState.PROVEN
        self._connection.execute(
            "UPDATE items SET state = ?, attempts = attempts + ?, height = COALESCE(?, height), code = COALESCE(?, code),"
            " detail = COALESCE(?, detail), tx = CASE WHEN ? THEN x'' ELSE tx END WHERE id = ?",
            (mark.state, mark.state is ItemState.SENT, mark.height, mark.code, mark.detail, proven, mark.item_id),
        )
        if proven:
            self._connection.execute(
                "UPDATE records SET proven_height = ? WHERE seq = (SELECT record_seq FROM items WHERE id = ?)",
                (mark.height, mark.item_id),
            )
        return Moved(mark, was)

    def renew(self, renewal: Renewal) -> Renewed:
        """Put an item back into the queue. The new transaction has had no tries yet, whatever became of the one before."""
        was = self._state(renewal.item_id)
        if was is None:
            raise AlreadyDecided(renewal.item_id, GONE, ItemState.QUEUED.name)
        check_renewal(renewal.item_id, was)
        with _unique(renewal.reference):
            self._connection.execute(
                f"UPDATE items SET state = {ItemState.QUEUED:d}, reference = ?, tx = ?, expires_height = ?,"
                " attempts = 0, height = NULL, code = NULL, detail = NULL WHERE id = ?",
                (renewal.reference, renewal.tx, renewal.expires_height, renewal.item_id),
            )
        return Renewed(read_item(self._connection, renewal.item_id), was)

    def _state(self, item_id: int) -> ItemState | None:
        """The state of an item, None for one that was decided and dropped. Raises UnknownItem."""
        row = self._connection.execute("SELECT state FROM items WHERE id = ?", (item_id,)).fetchone()
        if row is None:
            if 0 < item_id < self._next_item:
                return None
            raise UnknownItem(item_id)
        return ItemState(row[0])

    def drop_decided(self) -> None:
        """Drop the oldest decided items, so that the table stays small however long the agent lives."""
        self._connection.execute(
            f"DELETE FROM items WHERE id IN (SELECT id FROM items WHERE state IN ({ItemState.PROVEN:d}, {ItemState.EXPIRED:d})"
            " AND id < ? ORDER BY id LIMIT ?)",
            (self._next_item - KEPT_DECIDED, DROPPED_AT_ONCE),
        )


def _given(ref: RecordRef | None) -> RecordRef:
    if ref is None:
        raise BadChange("an item without a record cannot be made from a record's hash")
    return ref


@contextmanager
def _unique(reference: bytes) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise DuplicateItem(reference) from error
