"""`homewatt journal show`: records in words, or the transactions that the ledger refused."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from agent.config import AgentConfig
from storeforward.database import read_all, read_refused
from storeforward.items import Item
from storeforward.records import Record, Stream
from tools.console import CommandError, ExitCode, emit
from tools.journal.salvaged import salvaged_records
from tools.journal.words import KINDS, content, in_words, slot_time, stream_name, time_of

PAGE: Final = 500
Line = TypeVar("Line")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be shown: records from `since` on, the newest `limit` of them (0: all)."""

    stream: Stream | None
    since: int
    limit: int
    dead_letters: bool
    salvaged: bool


def show(config: AgentConfig, connection: sqlite3.Connection, wanted: Wanted, as_json: bool) -> int:
    """Print one line per record or dead letter. Raises CommandError for a record that was altered."""
    if wanted.dead_letters:
        for item in _newest(_dead_letters(connection), wanted.limit):
            emit(_letter(item), _letter_in_words(item), as_json)
        return ExitCode.OK
    try:
        for record, origin in _newest(_records(connection, wanted), wanted.limit):
            emit(_entry(record, origin), _in_words(record, origin), as_json)
    except ValueError as error:
        cause = f"{config.journal.path}: {error}"
        raise CommandError(ExitCode.IDENTITY, cause, "homewatt journal verify says what is wrong") from error
    return ExitCode.OK


def _newest(lines: Iterable[Line], limit: int) -> Iterable[Line]:
    return deque(lines, maxlen=limit) if limit else lines


def _records(connection: sqlite3.Connection, wanted: Wanted) -> Iterator[tuple[Record, str]]:
    if not wanted.salvaged:
        for stored in read_all(connection, wanted.since - 1, wanted.stream):
            yield stored.record, ""
        return
    for old in salvaged_records(connection, wanted.since):
        if wanted.stream in (None, old.record.stream):
            yield old.record, old.origin


def _dead_letters(connection: sqlite3.Connection) -> Iterator[Item]:
    after_id = 0
    while page := read_refused(connection, after_id, PAGE):
        yield from page
        after_id = page[-1].id


def _entry(record: Record, origin: str) -> dict[str, Any]:
    return {
        "seq": record.seq,
        "stream": stream_name(record.stream),
        "time_ns": record.wall_ns or None,
        "boot_id": record.boot_id.hex(),
        "monotonic_ns": record.monotonic_ns,
        "origin": origin or None,
        "content": content(record),
    }


def _in_words(record: Record, origin: str) -> str:
    source = f"  ({origin})" if origin else ""
    return f"{record.seq:>9}  {time_of(record):<22}  {stream_name(record.stream):<11}  {in_words(record)}{source}"


def _letter(item: Item) -> dict[str, Any]:
    return {
        "item": item.id,
        "message": KINDS.get(item.kind, str(item.kind)),
        "slot_s": item.slot_s,
        "number": item.seq,
        "reference": item.reference.hex(),
        "record_seq": item.record_seq,
        "height": item.height,
        "code": item.code,
        "reason": item.detail,
        "attempts": item.attempts,
    }


def _letter_in_words(item: Item) -> str:
    what = f"{KINDS.get(item.kind, str(item.kind))} for slot {slot_time(item.slot_s)}"
    return f"item {item.id}: {what}, refused at height {item.height} with code {item.code}: {item.detail}"
