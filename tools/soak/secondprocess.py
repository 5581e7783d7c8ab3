"""Two processes and one journal: the second refuses to start, and takes over as soon as the first is dead."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from storeforward.errors import JournalInUse
from storeforward.journal import Journal
from tools.console import ExitCode
from tools.soak import fieldagent
from tools.soak.campaign import DEVICE, KEY, Outcome, Violation

CAMPAIGN: Final = "second-process"
_END_WITHIN_S: Final = 30.0


def run(folder: Path, seed: int) -> Outcome:
    """Start agents on one journal. Raises Violation."""

    def fail(where: str, what: str) -> Violation:
        return Violation(CAMPAIGN, seed, where, what)

    with fieldagent.silent_node() as node:
        config = fieldagent.write_home(folder, node, "all", 0)
        with fieldagent.start(config) as first:
            try:
                if not fieldagent.is_up(first):
                    raise fail("first agent", "it does not start")
                if asyncio.run(_opens(folder / fieldagent.JOURNAL)):
                    raise fail("a program beside the agent", "it opened the journal too")
                with fieldagent.start(config) as second:
                    _, said = second.communicate(timeout=_END_WITHIN_S)
                if second.returncode != ExitCode.PRECONDITION or "in use by another process" not in said:
                    raise fail("second agent", f"it ended with {second.returncode} and said: {said}")
                if first.poll() is not None:
                    raise fail("first agent", "it did not survive the second")
            finally:
                first.kill()
        with fieldagent.start(config) as third:
            try:
                if not fieldagent.is_up(third):
                    raise fail("agent after the first was killed", "it does not start")
            finally:
                third.kill()
    return Outcome(CAMPAIGN, seed, {"second processes that opened the journal": 0, "take-overs after a kill": 1})


async def _opens(path: Path) -> bool:
    opening = Journal.open(path, device=DEVICE, sign=KEY.sign, clock=SystemClock(), boot_id=bytes(16))
    try:
        async with opening:
            return True
    except JournalInUse:
        return False
