"""Whole agents against the real ledger: they trade, settle, survive what goes wrong, and stop cleanly."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from agent.appliances.base import MissingAbility
from agent.journaling.entries import ReceiptKind
from agent.journaling.explaining import Deed
from agent.lifecycle import Agent
from agent.line.forwarding import Forwarder
from agent.status import Trouble
from agent.vocabulary import Clock, Kind
from drivers.simulated.battery import BatteryPart
from drivers.simulated.ev import EvPart
from drivers.simulated.faults import Fault, FaultKind
from drivers.simulated.part import NJ_PER_WH
from drivers.simulated.washer import WasherPart
from lightclient.messages import Notice, OpenReading
from lightclient.refusals import Refusal
from storeforward.items import ItemState
from storeforward.records import Stream
from tests.agent.kit import SLOT_S, START_S, Society, car, play, small_scenario, wash

ALWAYS = 10**10
NO_DEVICES = frozenset({Kind.FREEZER, Kind.WASHER, Kind.BATTERY, Kind.SOLAR})


async def receipts(agent: Agent, kind: ReceiptKind) -> list[int]:
    """Slots of the receipts of a kind in an agent's journal."""
    records = await agent.journal.read_records(Stream.RECEIPT)
    bodies = [msgpack.unpackb(record.record.body) for record in records]
    return [slot_s for found, slot_s, _, _ in bodies if found == kind]


def test_a_building_trades_and_settles_and_every_step_is_proven(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(9.98)
        for name, agent in agents.items():
            assert agent.status.snapshot() == {}, name
            assert (agent.counters.refused, agent.counters.expired) == (0, 0)
        for slot in range(1, 9):
            settled = society.settlement(slot)
            assert settled is not None
            assert settled.reported == settled.devices
            book = society.book(slot)
            assert book is not None
            assert book.traded_wh == 300
            for name in ("home-01-base-load", "home-02-base-load", "array"):
                position = society.position(name, slot)
                assert position is not None
                assert position.line is not None
                assert position.line.late == 0
        home = agents["home-01-base-load"]
        expected = [society.slot_s(slot) for slot in range(9)]
        assert await receipts(home, ReceiptKind.SETTLED) == expected
        assert await receipts(home, ReceiptKind.TRADED) == [*expected, society.slot_s(9), society.slot_s(10)][1:]
        assert home.messages_sent <= 10
        assert home.client.proofs_verified > 50

    play(small_scenario(), tmp_path, test)


def test_slots_of_one_minute_trade_as_well(tmp_path: Path) -> None:
    """The gate of a slot is the start of the slot before it: bids are made half a minute earlier still."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(28)
        for slot in range(2, 26):
            settled, book = society.settlement(slot), society.book(slot)
            assert settled is not None
            assert book is not None
            assert settled.reported == settled.devices
            assert book.traded_wh == 20
        # The one slot before the first that is traded was measured whole, and the ledger has no use for it.
        assert {name: agent.counters.refused for name, agent in agents.items()} == {
            name: 0 if name == "utility" else 1 for name in agents
        }
        assert not any(agent.status.snapshot() for agent in agents.values())

    scenario = small_scenario(
        slots=40,
        slot_duration_s=60,
        pv_mwh=(60_000,) * 40,
        load_mwh=((10_000,) * 40, (10_000,) * 40),
    )
    play(scenario, tmp_path, test)


def test_the_battery_stores_the_surplus_that_it_bought(tmp_path: Path) -> None:
    """By the simplest rule it buys what the array has left in the morning, and delivers it after sunset."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "battery")
        agent = society.agent("battery", society.config("battery", opening="middle"))
        society.start(await stack.enter_async_context(agent))
        battery = society.house.part("battery")
        assert isinstance(battery, BatteryPart)
        await society.until(8)
        full = battery.stored_nj
        assert full > 9_000 * NJ_PER_WH  # there were 5 kWh at first
        await society.until(24)
        assert battery.stored_nj < full // 2

    play(small_scenario(slots=32, pv_mwh=(1_000_000,) * 8 + (0,) * 24), tmp_path, test)


def test_four_hours_without_network_lose_nothing(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(2.1)
        society.wires["battery"].cut = True
        await society.until(18.1)
        battery = agents["battery"]
        assert Trouble.OFFLINE in battery.status
        assert battery.journal.outbox.count() >= 15
        assert society.reading("battery", 10) is None
        assert society.wires["battery"].calls < 3 * 400, "of three nodes each is looked for ever more rarely"
        reason = battery.explanations.last(Deed.STEER)
        assert reason is not None
        assert "No proven trades" in reason.text
        society.wires["battery"].cut = False
        await society.until(22)
        assert battery.status.snapshot() == {}
        for slot in range(21):
            assert society.reading("battery", slot) is not None, slot
        energies = await battery.journal.read_records(Stream.ENERGY)
        assert all(record.proven_height is not None for record in energies[:-1])
        late = society.position("battery", 10)
        assert late is not None
        assert late.line is not None
        assert late.line.late == 1

    play(small_scenario(slots=24), tmp_path, test)


def test_an_order_that_comes_too_late_is_a_dead_letter_and_blocks_nothing(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "home-01-base-load")
        home = await stack.enter_async_context(society.agent("home-01-base-load"))
        wire = society.wires["home-01-base-load"]
        society.start(home)
        await society.until(3, after_s=SLOT_S - 100)
        wire.loses = lambda request: b"broadcast_tx_sync" in request
        await society.until(3, after_s=SLOT_S - 70)  # decided, signed, stored; not handed in
        assert home.journal.outbox.count() >= 1
        await society.until(3, after_s=SLOT_S - 50)
        wire.loses = lambda request: False
        await society.until(6.99)
        (letter,) = await home.journal.outbox.dead_letters()
        assert letter.state is ItemState.REFUSED
        assert letter.code == Refusal.BOOK_CLOSED
        assert home.counters.refused == 1
        refused = home.explanations.last(Deed.REFUSED)
        assert refused is not None
        assert "the gate of this slot has passed" in refused.text
        position = society.position("home-01-base-load", 6)
        assert position is not None
        assert position.receipts
        assert home.status.snapshot() == {}

    play(small_scenario(), tmp_path, test)


@pytest.mark.parametrize("lie", ["value", "header", "stale"])
def test_a_lying_node_is_not_believed_and_the_appliance_is_steered_all_the_same(tmp_path: Path, lie: str) -> None:
    kept: list[bytes] = []

    def bend(request: bytes, answer: bytes) -> bytes:
        method = json.loads(request)["method"]
        message = json.loads(answer)
        if lie == "value" and method == "abci_query" and message["result"]["response"]["value"]:
            value = bytearray(base64.b64decode(message["result"]["response"]["value"]))
            value[-1] ^= 1
            message["result"]["response"]["value"] = base64.b64encode(value).decode()
        elif lie == "header" and method == "commit":
            header = message["result"]["signed_header"]["header"]
            header["app_hash"] = "00" * 32
        elif lie == "stale" and method == "commit":
            kept.append(answer)
            return json.dumps({**json.loads(kept[0]), "id": message["id"]}).encode()
        return json.dumps(message).encode()

    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(2.5)
        battery = agents["battery"]
        sent = battery.messages_sent
        society.wires["battery"].bend = bend
        await society.until(6.95)
        trouble = Trouble.BEHIND if lie == "stale" else Trouble.NO_TRUST
        assert trouble in battery.status
        assert battery.messages_sent <= sent + 2 * (lie == "stale")
        assert len(battery.explanations.changes) > 0
        society.wires["battery"].bend = lambda request, answer: answer
        await society.until(9.5)
        assert set(battery.status.snapshot()) <= {Trouble.NODE}, "what a node was caught at is not forgotten at once"
        assert society.reading("battery", 4) is not None

    play(small_scenario(), tmp_path, test)


def test_a_stop_leaves_the_appliance_safe_and_the_journal_closed(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "battery")
        part = society.house.part("battery")
        config = society.config("battery", opening="middle")
        async with society.agent("battery", config) as battery:
            running = society.start(battery)
            await society.until(6.5)
            assert part.power_mw > 0
            before_ns = society.clock.now_ns()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert part.power_mw == 0
            assert society.clock.now_ns() - before_ns < 5 * 10**9
        async with society.agent("battery"):
            pass  # the journal is free again

    play(small_scenario(), tmp_path, test)


class StubbornForwarder(Forwarder):
    """Takes a minute to be cancelled."""

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await asyncio.sleep(60)


def test_the_appliance_is_safe_before_anything_else_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "battery")
        part = society.house.part("battery")
        monkeypatch.setattr("agent.lifecycle.Forwarder", StubbornForwarder)
        config = society.config("battery", opening="middle")
        async with society.agent("battery", config) as battery:
            running = society.start(battery)
            await society.until(6.5)
            assert part.power_mw > 0
            running.cancel()
            await asyncio.sleep(1)
            assert part.power_mw == 0
            assert not running.done()
            await asyncio.gather(running, return_exceptions=True)

    play(small_scenario(), tmp_path, test)


def test_a_restart_between_bid_and_gate_orders_nothing_twice_and_measures_the_slot(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "home-02-base-load")
        async with society.agent("home-02-base-load") as first:
            running = society.start(first)
            await society.until(4, after_s=SLOT_S - 80)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        second = await stack.enter_async_context(society.agent("home-02-base-load"))
        society.start(second)
        await society.until(4, after_s=SLOT_S - 61)
        book = society.book(5)
        assert book is not None
        assert [level.energy_wh for level in book.book.buys if level.limit_ueur_kwh == 200_000] == [300]
        await society.until(8, after_s=2)
        assert second.status.snapshot() == {}
        assert second.trader is not None
        own_history = second.trader.seen(society.slot_s(8)).own_history
        assert [slot.slot_s for slot in own_history] == [society.slot_s(slot) for slot in range(8)]
        position = society.position("home-02-base-load", 5)
        assert position is not None
        assert position.position().bought_wh == 200

    play(small_scenario(), tmp_path, test)


class SetBack:
    """A clock that is wrong by a constant."""

    def __init__(self, clock: Clock, behind_s: int) -> None:
        self._clock = clock
        self._behind_ns = behind_s * 10**9

    def now_ns(self) -> int:
        return self._clock.now_ns() - self._behind_ns

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()


@pytest.mark.parametrize("behind_s", [10 * SLOT_S, 400 * 86_400])
def test_with_a_wrong_clock_it_measures_and_controls_but_does_not_trade(tmp_path: Path, behind_s: int) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "home-01-base-load")
        clock = SetBack(society.clock, behind_s)
        home = await stack.enter_async_context(society.agent("home-01-base-load", clock=clock))
        society.start(home)
        await society.until(4)
        assert list(home.status.snapshot()) == [Trouble.WRONG_TIME]
        assert home.messages_sent == 0
        assert home.explanations.last(Deed.STEER) is not None
        assert await home.journal.read_records(Stream.ENERGY) == [], "no slot is named by guess"
        samples = await home.journal.read_records(Stream.SAMPLE, limit=1_000)
        assert len(samples) > 3 * SLOT_S // 6
        assert {stored.record.wall_ns for stored in samples[1:]} == {0}, "the first is older than any doubt"

    play(small_scenario(), tmp_path, test)


def test_a_silent_sensor_stops_neither_the_start_nor_the_others(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "home-01-base-load")
        faults = (Fault(FaultKind.SILENT, START_S - SLOT_S, START_S + 4 * SLOT_S),)
        home = await stack.enter_async_context(society.agent("home-01-base-load", faults=faults))
        society.start(home)
        await society.until(3.5)
        assert Trouble.SENSOR in home.status
        await society.until(9.5)
        assert home.status.snapshot() == {}
        assert society.reading("home-01-base-load", 2) is None
        assert society.reading("home-01-base-load", 7) is not None
        settled = society.settlement(2)
        assert settled is not None
        assert settled.reported == settled.devices - 1

    play(small_scenario(), tmp_path, test)


def test_a_grid_meter_that_falls_silent_leaves_the_battery_to_its_trades(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "battery")
        faults = (Fault(FaultKind.SILENT, START_S + 2 * SLOT_S, ALWAYS),)
        drivers = {"device": society.house.open("battery"), "grid": society.house.open("grid-meter", faults)}
        battery = await stack.enter_async_context(society.agent("battery", drivers=drivers))
        society.start(battery)
        await society.until(5.5)
        trouble = battery.status.snapshot()[Trouble.SENSOR]
        assert "without balancing" in trouble.cause
        assert battery.messages_sent > 0
        assert society.reading("battery", 4) is not None

    play(small_scenario(), tmp_path, test)


def test_a_car_leaves_charged_and_a_wash_is_done_in_time(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(22)
        charger, washer = society.house.part("home-01-ev"), society.house.part("home-01-washer")
        assert isinstance(charger, EvPart)
        assert isinstance(washer, WasherPart)
        assert charger.unmet_nj() == 0
        assert len(charger.departures) == 1
        assert washer.late_washes(society.clock.now_ns() // 1000) == 0
        assert len(washer.runs) == 1
        for name in ("home-01-ev", "home-01-washer"):
            assert agents[name].messages_sent > 0
            assert agents[name].counters.refused == 0

    scenario = small_scenario(slots=24, ev_sessions=(car(2, 20, 9_000),), washer_jobs=(wash(3, 18, 400, 300, 50),))
    play(scenario, tmp_path, test)


def test_passive_appliances_report_and_send_no_orders(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = {}
        for device in society.cast.devices:
            config = society.config(device.name, strategies="passive")
            agents[device.name] = await stack.enter_async_context(society.agent(device.name, config))
            society.start(agents[device.name])
        await society.until(6)
        assert sum(agent.messages_sent for agent in agents.values()) == 0
        settled = society.settlement(4)
        assert settled is not None
        assert settled.reported == settled.devices

    scenario = small_scenario(ev_sessions=(car(2, 12, 3_000),), washer_jobs=(wash(3, 12, 400, 300),))
    play(scenario, tmp_path, test)


def test_another_slot_length_than_the_ledgers_is_not_traded_upon(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        usual = society.config("home-01-base-load")
        config = replace(usual, device=replace(usual.device, slot_duration_s=300))
        home = await stack.enter_async_context(society.agent("home-01-base-load", config))
        society.start(home)
        await society.until(1)
        assert "slots last 900 s" in home.status.snapshot()[Trouble.REGISTRY].cause
        assert home.messages_sent == 0

    play(small_scenario(absent=NO_DEVICES, battery=None), tmp_path, test)


def test_a_driver_without_the_ability_is_refused_at_the_start(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        drivers = {"device": society.house.open("grid-meter")}
        with pytest.raises(MissingAbility, match="PowerSetpoint"):
            await stack.enter_async_context(society.agent("battery", drivers=drivers))
        async with society.agent("battery"):
            pass  # and left nothing locked behind

    play(small_scenario(), tmp_path, test)


def test_what_reached_the_ledger_another_way_is_refused_by_proof(tmp_path: Path) -> None:
    """The same device in two hands: the second one's reading and notice of a slot never count, and it learns so by proof."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, "home-01-base-load")
        one = await stack.enter_async_context(society.agent("home-01-base-load"))
        society.start(one)
        config = society.config("home-01-base-load", strategies="passive")
        twin = replace(config, journal=replace(config.journal, path=tmp_path / "twin.db"))
        two = await stack.enter_async_context(society.agent("home-01-base-load", twin))
        society.start(two)
        await society.until(5)
        letters = await one.journal.outbox.dead_letters() + await two.journal.outbox.dead_letters()
        assert letters
        assert {(letter.kind, letter.code) for letter in letters} == {
            (OpenReading.KIND, Refusal.READING_STANDS),
            (Notice.KIND, Refusal.NOTICE_STANDS),
        }

    play(small_scenario(), tmp_path, test)
