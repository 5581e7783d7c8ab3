"""What campaigns of an outage are played in: one home, its ledger, a network that is cut for a while, and a real agent with a
real journal. Ledger, nodes and time are simulated.

The ledger takes late readings for two weeks; with the usual one week the first of an outage's would come too late.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
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
from tools.soak.campaign import MEMORY_BACKED, Violation
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

HOME: Final = "home-01-base-load"
START_S: Final = 1_772_323_200
"""1 March 2026, 00:00 UTC."""
DISPUTE_S: Final = 14 * 86_400
CUT_AT_SLOT: Final = 2
REBOOT_S: Final = 20
"""How long a restart takes: with a clock, the meter's registers at a slot's edge can be told across it."""
MOST_LOAD_MWH: Final = 200_000

Figures = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Plan:
    """`slots` without a network, with so many restarts in them, and `settled` more until all must be on the ledger."""

    campaign: str
    slots: int
    slot_s: Literal[60, 300, 900]
    restarts: int
    drain_per_s: int
    settled: int

    @property
    def all_slots(self) -> int:
        return CUT_AT_SLOT + self.slots + self.settled

    @property
    def cut_s(self) -> int:
        """When the network is cut."""
        return self.at_s(CUT_AT_SLOT)

    @property
    def back_s(self) -> int:
        """When it is back."""
        return self.at_s(CUT_AT_SLOT + self.slots)

    @property
    def end_s(self) -> int:
        """When all must be on the ledger that can be."""
        return self.at_s(self.all_slots) - 5

    def at_s(self, slot: float) -> int:
        return START_S + round(slot * self.slot_s)

    def restart_s(self, restart: int) -> int:
        """When the agent is there again, in parts of the outage that are equally long; the first restart is number 1."""
        return self.at_s(CUT_AT_SLOT + restart * self.slots / (self.restarts + 1))

    def load_mwh(self, slot: int) -> int:
        """What the home takes in a slot. No two slots in a row take the same."""
        return self.step_mwh * (1 + slot % 7)

    @property
    def step_mwh(self) -> int:
        """By so much the slots differ at least."""
        return MOST_LOAD_MWH * self.slot_s // 900 // 7


class PlainMeter:
    """A meter that announces nothing, and so is read once a second. It tells the time of the controller that it is at."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock

    async def read(self) -> Reading:
        return replace(await self._meter.read(), taken_at_s=self._clock.now_ns() // NS_PER_S)


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


class Offline:
    """One home and nothing to trade with but the utility."""

    def __init__(self, folder: Path, seed: int, plan: Plan, clock: Clock) -> None:
        self.plan = plan
        self.clock = clock
        self._seed = seed
        played = _scenario(plan)
        cast_ = build_cast(played, seed)
        options = SocietyOptions(seed=seed, samples=True)
        genesis = genesis_doc(cast_, played, start_s(played), options.heartbeat_s)
        genesis = replace(genesis, app_state={**genesis.app_state, "dispute_s": DISPUTE_S})
        self.node = SocietyNode(cast_, genesis, played, options.heartbeat_s, clock)
        anchor = self.node.first_block()
        self.device = next(device for device in cast_.devices if device.name == HOME)
        self.seen = Ledgerside(self.device.device_id)
        self.node.engine.listen(self.seen.take)
        self._house = SimulatedBuilding(building_of(played, cast_), clock)
        self._wires = Network(self.node.fronts, clock, (Outage(HOME, plan.cut_s, plan.back_s),))
        places = Places(tuple(f"ws://{name}/websocket" for name in self.node.fronts), folder, folder, folder, folder)
        config = agent_config(self.device, cast_, played, options, anchor, places)
        self.config = replace(config, ledger=replace(config.ledger, drain_per_s=plan.drain_per_s))
        self._trusted = MemoryStore()  # on a device a file, which survives a restart as this does

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make blocks."""
        engine = asyncio.create_task(self.node.engine.run(), name="engine")
        try:
            yield
        finally:
            await stop(engine)

    def agent(self, life: int, clock: Clock | None = None) -> Agent:
        """The home's agent after so many restarts, not opened yet; `clock`: what the controller has instead of a right one."""
        clock = clock or self.clock
        return Agent(
            self.config,
            keystore=self.device.key,
            nodes=self._wires.transports(),
            drivers={"device": PlainMeter(self._house.open(HOME), clock)},
            clock=clock,
            store=self._trusted,
            boot_id=derive(self._seed, f"boot {life}")[:16],
            built_after_ns=0,
        )

    async def until(self, at_s: float) -> None:
        """Let time pass."""
        await asyncio.sleep(at_s - self.clock.now_ns() / NS_PER_S)


def play(folder: Path, seed: int, plan: Plan, story: Callable[[Offline], Coroutine[None, None, Figures]]) -> Figures:
    """Let `story` go on in a home, on virtual time. The journal lies in memory-backed storage where there is some: an outage
    cuts no power."""
    with tempfile.TemporaryDirectory(prefix="homewatt-", dir=MEMORY_BACKED if MEMORY_BACKED.is_dir() else folder) as name:
        return run_virtual(lambda clock: story(Offline(Path(name), seed, plan, clock)), start_s(_scenario(plan)))


async def stop(running: asyncio.Task[None]) -> None:
    """End what runs, as a stop of the service does."""
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def drained_in_s(plan: Plan, seed: int, taken: Sequence[tuple[int, int]]) -> int:
    """How long after the network was back the last of these readings was in a block; those of slots that ended before count.
    Raises Violation where it was faster than the pace allows."""
    late = [at_s for slot_s, at_s in taken if at_s >= plan.back_s and slot_s + plan.slot_s <= plan.back_s]
    least_s = (len(late) - BURST) // plan.drain_per_s - 1
    if late[-1] - late[0] < least_s:
        took = f"{len(late)} readings in {late[-1] - late[0]} s, not less than {least_s} s"
        raise Violation(plan.campaign, seed, "drain", took)
    return late[-1] - plan.back_s


def _scenario(plan: Plan) -> Scenario:
    slots = plan.all_slots
    return Scenario(
        file=plan.campaign,
        name=plan.campaign,
        note="",
        attribution=(),
        start_s=START_S,
        slot_duration_s=plan.slot_s,
        slots=slots,
        ask_ueur_kwh=(200_000,) * slots,
        bid_ueur_kwh=(50_000,) * slots,
        pv_mwh=(0,) * slots,
        load_mwh=(tuple(plan.load_mwh(slot) for slot in range(slots)),),
        battery=None,
        ev_sessions=(),
        washer_jobs=(),
        reference=None,
        absent=frozenset({Kind.FREEZER}),
    )
