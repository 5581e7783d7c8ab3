"""Records out of damaged files, as the commands go through them: page by page, all streams, in the order of their numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from storeforward.database import read_salvaged
from storeforward.records import SalvagedRecord

PAGE: Final = 500


def salvaged_records(connection: sqlite3.Connection, since_seq: int = 0) -> Iterator[SalvagedRecord]:
    """All that are kept from a number on."""
    after = (since_seq - 1, b"\xff" * 32)
    while page := read_salvaged(connection, after, PAGE):
        yield from page
        after = page[-1].record.seq, page[-1].record_hash
