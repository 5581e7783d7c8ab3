"""What a lost journal costs: history and what waited in it, but neither the agent's trading nor the ledger's registers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent.lifecycle import Agent
from agent.status import Trouble
from agent.vocabulary import Reading
from drivers.simulated.device import SimulatedDevice
from lightclient import keys
from lightclient.values import Sequence
from tests.agent.kit import SLOT_S, Society, play, small_scenario
from tools.society.scenario import Scenario

HOME = "home-01-base-load"


def enough_for_all(slots: int = 16) -> Scenario:
    """Two homes, and an array that covers just what they take; the first buys 100 Wh in every slot."""
    return small_scenario(slots, battery=None, pv_mwh=(300_000,) * slots)


def garble(path: Path) -> None:
    """What a worn card makes of a file."""
    path.write_bytes(bytes(byte ^ 0x5A for byte in path.read_bytes()))


def take_away(path: Path) -> None:
    """What a new card holds of the old one's file."""
    path.unlink()


async def stop(running: asyncio.Task[None]) -> None:
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def run_until(society: Society, agent: Agent, slot: float, after_s: int = 0) -> None:
    """An agent's life from now until an instant."""
    async with agent:
        running = society.start(agent)
        await society.until(slot, after_s)
        await stop(running)


def used(society: Society) -> Sequence:
    """The sequence numbers that the home's agent has used."""
    value = society.node.read(keys.sequence(society.device(HOME).device_id))
    assert value is not None
    return Sequence.decode(value)


def count(sequence: Sequence) -> int:
    """How many numbers are used."""
    return int.from_bytes(sequence.window, "big").bit_count()


def bought_wh(society: Society, slot: int) -> int:
    position = society.position(HOME, slot)
    return 0 if position is None else position.position().bought_wh


class FreshMeter:
    """A meter whose registers started from 0 when it was fitted in the place of another. A quiet one shows no power."""

    def __init__(self, device: SimulatedDevice[Any], *, is_quiet: bool = False) -> None:
        self._device = device
        self._is_quiet = is_quiet
        self._first: Reading | None = None

    async def read(self) -> Reading:
        reading = await self._device.read()
        first = self._first = self._first or reading
        import_wh, export_wh = reading.import_wh - first.import_wh, reading.export_wh - first.export_wh
        power_w = 0 if self._is_quiet else reading.power_w
        return replace(reading, power_w=power_w, import_wh=import_wh, export_wh=export_wh)

    async def wait_change(self, until_s: int) -> bool:
        return await self._device.wait_change(until_s)


@pytest.mark.parametrize("destroy", [garble, take_away])
def test_an_agent_whose_journal_is_lost_goes_on_trading(tmp_path: Path, destroy: Callable[[Path], None]) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 5, 20)
        before = used(society)
        destroy(tmp_path / f"{HOME}.db")
        second = await stack.enter_async_context(society.agent(HOME))
        society.start(second)
        await society.until(12)
        assert second.messages_sent >= 4
        assert (second.counters.refused, second.counters.expired) == (0, 0)
        assert second.counters.proven >= second.messages_sent - 1
        assert await second.journal.outbox.dead_letters() == []
        assert used(society).highest > before.highest
        assert count(used(society)) == count(before) + second.messages_sent
        assert [bought_wh(society, slot) for slot in range(6, 12)] == [100] * 6
        assert all(society.reading(HOME, slot) is not None for slot in range(6, 11))

    play(enough_for_all(), tmp_path, test)


def test_a_position_that_only_the_lost_journal_knew_is_proven(tmp_path: Path) -> None:
    """Its order stands on the ledger when the journal goes: it is not taken for untraded."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 5, SLOT_S - 75)  # its order for slot 6 stands, the gate is to come
        garble(tmp_path / f"{HOME}.db")
        drivers = {"device": FreshMeter(society.house.open(HOME), is_quiet=True)}
        second = await stack.enter_async_context(society.agent(HOME, drivers=drivers))
        society.start(second)
        await society.until(6, 10)
        assert second.messages_sent == 0  # seen from here, there is nothing to buy
        assert second.trader is not None
        position = second.trader.seen(society.slot_s(6)).position_now
        assert position is not None
        assert position.bought_wh == bought_wh(society, 6) > 0

    play(enough_for_all(), tmp_path, test)


def test_nothing_is_traded_before_the_sequence_is_proven(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 5, 20)
        before = used(society)
        garble(tmp_path / f"{HOME}.db")
        second = await stack.enter_async_context(society.agent(HOME))
        asked = keys.sequence(society.device(HOME).device_id).hex().encode()
        society.wires[HOME].loses = lambda request: asked in request
        society.start(second)
        await society.until(9.5)
        assert second.messages_sent == 0
        assert used(society) == before
        assert society.reading(HOME, 7) is not None  # readings carry no number and do not wait
        society.wires[HOME].loses = lambda request: False
        await society.until(12.5)
        assert second.messages_sent > 0
        assert second.counters.refused == 0

    play(enough_for_all(), tmp_path, test)


def test_a_damaged_journal_is_a_trouble_until_its_file_is_taken_away(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        path = tmp_path / f"{HOME}.db"
        async with society.agent(HOME) as healthy:
            assert Trouble.JOURNAL_LOST not in healthy.status
        garble(path)
        aside = tmp_path / f"{HOME}.db.damaged-1"
        for _ in range(2):
            async with society.agent(HOME) as agent:
                cause = agent.status.snapshot()[Trouble.JOURNAL_LOST].cause
                assert str(path) in cause
                assert f"{aside}: " in cause
                assert "Next: keep a copy of what stands aside" in cause
        aside.unlink()
        async with society.agent(HOME) as agent:
            assert agent.status.snapshot() == {}

    play(enough_for_all(), tmp_path, test)


@pytest.mark.parametrize("missed_slots", [0, 20])
def test_registers_go_on_from_the_newest_reading_on_the_ledger(tmp_path: Path, missed_slots: int) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 5, 20)
        last = society.reading(HOME, 4)
        assert last is not None
        assert last.import_end_wh >= 500
        await society.until(5.5 + missed_slots)
        garble(tmp_path / f"{HOME}.db")
        drivers = {"device": FreshMeter(society.house.open(HOME))}
        second = await stack.enter_async_context(society.agent(HOME, drivers=drivers))
        society.start(second)
        await society.until(11 + missed_slots)
        readings = [last, *(society.reading(HOME, slot) for slot in range(6 + missed_slots, 10 + missed_slots))]
        assert None not in readings
        found = [reading for reading in readings if reading is not None]
        assert found[1].import_start_wh == last.import_end_wh + 50  # what it counted since the second start
        for before, after in pairwise(found):
            assert after.import_start_wh >= before.import_end_wh
        assert all(reading.import_end_wh - reading.import_start_wh == 100 for reading in found)
        assert second.counters.refused == 0

    play(enough_for_all(16 + missed_slots), tmp_path, test)
