"""Plays a scenario: the full node and all agents in one process, on a clock that jumps or on one that runs.

The code is that of the field: every agent signs with its own key, verifies its own headers and proofs, and keeps its own
journal on SQLite. Only the wire is short: JSON-RPC bytes are handed over without a socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.lifecycle import PRICES, Agent
from agent.vocabulary import Clock, Kind
from drivers.simulated.building import SimulatedBuilding
from drivers.simulated.prices import SimulatedPrices
from lightclient.options import TrustAnchor
from tools.fullnode.rpc.local import Front
from tools.society.cast import NODES, START_BALANCE_UEUR, Cast, CastDevice, build_cast, genesis_doc
from tools.society.configs import Places, agent_config, drivers_of
from tools.society.house import building_of, comfort_of, price_list, start_s, stored_wh
from tools.society.keys import derive
from tools.society.liar import LyingFront, judge
from tools.society.node import SocietyNode
from tools.society.observer import Observer
from tools.society.options import SocietyOptions
from tools.society.outage import Network
from tools.society.progress import Progress, open_progress
from tools.society.record import UNKNOWN, BatteryStore, RunRecord
from tools.society.scenario import MWH_PER_WH, Scenario
from tools.society.virtualclock import VirtualClock, run_virtual

JOIN_AFTER_S: Final = 310
"""The agents start so long after the genesis, within a slot: then the first slot that they meter whole has a book."""
MEMORY_DISK: Final = Path("/dev/shm")
LONGEST_RUN_ON_S: Final = 2 * 3600
"""After the last slot, until it has settled and backlogs have drained."""
NOWHERE: Final = Places(
    tuple(f"ws://{node}:26657/websocket" for node in NODES),
    Path("keys"),
    Path("journals"),
    Path("building.json"),
    Path("prices.json"),
)


def play_society(scenario: Scenario, options: SocietyOptions, factor: float | None = None, *, quiet: bool = False) -> RunRecord:
    """Play a window. Ctrl-C ends it early; then the record is partial. `factor` None: as fast as the work allows."""
    per_day = 86_400 // scenario.slot_duration_s
    with journal_dir(options) as journals, open_progress(scenario.slots, per_day, quiet=quiet) as progress:

        async def main(clock: VirtualClock) -> RunRecord:
            return await SocietyRun(scenario, options, clock, journals).play(progress)

        return run_virtual(main, start_s(scenario), factor)


@contextlib.contextmanager
def journal_dir(options: SocietyOptions) -> Iterator[Path]:
    """Where the journals go: where the options say, else memory-backed and removed at the end."""
    if options.journal_dir is not None:
        options.journal_dir.mkdir(parents=True, exist_ok=True)
        yield options.journal_dir
        return
    folder = tempfile.mkdtemp(prefix="homewatt-", dir=MEMORY_DISK if MEMORY_DISK.is_dir() else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder)


class SocietyRun:
    """One run of one window."""

    def __init__(
        self, scenario: Scenario, options: SocietyOptions, clock: Clock, journals: Path, cast: Cast | None = None
    ) -> None:
        """`cast` None: everybody whom the scenario names."""
        self._scenario = scenario
        self._options = options
        self._clock = clock
        self._places = replace(NOWHERE, journal_dir=journals)
        self._started_s = time.monotonic()
        self.cast = build_cast(scenario, options.seed) if cast is None else cast
        genesis = genesis_doc(self.cast, scenario, start_s(scenario), options.heartbeat_s)
        self.node = SocietyNode(self.cast, genesis, scenario, options.heartbeat_s, clock)
        self.fronts: dict[str, Front] = dict(self.node.fronts)
        self._liar: LyingFront | None = None
        if options.liar is not None:
            self.fronts[options.liar] = self._liar = LyingFront(options.liar, self.node.fronts, options.seed)
        self.house = SimulatedBuilding(building_of(scenario, self.cast), clock)
        self.agents: dict[str, Agent] = {}

    async def play(self, progress: Progress) -> RunRecord:
        """Run until all slots of the window have settled, or until cancelled."""
        anchor = self.node.first_block()
        partial = False
        node = asyncio.create_task(self.node.engine.run(), name="node")
        await asyncio.sleep(JOIN_AFTER_S)
        async with AsyncExitStack() as stack:
            for place, device in enumerate(self.cast.devices):
                self.agents[device.name] = await stack.enter_async_context(self._agent(device, anchor, place))
            explanations = {name: agent.explanations for name, agent in self.agents.items()}
            observer = Observer(self._scenario, self.cast, self.house, explanations, self.node.book)
            agents = [asyncio.create_task(agent.run(), name=name) for name, agent in self.agents.items()]
            playing = asyncio.create_task(self._until_settled(observer, progress), name="play")
            try:
                done, _ = await asyncio.wait((node, playing, *agents), return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            except asyncio.CancelledError:
                partial = True
            finally:
                record = self._record(observer, partial)
                await _end(playing, *agents)
                await _end(node)
        return record

    def _agent(self, device: CastDevice, anchor: TrustAnchor, place: int) -> Agent:
        """`place` among the devices: the agents spread over the nodes, each asking another one first."""
        options, scenario = self._options, self._scenario
        outages = [outage for outage in options.outages if outage.device == device.name]
        drivers: dict[str, object] = {role: self.house.open(name) for role, name in drivers_of(device, options).items()}
        if device.kind is Kind.UTILITY:
            drivers[PRICES] = SimulatedPrices(price_list(scenario))
        return Agent(
            agent_config(device, self.cast, scenario, options, anchor, self._places),
            keystore=device.key,
            nodes=Network(self.fronts, self._clock, outages).transports(first=place),
            drivers=drivers,
            clock=self._clock,
            boot_id=derive(options.seed, f"boot {device.name}")[:16],
            built_after_ns=0,
        )

    async def _until_settled(self, observer: Observer, progress: Progress) -> None:
        await observer.play(self._clock, progress)
        book, block = self.node.book, asyncio.Event()
        forget = self.node.engine.listen(lambda _: block.set())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_RUN_ON_S):
                while not book.complete or book.silent:
                    block.clear()
                    await block.wait()
        forget()

    def _record(self, observer: Observer, partial: bool) -> RunRecord:
        agents = self.agents.values()
        return RunRecord(
            scenario=self._scenario,
            cast=self.cast,
            book=self.node.book,
            series=observer.series,
            seed=self._options.seed,
            strategies=self._options.strategies,
            balance=self._options.balance,
            partial=partial,
            paid_ueur=self.node.paid_ueur(START_BALANCE_UEUR),
            battery=self._battery(observer),
            comfort=comfort_of(self._scenario, self.cast, self.house),
            outages=self._options.outages,
            slots_played=observer.slots_played,
            proofs_verified=sum(agent.client.proofs_verified for agent in agents),
            headers_verified=sum(agent.client.headers_verified for agent in agents),
            app_hash=self.node.engine.app_hash,
            height=self.node.engine.height,
            wall_s=time.monotonic() - self._started_s,
            liar=None if self._liar is None else judge(self._liar, self.agents, self.node.engine.store),
            peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )

    def _battery(self, observer: Observer) -> BatteryStore | None:
        """Its charge now stands for the end of an interrupted window."""
        spec = self._scenario.battery
        if spec is None:
            return None
        last = observer.series.stored_wh[-1]
        name = self.cast.of_kind(Kind.BATTERY)[0].name
        return BatteryStore(
            capacity_wh=spec.capacity_mwh // MWH_PER_WH,
            stored_start_wh=spec.initial_mwh // MWH_PER_WH,
            stored_end_wh=stored_wh(self.house, name) if last == UNKNOWN else last,
        )


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel, and wait until all have cleaned up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
