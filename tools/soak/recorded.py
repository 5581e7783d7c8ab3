"""The process whose power is cut: lives a part of a workload and writes down what was acknowledged, under the recorder's eyes.

    python -m tools.soak.recorded FOLDER SEED UNTIL clean|abrupt roomy|bounded

`FOLDER/acknowledged` gets a line for each change that is acknowledged, so acknowledgements and syncs stand in one order: its
number, and sequence number and hash of each of its records.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import SystemClock
from storeforward.changes import Applied
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import StoredRecord, Stream
from tools.soak.campaign import DEVICE, KEY, in_order
from tools.soak.workload import NUMBER, Workload, number_in

JOURNAL: Final = "journal.db"
ACKNOWLEDGED: Final = "acknowledged"
OPTIONS: Final = JournalOptions(checkpoint_pages=48, group_wait_s=0.002, group_records=20, window_items=100_000)
"""A short write-ahead log, so that there are many checkpoints; and all open items in view, so that all can be compared."""
BOUNDED: Final = replace(OPTIONS, max_mib=1)
"""So little room that the journal evicts again and again."""
BULK: Final = 10
"""How much larger events are in a life with a bounded journal."""
SESSIONS: Final = ((0.4, "clean"), (0.55, "abrupt"), (0.8, "abrupt"), (1.0, "clean"))
"""Share of the workload at which a process ends, and how: with the journal closed, or just gone."""
LARGEST_BURST: Final = 25


async def all_records(journal: Journal) -> list[StoredRecord]:
    """Everything in the journal, in order."""
    return in_order([await journal.read_records(stream, limit=1_000_000) for stream in Stream])


def reached(journal: Journal, records: list[StoredRecord]) -> int:
    """The number of the last change that the journal has."""
    last = next((number_in(stored.record.body) for stored in reversed(records) if stored.record.stream is Stream.SAMPLE), 0)
    return max(last, int(journal.values.get(NUMBER, b"0")))


def opened(path: Path, options: JournalOptions = OPTIONS) -> AbstractAsyncContextManager[Journal]:
    """The journal of the campaigns' device."""
    return Journal.open(path, device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16), options=options)


async def live(
    folder: Path,
    seed: int,
    until: int,
    acknowledge: Callable[[int, Applied], None],
    *,
    abrupt: bool,
    bounded: bool = False,
) -> None:
    """Go on with the workload where the journal stands, up to change `until`; `abrupt` leaves without closing anything.

    `acknowledge` is called with the number of each change whose `apply` has returned, and with what that returned.
    """
    async with opened(folder / JOURNAL, BOUNDED if bounded else OPTIONS) as journal:
        start = reached(journal, await all_records(journal))
        workload = Workload(seed, BULK if bounded else 1)
        for _ in range(start):
            workload.next()

        async def change(number: int) -> None:
            acknowledge(number, await journal.apply(workload.next()))

        pace = Random(f"pace {seed} {start}")
        number = start + 1
        while number <= until:
            burst = min(pace.choice((1, 1, 2, pace.randint(3, LARGEST_BURST))), until + 1 - number)
            await asyncio.gather(*(change(number + place) for place in range(burst)))
            number += burst
        if abrupt:
            os._exit(0)


def main() -> None:
    folder, seed, until, end, room = sys.argv[1:]
    logging.disable()
    acknowledged = os.open(Path(folder) / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def acknowledge(number: int, applied: Applied) -> None:
        refs = (f"{ref.seq}:{ref.record_hash.hex()}" for ref in applied.records)
        os.write(acknowledged, f"{' '.join((str(number), *refs))}\n".encode())

    life = live(Path(folder), int(seed), int(until), acknowledge, abrupt=end == "abrupt", bounded=room == "bounded")
    asyncio.run(life)


if __name__ == "__main__":
    main()
