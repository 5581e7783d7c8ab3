"""How an agent starts: with the registers on the disk before anything else; and how it ends when its journal broke."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from agent.journaling.entries import decode_sample
from drivers.simulated.battery import SimulatedBattery
from storeforward.changes import Changes
from storeforward.errors import JournalDamaged
from storeforward.records import Record, Stream
from storeforward.scrub import FIRST_S
from tests.agent.kit import Society, play, small_scenario
from tests.storeforward.kit import power_cut, record

HOME = "home-01-base-load"


def samples_on_disk(path: Path, folder: Path) -> list[Record]:
    """The samples that would be there after a power cut now."""
    with closing(sqlite3.connect(power_cut(path, folder))) as connection:
        rows = connection.execute("SELECT data FROM samples").fetchall()
    return [Record.decode(data) for (data,) in rows]


def test_the_registers_at_the_start_are_on_the_disk_before_anything_is_commanded_or_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a clock, and samples kept at the edges of slots alone: the next edge is minutes away."""
    seen: list[list[Record]] = []

    async def test(society: Society, stack: AsyncExitStack) -> None:
        config = society.config("battery", opening="middle")
        agent = await stack.enter_async_context(society.agent("battery", config))
        society.wires["battery"].cut = True

        async def commanded(battery: SimulatedBattery, power_w: int) -> None:
            seen.append(samples_on_disk(config.journal.path, tmp_path / f"cut-{len(seen)}"))

        monkeypatch.setattr(SimulatedBattery, "set_power", commanded)
        started_ns = society.clock.now_ns()
        society.start(agent)
        await asyncio.sleep(5)
        (first,) = seen[0]
        assert first.wall_ns == started_ns // 10**9 * 10**9
        assert decode_sample(first.body).taken_at_s == started_ns // 10**9
        assert agent.client.verified is None, "no node has said anything yet"

    play(small_scenario(), tmp_path, test)


def test_the_first_reading_is_kept_once(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        for name, samples in ((HOME, False), ("home-02-base-load", True)):
            agent = await stack.enter_async_context(society.agent(name, society.config(name, samples=samples)))
            society.start(agent)
            await asyncio.sleep(2.5)
            records = await agent.journal.read_records(Stream.SAMPLE)
            assert len(records) == 1, "the load has not changed since"

    play(small_scenario(), tmp_path, test)


def test_a_journal_that_broke_long_ago_ends_the_agent_and_the_next_one_goes_on(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        config = society.config(HOME)
        async with society.agent(HOME, config) as first:
            await first.journal.apply(Changes(tuple(record(Stream.EVENT) for _ in range(500))))
        with closing(sqlite3.connect(config.journal.path)) as connection, connection:
            assert connection.execute("DELETE FROM records WHERE seq = 100").rowcount == 1
        async with society.agent(HOME, config) as second:
            assert second.journal.set_aside is None
            started_ns = society.clock.now_ns()
            with pytest.raises(ExceptionGroup) as ended:
                await asyncio.wait_for(second.run(), 3_600)
            assert ended.group_contains(JournalDamaged, match="record 100 is missing, and no gap names it")
            assert society.clock.now_ns() - started_ns < (FIRST_S + 60) * 10**9
        third = await stack.enter_async_context(society.agent(HOME, config))
        assert third.journal.set_aside is not None
        society.start(third)
        await society.until(3.5)
        assert society.reading(HOME, 0) is not None
        assert society.reading(HOME, 2) is not None

    play(small_scenario(), tmp_path, test)
