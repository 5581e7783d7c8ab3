"""The client and one node that lies: every lie is named by its error and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from lightclient import errors
from lightclient.client import LightClient
from lightclient.errors import LightClientError
from lightclient.store import MemoryStore
from lightclient.strictjson import encode_base64
from tests.lightclient.fake_chain import OPTIONS, FakeClock, Lie, Member, sign
from tests.lightclient.single_node import chain_with, client_of
from tools.bench.answers import commit_answer


def test_lies_about_headers_are_refused_and_change_nothing() -> None:
    async def run() -> None:
        chain = chain_with(3)
        client = client_of(chain)
        trusted = await client.update()
        chain.cut()
        forged = sign(replace(chain.blocks[-1].header, app_hash=bytes(32)), [Member(11), Member(12), Member(13), Member(14)])

        def usurp(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return commit_answer(forged.signed_header) if method == "commit" else result

        def alter(method: str, params: Mapping[str, Any], result: Any) -> Any:
            result["signed_header"]["header"]["app_hash"] = "00" * 32
            return result

        def forget(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return {"signed_header": {"header": None, "commit": None}}

        lies: list[tuple[Lie, type[LightClientError]]] = [
            (usurp, errors.MalformedHeader),
            (alter, errors.MalformedHeader),
            (forget, errors.HeightTooHigh),
        ]
        for lie, expected in lies:
            chain.lie = lie
            with pytest.raises(expected):
                await client.update()
            assert client.verified == trusted

    asyncio.run(run())


def test_another_header_at_the_trusted_height_is_a_conflict() -> None:
    async def run() -> None:
        chain = chain_with(3)
        client = client_of(chain)
        trusted = await client.update()
        other = replace(chain.blocks[-1].header, app_hash=bytes(32))
        chain.blocks[-1] = sign(other, chain.members, absent=(1, 2))
        with pytest.raises(errors.ConflictingHeader):
            await client.update()
        assert client.verified == trusted
        chain.blocks[-1] = sign(other, chain.members)
        with pytest.raises(errors.UnderAttack, match="node shows two headers that both verify"):
            await client.update()

    asyncio.run(run())


def test_wrong_heights_sets_and_anchors_are_named() -> None:
    async def run() -> None:
        chain = chain_with(3)
        newest = chain.ask("commit", {})

        def other_height(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return newest if method == "commit" else result

        def other_set(method: str, params: Mapping[str, Any], result: Any) -> Any:
            if method == "validators":
                result["validators"][0]["voting_power"] = "11"
            return result

        def other_page(method: str, params: Mapping[str, Any], result: Any) -> Any:
            if method == "validators":
                result["block_height"] = "2"
            return result

        for lie, what in ((other_height, "height"), (other_set, "validators_hash"), (other_page, "height")):
            with pytest.raises(errors.WrongAnswer) as refused:
                await client_of(chain, lie).update()
            assert refused.value.what == what
        chain.lie = None
        anchor = replace(chain.anchor, hash=bytes(32))
        client = LightClient({"node": chain.transport()}, anchor, OPTIONS, FakeClock(chain), MemoryStore())
        with pytest.raises(errors.WrongAnchor):
            await client.update()

    asyncio.run(run())


def lying_query(**altered: Any) -> Lie:
    def lie(method: str, params: Mapping[str, Any], result: Any) -> Any:
        if method == "abci_query":
            result["response"].update(altered)
        return result

    return lie


def query(key: bytes, height: int) -> dict[str, Any]:
    return {"path": "/key", "data": key.hex(), "height": str(height), "prove": True}


def test_lies_about_state_are_refused_by_name() -> None:
    chain = chain_with(5, apple="red", pear="green")
    pear = chain.ask("abci_query", query(b"pear", 4))["response"]
    older = chain.ask("abci_query", query(b"apple", 3))["response"]
    apple = chain.ask("abci_query", query(b"apple", 4))["response"]
    proof = apple["proofOps"]
    other_type = {"ops": [{**proof["ops"][0], "type": "ics23:iavl"}]}
    lies: list[tuple[dict[str, Any], type[LightClientError]]] = [
        (pear, errors.WrongAnswer),  # the true value of another key
        ({**pear, "key": apple["key"]}, errors.MalformedProof),  # the same, relabelled
        ({"proofOps": pear["proofOps"]}, errors.MalformedProof),
        (older, errors.WrongAnswer),  # a height that is no longer the newest
        ({"height": "0"}, errors.WrongAnswer),
        ({"value": encode_base64(b"blue")}, errors.ProofFailed),
        ({"value": None}, errors.ProofFailed),  # "nothing is there"
        ({"value": ""}, errors.ProofFailed),
        ({"value": "blue"}, errors.ProofFailed),
        ({"value": "bl"}, errors.NodeGarbage),
        ({"proofOps": None}, errors.MalformedProof),
        ({"proofOps": {"ops": []}}, errors.MalformedProof),
        ({"proofOps": {"ops": proof["ops"] * 2}}, errors.MalformedProof),
        ({"proofOps": other_type}, errors.MalformedProof),
        ({"code": 5, "log": "height is not kept"}, errors.QueryRefused),
        ({"code": None}, errors.NodeGarbage),
        ({"key": None}, errors.WrongAnswer),
    ]

    async def run() -> None:
        for altered, expected in lies:
            client = client_of(chain, lying_query(**altered))
            await client.update()
            with pytest.raises(expected):
                await client.get_many([b"apple", b"genesis"])
            assert client.proofs_verified == 0
            assert expected.retry

    asyncio.run(run())


def test_an_invented_value_of_an_absent_key_is_refused() -> None:
    async def run() -> None:
        chain = chain_with(3, apple="red")
        client = client_of(chain, lying_query(value=encode_base64(b"red")))
        await client.update()
        with pytest.raises(errors.ProofFailed):
            await client.get(b"plum")

    asyncio.run(run())
