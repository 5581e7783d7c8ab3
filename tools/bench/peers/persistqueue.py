"""The durable queues of persist-queue 1.1.0: `ack`, in SQLite with acknowledgement of what was taken, and `file`.

The file queue flushes each record to the operating system and syncs at the end of each chunk of 100.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from persistqueue import Empty, Queue, SQLiteAckQueue  # type: ignore[import-not-found]

from tools.bench.peers.serving import Store, serve

PACK: Final = 100


class AckStore:
    """SQLiteAckQueue."""

    def __init__(self, folder: str) -> None:
        self._queue: Any = SQLiteAckQueue(folder)
        self._taken: list[Any] = []

    def put(self, texts: Sequence[str]) -> int:
        for text in texts:
            self._queue.put(text)
        return len(texts)

    def settle(self) -> None:
        """Every put is a commit."""

    def take(self) -> list[str]:
        self._taken = []
        while len(self._taken) < PACK:
            try:
                self._taken.append(self._queue.get(block=False, raw=True))
            except Empty:
                break
        return [item["data"] for item in self._taken]

    def done(self) -> None:
        for item in self._taken:
            self._queue.ack(id=item["pqid"])
        self._queue.clear_acked_data(keep_latest=0)

    def close(self) -> None:
        self._queue.close()


class FileStore:
    """Queue."""

    def __init__(self, folder: str) -> None:
        self._queue: Any = Queue(folder, tempdir=folder)
        self._taken = 0

    def put(self, texts: Sequence[str]) -> int:
        for text in texts:
            self._queue.put(text)
        return len(texts)

    def settle(self) -> None:
        """Every put is written."""

    def take(self) -> list[str]:
        texts: list[str] = []
        while len(texts) < PACK:
            try:
                texts.append(self._queue.get(block=False))
            except Empty:
                break
        self._taken = len(texts)
        return texts

    def done(self) -> None:
        for _ in range(self._taken):
            self._queue.task_done()

    def close(self) -> None:
        """It has no way to be closed; opened again it finds what it wrote."""


def opened(kind: str, folder: str) -> Store:
    return AckStore(folder) if kind == "ack" else FileStore(folder)


if __name__ == "__main__":
    serve(partial(opened, sys.argv[1]), sys.argv[2:])
