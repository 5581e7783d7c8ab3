"""A long outage: days without a network at a sample per second, then everything is handed in, completely, once, in order, at a
pace, while new records keep coming. See offline.py for what is real and what is simulated.

A campaign may restart the agent during the outage, as a reboot with a right clock does: what was measured before goes on from
where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.soak import drained
from tools.soak.campaign import Outcome
from tools.soak.offline import REBOOT_S, Figures, Offline, Plan, drained_in_s, play, stop

CAMPAIGN: Final = "outage"
REBOOTS: Final = "outage-with-reboots"
WEEK: Final = Plan(CAMPAIGN, slots=7 * 96, slot_s=900, restarts=0, drain_per_s=10, settled=3)
SHORT: Final = Plan(CAMPAIGN, slots=40, slot_s=60, restarts=0, drain_per_s=1, settled=4)


def run(folder: Path, seed: int, plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """One outage. Raises Violation."""
    return Outcome(plan.campaign, seed, play(folder, seed, plan, lambda home: _outage(home, seed, tell)))


async def _outage(home: Offline, seed: int, tell: Callable[[str], None]) -> Figures:
    """The whole campaign; its figures."""
    plan, seen = home.plan, home.seen
    async with home.running():
        await home.until(plan.at_s(0) + 0.5)
        for life in range(plan.restarts):
            async with home.agent(life) as first:
                running = asyncio.create_task(first.run(), name="agent")
                await home.until(plan.restart_s(life + 1) - REBOOT_S)
                await stop(running)
            await home.until(plan.restart_s(life + 1) + 0.5)
            tell(f"restart {life + 1} of {plan.restarts}, {len(seen.taken)} readings on the ledger")
        async with home.agent(plan.restarts) as last:
            running = asyncio.create_task(last.run(), name="agent")
            await home.until(plan.back_s)
            waiting = last.journal.outbox.count()
            tell(f"the network is back, {waiting} transactions wait")
            await home.until(plan.end_s)
            await stop(running)
            check = drained.Check(plan.campaign, seed, last.journal, home.device.device_id, home.node.read, plan.slot_s)
            await check.on_ledger(range(plan.at_s(0), plan.at_s(plan.all_slots - 1), plan.slot_s), seen.taken)
            key = home.device.key.public_key()
            samples = await check.journal_whole(key, most_missing_s=plan.restarts * (REBOOT_S + 2))
    return {
        "virtual days without a network": round(plan.slots * plan.slot_s / 86_400, 3),
        "restarts meanwhile": plan.restarts,
        "samples in the journal, one per second": samples,
        "transactions that waited when the network was back": waiting,
        "readings on the ledger, each slot once and in order": len(seen.taken),
        "seconds until the last of them was in a block": drained_in_s(plan, seed, seen.taken),
        "readings per second at most": plan.drain_per_s,
    }
