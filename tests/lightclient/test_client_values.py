"""Values of the ledger's state, and their absence, as the client proves them."""

from __future__ import annotations

import asyncio

import pytest

from lightclient import errors
from tests.lightclient.fake_chain import OPTIONS
from tests.lightclient.single_node import chain_with, client_of


def test_values_and_absences_are_proven() -> None:
    async def run() -> None:
        chain = chain_with(3, apple="red", pear="green")
        client = client_of(chain)
        with pytest.raises(errors.NothingCommitted):
            await client.get(b"apple")
        header = await client.update()
        chain.cut({b"apple": b"rotten"})
        apple, plum, pear = await client.get_many([b"apple", b"plum", b"pear"])
        assert (apple.value, plum.value, pear.value) == (b"red", None, b"green")
        assert (apple.height, apple.header_time_ns) == (header.height - 1, header.time_ns)
        chain.cut()
        await client.update()
        assert (await client.get(b"apple")).value == b"rotten"
        assert (await client.get_many([b"apple"], header))[0].value == b"red"
        assert client.proofs_verified == 5

    asyncio.run(run())


def test_nothing_is_proven_at_the_first_height() -> None:
    async def run() -> None:
        client = client_of(chain_with(1))
        await client.update()
        with pytest.raises(errors.NothingCommitted):
            await client.get(b"genesis")

    asyncio.run(run())


def test_values_are_not_read_from_a_header_that_has_grown_old() -> None:
    async def run() -> None:
        chain = chain_with(3, apple="red")
        client = client_of(chain)
        header = await client.update()
        chain.now_ns += 2 * OPTIONS.freshness_ns
        with pytest.raises(errors.StaleHeader):
            await client.get(b"apple")
        assert (await client.get_many([b"apple"], header))[0].value == b"red"  # the caller has decided

    asyncio.run(run())
