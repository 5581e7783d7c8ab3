"""A long outage with reboots, and no clock from the first reboot until the network is back: `outage` on a controller without a
battery for its clock, as most are. See docs/time.md for what can be dated afterwards.

The first boot knows the time and settles all it measured. The last one learns the time when the network is back, from a time
service and from the ledger, and dates what it measured backwards over all of its life. The boots between never learn it: their
samples stay as evidence, with the reason. Nothing else is missing, and nothing is there that was measured at another time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from agent.clock import NS_PER_S
from agent.lifecycle import Agent
from agent.time.deviceclock import DeviceClock
from agent.time.system import LOOK_EVERY_S, Synchronisation
from agent.vocabulary import Clock
from tools.soak import drained
from tools.soak.campaign import Outcome
from tools.soak.evidence import Acknowledged, Evidence
from tools.soak.offline import CUT_AT_SLOT, REBOOT_S, Figures, Offline, Plan, drained_in_s, play, stop

CAMPAIGN: Final = "outage-without-clock"
WEEK: Final = Plan(CAMPAIGN, slots=7 * 96, slot_s=900, restarts=3, drain_per_s=10, settled=3)
SHORT: Final = Plan(CAMPAIGN, slots=96, slot_s=60, restarts=3, drain_per_s=1, settled=4)
CRYSTAL_PPM: Final = 20
"""How much too fast the controller's crystal runs; a common one is good for 20 to 50."""
POWERED_NS: Final = 10 * NS_PER_S
"""How long a controller has been switched on when its agent starts."""
AGAIN_S: Final = 7.5
"""How long after its moment a reboot is over: the slot's edge at that moment is not seen."""
NTP_NS: Final = 50 * NS_PER_S // 1_000
"""What a time service over the internet is good for."""


class Controller:
    """Clocks of a controller in one boot. Where it is not set, Unix time is the time since the boot, as the kernel knows."""

    look_every_s: int | None = LOOK_EVERY_S

    def __init__(self, clock: Clock, set_from_s: int) -> None:
        self._clock = clock
        self._booted_ns = clock.now_ns() - POWERED_NS
        self._set_from_ns = set_from_s * NS_PER_S

    @property
    def _is_set(self) -> bool:
        return self._clock.now_ns() >= self._set_from_ns

    def now_ns(self) -> int:
        return self._clock.now_ns() if self._is_set else self.monotonic_ns()

    def monotonic_ns(self) -> int:
        passed_ns = self._clock.now_ns() - self._booted_ns
        return passed_ns + passed_ns * CRYSTAL_PPM // 1_000_000

    def synchronisation(self) -> Synchronisation:
        if self._is_set:
            return Synchronisation(True, NTP_NS, "synchronised")
        return Synchronisation(False, 0, "the kernel says that its clock is not synchronised")


def run(folder: Path, seed: int, plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """One outage. Raises Violation."""
    return Outcome(plan.campaign, seed, play(folder, seed, plan, lambda home: _outage(home, seed, tell)))


def unsettled(plan: Plan) -> range:
    """Slots that no boot saw from edge to edge knowing when: from the one in which the first boot ended to the one in which
    the last one began."""
    part = plan.slots // (plan.restarts + 1)
    return range(CUT_AT_SLOT + part - 1, CUT_AT_SLOT + plan.restarts * part + 1)


async def _outage(home: Offline, seed: int, tell: Callable[[str], None]) -> Figures:
    """The whole campaign; its figures."""
    plan, seen, acknowledged = home.plan, home.seen, Acknowledged()
    lost = unsettled(plan)
    async with home.running():
        await home.until(plan.at_s(0) + 0.5)
        for life in range(plan.restarts):
            async with _agent(home, life, acknowledged) as first:
                running = asyncio.create_task(first.run(), name="agent")
                await home.until(plan.restart_s(life + 1) - REBOOT_S)
                await stop(running)
            tell(f"reboot {life + 1} of {plan.restarts}, {len(acknowledged.hashes):,} records acknowledged")
            await home.until(plan.restart_s(life + 1) + AGAIN_S)
        async with _agent(home, plan.restarts, acknowledged) as last:
            running = asyncio.create_task(last.run(), name="agent")
            await home.until(plan.back_s)
            waiting = last.journal.outbox.count()
            tell(f"the network is back, {waiting} transactions wait")
            await home.until(plan.end_s)
            await stop(running)
            check = drained.Check(plan.campaign, seed, last.journal, home.device.device_id, home.node.read, plan.slot_s)
            slots = [plan.at_s(slot) for slot in range(plan.all_slots - 1) if slot not in lost]
            await check.on_ledger(slots, seen.taken)
    evidence = Evidence(plan, seed, home.config.journal.path, home.device.key.public_key())
    began = [plan.restart_s(life) + AGAIN_S for life in range(1, plan.restarts)]
    kept = evidence.check(acknowledged, lost, began)
    waited = [(slot_s, at_s) for slot_s, at_s in seen.taken if slot_s < plan.at_s(lost.start)]
    dated = [(slot_s, at_s) for slot_s, at_s in seen.taken if slot_s >= plan.at_s(lost.stop)]
    return {
        "virtual days without a network": round(plan.slots * plan.slot_s / 86_400, 3),
        "reboots meanwhile, without a clock from the first on": plan.restarts,
        "records acknowledged, all of them in the journal": len(acknowledged.hashes),
        "samples in the journal": kept.samples,
        "of them without a date of their own": kept.undated,
        "of them never dated, kept as evidence": kept.never_dated,
        "slots without a date, named with the reason": len(lost),
        "transactions that waited when the network was back": waiting,
        "readings on the ledger, each slot once and in order": len(seen.taken),
        "seconds until the last that had waited was in a block": drained_in_s(plan, seed, waited),
        "seconds until the last that was dated was in a block": drained_in_s(plan, seed, dated),
        "readings per second at most": plan.drain_per_s,
        "most Wh by which a slot differs from what was taken in it": kept.most_off_wh,
    }


@asynccontextmanager
async def _agent(home: Offline, life: int, acknowledged: Acknowledged) -> AsyncIterator[Agent]:
    """The agent in a boot of its own, opened; but for the first boot without a clock until the network is back."""
    async with home.agent(life, DeviceClock(Controller(home.clock, home.plan.back_s if life else 0))) as agent:
        acknowledged.listen(agent.journal)
        yield agent
