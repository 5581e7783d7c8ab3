"""Records and named values that are not what they were when an agent wrote them, or are of another version of it.

What the disk changed ends the agent, and the next start goes on without it. What only another version understands stays, and
is left out. Neither ends in a traceback that nobody foresaw, or in the same end at every start.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journaling import entries
from agent.journaling.keeping import Keeper
from agent.journaling.recording import METER_STATE
from agent.lifecycle import Agent
from agent.line.noticing import NOTICED, Told
from agent.line.recovering import STANDING
from agent.status import Status, Trouble
from agent.time.keeping import TIME_FLOOR
from agent.time.redating import UNDATED_AFTER
from storeforward.changes import Changes
from storeforward.errors import JournalDamaged
from storeforward.gaps import Gap, Kept, Why
from storeforward.journal import Journal
from storeforward.records import NO_HASH, NewRecord, Stream
from storeforward.scrub import NEWEST
from tests.agent.kit import Society, play, small_scenario
from tests.agent.line.test_recovering import HOME, run_until
from tests.storeforward.kit import opened, record, run
from tools.society.virtualclock import VirtualClock

HOUR_S = 3_600
NEXT_FORM = bytes(msgpack.packb([2, {"from": "the next version"}]))
Change = Callable[[sqlite3.Connection], object]


@pytest.fixture(autouse=True)
def _nobody_reads_the_journal_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else that would be the first to find it."""
    monkeypatch.setattr("storeforward.scrub.FIRST_S", 1e6)


async def a_past(society: Society, *more: Changes) -> Path:
    """Two slots of an agent's life, and so much after it that no start looks at what was before; where the journal is."""
    config = society.config(HOME, samples=True)
    await run_until(society, society.agent(HOME, config), 2.5)
    async with society.agent(HOME, config) as agent:
        for changes in more:
            await agent.journal.apply(changes)
        await agent.journal.apply(Changes(tuple(record(Stream.RECEIPT) for _ in range(NEWEST + 1))))
    return config.journal.path


def alter(path: Path, change: Change) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        change(connection)


async def live(agent: Agent) -> None:
    """Two hours of an agent."""
    async with agent:
        await asyncio.wait_for(agent.run(), 2 * HOUR_S)


def first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def ends_and_begins_afresh(society: Society, stack: AsyncExitStack, path: Path) -> None:
    """One agent ends, the one after it sets the journal aside and trades on."""
    config = society.config(HOME, samples=True)
    with pytest.raises((JournalDamaged, ExceptionGroup)) as ended:
        await live(society.agent(HOME, config))
    assert isinstance(first_cause(ended.value), JournalDamaged)
    agent = await stack.enter_async_context(society.agent(HOME, config))
    assert agent.journal.set_aside == path.with_name(f"{path.name}.damaged-1")
    society.start(agent)
    slot = (society.clock.now_ns() // 10**9 - society.slot_s(0)) // 900
    await society.until(slot + 3.5)
    assert society.reading(HOME, slot + 1) is not None
    assert set(agent.status.snapshot()) == {Trouble.JOURNAL_LOST}


def garbled(table: str, stream: Stream) -> Change:
    where = f"(SELECT MIN(seq) FROM all_records WHERE stream = {stream:d})"
    return lambda connection: connection.execute(f"UPDATE {table} SET data = x'93a5ff' WHERE seq = {where}")


@pytest.mark.parametrize(
    ("table", "stream", "also"),
    [
        ("records", Stream.ANCHOR, Changes()),
        ("records", Stream.ENERGY, Changes()),
        ("samples", Stream.SAMPLE, Changes(values=((UNDATED_AFTER, b"0"),))),
        ("records", Stream.EVENT, Changes(values=((NOTICED, Told(0).encode()),))),
    ],
)
def test_a_record_that_the_disk_changed_ends_the_agent_and_the_next_start_goes_on(
    tmp_path: Path, table: str, stream: Stream, also: Changes
) -> None:
    """Whoever is the first to read it: the start, whoever dates samples, whoever counts for a notice."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        path = await a_past(society, Changes((entries.event("kit", "an event", None),)), also)
        alter(path, garbled(table, stream))
        await ends_and_begins_afresh(society, stack, path)

    play(small_scenario(24, battery=None), tmp_path, test)


@pytest.mark.parametrize("name", [TIME_FLOOR, METER_STATE, STANDING, UNDATED_AFTER, NOTICED, "taken back", "numbers used"])
@pytest.mark.parametrize("value", [b"\xc1", NEXT_FORM])
def test_a_named_value_that_means_nothing_ends_the_agent_and_the_next_start_goes_on(
    tmp_path: Path, name: str, value: bytes
) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        path = await a_past(society)
        row = (name, value)
        alter(path, lambda connection: connection.execute("INSERT OR REPLACE INTO named_values VALUES (?, ?)", row))
        await ends_and_begins_afresh(society, stack, path)

    play(small_scenario(24, battery=None), tmp_path, test)


def test_records_of_the_next_version_stay_and_are_left_out(tmp_path: Path) -> None:
    """As after a downgrade. They verify, so nobody takes them for damage."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        streams = Stream.ENERGY, Stream.SAMPLE, Stream.ANCHOR, Stream.EVENT
        unknown = tuple(NewRecord(stream, None, NEXT_FORM) for stream in streams)
        await a_past(society, Changes(values=((UNDATED_AFTER, b"0"),)), Changes(unknown))
        agent = await stack.enter_async_context(society.agent(HOME, society.config(HOME, samples=True)))
        assert agent.journal.set_aside is None
        society.start(agent)
        await society.until(10.5)
        assert set(agent.status.snapshot()) == {Trouble.RECORDS}
        cause = agent.status.snapshot()[Trouble.RECORDS].cause
        assert all(f"{stream.name.lower()} from record " in cause for stream in streams[:3])
        assert all(society.reading(HOME, slot) is not None for slot in range(9))
        assert any(society.notice(HOME, slot) is not None for slot in range(3, 9)), "what events say is not looked at"
        kept = [stored for stream in streams for stored in await agent.journal.read_records(stream, limit=10_000)]
        assert sum(stored.record.body == NEXT_FORM for stored in kept) == len(streams)

    play(small_scenario(24, battery=None), tmp_path, test)


def test_a_gap_of_another_format_counts_as_damage_at_the_start(tmp_path: Path) -> None:
    """It would come with another number of the schema, and the file would not be opened: so nobody wrote it."""

    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        async with opened(path, clock) as journal:
            await journal.apply(Changes((NewRecord(Stream.GAP, None, NEXT_FORM),)))
        async with opened(path, clock) as journal:
            assert journal.set_aside is not None

    run(main)


def test_a_body_is_understood_or_left_out_and_the_status_says_which(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            status = Status("kit")
            keeper = Keeper(journal, clock, status)
            for body in (b"\xc1", NEXT_FORM, NEXT_FORM):
                await journal.apply(Changes((NewRecord(Stream.ENERGY, None, body),)))
            gap = Gap(0, {}, 0, 0, NO_HASH, Kept.NOTHING, Why.SIZE)
            await journal.apply(Changes((NewRecord(Stream.GAP, None, gap.encode()),)))
            (stored,) = await journal.read_records(Stream.GAP)
            assert keeper.understood(stored, Gap.decode) == gap
            assert status.snapshot() == {}
            for found in await journal.read_records(Stream.ENERGY):
                assert keeper.understood(found, entries.decode_energy) is None
            altered = replace(stored, record=replace(stored.record, body=NEXT_FORM))
            assert keeper.understood(altered, Gap.decode) is None
            cause = status.snapshot()[Trouble.RECORDS].cause
            assert "energy from record 1 on (" in cause
            assert "gap from record 4 on (" in cause
            assert "record 2" not in cause

    run(main)


@given(body=st.binary(max_size=60) | st.recursive(st.none() | st.integers(-9, 9), st.lists).map(msgpack.packb))
def test_whatever_a_body_holds_decoding_it_raises_nothing_but_value_errors(body: bytes) -> None:
    for decode in (entries.decode_energy, entries.decode_sample, entries.decode_event, Gap.decode):
        try:
            decode(body)
        except ValueError:
            continue


def test_what_its_user_cannot_make_sense_of_condemns_the_journal(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        async with opened(path, clock) as journal:
            assert isinstance(journal, Journal)
            with pytest.raises(JournalDamaged, match="invalid literal"), journal.must_make_sense():
                int(b"nonsense")
        async with opened(path, clock) as journal:
            assert journal.set_aside is not None

    run(main)
