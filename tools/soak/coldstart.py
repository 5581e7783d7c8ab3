"""Cold starts: a controller is switched on with no network and no clock, and records all the same, at once.

The agent is the real one, in a process of its own, before a node that takes the connection and never answers, with a clock that
begins in 1970 (the benchmark starts it with the machine's own). A copy of its journal is opened again and again until there is
a record in it; then the process is killed and the journal itself must have that record.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from storeforward.errors import JournalError
from storeforward.journal import Journal
from storeforward.records import Stream
from tools.soak import fieldagent
from tools.soak.campaign import DEVICE, KEY, Outcome, Violation
from tools.soak.recording import compile_preload

CAMPAIGN: Final = "cold-start"
LIMIT_S: Final = 2.0
_GIVE_UP_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.01
_NO_CLOCK: Final = Path(__file__).with_name("noclock.c")


def run(folder: Path, seed: int, starts: int, limit_s: float = LIMIT_S) -> Outcome:
    """Start an agent so many times, each on an empty disk. Raises Violation, Unavailable."""
    library = compile_preload(_NO_CLOCK, folder)
    took_s = []
    for number in range(starts):
        home = folder / f"start-{number}"
        home.mkdir()
        first_s = first_record_s(home, {"LD_PRELOAD": str(library)}, freezer_since_s=0)
        if first_s is None or first_s > limit_s:
            raise Violation(CAMPAIGN, seed, f"start {number}", f"first record after {first_s} s, the limit is {limit_s} s")
        took_s.append(first_s)
    figures = {
        "starts with no network and no clock": starts,
        "ms from process start to first durable record, median": round(statistics.median(took_s) * 1_000),
        "ms from process start to first durable record, longest": round(max(took_s) * 1_000),
    }
    return Outcome(CAMPAIGN, seed, figures)


def first_record_s(home: Path, environment: Mapping[str, str], freezer_since_s: int) -> float | None:
    """Real seconds from the start of an agent's process until its first sample or energy record is there; None: it never is.

    `environment` is added to the process's own. The simulated freezer has been running since `freezer_since_s`.
    """
    with fieldagent.silent_node() as node:
        config = fieldagent.write_home(home, node, "slot", freezer_since_s)
        started_s = time.monotonic()
        with fieldagent.start(config, {**os.environ, **environment}) as agent:
            try:
                first_s = _wait_for_record(home, started_s, agent)
            finally:
                agent.kill()
    return first_s if first_s is not None and asyncio.run(_measured(home / fieldagent.JOURNAL)) else None


def _wait_for_record(home: Path, started_s: float, agent: subprocess.Popen[str]) -> float | None:
    while (looked_s := time.monotonic() - started_s) < _GIVE_UP_S and agent.poll() is None:
        copy = home / "copy"
        copy.mkdir(exist_ok=True)
        for suffix in ("", "-wal"):
            part = home / (fieldagent.JOURNAL + suffix)
            if part.exists():
                shutil.copy(part, copy / part.name)
        if (copy / fieldagent.JOURNAL).exists() and asyncio.run(_measured(copy / fieldagent.JOURNAL)):
            return looked_s
        shutil.rmtree(copy)
        time.sleep(_LOOK_EVERY_S)
    return None


async def _measured(path: Path) -> bool:
    """Whether there is a measurement in a journal. A copy that was taken in the middle of a write may be anything."""
    opening = Journal.open(path, device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16))
    try:
        async with opening as journal:
            return any([await journal.read_records(stream, limit=1) for stream in (Stream.SAMPLE, Stream.ENERGY)])
    except JournalError:
        return False
