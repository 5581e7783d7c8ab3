"""The client and one node: what it fetches, what it proves, and every lie of that node named by its error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lightclient import errors
from lightclient.blocks import LightBlock
from lightclient.client import FURTHEST_BACK, LightClient
from lightclient.errors import LightClientError
from lightclient.filestore import FileStore
from lightclient.options import Options, TrustAnchor
from lightclient.state import SYNCED
from lightclient.store import LightStore, MemoryStore
from lightclient.strictjson import encode_base64
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, FakeChain, FakeClock, Lie, Member, sign
from tools.bench.answers import commit_answer


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
    return LightClient({"node": chain.transport()}, chain.anchor, options, FakeClock(chain), store or MemoryStore())


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


def test_a_client_needs_two_witnesses_or_a_single_operator() -> None:
    chain = chain_with(1)
    options = replace(OPTIONS, single_operator=False)
    for names in (("one",), ("one", "two")):
        nodes = {name: chain.transport() for name in names}
        with pytest.raises(ValueError, match="two witnesses"):
            LightClient(nodes, chain.anchor, options, FakeClock(chain), MemoryStore())
    with pytest.raises(ValueError, match="needs a node"):
        LightClient({}, chain.anchor, OPTIONS, FakeClock(chain), MemoryStore())


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
