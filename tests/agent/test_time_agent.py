"""Whole agents on machines whose clock is unset or wrong, against a ledger that tells the time."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from agent.journaling import entries
from agent.lifecycle import Agent
from agent.status import Trouble
from agent.time.deviceclock import DeviceClock
from agent.time.redating import read_anchors
from lightclient.store import MemoryStore
from storeforward.records import Stream
from storeforward.timekeeping import Source
from tests.agent import kit
from tests.agent.kit import SLOT_S, Society, play, small_scenario
from tests.agent.timekit import FakeSystem, LinuxSystem

HOME = "home-01-base-load"
NEVER_SET = -2_000_000_000


@pytest.fixture(autouse=True)
def _live_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks every few seconds, so that the ledger tells the time well."""
    monkeypatch.setattr(kit, "HEARTBEAT_S", 5)


def test_a_machine_without_a_clock_learns_the_time_from_the_ledger_and_trades(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        system = FakeSystem(society.clock, off_s=NEVER_SET, is_synchronised=False)
        home = await stack.enter_async_context(society.agent(HOME, clock=DeviceClock(system)))
        society.start(home)
        assert not home.time.is_anchored
        await society.until(0, after_s=-SLOT_S + 120)
        assert home.time.is_anchored
        assert abs(home.time.clock.now_ns() - society.clock.now_ns()) <= 10 * 10**9
        assert {anchor.source for anchor in await read_anchors(home._keeper)} == {Source.LEDGER}
        await society.until(3.5)
        assert home.status.snapshot() == {}
        assert home.messages_sent > 0
        for slot in (0, 1, 2):
            settled = society.settlement(slot)
            assert settled is not None
            assert settled.reported == settled.devices

    play(small_scenario(slots=8), tmp_path, test)


@pytest.mark.parametrize("off_s", [3_600, -3_600, 70 * 365 * 86_400])
def test_a_synchronised_clock_that_the_ledger_contradicts_stops_trading_until_it_is_right(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, off_s: int
) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        system = FakeSystem(society.clock, off_s=off_s)
        home = await stack.enter_async_context(society.agent(HOME, clock=DeviceClock(system)))
        society.start(home)
        await society.until(1)
        assert set(home.status.snapshot()) == {Trouble.WRONG_TIME}, "what followed from the clock is not said any more"
        assert "the ledger and the system are" in home.status.snapshot()[Trouble.WRONG_TIME].cause
        assert home.messages_sent == 0
        assert home.time.floor_ns <= society.clock.now_ns()
        assert len(await home.journal.read_records(Stream.SAMPLE, limit=1_000)) > 100
        system.off_s = 0
        await society.until(4)
        assert home.status.snapshot() == {}
        assert home.messages_sent > 0
        reported = [slot for slot in range(4) if society.reading(HOME, slot) is not None]
        assert reported == [0, 1, 2]
        assert "after 0 s" not in caplog.text, "nothing flickers"

    play(small_scenario(slots=8), tmp_path, test)


def test_a_ledger_that_stands_still_is_behind_without_a_break(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its nodes answer, and the block that they show is new to the agent. Whether the clock is wrong takes a second one."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        home = await stack.enter_async_context(society.agent(HOME))
        society.start(home)
        newest: dict[str, bytes] = {}

        def key(request: bytes) -> str:
            message = json.loads(request)
            return f"{message['method']} {message['params']}"

        def keep(request: bytes, answer: bytes) -> bytes:
            if key(request) == "commit {}":
                newest[key(request)] = answer
            return answer

        def stand_still(request: bytes, answer: bytes) -> bytes:
            kept = newest.get(key(request))
            return answer if kept is None else json.dumps({**json.loads(kept), "id": json.loads(request)["id"]}).encode()

        await society.until(2.9)
        society.wires[HOME].cut = True
        society.wires["home-02-base-load"].bend = keep
        await society.until(3.02)
        society.wires["home-02-base-load"].bend = lambda request, answer: answer
        assert newest
        society.wires[HOME].bend = stand_still
        await society.until(3.1)
        society.wires[HOME].cut = False
        await society.until(3.5)
        assert set(home.status.snapshot()) == {Trouble.BEHIND}
        assert caplog.text.count(f"{HOME}: behind: ") == 1
        society.wires[HOME].bend = lambda request, answer: answer
        await society.until(5.5)
        assert home.status.snapshot() == {}
        assert caplog.text.count(f"{HOME}: no longer behind") == 1

    play(small_scenario(), tmp_path, test)


def test_a_jump_while_trading_neither_names_a_slot_nor_misses_one(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        system = FakeSystem(society.clock)
        home = await stack.enter_async_context(society.agent(HOME, clock=DeviceClock(system)))
        society.start(home)
        await society.until(2.5)
        assert home.status.snapshot() == {}
        system.off_s = 7_200
        await society.until(4.5)
        assert home.time.is_anchored
        assert abs(home.time.clock.now_ns() - society.clock.now_ns()) < 10**9
        system.off_s = 0
        await society.until(6)
        assert home.status.snapshot() == {}
        assert all(society.reading(HOME, slot) is not None for slot in range(5))
        assert home.counters.refused == 0

    play(small_scenario(slots=8), tmp_path, test)


def test_ten_hours_without_time_servers_and_without_a_network_lose_no_slot(tmp_path: Path) -> None:
    """The kernel's own bound reaches 16 s after nine hours, and then it calls its clock not synchronised. The meter's clock
    stays right meanwhile, so that its readings are a little behind."""
    slots = 44

    async def test(society: Society, stack: AsyncExitStack) -> None:
        system = LinuxSystem(society.clock)
        home = await stack.enter_async_context(society.agent(HOME, clock=DeviceClock(system)))
        society.start(home)
        await society.until(1.5)
        society.wires[HOME].cut = True
        system.lose_servers(ppm=20)
        await society.until(slots - 2.5)
        assert not system.synchronisation().is_synchronised
        assert home.time.is_anchored
        society.wires[HOME].cut = False
        system.find_servers()
        await society.until(slots - 0.5)
        assert home.status.snapshot() == {}
        assert [slot for slot in range(slots) if society.reading(HOME, slot) is None] == [slots - 1]

    play(small_scenario(slots=slots), tmp_path, test)


@pytest.mark.parametrize("off_s", [0.02, 3, -0.02, -3])
def test_a_meter_whose_clock_is_a_little_off_loses_no_slot(tmp_path: Path, off_s: float) -> None:
    """Seen from the device: its own clock is off, and the meter's is right."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        home = await stack.enter_async_context(society.agent(HOME, clock=DeviceClock(FakeSystem(society.clock, off_s))))
        society.start(home)
        await society.until(5)
        assert home.status.snapshot() == {}
        assert [slot for slot in range(5) if society.reading(HOME, slot) is not None] == [0, 1, 2, 3]

    play(small_scenario(slots=8), tmp_path, test)


def test_an_outage_with_three_reboots_and_no_clock_is_delivered_once_as_far_as_it_can_be_dated(tmp_path: Path) -> None:
    """Cut off in slot 2, rebooted in slots 3, 5 and 6 without a clock, back in slot 9: what the first boot measured and what
    the last one did is on the ledger; what lies between has no date and is kept."""
    trusted = MemoryStore()

    async def life(society: Society, boot: int, until_slot: float) -> None:
        system = FakeSystem(society.clock, off_s=NEVER_SET if boot else 0, is_synchronised=not boot)
        async with society.agent(HOME, clock=DeviceClock(system), store=trusted, boot_id=bytes([boot]) * 16) as home:
            running = society.start(home)
            if not boot:
                await society.until(2.5)
                society.wires[HOME].cut = True
            await society.until(until_slot)
            if boot == 3:
                society.wires[HOME].cut = False
                await society.until(12.5)
                await check(society, home)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def check(society: Society, home: Agent) -> None:
        readings = {slot: found for slot in range(12) if (found := society.reading(HOME, slot)) is not None}
        assert list(readings) == [0, 1, 2, 7, 8, 9, 10, 11]
        records = await home.journal.read_records(Stream.ENERGY)
        assert [record.ref.record_hash for record in records] == [found.record_hash for found in readings.values()]
        assert all(before.import_end_wh <= after.import_start_wh for before, after in pairwise(readings.values()))
        assert home.counters.refused == home.counters.expired == 0
        assert [item.slot_s for item in await home.journal.outbox.open_items() if item.slot_s < society.slot_s(11)] == []
        undated = [record.record for record in await home.journal.read_records(Stream.SAMPLE, limit=10_000)]
        assert {record.boot_id[0] for record in undated if not record.wall_ns} == {1, 2, 3}
        events = [entries.decode_event(record.record.body) for record in await home.journal.read_records(Stream.EVENT)]
        assert sum("of a boot that never learnt the time" in text for _, text in events) == 2
        assert home.status.snapshot() == {}

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        for boot, until_slot in enumerate((3.5, 5.2, 6.5, 9.5)):
            await life(society, boot, until_slot)

    play(small_scenario(slots=14), tmp_path, test)
