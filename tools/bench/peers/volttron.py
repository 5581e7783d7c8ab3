"""The cache of VOLTTRON's historians, volttron-lib-base-historian 2.0.0rc4: `BackupDatabase`, with a stub in its owner's place.

A batch is one call of `backup_new_data`, and so one commit. It hands records out by their timestamps, one per topic and
timestamp, so each record gets a microsecond of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from historian.base.base_historian import BackupDatabase  # type: ignore[import-not-found]

from tools.bench.peers.serving import Store, number_of, serve

PACK: Final = 1_000
START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Owner:
    """What the cache knows of the agent that it belongs to: nothing."""


class CacheStore:
    """A historian's cache; it lies in the working directory."""

    def __init__(self, folder: str) -> None:
        os.chdir(folder)
        self._owner = Owner()
        self._cache: Any = BackupDatabase(self._owner, None, 0.9)

    def put(self, texts: Sequence[str]) -> int:
        readings = [(START + timedelta(microseconds=number_of(text)), text) for text in texts]
        self._cache.backup_new_data([{"source": "bench", "topic": "bench", "readings": readings, "headers": {}}])
        return len(texts)

    def settle(self) -> None:
        """Every put is a commit."""

    def take(self) -> list[str]:
        return [row["value"] for row in self._cache.get_outstanding_to_publish(PACK)]

    def done(self) -> None:
        self._cache.remove_successfully_published({None}, PACK)

    def close(self) -> None:
        self._cache.close()


def opened(folder: str) -> Store:
    return CacheStore(folder)


if __name__ == "__main__":
    serve(opened, sys.argv[1:])
