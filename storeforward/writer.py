"""Writes changes: seals records, stores items, marks and values. One transaction for all that wait together; blocks.

State that must agree with the disk (chain heads, the next item id) moves only when the commit has returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent.vocabulary import Sign
from storeforward.changes import Applied, Changes
from storeforward.database import read_item, storage_failure
from storeforward.errors import BadChange, DuplicateItem, StorageFailed, UnknownItem
from storeforward.items import LAST_OPEN, Item, ItemState, Mark, NewItem, Renewal, check_mark, check_renewal
from storeforward.records import Chain, NewRecord, RecordRef, Stream

SEQUENCE_BLOCK: Final = 32
"""Ledger sequence numbers are put aside in blocks, so that the counter is written once in so many transactions."""


@dataclass(frozen=True, slots=True)
class Request:
    """A change and the moment at which it was handed in, which counts as the moment of capture."""

    changes: Changes
    monotonic_ns: int


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


@dataclass(frozen=True, slots=True)
class Written:
    """A change on the disk, with what it did to the outbox."""

    applied: Applied
    queued: tuple[Item, ...]
    moved: tuple[Moved, ...]
    renewed: tuple[Renewed, ...]


Outcome = Written | Exception


class Writer:
    """The one writer of a database."""

    def __init__(self, connection: sqlite3.Connection, path: Path, sign: Sign, chain: Chain, first_free: int) -> None:
        self._connection = connection
        self._path = path
        self._sign = sign
        self._chain = chain
        self._first_free = first_free
        (last,) = connection.execute("SELECT COALESCE(MAX(id), 0) FROM items").fetchone()
        self._next_item = int(last) + 1

    def write(self, requests: Sequence[Request]) -> list[Outcome]:
        """Write all requests in one transaction; where one of them is at fault, each in its own, so that it fails alone."""
        try:
            with self._transaction():
                return [self._apply(request) for request in requests]
        except Exception as error:
            if len(requests) == 1 or isinstance(error, StorageFailed):
                return [error] * len(requests)
        return [self.write((request,))[0] for request in requests]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit, or leave disk and counters as they were. Raises StorageFailed for what the disk does."""
        before = replace(self._chain), self._next_item, self._first_free
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            self._chain, self._next_item, self._first_free = before
            if self._connection.in_transaction:  # SQLite may have rolled back by itself
                self._connection.rollback()
            if isinstance(error, sqlite3.Error):
                raise storage_failure(self._path, error) from error
            raise

    def _apply(self, request: Request) -> Written:
        changes = request.changes
        refs = tuple(self._record(new, request.monotonic_ns) for new in changes.records)
        queued = tuple(self._enqueue(new, refs) for new in changes.enqueue)
        moved = tuple(moved for mark in changes.marks if (moved := self._mark(mark)))
        renewed = tuple(self._renew(renewal) for renewal in changes.renewals)
        for name, value in changes.values:
            self._set(name, value)
        return Written(Applied(refs, tuple(item.id for item in queued)), queued, moved, renewed)

    def _record(self, new: NewRecord, monotonic_ns: int) -> RecordRef:
        data, ref = self._chain.append(new, monotonic_ns)
        signature = None if new.stream is Stream.SAMPLE else self._sign(data)
        self._connection.execute(
            "INSERT INTO records (seq, stream, data, signature) VALUES (?, ?, ?, ?)", (ref.seq, new.stream, data, signature)
        )
        return ref

    def _enqueue(self, new: NewItem, refs: Sequence[RecordRef]) -> Item:
        ref = None if new.record is None else refs[new.record]
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

    def _mark(self, mark: Mark) -> Moved | None:
        was = self._state(mark.item_id)
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

    def _renew(self, renewal: Renewal) -> Renewed:
        was = self._state(renewal.item_id)
        check_renewal(renewal.item_id, was)
        with _unique(renewal.reference):
            self._connection.execute(
                f"UPDATE items SET state = {ItemState.QUEUED:d}, reference = ?, tx = ?, expires_height = ?,"
                " height = NULL, code = NULL, detail = NULL WHERE id = ?",
                (renewal.reference, renewal.tx, renewal.expires_height, renewal.item_id),
            )
        return Renewed(read_item(self._connection, renewal.item_id), was)

    def _state(self, item_id: int) -> ItemState:
        row = self._connection.execute("SELECT state FROM items WHERE id = ?", (item_id,)).fetchone()
        if row is None:
            raise UnknownItem(item_id)
        return ItemState(row[0])

    def _set(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._connection.execute("DELETE FROM named_values WHERE name = ?", (name,))
        else:
            self._connection.execute("INSERT OR REPLACE INTO named_values (name, value) VALUES (?, ?)", (name, value))


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
