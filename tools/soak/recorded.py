"""The process whose power is cut: lives a part of a workload and writes down what was acknowledged, under the recorder's eyes.

    python -m tools.soak.recorded FOLDER SEED UNTIL clean|abrupt

`FOLDER/acknowledged` gets the number of each change that is acknowledged, so acknowledgements and syncs stand in one order.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import SystemClock
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import StoredRecord, Stream
from tools.soak.campaign import DEVICE, KEY, in_order
from tools.soak.workload import NUMBER, Workload, number_in

JOURNAL: Final = "journal.db"
ACKNOWLEDGED: Final = "acknowledged"
OPTIONS: Final = JournalOptions(checkpoint_pages=48, group_wait_s=0.002, group_records=20, window_items=100_000)
"""A short write-ahead log, so that there are many checkpoints; and all open items in view, so that all can be compared."""
SESSIONS: Final = ((0.4, "clean"), (0.55, "abrupt"), (0.8, "abrupt"), (1.0, "clean"))
"""Share of the workload at which a process ends, and how: with the journal closed, or just gone."""
LARGEST_BURST: Final = 25


async def all_records(journal: Journal) -> list[StoredRecord]:
    """Everything in the journal, in order."""
    return in_order([await journal.read_records(stream, limit=1_000_000) for stream in Stream])


def reached(journal: Journal, records: list[StoredRecord]) -> int:
    """The number of the last change that the journal has."""
    last = number_in(records[-1].record.body) if records else 0
    return max(last, int(journal.values.get(NUMBER, b"0")))


async def live(folder: Path, seed: int, until: int, acknowledge: Callable[[int], None], *, abrupt: bool) -> None:
    """Go on with the workload where the journal stands, up to change `until`; `abrupt` leaves without closing anything.

    `acknowledge` is called with the number of each change whose `apply` has returned.
    """
    opening = Journal.open(
        folder / JOURNAL, device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16), options=OPTIONS
    )
    async with opening as journal:
        start = reached(journal, await all_records(journal))
        workload = Workload(seed)
        for _ in range(start):
            workload.next()

        async def change(number: int) -> None:
            await journal.apply(workload.next())
            acknowledge(number)

        pace = Random(f"pace {seed} {start}")
        number = start + 1
        while number <= until:
            burst = min(pace.choice((1, 1, 2, pace.randint(3, LARGEST_BURST))), until + 1 - number)
            await asyncio.gather(*(change(number + place) for place in range(burst)))
            number += burst
        if abrupt:
            os._exit(0)


def main() -> None:
    folder, seed, until, end = sys.argv[1:]
    acknowledged = os.open(Path(folder) / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def acknowledge(number: int) -> None:
        os.write(acknowledged, b"%d\n" % number)

    asyncio.run(live(Path(folder), int(seed), int(until), acknowledge, abrupt=end == "abrupt"))


if __name__ == "__main__":
    main()
