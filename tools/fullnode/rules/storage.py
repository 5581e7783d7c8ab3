"""The state on disk: SQLite, one connection, one transaction per committed block. It knows keys and values, no rules."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lightclient.wire import pack, unpack
from tools.fullnode.rules.errors import StorageError

SCHEMA_VERSION: Final = 1
UNDO_HEIGHTS: Final = 16
"""How many heights before the last a restarted node can still answer for."""

_SCHEMA: Final = """
CREATE TABLE state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE archive (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE undo (height INTEGER PRIMARY KEY, before BLOB NOT NULL);
CREATE TABLE chain (only INTEGER PRIMARY KEY CHECK (only = 1), chain_id TEXT NOT NULL, height INTEGER NOT NULL);
"""


class Storage:
    """The durable form of one chain's state. Raises StorageError when the file cannot be used."""

    def __init__(self, path: str, *, archive: bool = False) -> None:
        self._path = path
        self._archive = archive
        self.height = 0
        self.chain_id = ""
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._open()
        except sqlite3.Error as error:
            raise StorageError(path, str(error)) from error

    def _open(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
        elif version != SCHEMA_VERSION:
            raise StorageError(self._path, f"schema {version}, these rules know {SCHEMA_VERSION}")
        for chain_id, height in self._connection.execute("SELECT chain_id, height FROM chain"):
            self.chain_id, self.height = chain_id, height

    def load(self) -> dict[bytes, bytes]:
        """All keys and values of the last committed height."""
        return dict(self._connection.execute("SELECT key, value FROM state"))

    def undo(self) -> list[tuple[int, list[tuple[bytes, bytes | None]]]]:
        """Per height, latest first, what its keys held before it."""
        rows = self._connection.execute("SELECT height, before FROM undo ORDER BY height DESC")
        return [(height, [(key, old or None) for key, old in unpack(before)]) for height, before in rows]

    def commit(
        self,
        chain_id: str,
        height: int,
        changes: Mapping[bytes, bytes | None],
        before: Sequence[tuple[bytes, bytes | None]],
        archived: Iterable[tuple[bytes, bytes]],
    ) -> None:
        """Write one height: its changes (None deletes), what they replace, and what only an archive keeps."""
        run = self._connection
        run.execute("BEGIN IMMEDIATE")
        try:
            puts = [(key, value) for key, value in changes.items() if value is not None]
            run.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", puts)
            run.executemany("DELETE FROM state WHERE key = ?", [(key,) for key, value in changes.items() if value is None])
            if self._archive:
                run.executemany("INSERT OR REPLACE INTO archive VALUES (?, ?)", archived)
            if self.height:
                run.execute("INSERT INTO undo VALUES (?, ?)", (height, pack([[key, old or b""] for key, old in before])))
                run.execute("DELETE FROM undo WHERE height <= ?", (height - UNDO_HEIGHTS,))
            run.execute("INSERT OR REPLACE INTO chain VALUES (1, ?, ?)", (chain_id, height))
            run.execute("COMMIT")
        except BaseException:
            run.execute("ROLLBACK")
            raise
        self.chain_id, self.height = chain_id, height

    def archived(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value FROM archive WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        self._connection.close()
