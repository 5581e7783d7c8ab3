"""One agent from start to stop: opens what it owns, runs its loops, leaves the appliance safe.

    async with Agent(config, keystore=..., nodes=..., drivers=..., clock=...) as agent:
        await agent.run()

`Agent` is given everything; `agent.field` builds it from a configuration, for a controller in the field.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self

from agent.appliances.base import Drivers, MissingAbility
from agent.appliances.table import appliance_of, rules_of
from agent.clock import NS_PER_S
from agent.config import AgentConfig, read_rules
from agent.control import Controller
from agent.journaling.explaining import Explanations
from agent.journaling.keeping import Keeper
from agent.journaling.opening import open_journal
from agent.journaling.recording import METER_STATE, Recorder
from agent.keystore import KeyStore
from agent.line.damage import Damage
from agent.line.forwarding import Forwarder
from agent.line.link import Link
from agent.line.noticing import Noticer
from agent.line.pacing import Pace
from agent.line.proving import Counters, Prover
from agent.line.recovering import STANDING, Recovery, restore
from agent.line.sealing import Sealer
from agent.metering import MeterState, SlotMeter
from agent.observing import Observer
from agent.status import Status
from agent.time.deviceclock import DeviceClock
from agent.time.feeding import Feeder
from agent.time.keeping import TIME_FLOOR, TimeKeeper
from agent.time.ledger import HeaderClock, LedgerTime
from agent.time.operator import request_path
from agent.time.redating import UNDATED_AFTER, Redating, read_anchors
from agent.time.running import Timing
from agent.time.system import boot_id_of_machine
from agent.trade.market import MarketDesk
from agent.trade.orders import OwnOrders
from agent.trade.positions import Positions, Unsettled
from agent.trade.registry import Registration
from agent.trade.timetable import Timetable
from agent.trade.trading import Trader
from agent.vocabulary import Clock, Kind
from lightclient.client import LightClient
from lightclient.store import LightStore, MemoryStore
from lightclient.transport import Transport
from lightclient.wire import device_id
from storeforward.journal import Journal

if TYPE_CHECKING:  # what few agents need is loaded where it is needed
    from agent.metrics.figures import AgentFigures
    from agent.trade.posting import Poster

_log = logging.getLogger(__name__)

PRICES: Final = "prices"
"""Role of the utility's price source among its drivers."""
BUILT_AFTER_NS: Final = 1_767_225_600 * NS_PER_S
"""1 January 2026: no controller with this code can live earlier than that."""
WRITE_WITHIN_S: Final = 1
"""How long the last records may take at a stop. With the safe state and what is closed then, a stop stays within 5 s."""


class Agent:
    """The agent of one device. Raises ConfigError for rules that its strategy does not know.

    Public for pages and reports: `status`, `explanations`, `counters`, `client`, `trader`."""

    def __init__(
        self,
        config: AgentConfig,
        *,
        keystore: KeyStore,
        nodes: Mapping[str, Transport],
        drivers: Drivers,
        clock: Clock,
        store: LightStore | None = None,
        boot_id: bytes | None = None,
        built_after_ns: int = BUILT_AFTER_NS,
    ) -> None:
        """`nodes`: by name, the first is asked first. `clock`: a DeviceClock, which the drivers share, or one that is
        always right. `built_after_ns`: a clock that shows less was never set; only a simulation lives in the past."""
        self.config = config
        self.name = config.device.name
        self.device_id = device_id(config.device.chain_id, keystore.public_key())
        self.status = Status(self.name)
        self.explanations = Explanations()
        self.counters = Counters()
        self._keystore = keystore
        self._drivers = drivers
        self._clock = DeviceClock.of(clock)
        self._rules = read_rules(rules_of(config.device.kind), config.strategy.rules, config.file)
        self._boot_id = boot_id_of_machine() if boot_id is None else boot_id
        ledger_time = LedgerTime(self._boot_id, config.ledger.heartbeat_s, config.ledger.drift_s)
        self.time = TimeKeeper(self._clock, self.status, self._boot_id, ledger_time, built_after_ns)
        self._header_clock = HeaderClock(self._clock, config.light_options.trusting_period_ns)
        self.client = LightClient(nodes, config.anchor, config.light_options, self._header_clock, store or MemoryStore())
        self._header_clock.trusted_ns = self._trusted_ns
        self.timetable = Timetable(
            config.device.slot_duration_s, config.device.gate_lead_s, config.trade.lead_s, self._share_of_spread()
        )
        self.trader: Trader | None = None
        """None for the utility, which posts instead."""
        self._controller: Controller | None = None
        self._recorder: Recorder | None = None
        self._poster: Poster | None = None
        self._forwarder: Forwarder
        self._damage: Damage
        self._keeper: Keeper
        self._link: Link
        self._timing: Timing
        self._stack = AsyncExitStack()

    def _trusted_ns(self) -> int | None:
        return None if self.client.verified is None else self.client.verified.time_ns

    def _share_of_spread(self) -> int:
        """This device's place within the spread: the same on every start, different from its neighbours'."""
        spread_s = self.config.trade.spread_s
        return int.from_bytes(hashlib.sha256(self.device_id).digest()[:4], "big") % (spread_s + 1)

    @property
    def journal(self) -> Journal:
        """The open journal; only within `async with`."""
        return self._keeper.journal

    @property
    def messages_sent(self) -> int:
        """Orders, replacements, cancels and accepts since the start."""
        return 0 if self.trader is None else self.trader.messages_sent

    async def __aenter__(self) -> Self:
        opening = open_journal(self.config, self._keystore, self._clock, self._boot_id)
        journal = await self._stack.enter_async_context(opening)
        try:
            await self._build(journal)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _build(self, journal: Journal) -> None:
        """Put the parts together, with what the journal remembers."""
        clock, status, timetable = self._clock, self.status, self.timetable
        kind, duration_s = self.config.device.kind, timetable.duration_s
        self._keeper = keeper = Keeper(journal, clock, status)
        anchors = await read_anchors(keeper)
        with journal.must_make_sense():
            floor_ns = int(journal.values.get(TIME_FLOOR, b"0"))
        self.time.restore(floor_ns, anchors)
        self.time.on_move = self._time_moved
        self._link = link = Link(self.client, clock, status, self.time)
        request = request_path(self.config.journal.path)
        self._timing = Timing(self.time, keeper, self.explanations, request, lambda: link.hear_time(self._header_clock))
        is_fresh = STANDING not in journal.values
        sealer = Sealer(self.config.device.chain_id, self.device_id, self._keystore.sign)
        public_key = self._keystore.public_key()
        registration = Registration(self.device_id, public_key, kind, timetable, link, clock, status)
        self._forwarder = forwarder = Forwarder(
            keeper, link, self.device_id, registration, clock, Pace(self.config.ledger.drain_per_s), self._back_online
        )
        noticer = Noticer(keeper, sealer, timetable, clock, self.time, forwarder.kick)
        with journal.must_make_sense():
            self._damage = damage = Damage(journal, self.config.journal, public_key, sealer, clock, status, self._repaired)
        own, unsettled = OwnOrders(), Unsettled(duration_s)
        if kind is Kind.UTILITY:
            from agent.trade.posting import Poster, PriceSource

            source = self._drivers.get(PRICES)
            if not isinstance(source, PriceSource):
                raise MissingAbility(PRICES, PriceSource.__name__)
            prover = Prover(self.device_id, link, forwarder, own, unsettled, self.counters, self.explanations.give)
            self._poster = Poster(
                source,
                self._rules,
                link,
                registration,
                Recovery(self.device_id, timetable, link, journal, None, damage, is_fresh=is_fresh),
                prover,
                forwarder,
                keeper,
                sealer,
                noticer,
                timetable,
                clock,
                status,
                self.explanations,
            )
            return
        appliance = appliance_of(kind, self._drivers, self._rules, self.config.strategy.name == "passive")
        meter_state = journal.values.get(METER_STATE)
        with journal.must_make_sense():
            meter = SlotMeter(duration_s, None if meter_state is None else MeterState.decode(meter_state))
        feeder = Feeder(meter, duration_s)
        redating = Redating(feeder, self.time)
        observer = Observer(appliance, clock, status, feeder, self.time, redating, duration_s)
        await restore(keeper, observer, own, unsettled)
        damage.watch(observer)
        with journal.must_make_sense():
            redating.restore(journal.values.get(UNDATED_AFTER), journal.found_seq, anchors, observer.measured_until_ns)
        self._recorder = recorder = Recorder(
            observer,
            keeper,
            sealer,
            noticer,
            clock,
            self.time,
            status,
            self.explanations,
            unsettled if appliance.trades else None,
            reported=forwarder.kick,
            every_sample=self.config.journal.samples == "all",
        )
        prover = Prover(self.device_id, link, forwarder, own, unsettled, self.counters, recorder.give_reason)
        self.trader = trader = Trader(
            appliance,
            observer,
            recorder,
            link,
            registration,
            Recovery(self.device_id, timetable, link, journal, observer, damage, is_fresh=is_fresh),
            MarketDesk(self.device_id, timetable),
            prover,
            forwarder,
            keeper,
            sealer,
            timetable,
            clock,
            own,
            Positions(),
            unsettled,
            news=self._news,
        )
        self._controller = Controller(
            appliance, observer, recorder, timetable, clock, status, seen=trader.seen, occasion=trader.poke
        )

    async def run(self) -> None:
        """Run until cancelled; then the appliance is in its safe state, and what is left is written down."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._timing.run(), name=f"{self.name}: time")
                tasks.create_task(self.journal.wait_broken(), name=f"{self.name}: journal")
                tasks.create_task(self._forwarder.run(), name=f"{self.name}: forward")
                tasks.create_task(self._damage.repair(), name=f"{self.name}: take back")
                if (told := self.config.metrics) is not None:
                    from agent.metrics.writing import MetricsWriter

                    writer = MetricsWriter(self.name, told.file, told.every_s, self.journal, self.time, self._figures)
                    tasks.create_task(writer.run(), name=f"{self.name}: metrics")
                if self._poster is not None:
                    tasks.create_task(self._poster.run(), name=f"{self.name}: post")
                if self._controller is not None and self.trader is not None:
                    tasks.create_task(self._controller.run(), name=f"{self.name}: control")
                    tasks.create_task(self.trader.run(), name=f"{self.name}: trade")
                self._forwarder.kick()
        finally:
            try:
                async with asyncio.timeout(WRITE_WITHIN_S):
                    await self._write_rest()
            except TimeoutError:
                _log.error("%s: the journal did not take the last records within %d s", self.name, WRITE_WITHIN_S)

    async def _write_rest(self) -> None:
        if self._recorder is not None:
            await self._recorder.close()
        await self._timing.write()
        await self._keeper.store(values=[(TIME_FLOOR, str(self.time.floor_ns).encode())])

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _figures(self) -> AgentFigures:
        from agent.metrics.figures import AgentFigures

        now = self.time.now()
        return AgentFigures(
            troubles=self.status.snapshot().keys(),
            time_state=self.time.state,
            uncertainty_ns=None if now is None else now.uncertainty_ns,
            verified_height=self._link.height,
            counters=self.counters,
        )

    def _repaired(self) -> None:
        self._forwarder.kick()
        self._back_online()

    def _back_online(self) -> None:
        if self.trader is not None:
            self.trader.catch_up()

    def _time_moved(self) -> None:
        """What was planned for instants of another time is planned anew."""
        if self.trader is not None:
            self.trader.time_moved()
        self._news()
        self._forwarder.kick()

    def _news(self) -> None:
        if self._controller is not None:
            self._controller.nudge()
