"""Schema changes: numbered SQL files, applied in order, all that are missing in one transaction.

`PRAGMA user_version` holds the number of the last file applied. A released file is never edited; a change is a new file.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from storeforward.errors import JournalTooNew

SCHEMA: Final = Path(__file__).parent / "schema"


def scripts(folder: Path = SCHEMA) -> list[tuple[int, Path]]:
    """(number, file), ascending. Raises ValueError where numbers do not count 1, 2, 3 ..."""
    found = sorted((int(path.name.partition("_")[0]), path) for path in folder.glob("*.sql"))
    if [number for number, _ in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"{folder}: the files' numbers do not count up from 1")
    return found


def migrate(connection: sqlite3.Connection, path: Path, folder: Path = SCHEMA) -> None:
    """Bring the database to the newest schema, or leave it as it was. Raises JournalTooNew, sqlite3.Error."""
    known = scripts(folder)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(known):
        raise JournalTooNew(path, version, len(known))
    missing = known[version:]
    if not missing:
        return
    statements = "\n".join(script.read_text(encoding="utf-8") for _, script in missing)
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{statements}\nPRAGMA user_version = {len(known)};\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
