"""What a journal keeps of its database in memory, read at its start: in a time that does not grow with the database.

A power cut does not break a database in WAL mode whose commits are synced, so a start does not read it through. It looks at
what is small, at what it needs, and at the newest records; the rest is the scrub's.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.vocabulary import Sign
from storeforward import database
from storeforward.errors import JournalFull
from storeforward.eviction import Summaries
from storeforward.options import JournalOptions
from storeforward.reserve import Rationing, Reserve
from storeforward.scrub import Progress, Scrub, check_newest
from storeforward.signatures import Verify
from storeforward.upkeep import Upkeep
from storeforward.window import Window
from storeforward.writer import Writer


@dataclass(frozen=True, slots=True)
class Loaded:
    """The database with what is kept of it in memory."""

    connection: sqlite3.Connection
    writer: Writer
    upkeep: Upkeep
    window: Window
    values: dict[str, bytes]
    first_free: int


def load(
    path: Path,
    device: bytes,
    sign: Sign,
    boot_id: bytes,
    options: JournalOptions,
    summaries: Summaries | None,
    verify: Verify | None,
) -> tuple[Loaded, Path | None, Rationing]:
    """Open the database, a fresh one where it is damaged: (what was read, where the damaged one went, who rations).

    Raises JournalTooNew, JournalUnreadable, JournalFull.
    """
    read = partial(_read, path, device, sign, boot_id, options, summaries, verify)
    reserve = Reserve(path, 1024 * options.reserve_kib)
    try:
        loaded, aside = database.open_database(path, options, read)
    except JournalFull:
        if not reserve.give_up():
            raise
        loaded, aside = database.open_database(path, options, read)
    rationing = Rationing(path, reserve, loaded.writer.write, is_on=not reserve.put_by())
    loaded.writer.on_full = rationing.on_full
    return loaded, aside, rationing


def _read(
    path: Path,
    device: bytes,
    sign: Sign,
    boot_id: bytes,
    options: JournalOptions,
    summaries: Summaries | None,
    verify: Verify | None,
    connection: sqlite3.Connection,
) -> Loaded:
    """Raises sqlite3.Error, Damage, ValueError."""
    chain = database.read_chain(connection, device, boot_id)
    check_newest(connection, verify, chain.next_seq - 1)
    first_free = database.read_first_free(connection)
    window = Window(device, options, database.count_items(connection))
    for want in window.wants():
        window.fill(want, database.read_open(connection, want.priority, want.after_id, want.limit), now_ns=0)
    values = database.read_values(connection)
    upkeep = Upkeep(connection, path, Scrub(verify, Progress.read(connection)))
    writer = Writer(connection, path, sign, chain, first_free, options, summaries, upkeep)
    return Loaded(connection, writer, upkeep, window, values, first_free)
