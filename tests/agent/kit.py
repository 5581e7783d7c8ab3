"""A small society for tests: the real ledger and solo engine, simulated appliances, real journals, all on virtual time.

What a test does not ask for is left out: agents run for the devices it names, the other appliances run unattended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from agent.clock import NS_PER_S
from agent.config import AgentConfig, DeviceConfig, JournalConfig, KeyConfig, LedgerConfig, StrategyConfig, TradeConfig
from agent.lifecycle import PRICES, Agent
from agent.vocabulary import Clock, Kind, Tariff
from drivers.simulated.building import SimulatedBuilding
from drivers.simulated.faults import Fault
from lightclient import keys
from lightclient.errors import NodeSilent
from lightclient.options import TrustAnchor
from lightclient.store import LightStore
from lightclient.transport import BytesTransport
from lightclient.values import BookRecord, NoticeRecord, PositionRecord, ReadingRecord, SettlementRecord
from tools.fullnode.rpc.local import Front
from tools.society.cast import NODES, Cast, CastDevice, build_cast, genesis_doc
from tools.society.configs import drivers_of
from tools.society.house import building_of, start_s
from tools.society.node import SocietyNode
from tools.society.options import SocietyOptions
from tools.society.rules import rules_of
from tools.society.scenario import BatterySpec, EvSession, Scenario, WasherJob
from tools.society.virtualclock import run_virtual

Result = TypeVar("Result")
SLOT_S = 900
START_S = 1_772_323_200
"""1 March 2026, 00:00 UTC."""
HEARTBEAT_S = 900


def small_scenario(slots: int = 16, **changes: Any) -> Scenario:
    """Two homes of 400 and 800 W, an array of 4 kW, a battery of 10 kWh; no freezers, cars or washes unless asked for."""
    standard: dict[str, Any] = {
        "file": "kit",
        "name": "kit",
        "note": "",
        "attribution": (),
        "start_s": START_S,
        "slot_duration_s": SLOT_S,
        "slots": slots,
        "ask_ueur_kwh": (200_000,) * slots,
        "bid_ueur_kwh": (50_000,) * slots,
        "pv_mwh": (1_000_000,) * slots,
        "load_mwh": ((100_000,) * slots, (200_000,) * slots),
        "battery": BatterySpec(10_000_000, 5_000, 950_000, 950_000, 5_000_000, 0),
        "ev_sessions": (),
        "washer_jobs": (),
        "reference": None,
        "absent": frozenset({Kind.FREEZER}),
    }
    return Scenario(**{**standard, **changes})


def car(first_slot: int, end_slot: int, energy_wh: int, max_w: int = 7_200) -> EvSession:
    return EvSession("driver", first_slot, end_slot, energy_wh * 1000, max_w)


def wash(ready_slot: int, end_by_slot: int, *slot_wh: int) -> WasherJob:
    return WasherJob(ready_slot, end_by_slot, tuple(wh * 1000 for wh in slot_wh))


@dataclass(frozen=True, slots=True)
class PriceList:
    """The utility's prices of a scenario."""

    scenario: Scenario

    async def tariffs(self, from_s: int, until_s: int) -> Sequence[Tariff]:
        scenario = self.scenario
        rows = zip(range(scenario.slots), scenario.ask_ueur_kwh, scenario.bid_ueur_kwh, strict=True)
        tariffs = (Tariff(scenario.slot_s(slot), ask, bid) for slot, ask, bid in rows)
        return tuple(tariff for tariff in tariffs if from_s <= tariff.slot_s < until_s)


@dataclass(slots=True)
class Wire:
    """The network of one agent, to all nodes; what stands in `fronts` may be exchanged.

    `cut` makes every call fail, `loses` some requests; `bend` may change answers on their way.
    """

    fronts: dict[str, Front]
    cut: bool = False
    loses: Callable[[bytes], bool] = lambda request: False
    bend: Callable[[bytes, bytes], bytes] = lambda request, answer: answer
    calls: int = 0

    def nodes(self) -> dict[str, BytesTransport]:
        return {name: BytesTransport(partial(self._handle, name), front.subscribe) for name, front in self.fronts.items()}

    async def _handle(self, name: str, body: bytes) -> bytes:
        self.calls += 1
        if self.cut or self.loses(body):
            raise NodeSilent("the network is cut")
        return self.bend(body, await self.fronts[name].handle(body))


@dataclass(slots=True)
class Society:
    """A running ledger with a building; `start` runs agents in it."""

    clock: Clock
    scenario: Scenario
    cast: Cast
    node: SocietyNode
    house: SimulatedBuilding
    anchor: TrustAnchor
    folder: Path
    tasks: asyncio.TaskGroup
    wires: dict[str, Wire] = field(default_factory=dict)

    def config(
        self, name: str, strategies: Literal["default", "passive"] = "default", samples: bool = False, **rules: object
    ) -> AgentConfig:
        """The configuration of a device's agent, with rules of its owner changed."""
        device = self.device(name)
        slot_duration_s = cast(Literal[60, 300, 900], self.scenario.slot_duration_s)
        ledger = LedgerConfig(
            nodes=tuple(f"ws://{name}/websocket" for name in NODES),
            anchor_height=self.anchor.height,
            anchor_hash=self.anchor.hash,
            heartbeat_s=HEARTBEAT_S,
        )
        usual = rules_of(device, self.scenario)
        table = {} if usual is None else {key: value for key, value in asdict(usual).items() if value is not None}
        return AgentConfig(
            device=DeviceConfig(name, device.kind, self.cast.chain_id, slot_duration_s),
            ledger=ledger,
            key=KeyConfig(self.folder / "unused.pem"),
            journal=JournalConfig(self.folder / f"{name}.db", samples="all" if samples else "slot"),
            drivers={},
            trade=TradeConfig(spread_s=0),
            strategy=StrategyConfig(strategies, {**table, **rules}),
        )

    def agent(
        self,
        name: str,
        config: AgentConfig | None = None,
        faults: tuple[Fault, ...] = (),
        drivers: Mapping[str, object] | None = None,
        clock: Clock | None = None,
        store: LightStore | None = None,
        boot_id: bytes = bytes(16),
    ) -> Agent:
        """An agent that is not opened yet."""
        device = self.device(name)
        wire = self.wires.setdefault(name, Wire(dict(self.node.fronts)))
        if drivers is None:
            roles = drivers_of(device, SocietyOptions())
            drivers = {role: self.house.open(target, faults) for role, target in roles.items()}
        if device.kind is Kind.UTILITY:
            drivers = {PRICES: PriceList(self.scenario)}
        return Agent(
            config or self.config(name),
            keystore=device.key,
            nodes=wire.nodes(),
            drivers=drivers,
            clock=clock or self.clock,
            store=store,
            boot_id=boot_id,
        )

    def start(self, agent: Agent) -> asyncio.Task[None]:
        """Run an opened agent until the test ends or cancels it."""
        return self.tasks.create_task(agent.run())

    async def start_all(self, stack: AsyncExitStack, *but: str) -> dict[str, Agent]:
        """Open and run the agents of all devices except those named."""
        agents = {}
        for device in self.cast.devices:
            if device.name not in but:
                agents[device.name] = await stack.enter_async_context(self.agent(device.name))
                self.start(agents[device.name])
        return agents

    async def until(self, slot: float, after_s: int = 0) -> None:
        """Let time pass until a slot of the scenario (a fraction: within it), and some seconds more."""
        at_ns = (self.scenario.start_s + round(slot * self.scenario.slot_duration_s) + after_s) * NS_PER_S
        await asyncio.sleep((at_ns - self.clock.now_ns()) / NS_PER_S)

    def device(self, name: str) -> CastDevice:
        return next(device for device in self.cast.devices if device.name == name)

    def slot_s(self, slot: int) -> int:
        return self.scenario.slot_s(slot)

    def position(self, name: str, slot: int) -> PositionRecord | None:
        value = self.node.read(keys.position(self.device(name).device_id, self.slot_s(slot)))
        return None if value is None else PositionRecord.decode(value)

    def reading(self, name: str, slot: int) -> ReadingRecord | None:
        value = self.node.read(keys.reading(self.device(name).device_id, self.slot_s(slot)))
        return None if value is None else ReadingRecord.decode(value)

    def notice(self, name: str, slot: int) -> NoticeRecord | None:
        value = self.node.read(keys.notice(self.device(name).device_id, self.slot_s(slot)))
        return None if value is None else NoticeRecord.decode(value)

    def book(self, slot: int) -> BookRecord | None:
        value = self.node.read(keys.book(self.slot_s(slot)))
        return None if value is None else BookRecord.decode(value)

    def settlement(self, slot: int) -> SettlementRecord | None:
        value = self.node.read(keys.settlement(self.slot_s(slot)))
        return None if value is None else SettlementRecord.decode(value)


class _Done(Exception):
    """Ends a society when its test is over."""


def play(scenario: Scenario, folder: Path, test: Callable[[Society, AsyncExitStack], Coroutine[Any, Any, Result]]) -> Result:
    """Run `test(society, stack)` from 15 minutes before the scenario on; agents opened in `stack` are closed after it."""

    async def main(clock: Clock) -> Result:
        cast = build_cast(scenario, seed=1)
        genesis = genesis_doc(cast, scenario, start_s(scenario), HEARTBEAT_S)
        node = SocietyNode(cast, genesis, scenario, HEARTBEAT_S, clock)
        anchor = node.first_block()
        house = SimulatedBuilding(building_of(scenario, cast), clock)
        results: list[Result] = []
        try:
            async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
                tasks.create_task(node.engine.run())
                society = Society(clock, scenario, cast, node, house, anchor, folder, tasks)
                await asyncio.sleep(1)  # so that nobody measures the slot before the first one, which is not traded
                results.append(await test(society, stack))
                raise _Done
        except* _Done:
            pass
        return results[0]

    return run_virtual(main, start_s(scenario))
