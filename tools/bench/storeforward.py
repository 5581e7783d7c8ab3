"""What the journal and the outbox cost and how soon a change is on the disk, on a real disk, in one run.

    python -m tools.bench.storeforward [--quick] [--folder DIR] [--peers]

Every figure includes hash chain, signature where the stream has one, and the way to the journal's thread and back. --peers adds
other people's store-and-forward, each installed by pip in an environment under build/bench/peers. docs/storeforward.md has a
published run with what can be compared and what not.

Targets: 20,000 signed records/s acknowledged after fsync in groups; 99 % of energy and orders acknowledged within 50 ms, of
samples within 250 ms; a commit per record at 50 % of the rate of bare SQLite with a signature, 80 % without; memory flat over a
million records; 10,000 items/s from the disk to the sender; a first record on the disk 2 s after the start of the process.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Final

from tools.bench.storeforward_commits import commit_rows
from tools.bench.storeforward_disk import byte_rows
from tools.bench.storeforward_memory import memory_rows
from tools.bench.storeforward_outbox import drain_rows, slot_rows
from tools.bench.storeforward_peers import QUICK, Work, peer_rows
from tools.bench.storeforward_rates import latency_rows, rate_rows
from tools.bench.storeforward_start import cold_start_rows, opening_rows
from tools.bench.table import DIRECTORY, Bench

PART: Final = 10
"""--quick does one part in so many."""


def rows(bench: Bench, folder: Path, part: int) -> None:
    """All figures of our own journal."""
    asyncio.run(rows_within(bench, folder, part))
    memory_rows(bench, folder, records=1_000_000 // part)
    cold_start_rows(bench, folder, starts=max(2, 10 // part))


async def rows_within(bench: Bench, folder: Path, part: int) -> None:
    """Those that are measured in this process."""
    await rate_rows(bench, folder, records=20_000 // part, rounds=max(2, 10 // part))
    await latency_rows(bench, folder, seconds=30 // part)
    await commit_rows(bench, folder, commits=2_000 // part)
    await byte_rows(bench, folder, records=2_000 // part)
    await slot_rows(bench, folder, slots=1_000 // part)
    await drain_rows(bench, folder, backlog=25_000 // part)
    await opening_rows(bench, folder, records=1_000_000 // part)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench.storeforward", description="Cost of the journal and the outbox."
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--folder", type=Path, default=DIRECTORY, help="a folder on the disk to measure (default: %(default)s)")
    parser.add_argument("--peers", action="store_true", help="other people's store-and-forward as well, installed by pip")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bench = Bench("storeforward")
    with tempfile.TemporaryDirectory(prefix="journals-", dir=args.folder) as name:
        rows(bench, Path(name), PART if args.quick else 1)
        if args.peers:
            peer_rows(bench, Path(name), QUICK if args.quick else Work())
    print(bench.write())


if __name__ == "__main__":
    main()
