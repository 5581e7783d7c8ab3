"""The journal's benchmark measures what it says: acknowledged records, whole backlogs, and what a killed store lost."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from storeforward.records import Stream
from tests.tools.bench.test_lightclient import Kept
from tools.bench import storeforward_commits, storeforward_peers
from tools.bench.peers import ours, serving
from tools.bench.storeforward_commits import commit_rows
from tools.bench.storeforward_disk import byte_rows
from tools.bench.storeforward_journals import opened
from tools.bench.storeforward_memory import memory_rows
from tools.bench.storeforward_outbox import drain_rows, slot_rows
from tools.bench.storeforward_peers import PEERS, Peer, PeerFailed, Work, durability, throughput
from tools.bench.storeforward_rates import PRODUCERS, latency_rows, produce, rate_rows
from tools.bench.storeforward_start import cold_start_rows
from tools.society.virtualclock import run_virtual

OURS = PEERS[0]
TINY = Work(singles=20, grouped=200, backlog=500, kills=1)


def test_every_acknowledgement_is_timed_and_every_record_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(tmp_path / "journal.db") as journal:
            times_s = await produce(journal, Stream.ENERGY, 2 * PRODUCERS)
            assert len(times_s) == len(await journal.read_records(Stream.ENERGY, limit=10_000)) == 2 * PRODUCERS

    asyncio.run(main())


def test_rates_and_latencies_have_a_row_each(tmp_path: Path) -> None:
    bench = Kept()
    asyncio.run(rate_rows(bench, tmp_path, records=2 * PRODUCERS, rounds=2))
    run_virtual(lambda clock: latency_rows(bench, tmp_path, seconds=5), 0)
    assert len(bench.figures) == 2 * 5 + 2 * 3 * 2
    assert all(value > 0 for value, _ in bench.figures.values())


def test_commits_bytes_slots_and_backlogs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storeforward_commits, "SLOWER_US", (300,))
    bench = Kept()

    async def main() -> None:
        await commit_rows(bench, tmp_path, commits=storeforward_commits.BLOCK)
        await byte_rows(bench, tmp_path, records=100)
        await slot_rows(bench, tmp_path, slots=10)
        await drain_rows(bench, tmp_path, backlog=1_000)

    asyncio.run(main())
    assert bench.figures["backlog drained, 100 at a time, in order and once"][0] > 0
    assert bench.figures["signed and chained, share of bare SQLite"][1] == "%"
    if shutil.which("cc") or shutil.which("gcc"):
        shares = [bench.figures[name] for name in bench.figures if name.startswith("a flush 0.3 ms slower")]
        assert [unit for _, unit in shares] == ["%"] * 4


def test_a_start_of_the_agent_is_timed_until_its_first_record(tmp_path: Path) -> None:
    bench = Kept()
    cold_start_rows(bench, tmp_path, starts=1)
    assert all(value > 0 and unit == "ms" for value, unit in bench.figures.values())
    assert len(bench.figures) == 2


def test_memory_is_read_in_a_process_of_its_own_at_three_places(tmp_path: Path) -> None:
    bench = Kept()
    memory_rows(bench, tmp_path, records=1_000)
    assert [unit for _, unit in bench.figures.values()] in ([], ["MB"] * 3)


def test_a_store_hands_out_what_it_took(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "FINISHED_AFTER_S", 0.05)
    answer = serving.fill(ours.opened, str(tmp_path), 250, 100)
    assert (answer["acknowledged"], answer["delivered"], answer["distinct"], answer["in_order"]) == (250, 250, 250, True)


def test_a_killed_store_of_ours_has_lost_nothing(tmp_path: Path) -> None:
    assert storeforward_peers.killed(OURS, tmp_path / "kill", 0, random.Random(1)) == 0


def test_what_is_not_handed_out_any_more_is_counted_as_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storeforward_peers, "ask", lambda *arguments: json.dumps([0, 2]))
    assert storeforward_peers.killed(OURS, tmp_path / "kill", 0, random.Random(1)) >= serving.BURST_BATCH - 2


def test_a_store_that_drops_records_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"acknowledged": 20, "delivered": 19, "in_order": True, "settled_s": 1, "put_s": 1, "drained_s": 1}
    monkeypatch.setattr(storeforward_peers, "ask", lambda *arguments: json.dumps(answer))
    with pytest.raises(PeerFailed, match="homewatt took 20 records and handed out"):
        throughput(OURS, tmp_path, TINY)


def test_a_store_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(PeerFailed, match="No module named"):
        throughput(Peer("nobody", "nobody"), tmp_path, TINY)


def test_a_store_is_counted_below_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the system calls: a journal that syncs every acknowledgement shows at least one sync for each."""
    monkeypatch.setattr(storeforward_peers, "fill", lambda *arguments: {"distinct": 500})
    monkeypatch.setattr(storeforward_peers, "killed", lambda *arguments: 0)
    rows = {figure: value for figure, _, value in durability(OURS, tmp_path, TINY)}
    assert rows["of a backlog of 500 delivered"] == 500
    if "syncs, one by one" in rows:  # there is a compiler for the recorder
        assert rows["syncs, one by one"] >= 1 > rows[f"syncs, {TINY.batch} at a time"]
