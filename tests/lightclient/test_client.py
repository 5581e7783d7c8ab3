"""The client and one node: what it fetches, how it follows the chain, and which heights it reaches."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from lightclient import errors
from lightclient.client import LightClient
from lightclient.options import TrustAnchor
from lightclient.store import MemoryStore
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, FakeChain, FakeClock, Member
from tests.lightclient.single_node import chain_with, client_of


def test_a_client_needs_two_witnesses_or_a_single_operator() -> None:
    chain = chain_with(1)
    options = replace(OPTIONS, single_operator=False)
    for names in (("one",), ("one", "two")):
        nodes = {name: chain.transport() for name in names}
        with pytest.raises(ValueError, match="two witnesses"):
            LightClient(nodes, chain.anchor, options, FakeClock(chain), MemoryStore())
    with pytest.raises(ValueError, match="needs a node"):
        LightClient({}, chain.anchor, OPTIONS, FakeClock(chain), MemoryStore())


def test_it_follows_the_chain_and_fetches_validators_only_when_they_are_new() -> None:
    async def run() -> None:
        chain = chain_with(3)
        client = client_of(chain)
        assert client.verified is None
        assert (await client.update()).height == 3
        chain.cut(next_members=[Member(1), Member(2), Member(3), Member(9)])
        chain.cut()
        header = await client.update()
        assert header == chain.blocks[-1].header
        assert await client.update() == header == client.verified
        assert client.headers_verified == 3  # the anchor, 3 and 5
        assert chain.calls.count("validators") == 2

    asyncio.run(run())


def test_it_goes_by_heights_in_between_where_trust_does_not_reach() -> None:
    async def run() -> None:
        chain = chain_with(1)
        numbers = list(range(1, 5))
        for step in range(40):  # one validator in four is replaced every third block
            if step % 3 == 0:
                numbers = [*numbers[1:], 10 + step]
            chain.cut(next_members=[Member(number) for number in numbers])
        client = client_of(chain)
        header = await client.update()
        assert header == chain.blocks[-1].header
        assert 3 < client.headers_verified < 41
        pages = [height for height in chain.calls if height == "validators"]
        assert len(pages) <= len(chain.calls) // 2

    asyncio.run(run())


def test_large_validator_sets_come_in_pages() -> None:
    async def run() -> None:
        chain = FakeChain([Member(number) for number in range(103)])
        chain.cut()
        await client_of(chain).update()
        assert chain.calls == ["commit", "validators", "validators", "commit"]

    asyncio.run(run())


def test_time_and_height_never_go_back() -> None:
    async def run() -> None:
        chain = chain_with(5)
        store = MemoryStore()
        await client_of(chain, store=store).update()
        newest = chain.blocks.pop()
        with pytest.raises(errors.NodeBehind):
            await client_of(chain, store=store).update()
        chain.blocks.append(newest)
        chain.now_ns -= 3_600 * SECOND_NS  # a clock that fell back does not stop the client
        assert (await client_of(chain, store=store).update()).height == 5

    asyncio.run(run())


def test_an_old_header_is_remembered_and_refused() -> None:
    async def run() -> None:
        chain = chain_with(3)
        client = client_of(chain)
        chain.now_ns = chain.blocks[-1].header.time_ns + OPTIONS.freshness_ns
        await client.update()
        chain.now_ns += 1
        with pytest.raises(errors.StaleHeader) as refused:
            await client.update()
        assert (refused.value.height, refused.value.age_ns) == (3, OPTIONS.freshness_ns + 1)
        assert client.verified == chain.blocks[-1].header

    asyncio.run(run())


def test_a_block_wakes_everyone_who_waits_and_none_is_missed() -> None:
    async def run() -> None:
        chain = chain_with(1)
        client = client_of(chain)
        await client.update()
        waiting = [asyncio.create_task(client.wait_block()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        chain.cut()
        await asyncio.gather(*waiting)
        await client.wait_block()  # the block came after the last update began
        await client.update()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await client.wait_block()

    asyncio.run(run())


def test_heights_are_reached_forwards_and_backwards() -> None:
    async def run() -> None:
        chain = chain_with(40)
        anchor = TrustAnchor(10, chain.blocks[9].signed_header.hash)
        client = LightClient({"node": chain.transport()}, anchor, OPTIONS, FakeClock(chain), MemoryStore())
        assert await client.header_at(40) == chain.blocks[39].header
        chain.calls.clear()
        assert await client.header_at(25) == chain.blocks[24].header  # in one step from 10
        assert await client.header_at(25) == chain.blocks[24].header  # kept
        assert chain.calls == ["commit"]
        chain.calls.clear()
        assert await client.header_at(7) == chain.blocks[6].header  # 9, 8, 7, each by its hash
        assert chain.calls == ["header"] * 3
        chain.cut()
        assert await client.header_at(41) == chain.blocks[40].header
        for height in (42, 0, -1):
            with pytest.raises(errors.HeightTooHigh):
                await client.header_at(height)

    asyncio.run(run())
