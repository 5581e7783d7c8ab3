"""Transactions: handed in, and proven to stand in a block with their results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import pytest

from lightclient import errors
from lightclient.client import FURTHEST_BACK, LightClient
from lightclient.options import TrustAnchor
from lightclient.store import MemoryStore
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import OPTIONS, FakeClock
from tests.lightclient.single_node import chain_with, client_of


def test_a_transaction_is_handed_in_once_and_known_the_second_time() -> None:
    async def run() -> None:
        chain = chain_with(1)
        client = client_of(chain)
        first, second = await client.broadcast(b"tx"), await client.broadcast(b"tx")
        assert (first.code, first.already_known) == (0, False)
        assert (second.code, second.already_known) == (0, True)
        assert first.tx_hash == second.tx_hash

        def swap(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return {**result, "hash": "00" * 32}

        with pytest.raises(errors.WrongAnswer, match="tx hash"):
            await client_of(chain, swap).broadcast(b"other")

    asyncio.run(run())


def test_other_refusals_of_a_transaction_stay_errors() -> None:
    async def handle(request: bytes) -> bytes:
        error = {"code": -32603, "message": "Internal error", "data": "mempool is full"}
        return json.dumps({"jsonrpc": "2.0", "id": 1, "error": error}).encode()

    chain = chain_with(1)
    transport = BytesTransport(handle, chain.subscribe)
    client = LightClient({"node": transport}, chain.anchor, OPTIONS, FakeClock(chain), MemoryStore())
    with pytest.raises(errors.RpcRefused, match="mempool is full"):
        asyncio.run(client.broadcast(b"tx"))


def test_transactions_and_results_are_proven() -> None:
    async def run() -> None:
        chain = chain_with(2)
        for height in range(3, 8):
            chain.cut(txs=[b"tx %d of %d" % (number, height) for number in range(height)])
        client = client_of(chain)
        tx = b"tx 2 of 5"
        proven = await client.prove_tx(sha256(tx).digest())
        assert (proven.tx, proven.height, proven.index, proven.total) == (tx, 5, 2, 5)
        results = await client.prove_results(5)
        assert results[proven.index].data == sha256(tx).digest()[:4]
        assert await client.prove_results(2) == ()
        assert client.proofs_verified == 3
        with pytest.raises(errors.HeightTooHigh):
            await client.prove_results(7)  # proven by a header that is not there yet
        with pytest.raises(errors.RpcRefused, match="not found"):
            await client.prove_tx(bytes(32))

    asyncio.run(run())


def test_a_transaction_far_below_what_is_kept_is_not_walked_to() -> None:
    async def run() -> None:
        chain = chain_with(1)
        chain.cut(txs=[b"old"])
        chain.grow(FURTHEST_BACK + 2)
        anchor = TrustAnchor(FURTHEST_BACK + 3, chain.blocks[FURTHEST_BACK + 2].signed_header.hash)
        client = LightClient({"node": chain.transport()}, anchor, OPTIONS, FakeClock(chain), MemoryStore())
        await client.update()
        chain.calls.clear()
        with pytest.raises(errors.HeaderUnknown):
            await client.prove_tx(sha256(b"old").digest())
        assert chain.calls == ["tx"]
        assert client.alarms == ()

    asyncio.run(run())
