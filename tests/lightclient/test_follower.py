"""Following the chain with three nodes: any height, proofs by whoever can give them, wake-ups, and liars at random."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import errors
from lightclient.client import FURTHEST_BACK, LightClient
from lightclient.options import TrustAnchor
from lightclient.pool import Fault
from lightclient.state import LightState
from tests.lightclient.adversaries import anchor_at, attempt, instead
from tests.lightclient.fake_chain import SECOND_NS, FakeChain, Lie, Member, sign
from tests.lightclient.fake_net import FOUR, NAMES, THREE_NODES, FakeNode, Net


def faults(client: LightClient) -> list[Fault | None]:
    return [node.fault for node in client.nodes()]


def client_from(net: Net, anchor: TrustAnchor) -> LightClient:
    transports = {name: node.transport() for name, node in net.nodes.items()}
    return LightClient(transports, anchor, THREE_NODES, net.clock, net.store)


def test_any_height_is_confirmed_by_witnesses_as_the_newest_is() -> None:
    async def run() -> None:
        net = Net(blocks=30)
        client = net.client()
        await client.update()
        assert await client.header_at(12) == net.chain.blocks[11].header
        assert net["two"].called.count("header") == net["three"].called.count("header") == 2
        net["two"].silent = net["three"].silent = True
        with pytest.raises(errors.NotCrossChecked):
            await client.header_at(20)
        assert await client.header_at(12) == net.chain.blocks[11].header  # kept

    asyncio.run(run())


def pruned_below(base: int) -> Lie:
    """A node that keeps the blocks from `base` on."""

    def lie(method: str, params: Any, result: Any) -> Any:
        height = params.get("height")
        if height is not None and int(height) < base:
            raise LookupError(f"height {height} is not available, lowest height is {base}")
        return result

    return lie


def test_what_one_node_has_pruned_the_next_gives_and_the_way_so_far_counts() -> None:
    async def run() -> None:
        net = Net(blocks=30)
        client = client_from(net, anchor_at(net.chain, 20))
        await client.update()
        net["one"].lie = pruned_below(12)
        assert await client.header_at(5) == net.chain.blocks[4].header
        assert net["one"].called.count("header") == 9  # 19 to 11, where it says no
        assert net["two"].called.count("header") == 1 + 7  # the newest, and 11 to 5
        assert faults(client) == [Fault.SILENT, None, None]
        for node in net.nodes.values():
            node.lie = pruned_below(12)
        with pytest.raises(errors.HeightPruned):
            await client.header_at(3)
        assert client.alarms == ()

    asyncio.run(run())


def test_waiting_for_old_headers_keeps_nobody_from_the_newest() -> None:
    async def run() -> None:
        net = Net(blocks=30)
        client = client_from(net, anchor_at(net.chain, 20))
        await client.update()
        stop = asyncio.Event()
        handle = net["one"]._handle

        async def stuck(request: bytes) -> bytes:
            if b'"method":"header"' in request:
                await stop.wait()
            return await handle(request)

        net["one"]._handle = stuck  # type: ignore[method-assign]
        client = client_from(net, anchor_at(net.chain, 20))
        walk = asyncio.create_task(client.header_at(10))
        for _ in range(50):
            await asyncio.sleep(0)
        net.chain.cut()
        assert await client.update() == net.chain.blocks[-1].header
        assert not walk.done()
        stop.set()
        assert await walk == net.chain.blocks[9].header

    asyncio.run(run())


def with_transactions() -> Net:
    chain = FakeChain(FOUR).grow(2)
    chain.cut(txs=[b"paid", b"sold"])
    return Net(chain=chain.grow(2))


HASH = sha256(b"sold").digest()


def answering_height(height: str) -> Lie:
    return instead("tx", lambda _, result: {**result, "height": height})


@pytest.mark.parametrize("height", ["0", "-7", "2", "4", "1000000000000"])
def test_a_transaction_at_a_height_that_is_not_its_own_is_asked_of_the_next_node(height: str) -> None:
    async def run() -> None:
        net = with_transactions()
        client = net.client()
        await client.update()
        net["one"].lie = answering_height(height)
        before = len(net.all_called())
        proven = await client.prove_tx(HASH)
        assert (proven.tx, proven.height) == (b"sold", 3)
        assert len(net.all_called()) - before < 12
        assert faults(client)[1:] == [None, None]

    asyncio.run(run())


def test_a_transaction_named_far_below_costs_no_walk() -> None:
    async def run() -> None:
        chain = FakeChain(FOUR).grow(FURTHEST_BACK + 2)
        chain.cut(txs=[b"sold"])
        net = Net(chain=chain.grow(1))
        client = client_from(net, anchor_at(chain, FURTHEST_BACK + 2))
        await client.update()
        net["one"].lie = answering_height("1")
        before = len(net.all_called())
        assert (await client.prove_tx(HASH)).height == FURTHEST_BACK + 3
        assert len(net.all_called()) - before < 12

    asyncio.run(run())


def test_a_node_that_is_ahead_with_a_transaction_is_not_blamed_for_it() -> None:
    async def run() -> None:
        net = Net(blocks=5)
        client = net.client()
        await client.update()
        net.chain.cut(txs=[b"sold"])
        net["two"].lag = net["three"].lag = 1  # nobody can confirm the block yet
        with pytest.raises(errors.LightClientError):
            await client.prove_tx(HASH)
        assert Fault.LIED not in faults(client)
        net["two"].lag = net["three"].lag = 0
        net.chain.now_ns += 20 * SECOND_NS
        assert (await client.prove_tx(HASH)).height == 6

    asyncio.run(run())


def test_results_and_values_come_from_the_next_node_where_one_lies() -> None:
    async def run() -> None:
        net = with_transactions()
        client = net.client()
        await client.update()
        net["one"].lie = instead("block_results", lambda _, result: {**result, "txs_results": None})
        results = await client.prove_results(3)
        assert [result.data for result in results] == [result.data for result in net.chain.results(3)]
        assert [alarm.node for alarm in client.alarms] == ["one"]
        net["two"].lie = instead("abci_query", lambda _, result: {"response": {**result["response"], "value": None}})
        assert (await client.get(b"genesis")).value == b"1"
        assert [alarm.node for alarm in client.alarms] == ["one", "two"]

    asyncio.run(run())


def test_a_wake_up_of_the_new_primary_is_not_missed() -> None:
    async def run() -> None:
        net = Net()
        client = net.client()
        await client.update()
        net["one"].silent = True
        net.chain.cut()
        await client.update()
        assert next(node.name for node in client.nodes() if node.is_primary) == "two"
        waiting = asyncio.create_task(client.wait_block())
        await asyncio.sleep(0)
        assert not waiting.done()
        net.chain.cut()
        await waiting
        net["one"].silent = False
        net.chain.now_ns += 5 * SECOND_NS
        net["two"].silent = True  # the next primary's event came while the update was under way
        updating = asyncio.create_task(client.update())
        await asyncio.sleep(0)
        net.chain.cut()
        await updating
        async with asyncio.timeout(1):
            await client.wait_block()

    asyncio.run(run())


def test_updates_side_by_side_ask_once_and_agree() -> None:
    async def run() -> None:
        net = Net()
        client = net.client()
        headers = await asyncio.gather(*(client.update() for _ in range(5)))
        assert set(map(id, headers)) == {id(headers[0])}
        assert client.headers_verified == 2

    asyncio.run(run())


def test_an_update_that_is_cancelled_leaves_the_client_usable() -> None:
    async def run() -> None:
        net = Net()
        client = net.client()
        await client.update()
        net.chain.cut()
        for steps in range(12):
            update = asyncio.create_task(client.update())
            for _ in range(steps):
                await asyncio.sleep(0)
            update.cancel()
            await asyncio.gather(update, return_exceptions=True)
        assert await client.update() == net.chain.blocks[-1].header
        assert client.alarms == ()

    asyncio.run(run())


# At most one node of three lies or fails; validators come and go.

LIES = ("none", "silent", "closes", "forged", "other state", "garbage", "old", "height", "future")


def make_lie(kind: str, node: FakeNode, honest: FakeChain) -> None:
    """Set a node up for one round."""
    node.silent, node.closes_every, node.lie, node.chain = kind == "silent", 2 if kind == "closes" else 0, None, honest
    last = honest.blocks[-1].header
    match kind:
        case "forged" | "future":
            strangers = [Member(number) for number in range(90, 94)]
            ahead_ns = 3_600 * SECOND_NS if kind == "future" else 0
            block = sign(replace(last, height=last.height + 1, time_ns=last.time_ns + SECOND_NS + ahead_ns), strangers)
            node.chain = honest.fork(len(honest.blocks))
            node.chain.blocks.append(block)
        case "other state":
            node.lie = changed("app_hash", "00" * 32)
        case "garbage":
            node.lie = lambda *_: [[{"x": 1}]]
        case "old":
            node.lag = min(5, len(honest.blocks) - 1)
        case "height":
            node.lie = changed("height", "7")


def changed(field: str, value: str) -> Lie:
    """Headers with one field altered, alone and in commits."""

    def lie(method: str, params: Any, result: Any) -> Any:
        shown = {"commit": lambda: result["signed_header"]["header"], "header": lambda: result["header"]}.get(method)
        if shown is not None:
            shown()[field] = value
        return result

    return lie


@dataclass(frozen=True)
class Round:
    """What happens between two updates: `member` of the validators is exchanged with some blocks; one honest node may lag."""

    lie: str
    lag: int
    blocks: int
    member: int
    pause_s: int


ROUNDS = st.lists(
    st.builds(
        Round,
        lie=st.sampled_from(LIES),
        lag=st.integers(0, 1),
        blocks=st.integers(1, 4),
        member=st.integers(0, 2),
        pause_s=st.sampled_from((1, 10, 100, 1_000)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=60)
@given(liar=st.sampled_from(NAMES), rounds=ROUNDS, changes=st.lists(st.integers(0, 9), max_size=6))
def test_the_honest_chain_is_followed_and_nothing_else(liar: str, rounds: list[Round], changes: list[int]) -> None:
    async def run() -> None:
        net = Net(blocks=2)
        client = net.client()
        newcomers = iter(changes)
        for each in rounds:
            for _ in range(each.blocks):
                new = next(newcomers, None)
                members = list(net.chain.members)
                if new is not None:
                    members[each.member] = Member(20 + new + 10 * each.member, power=5 + new)
                net.chain.cut(next_members=members)
            for name, node in net.nodes.items():
                node.lag = 0
                if name == liar:
                    make_lie(each.lie, node, net.chain)
            honest_lag = next(name for name in NAMES if name != liar)
            net[honest_lag].lag = each.lag
            await follow_one_round(net, client, each)
            net.chain.now_ns += each.pause_s * SECOND_NS

    asyncio.run(run())


async def follow_one_round(net: Net, client: LightClient, now: Round) -> None:
    """Whatever is believed is of the honest chain; with two honest nodes that have it, the newest is, or one that is fresh."""
    header = await attempt(client.update())
    if header is None:
        assert now.lag
        assert client.situation.state is not LightState.UNDER_ATTACK
    else:
        assert header == net.chain.blocks[header.height - 1].header
        assert header.height == len(net.chain.blocks) or now.lag or now.lie == "old"
    newest = await net.store.newest()
    assert newest is None or newest == net.chain.blocks[newest.height - 1]
