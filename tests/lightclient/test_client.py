"""The client against a node that behaves, and against every way of lying it must notice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightclient import errors, rpcjson
from lightclient.client import LightClient
from lightclient.errors import LightClientError
from lightclient.options import Options
from lightclient.store import FileStore, LightStore, MemoryStore
from lightclient.strictjson import encode_base64
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, FakeChain, FakeClock, Lie, Member, sign


def chain_with(heights: int, **content: str) -> FakeChain:
    chain = FakeChain([Member(1), Member(2), Member(3), Member(4)])
    chain.cut({key.encode(): value.encode() for key, value in content.items()})
    for _ in range(heights - 1):
        chain.cut()
    return chain


def client_of(
    chain: FakeChain, lie: Lie | None = None, store: LightStore | None = None, options: Options = OPTIONS
) -> LightClient:
    chain.lie = lie
    return LightClient(chain.transport(), chain.anchor, options, FakeClock(chain), store or MemoryStore())


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


def lying_query(**altered: Any) -> Lie:
    def lie(method: str, params: Mapping[str, Any], result: Any) -> Any:
        if method == "abci_query":
            result["response"].update(altered)
        return result

    return lie


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


def query(key: bytes, height: int) -> dict[str, Any]:
    return {"path": "/key", "data": key.hex(), "height": str(height), "prove": True}


def test_lies_about_headers_are_refused_and_change_nothing() -> None:
    async def run() -> None:
        chain = chain_with(3)
        client = client_of(chain)
        trusted = await client.update()
        chain.cut()
        forged = sign(replace(chain.blocks[-1].header, app_hash=bytes(32)), [Member(11), Member(12), Member(13), Member(14)])

        def usurp(method: str, params: Mapping[str, Any], result: Any) -> Any:
            signed = forged.signed_header
            shown = {"header": rpcjson.header_to_json(signed.header), "commit": rpcjson.commit_to_json(signed.commit)}
            return {"signed_header": shown} if method == "commit" else result

        def alter(method: str, params: Mapping[str, Any], result: Any) -> Any:
            result["signed_header"]["header"]["app_hash"] = "00" * 32
            return result

        def forget(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return {"signed_header": {"header": None, "commit": None}}

        lies: list[tuple[Lie, type[LightClientError]]] = [
            (usurp, errors.MalformedHeader),
            (alter, errors.MalformedHeader),
            (forget, errors.NodeGarbage),
        ]
        for lie, expected in lies:
            chain.lie = lie
            with pytest.raises(expected):
                await client.update()
            assert client.verified == trusted

    asyncio.run(run())


def test_another_header_at_the_trusted_height_is_a_conflict() -> None:
    async def run() -> None:
        chain = chain_with(2)
        client = client_of(chain)
        await client.update()
        chain.blocks[-1] = sign(replace(chain.blocks[-1].header, app_hash=bytes(32)), chain.members)
        with pytest.raises(errors.ConflictingHeader):
            await client.update()

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


def test_wrong_heights_sets_and_anchors_are_named() -> None:
    async def run() -> None:
        chain = chain_with(3)
        newest = chain.ask("commit", {})

        def other_height(method: str, params: Mapping[str, Any], result: Any) -> Any:
            return newest if method == "commit" else result

        def other_set(method: str, params: Mapping[str, Any], result: Any) -> Any:
            if method == "validators":
                del result["validators"][-1:]
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
        client = LightClient(chain.transport(), anchor, OPTIONS, FakeClock(chain), MemoryStore())
        with pytest.raises(errors.WrongAnchor):
            await client.update()

    asyncio.run(run())


def test_an_expired_client_needs_a_new_anchor_and_takes_it() -> None:
    async def run() -> None:
        chain = chain_with(2)
        store = MemoryStore()
        old_anchor = chain.anchor
        await client_of(chain, store=store).update()
        chain.now_ns += OPTIONS.trusting_period_ns
        chain.cut()
        expired = LightClient(chain.transport(), old_anchor, OPTIONS, FakeClock(chain), store)
        with pytest.raises(errors.TrustExpired):
            await expired.update()
        anchor = replace(old_anchor, height=3, hash=chain.blocks[2].signed_header.hash)
        client = LightClient(chain.transport(), anchor, OPTIONS, FakeClock(chain), store)
        assert (await client.update()).height == 3

    asyncio.run(run())


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
    client = LightClient(transport, chain.anchor, OPTIONS, FakeClock(chain), MemoryStore())
    with pytest.raises(errors.RpcRefused, match="mempool is full"):
        asyncio.run(client.broadcast(b"tx"))


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


def test_a_restarted_client_goes_on_where_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        chain = chain_with(3)
        store = FileStore(tmp_path / "trusted.json")
        assert await store.load() is None
        await client_of(chain, store=store).update()
        assert await store.load() == chain.blocks[-1]
        chain.cut()
        restarted = client_of(chain, store=FileStore(tmp_path / "trusted.json"))
        chain.calls.clear()
        await restarted.update()
        assert chain.calls == ["commit"]
        assert restarted.headers_verified == 1

    asyncio.run(run())
    assert [path.name for path in tmp_path.iterdir()] == ["trusted.json"]


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"format": 2}', b"[]"])
def test_a_damaged_file_is_named_and_left_alone(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "trusted.json"
    path.write_bytes(damage)
    with pytest.raises(errors.DamagedStore, match=r"trusted\.json"):
        asyncio.run(FileStore(path).load())
    assert path.read_bytes() == damage


def test_an_altered_file_is_damaged(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "trusted.json"
        await FileStore(path).save(chain_with(1).blocks[0])
        stored = json.loads(path.read_bytes())
        stored["commit"]["signed_header"]["header"]["app_hash"] = "00" * 32
        path.write_text(json.dumps(stored))
        with pytest.raises(errors.DamagedStore, match="another header"):
            await FileStore(path).load()
        with pytest.raises(errors.DamagedStore):
            await FileStore(tmp_path).load()

    asyncio.run(run())
