"""The solo engine's blocks verify like CometBFT's, come when they should, and survive a crash at any point."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lightclient import hashing
from lightclient.blocks import ExecTxResult, Header, LightBlock
from lightclient.options import Options
from lightclient.verifier import Verified, verify
from tests.tools.fullnode.engine.kvapp import Disk, KeyValueApp
from tests.tools.fullnode.engine.solo import CHAIN_ID, KEY, SECOND_NS, START_NS, HandClock, Solo, genesis
from tools.fullnode.abci import FinalizedBlock
from tools.fullnode.engine.blockstore import BlockStore, CommittedBlock
from tools.fullnode.engine.cutting import BlockPolicy
from tools.fullnode.engine.solo import BlocksMissing, Retention, SoloEngine, StateAhead, StateDiffers, WrongValidator
from tools.society.virtualclock import VirtualClock, run_virtual

OPTIONS = Options(CHAIN_ID, trusting_period_ns=86_400 * SECOND_NS, freshness_ns=60 * SECOND_NS)


def verifies(trusted: LightBlock, untrusted: LightBlock) -> bool:
    return isinstance(verify(trusted, untrusted, OPTIONS, untrusted.header.time_ns), Verified)


@given(st.lists(st.lists(st.binary(min_size=1, max_size=40), max_size=5), min_size=2, max_size=12))
def test_a_light_client_verifies_every_block_adjacent_and_skipping(contents: list[list[bytes]]) -> None:
    solo = Solo()
    seen: set[bytes] = set()
    blocks = []
    for txs in contents:
        fresh = [tx for tx in dict.fromkeys(txs) if tx not in seen]
        seen.update(fresh)
        blocks.append(solo.cut(*fresh))
    assert all(verifies(before, after) for before, after in pairwise(blocks))
    assert all(verifies(blocks[0], later) for later in blocks[1:])


def test_a_header_binds_everything_before_it() -> None:
    solo = Solo()
    blocks: list[CommittedBlock] = []
    solo.engine.listen(blocks.append)
    solo.cut(b"a", b"bad b")
    solo.cut()
    first, second = blocks
    header = second.signed_header.header
    assert header.last_block_id == first.signed_header.commit.block_id
    assert header.last_commit_hash == hashing.commit_hash(second.last_commit) == hashing.commit_hash(first.signed_header.commit)
    assert header.app_hash == first.results.app_hash == solo.app.disk.states[1].root
    results = [ExecTxResult(result.code, result.data) for result in first.results.tx_results]
    assert [result.code for result in results] == [0, 9]
    assert header.last_results_hash == hashing.last_results_hash(results)
    assert first.signed_header.header.data_hash == hashing.data_hash(first.txs)
    assert first.signed_header.header.app_hash == solo.app.disk.states[0].root


def test_header_time_only_moves_forward() -> None:
    solo = Solo()
    first = solo.engine.produce_block(START_NS - 5)
    second = solo.engine.produce_block(START_NS - 9)
    assert first.signed_header.header.time_ns == START_NS
    assert second.signed_header.header.time_ns == START_NS + 1


def test_the_genesis_must_name_this_validator_alone() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    with pytest.raises(WrongValidator):
        SoloEngine(KeyValueApp(), genesis(), stranger, HandClock(), BlockStore(CHAIN_ID))


def script(solo: Solo, heights: range) -> list[Header]:
    """Blocks whose content depends on nothing but their height."""
    return [solo.cut(b"tx %d" % height, b"bad %d" % height).header for height in heights]


@pytest.mark.parametrize("stop_at", range(1, 6))
def test_a_restart_at_any_block_continues_identically(tmp_path: Path, stop_at: int) -> None:
    expected = script(Solo(), range(1, 8))
    solo = Solo(store=BlockStore(CHAIN_ID, tmp_path / "blocks.sqlite"))
    found = script(solo, range(1, stop_at + 1))
    solo.store.close()
    again = Solo(KeyValueApp(solo.app.disk), BlockStore(CHAIN_ID, tmp_path / "blocks.sqlite"))
    found += script(again, range(stop_at + 1, 8))
    assert found == expected


class KilledApp(KeyValueApp):
    """Dies where it is told: before its state is durable, or right after."""

    when = ""

    def commit(self) -> int:
        if self.when == "before commit":
            raise KeyboardInterrupt
        retain_height = super().commit()
        if self.when == "after commit":
            raise KeyboardInterrupt
        return retain_height


@pytest.mark.parametrize("when", ["before commit", "after commit"])
def test_a_kill_around_the_commit_loses_and_repeats_nothing(when: str) -> None:
    expected = script(Solo(), range(1, 6))
    app = KilledApp()
    solo = Solo(app)
    script(solo, range(1, 3))
    app.when = when
    with pytest.raises(KeyboardInterrupt):
        script(solo, range(3, 4))
    again = Solo(KeyValueApp(app.disk), solo.store)
    assert again.engine.height == 3
    script(again, range(4, 6))
    assert [again.store.signed_header(height).header for height in range(1, 6)] == expected


def test_a_kill_before_the_block_is_stored_leaves_the_block_before() -> None:
    class FullStore(BlockStore):
        def save(self, block: CommittedBlock) -> None:
            if block.height == 2:
                raise OSError("no space left")
            super().save(block)

    solo = Solo(store=FullStore(CHAIN_ID))
    script(solo, range(1, 2))
    with pytest.raises(OSError, match="no space left"):
        script(solo, range(2, 3))
    again = Solo(KeyValueApp(solo.app.disk), solo.store)
    assert again.engine.height == 1
    assert again.engine.app_hash == solo.app.disk.states[1].root


def test_a_lost_ledger_is_replayed_from_the_first_block() -> None:
    solo = Solo()
    script(solo, range(1, 6))
    app = KeyValueApp()
    again = Solo(app, solo.store)
    assert again.engine.app_hash == solo.engine.app_hash
    assert app.header_times_ns == solo.app.header_times_ns


def test_a_ledger_ahead_of_the_blocks_stops_the_start() -> None:
    solo = Solo()
    script(solo, range(1, 3))
    with pytest.raises(StateAhead, match="height 2, the block store only at 0"):
        Solo(KeyValueApp(solo.app.disk))


def test_a_ledger_that_computes_something_else_stops_the_start() -> None:
    class OtherApp(KeyValueApp):
        def finalize_block(self, height: int, time_ns: int, txs: object) -> FinalizedBlock:
            return super().finalize_block(height, time_ns, [b"something else"])

    solo = Solo()
    script(solo, range(1, 3))
    with pytest.raises(StateDiffers, match="block 1 gave app_hash"):
        Solo(OtherApp(), solo.store)
    with pytest.raises(StateDiffers, match="block 2 gave app_hash"):
        Solo(KeyValueApp(Disk([solo.app.disk.states[0]] * 3)), solo.store)


def test_pruned_blocks_are_missed_only_by_a_ledger_that_needs_them() -> None:
    solo = Solo(retention=Retention(keep_blocks=50, ask_application=False))
    script(solo, range(1, 101))
    assert (solo.store.base, solo.store.height) == (51, 100)
    Solo(KeyValueApp(solo.app.disk), solo.store)
    with pytest.raises(BlocksMissing, match="needs block 1, the lowest one kept is 51"):
        Solo(KeyValueApp(), solo.store)


@pytest.mark.parametrize(("retain_height", "base"), [(0, 1), (30, 30), (90, 51)])
def test_on_disk_the_application_says_what_may_go(retain_height: int, base: int) -> None:
    solo = Solo(retention=Retention(keep_blocks=50))
    solo.app.retain_height = retain_height
    script(solo, range(1, 101))
    assert solo.store.base == base


def test_an_archive_keeps_everything() -> None:
    solo = Solo()
    solo.app.retain_height = 90
    script(solo, range(1, 101))
    assert solo.store.base == 1


class Watched:
    """An engine on a virtual event loop, and the header times of its blocks in seconds after the genesis."""

    def __init__(self, clock: VirtualClock) -> None:
        self.app = KeyValueApp()
        self.times_s: list[float] = []
        self.contents: list[tuple[bytes, ...]] = []
        policy = BlockPolicy(heartbeat_ns=60 * SECOND_NS)
        self.engine = SoloEngine(self.app, genesis(), KEY, clock, BlockStore(CHAIN_ID), policy=policy)
        self.engine.listen(self._see)

    def _see(self, block: CommittedBlock) -> None:
        self.times_s.append((block.signed_header.header.time_ns - START_NS) / SECOND_NS)
        self.contents.append(block.txs)

    async def run_for(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.engine.run()
        except TimeoutError:
            return


def test_blocks_come_with_transactions_duties_and_heartbeats() -> None:
    async def main(clock: VirtualClock) -> Watched:
        watched = Watched(clock)
        loop = asyncio.get_running_loop()
        for at_s, tx in ((10.0, b"1"), (10.3, b"2"), (10.6, b"3"), (30.0, b"bad 4")):
            loop.call_later(at_s, watched.engine.submit, tx)
        watched.app.due_s = START_NS // SECOND_NS + 100
        await watched.run_for(170)
        return watched

    watched = run_virtual(main, START_NS // SECOND_NS)
    # Two blocks at genesis; 10.5 gathers two, its proof block the third, 11.5 signs that; 30.5 changes nothing, so nothing
    # follows; heartbeat at 90.5; what is due at 100 is signed half a second later; heartbeat at 160.5.
    assert watched.times_s == [0, 0.5, 10.5, 11.0, 11.5, 30.5, 90.5, 100, 100.5, 160.5]
    assert watched.contents[2:4] == [(b"1", b"2"), (b"3",)]


def test_the_engine_waits_for_the_genesis_time() -> None:
    async def main(clock: VirtualClock) -> Watched:
        watched = Watched(clock)
        await watched.run_for(8)
        return watched

    assert run_virtual(main, START_NS // SECOND_NS - 7).times_s == [0, 0.5]


def test_a_listener_that_left_hears_nothing() -> None:
    solo = Solo()
    heard: list[int] = []
    leave = solo.engine.listen(lambda block: heard.append(block.height))
    solo.cut()
    leave()
    solo.cut()
    assert heard == [1]
