"""A long outage: days without a network at a sample per second, then everything is handed in, completely, once, in order, at a
pace, while new records keep coming. The agent is the real one, with a real journal; ledger, nodes and time are simulated.

A campaign may restart the agent during the outage, as a reboot does: what was measured before goes on from where it was.
The ledger of the campaign takes late readings for two weeks; with the usual one week the first of them would come too late.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, cast

from agent.clock import NS_PER_S
from agent.lifecycle import Agent
from agent.line.pacing import BURST
from agent.vocabulary import Clock, Kind, Reading
from drivers.abilities import Meter
from drivers.simulated.building import SimulatedBuilding
from lightclient import wire
from lightclient.messages import OpenReading
from lightclient.refusals import Refusal
from lightclient.store import MemoryStore
from tools.fullnode.engine.blockstore import CommittedBlock
from tools.soak import drained
from tools.soak.campaign import MEMORY_BACKED, Outcome, Violation
from tools.society.cast import build_cast, genesis_doc
from tools.society.configs import Places, agent_config
from tools.society.house import building_of, start_s
from tools.society.keys import derive
from tools.society.node import SocietyNode
from tools.society.options import SocietyOptions
from tools.society.outage import Network
from tools.society.record import Outage
from tools.society.scenario import Scenario
from tools.society.virtualclock import run_virtual

CAMPAIGN: Final = "outage"
REBOOTS: Final = "outage-with-reboots"
HOME: Final = "home-01-base-load"
START_S: Final = 1_772_323_200
"""1 March 2026, 00:00 UTC."""
DISPUTE_S: Final = 14 * 86_400
CUT_AT_SLOT: Final = 2
REBOOT_S: Final = 20
"""How long a restart takes: the meter's registers at a slot's edge can be told across it."""
MOST_LOAD_MWH: Final = 200_000


@dataclass(frozen=True, slots=True)
class Plan:
    """`slots` without a network, with so many restarts in them, and `settled` more until all must be on the ledger."""

    slots: int
    slot_s: Literal[60, 300, 900]
    restarts: int
    drain_per_s: int
    settled: int

    @property
    def name(self) -> str:
        return REBOOTS if self.restarts else CAMPAIGN

    @property
    def all_slots(self) -> int:
        return CUT_AT_SLOT + self.slots + self.settled

    def at_s(self, slot: float) -> int:
        return START_S + round(slot * self.slot_s)


WEEK: Final = Plan(slots=7 * 96, slot_s=900, restarts=0, drain_per_s=10, settled=3)
SHORT: Final = Plan(slots=40, slot_s=60, restarts=0, drain_per_s=1, settled=4)


class PlainMeter:
    """A meter that announces nothing, and so is read once a second."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def read(self) -> Reading:
        return await self._meter.read()


@dataclass(slots=True)
class Ledgerside:
    """The readings of one device that took effect, as slot and time in seconds, seen at the ledger's blocks in their order."""

    device_id: bytes
    taken: list[tuple[int, int]] = field(default_factory=list)
    refused: int = 0

    def take(self, block: CommittedBlock) -> None:
        time_s = block.signed_header.header.time_ns // NS_PER_S
        for tx, result in zip(block.txs, block.results.tx_results, strict=True):
            sealed = wire.decode_tx(tx)
            if sealed.envelope.sender == self.device_id and sealed.envelope.kind == OpenReading.KIND:
                if result.code == Refusal.OK:
                    self.taken.append((cast(int, sealed.body[0]), time_s))
                else:
                    self.refused += 1


def run(folder: Path, seed: int, plan: Plan, tell: Callable[[str], None]) -> Outcome:
    """One outage. Raises Violation. The journal lies in memory-backed storage where there is some: an outage cuts no power."""
    with tempfile.TemporaryDirectory(prefix="homewatt-", dir=MEMORY_BACKED if MEMORY_BACKED.is_dir() else folder) as name:
        figures = run_virtual(lambda clock: _play(Path(name), seed, plan, clock, tell), start_s(scenario(plan)))
    return Outcome(plan.name, seed, figures)


def scenario(plan: Plan) -> Scenario:
    """One home and nothing to trade with but the utility. No two slots in a row take the same."""
    slots = plan.all_slots
    return Scenario(
        file=CAMPAIGN,
        name=CAMPAIGN,
        note="",
        attribution=(),
        start_s=START_S,
        slot_duration_s=plan.slot_s,
        slots=slots,
        ask_ueur_kwh=(200_000,) * slots,
        bid_ueur_kwh=(50_000,) * slots,
        pv_mwh=(0,) * slots,
        load_mwh=(tuple(MOST_LOAD_MWH * plan.slot_s // 900 * (1 + slot % 7) // 7 for slot in range(slots)),),
        battery=None,
        ev_sessions=(),
        washer_jobs=(),
        reference=None,
        absent=frozenset({Kind.FREEZER}),
    )


async def _play(folder: Path, seed: int, plan: Plan, clock: Clock, tell: Callable[[str], None]) -> dict[str, int | float]:
    """The whole campaign on virtual time; its figures."""
    played = scenario(plan)
    cast_ = build_cast(played, seed)
    options = SocietyOptions(seed=seed, samples=True)
    genesis = genesis_doc(cast_, played, start_s(played), options.heartbeat_s)
    genesis = replace(genesis, app_state={**genesis.app_state, "dispute_s": DISPUTE_S})
    node = SocietyNode(cast_, genesis, played, options.heartbeat_s, clock)
    anchor = node.first_block()
    device = next(device for device in cast_.devices if device.name == HOME)
    seen = Ledgerside(device.device_id)
    node.engine.listen(seen.take)
    house = SimulatedBuilding(building_of(played, cast_), clock)
    outage = Outage(HOME, plan.at_s(CUT_AT_SLOT), plan.at_s(CUT_AT_SLOT + plan.slots))
    wires = Network(node.fronts, clock, (outage,))
    places = Places(tuple(f"ws://{name}/websocket" for name in node.fronts), folder, folder, folder, folder)
    config = agent_config(device, cast_, played, options, anchor, places)
    config = replace(config, ledger=replace(config.ledger, drain_per_s=plan.drain_per_s))

    trusted = MemoryStore()  # on a device a file, which survives a restart as this does

    def agent(life: int) -> Agent:
        return Agent(
            config,
            keystore=device.key,
            nodes=wires.transports(),
            drivers={"device": PlainMeter(house.open(HOME))},
            clock=clock,
            store=trusted,
            boot_id=derive(seed, f"boot {life}")[:16],
            built_after_ns=0,
        )

    async def until(at_s: float) -> None:
        await asyncio.sleep(at_s - clock.now_ns() / NS_PER_S)

    engine = asyncio.create_task(node.engine.run(), name="engine")
    await until(plan.at_s(0) + 0.5)
    part_s = plan.slots * plan.slot_s / (plan.restarts + 1)
    for life in range(plan.restarts):
        async with agent(life) as first:
            running = asyncio.create_task(first.run(), name="agent")
            await until(outage.from_s + (life + 1) * part_s - REBOOT_S)
            await _stop(running)
        await until(outage.from_s + (life + 1) * part_s + 0.5)
        tell(f"restart {life + 1} of {plan.restarts}, {len(seen.taken)} readings on the ledger")
    async with agent(plan.restarts) as last:
        running = asyncio.create_task(last.run(), name="agent")
        await until(outage.until_s)
        waiting = last.journal.outbox.count()
        tell(f"the network is back, {waiting} transactions wait")
        await until(plan.at_s(plan.all_slots) - 5)
        await _stop(running)
        check = drained.Check(plan.name, seed, last.journal, device.device_id, node.read, plan.slot_s)
        slots = range(plan.at_s(0), plan.at_s(plan.all_slots - 1), plan.slot_s)
        await check.on_ledger(slots, seen.taken)
        samples = await check.journal_whole(device.key.public_key(), most_missing_s=plan.restarts * (REBOOT_S + 2))
    await _stop(engine)
    return {
        "virtual days without a network": round(plan.slots * plan.slot_s / 86_400, 3),
        "restarts meanwhile": plan.restarts,
        "samples in the journal, one per second": samples,
        "transactions that waited when the network was back": waiting,
        "readings on the ledger, each slot once and in order": len(seen.taken),
        "seconds until the last of them was in a block": _paced(plan, seed, seen, outage.until_s),
        "readings per second at most": plan.drain_per_s,
    }


def _paced(plan: Plan, seed: int, seen: Ledgerside, back_s: int) -> int:
    """How long the drain took. Raises Violation where it was faster than its pace allows, or never ended."""
    late = [at_s for slot_s, at_s in seen.taken if at_s >= back_s and slot_s + plan.slot_s <= back_s]
    took_s = late[-1] - back_s
    least_s = (len(late) - BURST) // plan.drain_per_s - 1
    if late[-1] - late[0] < least_s:
        raise Violation(plan.name, seed, "drain", f"{len(late)} readings in {late[-1] - late[0]} s, not less than {least_s} s")
    return took_s


async def _stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
