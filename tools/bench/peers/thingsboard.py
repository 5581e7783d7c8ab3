"""The two disk storages of thingsboard-gateway 3.8.5. It ships with a third one, in memory, which a kill empties whole.

    python -m tools.bench.peers.thingsboard sqlite|file|wide-file COMMAND ...

Sizes are those of the configuration that it ships: 10 files of 10,000 records, 10 records per read. `wide-file` writes all into
one file, for kills: what the reader loses at the change of files would hide what a kill loses. The sqlite storage reads 1,000
at a time, as it does where nothing is configured. Its `put` returns when the record is in a queue in memory; `settle` waits
until as many records as were put can be read from the file.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

from thingsboard_gateway.storage.file.file_event_storage import FileEventStorage  # type: ignore[import-not-found]
from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage  # type: ignore[import-not-found]

from tools.bench.peers.serving import Store, serve


class QuietLog(logging.Logger):
    """A logger with the level that the gateway adds to its own; with a plain one the storages fail and drop everything."""

    def trace(self, message: str, *values: object) -> None:
        """Nobody reads it here."""


def logger() -> QuietLog:
    log = QuietLog("storage", logging.CRITICAL)
    log.addHandler(logging.NullHandler())
    return log


class GatewayStore:
    """One of the storages."""

    def __init__(self, kind: str, folder: str) -> None:
        self._folder = Path(folder)
        self._on_disk = kind == "sqlite"
        self._put = 0
        data = f"{folder}/data/"
        if kind == "sqlite":
            config = {"data_file_path": data, "messages_ttl_check_in_hours": 1, "messages_ttl_in_days": 7}
            self._storage: Any = SQLiteEventStorage(config, logger(), Event())
        else:
            wide = kind == "wide-file"
            config = {
                "data_folder_path": data,
                "max_file_count": 10,
                "max_read_records_count": 10,
                "max_records_per_file": 10_000_000 if wide else 10_000,
            }
            self._storage = FileEventStorage(config, logger(), Event())

    def put(self, texts: Sequence[str]) -> int:
        acknowledged = sum(bool(self._storage.put(text)) for text in texts)
        self._put += acknowledged
        return acknowledged

    def settle(self) -> None:
        while self._on_disk and self._rows() < self._put:
            time.sleep(0.005)

    def _rows(self) -> int:
        rows = 0
        for file in (self._folder / "data").glob("*.db"):
            connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            rows += connection.execute("SELECT COUNT(*) FROM messages").fetchone()[0]
            connection.close()
        return rows

    def take(self) -> list[str]:
        return list(self._storage.get_event_pack() or ())

    def done(self) -> None:
        self._storage.event_pack_processing_done()

    def close(self) -> None:
        self._storage.stop()


def opened(kind: str, folder: str) -> Store:
    return GatewayStore(kind, folder)


if __name__ == "__main__":
    serve(partial(opened, sys.argv[1]), sys.argv[2:])
