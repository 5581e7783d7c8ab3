"""What every store is asked to do in a comparison, and how it is told. Standard library alone: it runs in every environment.

    python -m tools.bench.peers.STORE take FOLDER COUNT BATCH   # take COUNT records
    python -m tools.bench.peers.STORE fill FOLDER COUNT BATCH   # the same, then hand all of them out again
    python -m tools.bench.peers.STORE live FOLDER RATE          # take records until killed (RATE 0: as fast as it can)
    python -m tools.bench.peers.STORE drain FOLDER              # hand out what a killed process left

A record is a text of 200 characters that begins with its number. Answers are JSON on stdout; `live` prints one line per
acknowledged batch, with the number of the last record in it, once the store has said that it took it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

RECORD_BYTES: Final = 200
NUMBER_DIGITS: Final = 10
BURST_BATCH: Final = 100
FINISHED_AFTER_S: Final = 2.0
"""A store that has handed out nothing for so long has nothing left: some of them prepare their answers in a thread."""


class Store(Protocol):
    """A store-and-forward as the comparison sees it."""

    def put(self, texts: Sequence[str]) -> int:
        """Take records; how many were acknowledged. What was acknowledged must never be lost."""

    def settle(self) -> None:
        """Return when nothing that was taken waits in memory any more."""

    def take(self) -> list[str]:
        """The next records in line, oldest first; none where there is nothing, or nothing yet."""

    def done(self) -> None:
        """What `take` gave was delivered."""

    def close(self) -> None:
        """Stop in good order."""


Open = Callable[[str], Store]
"""Opens or creates a store in a folder."""


def text_of(number: int) -> str:
    return f"{number:0{NUMBER_DIGITS}d}".ljust(RECORD_BYTES, "x")


def number_of(text: str) -> int:
    return int(text[:NUMBER_DIGITS])


def serve(open_store: Open, arguments: Sequence[str]) -> None:
    """Carry out one command."""
    command, folder, *numbers = arguments
    os.makedirs(folder, exist_ok=True)
    if command == "take":
        print(json.dumps(take(open_store, folder, *map(int, numbers))))
    elif command == "fill":
        print(json.dumps(fill(open_store, folder, *map(int, numbers))))
    elif command == "live":
        live(open_store(folder), int(numbers[0]))
    elif command == "drain":
        store = open_store(folder)
        print(json.dumps(drain(store)[0]))
        store.close()
    else:
        raise SystemExit(f"unknown command {command!r}")


def take(open_store: Open, folder: str, count: int, batch: int) -> dict[str, float]:
    """Put so many records in batches, and wait until they are on the disk."""
    store = open_store(folder)
    started_s = time.perf_counter()
    acknowledged = sum(store.put([text_of(n) for n in range(at, min(at + batch, count))]) for at in range(0, count, batch))
    returned_s = time.perf_counter()
    store.settle()
    settled_s = time.perf_counter()
    store.close()
    return {"acknowledged": acknowledged, "put_s": returned_s - started_s, "settled_s": settled_s - started_s}


def fill(open_store: Open, folder: str, count: int, batch: int) -> dict[str, float]:
    """Put so many records, open the store anew and take all of them out."""
    taken = take(open_store, folder, count, batch)
    store = open_store(folder)
    delivered, drained_s = drain(store)
    store.close()
    return {
        **taken,
        "delivered": len(delivered),
        "distinct": len(set(delivered)),
        "in_order": delivered == sorted(delivered),
        "drained_s": drained_s,
    }


def live(store: Store, rate: int) -> None:
    """Put records until the process is killed, one by one at a rate or in batches without a pause."""
    number, started_s = 0, time.perf_counter()
    while True:
        batch = 1 if rate else BURST_BATCH
        taken = store.put([text_of(n) for n in range(number, number + batch)])
        number += batch
        if taken == batch:
            os.write(sys.stdout.fileno(), b"%d\n" % (number - 1))
        if rate:
            time.sleep(max(0.0, started_s + number / rate - time.perf_counter()))


def drain(store: Store) -> tuple[list[int], float]:
    """The numbers of all records that a store hands out, and how long that took in seconds."""
    numbers: list[int] = []
    started_s = last_s = time.perf_counter()
    while time.perf_counter() - last_s < FINISHED_AFTER_S:
        texts = store.take()
        if not texts:
            time.sleep(0.005)
            continue
        numbers += map(number_of, texts)
        store.done()
        last_s = time.perf_counter()
    return numbers, last_s - started_s
