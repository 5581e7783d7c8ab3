"""Memory of a process while its journal takes a million records, read from the system's count in a process of its own.

python -m tools.bench.storeforward_memory FOLDER RECORDS   # the child: prints kB resident by number of records, as JSON
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.items import ItemState, Mark
from storeforward.records import NewRecord, Stream
from tools.bench.storeforward_journals import BODY, opened, reading
from tools.bench.table import Bench

STATUS: Final = Path("/proc/self/status")
SAMPLES: Final = 99
"""In each change, beside one slot's energy with its transaction; the transaction of the slot before is proven."""
KB_PER_MB: Final = 1_024


def memory_rows(bench: Bench, folder: Path, records: int) -> None:
    """Resident memory at a tenth, at half and at the end."""
    if not STATUS.exists():
        print("memory: not measured, this system has no /proc")
        return
    argv = [sys.executable, "-m", "tools.bench.storeforward_memory", str(folder), str(records)]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True)
    for count, resident_kb in json.loads(ran.stdout).items():
        bench.row(f"process resident after {int(count):,} records", "MB", resident_kb / KB_PER_MB)


async def fill(folder: Path, records: int) -> dict[int, int]:
    """Write so many records; kB resident by how many were written."""
    per_change = SAMPLES + 1
    looks = {records // 10, records // 2, records}
    resident: dict[int, int] = {}
    async with opened(folder / "memory.db") as journal:
        item_id: int | None = None
        for written in range(per_change, records + 1, per_change):
            news = (NewRecord(Stream.ENERGY, 1, BODY), *(NewRecord(Stream.SAMPLE, 1, BODY) for _ in range(SAMPLES)))
            marks = () if item_id is None else (Mark(item_id, ItemState.PROVEN, 1, 0),)
            applied = await journal.apply(Changes(news, (reading(written),), marks))
            (item_id,) = applied.items
            if written in looks:
                resident[written] = resident_kb()
    return resident


def resident_kb() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2])))))
