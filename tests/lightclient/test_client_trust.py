"""What the client trusts: kept over restarts and full disks, ended by its period, begun anew with an anchor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lightclient import errors
from lightclient.blocks import LightBlock
from lightclient.client import LightClient
from lightclient.filestore import FileStore
from lightclient.state import SYNCED
from lightclient.store import MemoryStore
from tests.lightclient.fake_chain import OPTIONS, FakeClock
from tests.lightclient.single_node import chain_with, client_of


def test_a_restarted_client_goes_on_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        chain = chain_with(3)
        await client_of(chain, store=FileStore(tmp_path)).update()
        chain.cut()
        restarted = client_of(chain, store=FileStore(tmp_path))
        chain.calls.clear()
        assert (await restarted.update()).height == 4
        assert chain.calls == ["commit", "validators"]
        assert restarted.headers_verified == 1

    asyncio.run(run())


class FailingStore(MemoryStore):
    """A disk that takes nothing any more."""

    async def save(self, blocks: Sequence[LightBlock]) -> None:
        raise errors.DamagedStore("trust", "No space left on device")


def test_a_full_disk_costs_no_trust() -> None:
    async def run() -> None:
        chain = chain_with(3, apple="red")
        client = client_of(chain, store=FailingStore())
        assert (await client.update()).height == 3
        chain.cut()
        assert (await client.update()).height == 4
        assert (await client.get(b"apple")).value == b"red"
        assert await client.header_at(2) == chain.blocks[1].header

    asyncio.run(run())


def test_an_expired_client_needs_a_new_anchor_and_takes_it() -> None:
    async def run() -> None:
        chain = chain_with(2)
        store = MemoryStore()
        old_anchor = chain.anchor
        await client_of(chain, store=store).update()
        chain.now_ns += OPTIONS.trusting_period_ns
        chain.cut()
        expired = LightClient({"node": chain.transport()}, old_anchor, OPTIONS, FakeClock(chain), store)
        with pytest.raises(errors.TrustExpired):
            await expired.update()
        anchor = replace(old_anchor, height=3, hash=chain.blocks[2].signed_header.hash)
        client = LightClient({"node": chain.transport()}, anchor, OPTIONS, FakeClock(chain), store)
        assert (await client.update()).height == 3

    asyncio.run(run())


def test_a_clock_in_the_future_expires_trust_until_it_is_right_again() -> None:
    async def run() -> None:
        chain = chain_with(3)
        for store in (MemoryStore(), FailingStore()):
            clock = FakeClock(chain)
            client = LightClient({"node": chain.transport()}, chain.anchor, OPTIONS, clock, store)
            await client.update()
            verified = client.headers_verified
            clock.ahead_ns = 2 * OPTIONS.trusting_period_ns
            with pytest.raises(errors.TrustExpired):
                await client.update()
            assert client.situation.state == "expired"
            clock.ahead_ns = 0
            assert (await client.update()).height == 3
            assert client.situation == SYNCED
            assert (client.headers_verified, client.alarms) == (verified, ())

    asyncio.run(run())
