"""What an agent takes back of a damaged journal by itself: readings that waited are sent, registers and history go on."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from agent.lifecycle import Agent
from agent.status import Trouble
from storeforward.items import ItemState
from storeforward.records import Stream
from storeforward.sqlitefile import PAGE_BYTES
from tests.agent.kit import Society, play
from tests.agent.line.test_recovering import HOME, FreshMeter, enough_for_all, garble, run_until, stop


def wound(path: Path) -> None:
    """SQLite does not open what has no first page; the rest is as it was."""
    content = path.read_bytes()
    path.write_bytes(bytes(PAGE_BYTES) + content[PAGE_BYTES:])


@asynccontextmanager
async def living(society: Society, agent: Agent) -> AsyncIterator[Agent]:
    """An agent that runs within the block."""
    async with agent:
        running = society.start(agent)
        try:
            yield agent
        finally:
            await stop(running)


def test_what_waited_in_a_damaged_journal_is_sent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        async with living(society, society.agent(HOME)) as first:
            await society.until(5, 20)
            society.wires[HOME].cut = True
            await society.until(9, 20)
            waiting = first.journal.outbox.count()
        assert waiting >= 4
        assert society.reading(HOME, 6) is None
        wound(tmp_path / f"{HOME}.db")
        society.wires[HOME].cut = False
        async with living(society, society.agent(HOME)) as second:
            await society.until(13)
            assert [slot for slot in range(12) if society.reading(HOME, slot) is None] == [9]  # it began again within slot 9
            assert f"readings sent again: {waiting - 1}" in second.status.snapshot()[Trouble.JOURNAL_LOST].cause
            assert "notices sent again: 1" in second.status.snapshot()[Trouble.JOURNAL_LOST].cause
            assert [slot for slot in range(12) if society.notice(HOME, slot) is not None] == [3, 7, 11]
            assert second.journal.outbox.counts[ItemState.REFUSED] == 0
            assert await second.journal.salvaged_bytes() > 1_000
            assert second.messages_sent > 0
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            await run_until(society, society.agent(HOME), 14)
        assert "records taken back" in caplog.text, "the status says it again"
        assert "of home-01-base-load.db.damaged-1: " not in caplog.text, "but it is not done again"

    play(enough_for_all(), tmp_path, test)


def test_registers_and_history_go_on_without_a_node(tmp_path: Path) -> None:
    """The meter was reset, and the ledger cannot be asked: the newest signed record says where the registers were."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 5, 20)
        wound(tmp_path / f"{HOME}.db")
        society.wires[HOME].cut = True
        drivers = {"device": FreshMeter(society.house.open(HOME))}
        async with living(society, society.agent(HOME, drivers=drivers)) as second:
            await society.until(9, 20)
            own = [stored.record.body for stored in await second.journal.read_records(Stream.ENERGY)]
            society.wires[HOME].cut = False
            await society.until(12, 5)
            readings = [society.reading(HOME, slot) for slot in range(11)]
            assert len(own) == 3
            assert [slot for slot, reading in enumerate(readings) if reading is None] == [5]
            found = [reading for reading in readings if reading is not None]
            assert all(later.import_start_wh >= earlier.import_end_wh for earlier, later in pairwise(found))
            trader = second.trader
            assert trader is not None
            assert [slot.slot_s for slot in trader._observer.history] == [society.slot_s(n) for n in range(12) if n != 5]

    play(enough_for_all(), tmp_path, test)


@pytest.mark.parametrize("content", [b"", b"not a database", bytes(3 * PAGE_BYTES)])
def test_a_file_with_nothing_in_it_holds_nobody_up(tmp_path: Path, content: bytes) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        (tmp_path / f"{HOME}.db.damaged-3").write_bytes(content)
        await society.start_all(stack, HOME)
        async with living(society, society.agent(HOME)) as agent:
            await society.until(3)
            assert agent.counters.proven > 0
            assert "records taken back: 0" in agent.status.snapshot()[Trouble.JOURNAL_LOST].cause

    play(enough_for_all(), tmp_path, test)


def test_of_a_file_that_was_garbled_nothing_is_believed(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        await run_until(society, society.agent(HOME), 3, 20)
        garble(tmp_path / f"{HOME}.db")
        async with living(society, society.agent(HOME)) as agent:
            await society.until(6)
            assert await agent.journal.salvaged_bytes() == 0

    play(enough_for_all(), tmp_path, test)


class Broken:
    """A table of items on pages that make no sense."""

    def __init__(self, error: sqlite3.Error) -> None:
        self._error = error

    def counters(self) -> tuple[int, int]:
        return 1, 1

    def restore(self, counters: tuple[int, int]) -> None:
        assert counters == (1, 1)

    def __getattr__(self, name: str) -> None:
        raise self._error


def test_a_journal_that_breaks_in_use_ends_the_agent_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """The file's start looks sound: the one that broke it knows better."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        path = tmp_path / f"{HOME}.db"
        async with society.agent(HOME) as first:
            running = asyncio.create_task(first.run())
            await society.until(4, 20)

            broke = sqlite3.DatabaseError("database disk image is malformed")
            broke.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            first.journal._writer._items = Broken(broke)  # type: ignore[assignment]
            await asyncio.wait((running,))
            with pytest.raises(ExceptionGroup):
                running.result()
        async with living(society, society.agent(HOME)) as second:
            assert second.journal.set_aside == path.with_name(f"{HOME}.db.damaged-1")
            await society.until(8)
            assert [slot for slot in range(7) if society.reading(HOME, slot) is None] == [4]

    play(enough_for_all(), tmp_path, test)
