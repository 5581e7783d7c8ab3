"""The process that is killed: an agent's journal with all that writes to it, and its way to a real ledger.

Journal, Keeper, Forwarder, Prover, Link and light client are the agent's own. Made up are the slots' energy, one order per
slot, and, by profile, events and samples besides. Each acknowledged record is told to the parent through a pipe, at the moment
at which `Journal.apply` returns it to its caller; what stands in the pipe survives the process.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgpack

from agent.clock import NS_PER_S, now_s
from agent.journaling import entries
from agent.journaling.keeping import Keeper
from agent.line.forwarding import Forwarder
from agent.line.link import Link
from agent.line.pacing import Pace
from agent.line.proving import Counters, Prover
from agent.line.sealing import NEVER, VALID_BLOCKS, Sealer
from agent.status import Status
from agent.time.deviceclock import DeviceClock
from agent.time.keeping import TimeKeeper
from agent.time.ledger import LedgerTime
from agent.trade.orders import OwnOrders
from agent.trade.positions import Unsettled
from agent.trade.registry import Registration
from agent.trade.timetable import Timetable
from agent.vocabulary import Kind, Mode, Side, SlotEnergy
from lightclient.client import LightClient
from lightclient.messages import OpenReading, PlaceOrder
from lightclient.options import Options, TrustAnchor
from lightclient.store import MemoryStore
from lightclient.websocket import WebsocketTransport
from lightclient.wire import device_id
from storeforward.changes import Applied, Changes
from storeforward.items import NewItem, Priority
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import NewRecord, Stream
from tools.fullnode.rules.sample import CHAIN_ID, SampleKey
from tools.soak.fastledger import BATTERY, FIRST_SLOT, GATE_LEAD_S, HEARTBEAT_S, SLOT_S, FastClock

UP: Final = "up"
NEXT_SLOT: Final = "next slot"
"""Named value: the first slot whose energy is not stored yet."""
SLOT_WH: Final = 5
OPTIONS: Final = JournalOptions(
    checkpoint_pages=128, group_wait_s=0.02, window_items=1_024, resend_first_s=600, resend_most_s=2_400
)
_ORDER_AHEAD_SLOTS: Final = 60
_PROVE_EVERY_S: Final = 0.25
_STEADY_EVERY_S: Final = 0.01
_BURST_EVERY_S: Final = 0.15
_BURST_CHANGES: Final = 120
_MOST_PER_S: Final = 10_000
"""No pace holds the hand-in back: a clock that runs ahead would make nothing of it."""
_TRUSTING_PERIOD_S: Final = 20 * 86_400


class Profile(StrEnum):
    """What the process does besides a slot's energy and an order ten times a second."""

    IDLE = "idle"
    STEADY = "100 records/s"
    BURSTS = "bursts"
    DRAIN = "drain"
    """No new slots: hand in what is left, see it proven, and end."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a process is told before it starts. `run` is a number that no other process of the campaign has."""

    run: int
    profile: Profile
    journal: Path
    node: str
    anchor: TrustAnchor
    clock: FastClock


class _TellingJournal(Journal):
    """Tells of every record that it acknowledges."""

    tell: Callable[[str], None]

    async def apply(self, changes: Changes) -> Applied:
        applied = await super().apply(changes)
        if applied.records:
            self.tell(" ".join(f"{ref.seq}:{ref.record_hash.hex()}" for ref in applied.records))
        return applied


class _Drained(Exception):
    """Everything is on the ledger, and proven."""


def work(assignment: Assignment, pipe: Connection) -> None:
    """The whole life of the process."""
    logging.disable()  # a node that is not there is no news here

    def tell(line: str) -> None:
        os.write(pipe.fileno(), f"{line}\n".encode())

    try:
        asyncio.run(_live(assignment, tell))
    except* _Drained:
        pass


async def _live(assignment: Assignment, tell: Callable[[str], None]) -> None:
    key = SampleKey.named(BATTERY)
    sealer = Sealer(CHAIN_ID, _device_id(key), key.sign)
    opening = _TellingJournal.open(
        assignment.journal,
        device=sealer.sender,
        sign=key.sign,
        clock=assignment.clock,
        boot_id=assignment.run.to_bytes(16, "big"),
        options=OPTIONS,
    )
    async with WebsocketTransport(assignment.node) as node, opening as journal, asyncio.TaskGroup() as tasks:
        assert isinstance(journal, _TellingJournal)
        journal.tell = tell
        process = _Process(assignment, journal, sealer, node, key.public)
        tell(UP)
        tasks.create_task(process.forwarder.run())
        tasks.create_task(process.prove())
        if assignment.profile is not Profile.DRAIN:
            tasks.create_task(process.measure())
        if assignment.profile is Profile.STEADY:
            tasks.create_task(process.fill(_STEADY_EVERY_S, 1))
        if assignment.profile is Profile.BURSTS:
            tasks.create_task(process.fill(_BURST_EVERY_S, _BURST_CHANGES))


class _Process:
    """The parts of an agent around one journal."""

    def __init__(
        self, assignment: Assignment, journal: Journal, sealer: Sealer, node: WebsocketTransport, public_key: bytes
    ) -> None:
        clock = assignment.clock
        status = Status(BATTERY)
        timetable = Timetable(SLOT_S, GATE_LEAD_S)
        options = Options(CHAIN_ID, _TRUSTING_PERIOD_S * NS_PER_S, (2 * HEARTBEAT_S + 20) * NS_PER_S, single_operator=True)
        self._assignment = assignment
        self._journal = journal
        self._sealer = sealer
        self._clock = clock
        client = LightClient({assignment.node: node}, assignment.anchor, options, clock, MemoryStore())
        boot_id = assignment.run.to_bytes(16, "big")
        time = TimeKeeper(DeviceClock.of(clock), status, boot_id, LedgerTime(boot_id, HEARTBEAT_S, drift_s=10))
        self._link = Link(client, clock, status, time)
        self._keeper = Keeper(journal, clock, status)
        self._registration = Registration(sealer.sender, public_key, Kind.BATTERY, timetable, self._link, clock, status)
        self._may_order = False
        self.forwarder = Forwarder(
            self._keeper, self._link, sealer.sender, self._registration, clock, Pace(_MOST_PER_S), lambda: None
        )
        self._prover = Prover(
            sealer.sender, self._link, self.forwarder, OwnOrders(), Unsettled(SLOT_S), Counters(), lambda *_: None
        )

    async def prove(self) -> None:
        """Ask what became of what was handed in; when draining, end once nothing is left."""
        while True:
            header = await self._link.update()
            if header is not None and await self._registration.check(header):
                self._may_order = True
                news = await self._prover.ask(header, now_s(self._clock), ())
                if news is not None and news.marks:
                    await self._keeper.store(marks=news.marks)
            if self._assignment.profile is Profile.DRAIN and not self._journal.outbox.count():
                raise _Drained
            self.forwarder.kick()
            await asyncio.sleep(_PROVE_EVERY_S)

    async def measure(self) -> None:
        """Store each slot that has ended, with the reading that reports it, and with an order for a later slot."""
        slot_s = int(self._journal.values.get(NEXT_SLOT, b"%d" % FIRST_SLOT))
        while True:
            while slot_s + SLOT_S <= now_s(self._clock):
                await self._store_slot(slot_s)
                slot_s += SLOT_S
                self.forwarder.kick()
            await asyncio.sleep(0.01)

    async def _store_slot(self, slot_s: int) -> None:
        start_wh = (slot_s - FIRST_SLOT) // SLOT_S * SLOT_WH
        energy = SlotEnergy(slot_s, start_wh, 0, start_wh + SLOT_WH, 0)
        taken_ns = (slot_s + SLOT_S) * NS_PER_S

        reading = partial(self._sealer.seal_reading, energy)
        records = [entries.energy(energy, taken_ns)]
        items = [NewItem(Priority.BILLING, OpenReading.KIND, slot_s, 0, None, reading, NEVER, 0)]
        if self._may_order:
            order = PlaceOrder(slot_s + _ORDER_AHEAD_SLOTS * SLOT_S, Side.BUY, 10, 100_000, Mode.CALL, False)
            sealed = self._sealer.seal(order, self._journal.next_seq(), self._link.height + VALID_BLOCKS)
            records.append(entries.order(sealed.payload, taken_ns))
            items.append(
                NewItem(
                    Priority.TRADE,
                    sealed.kind,
                    order.slot_s,
                    sealed.seq,
                    sealed.order_id,
                    sealed.tx,
                    sealed.expires_height,
                    1,
                )
            )
        await self._keeper.store(records, items, values=[(NEXT_SLOT, b"%d" % (slot_s + SLOT_S))])

    async def fill(self, every_s: float, changes: int) -> None:
        """Store samples and events besides, so many changes at a time, without waiting for one before the next."""
        async with asyncio.TaskGroup() as tasks:
            number = 0
            while True:
                for _ in range(changes):
                    number += 1
                    tasks.create_task(self._journal.apply(self._change(number)))
                await asyncio.sleep(every_s)

    def _change(self, number: int) -> Changes:
        """One sample, or up to four events that are stored together or not at all."""
        taken_ns = self._clock.now_ns()
        if number % 2:
            return Changes((NewRecord(Stream.SAMPLE, taken_ns, bytes(msgpack.packb((self._assignment.run, number, 1)))),))
        count = number // 2 % 4 + 1
        body = bytes(msgpack.packb((self._assignment.run, number, count, bytes(150))))
        return Changes((NewRecord(Stream.EVENT, taken_ns, body),) * count)


def _device_id(key: SampleKey) -> bytes:
    return device_id(CHAIN_ID, key.public)
