"""The file of figures: whole at any time, gone with the agent, and no trouble of the agent's where it cannot be written."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent.config import MetricsConfig
from agent.lifecycle import Agent
from agent.line.proving import Counters
from agent.metrics.figures import AgentFigures
from agent.metrics.writing import MetricsFile, MetricsWriter
from agent.time.states import TimeState
from storeforward.errors import JournalDamaged, StorageFailed
from storeforward.journal import Journal
from storeforward.metrics import Metrics
from tests.agent.kit import Society, play, small_scenario
from tests.agent.metrics.parser import parse
from tests.agent.timekit import time_keeper
from tests.storeforward.kit import energy, opened, run
from tools.society.virtualclock import VirtualClock

HOME = "home-01-base-load"
FIGURES = AgentFigures((), TimeState.ANCHORED, 0, 7, Counters())


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says of the figures."""
    return [record.getMessage() for record in caplog.records if record.name == "agent.metrics.writing"]


async def cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def writing(clock: VirtualClock, journal: Journal, file: Path) -> asyncio.Task[None]:
    writer = MetricsWriter("freezer", file, 15, journal, time_keeper(clock), lambda: FIGURES)
    return asyncio.get_running_loop().create_task(writer.run(), name="metrics")


def with_journal(folder: Path, test: Callable[[VirtualClock, Journal], object]) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(folder / "journal.db", clock) as journal:
            await test(clock, journal)  # type: ignore[misc]

    run(main)


def test_it_is_written_anew_every_so_often_and_taken_away_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    file = folder / "freezer.prom"

    async def test(clock: VirtualClock, journal: Journal) -> None:
        task = writing(clock, journal, file)
        await asyncio.sleep(1)
        assert parse(file.read_text())["homewatt_journal_open_items"].by("priority")["billing"] == 0
        await journal.apply(energy(1))
        await asyncio.sleep(10)
        assert parse(file.read_text())["homewatt_journal_open_items"].by("priority")["billing"] == 0
        await asyncio.sleep(5)
        found = parse(file.read_text())
        assert found["homewatt_journal_open_items"].by("priority")["billing"] == 1
        assert found["homewatt_journal_oldest_unsent_age_seconds"].only == 14
        assert found["homewatt_journal_last_fsync_age_seconds"].only == 14
        assert found["homewatt_ledger_verified_height"].only == 7
        assert os.listdir(folder) == ["freezer.prom"]
        await cancelled(task)
        assert os.listdir(folder) == []

    with_journal(tmp_path, test)


def test_a_file_that_cannot_be_written_is_told_once_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "run" / "freezer.prom"

    async def test(clock: VirtualClock, journal: Journal) -> None:
        task = writing(clock, journal, file)
        await asyncio.sleep(100)
        assert told(caplog) == [f"freezer: figures: {file} cannot be written: No such file or directory"]
        file.parent.mkdir()
        await asyncio.sleep(15)
        assert parse(file.read_text())
        file.unlink()
        file.mkdir()
        await asyncio.sleep(100)
        assert len(told(caplog)) == 2
        await cancelled(task)

    with_journal(tmp_path, test)


@pytest.mark.parametrize(("error", "runs_on"), [(StorageFailed, True), (JournalDamaged, False)])
def test_a_journal_that_cannot_be_read(
    tmp_path: Path,
    error: type[StorageFailed],
    runs_on: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = tmp_path / "freezer.prom"

    async def metrics(journal: Journal) -> Metrics:
        raise error(tmp_path / "journal.db", "disk I/O error")

    async def test(clock: VirtualClock, journal: Journal) -> None:
        monkeypatch.setattr(Journal, "metrics", metrics)
        task = writing(clock, journal, file)
        await asyncio.sleep(40)
        assert task.done() is not runs_on
        if runs_on:
            found = parse(file.read_text())
            assert found["homewatt_ledger_verified_height"].only == 7
            assert not [name for name in found if name.startswith("homewatt_journal")]
            assert told(caplog) == [f"freezer: figures: without the journal's: {tmp_path / 'journal.db'}: disk I/O error"]
        else:
            with pytest.raises(JournalDamaged):
                task.result()
        await cancelled(task)
        assert not file.exists()

    with_journal(tmp_path, test)


def test_a_write_that_is_under_way_at_the_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a thread can be cancelled, the thread cannot."""
    file, writes, may_go_on = tmp_path / "a.prom", threading.Event(), threading.Event()
    replace_file = os.replace

    def slowly(source: Path, target: Path) -> None:
        writes.set()
        assert may_go_on.wait(10)
        replace_file(source, target)

    monkeypatch.setattr("agent.metrics.writing.os.replace", slowly)
    metrics = MetricsFile(file)
    writer = threading.Thread(target=metrics.write, args=("a 1\n",))
    remover = threading.Thread(target=metrics.remove)
    writer.start()
    assert writes.wait(10)
    remover.start()
    may_go_on.set()
    for thread in (writer, remover):
        thread.join(10)
    metrics.write("b 1\n")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", [HOME, "utility"])
def test_an_agent_writes_its_figures(tmp_path: Path, name: str) -> None:
    file = tmp_path / "agent.prom"

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, name)
        config = replace(society.config(name), metrics=MetricsConfig(file))
        agent: Agent = await stack.enter_async_context(society.agent(name, config))
        running = society.start(agent)
        await society.until(2.5)
        found = parse(file.read_text())
        assert all(set(one.by("device")) == {name} for one in found.values())
        assert not any(found["homewatt_trouble"].by("name").values())
        assert found["homewatt_transactions_total"].by("outcome")["proven"] > 0
        assert found["homewatt_ledger_verified_height"].only > 1
        assert found["homewatt_journal_flushes_total"].only > 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not file.exists()

    play(small_scenario(slots=6), tmp_path, test)


def test_an_agent_without_a_network_says_so_and_what_waits(tmp_path: Path) -> None:
    file = tmp_path / "agent.prom"

    async def test(society: Society, stack: AsyncExitStack) -> None:
        config = replace(society.config(HOME), metrics=MetricsConfig(file))
        society.start(await stack.enter_async_context(society.agent(HOME, config)))
        await society.until(1.5)
        society.wires[HOME].cut = True
        await society.until(4.5)
        found = parse(file.read_text())
        assert found["homewatt_trouble"].by("name")["offline"] == 1
        assert found["homewatt_journal_open_items"].by("priority")["billing"] >= 2
        assert found["homewatt_journal_oldest_unsent_age_seconds"].only >= 900

    play(small_scenario(slots=6), tmp_path, test)


def test_without_a_file_nothing_wakes_for_it(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agent = await stack.enter_async_context(society.agent(HOME))
        society.start(agent)
        await society.until(0)
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert f"{HOME}: time" in names
        assert f"{HOME}: metrics" not in names

    play(small_scenario(slots=2), tmp_path, test)
