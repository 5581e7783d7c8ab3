"""One node asked in the light client's terms: recorded answers of a real one, and answers about something else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from hashlib import sha256
from typing import Any, TypeVar

import pytest

from lightclient import errors
from lightclient.provider import Provider, ValidatorSets
from lightclient.strictjson import encode_base64
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import CHAIN_ID as FAKE_CHAIN_ID
from tests.lightclient.fake_chain import FakeChain, Member
from tests.lightclient.vectors import light_blocks, load, recorded_chain

RPC_CALLS = {call["name"]: call for call in load("cometbft-0.38.25/rpc_calls.json")}
CHAIN_ID = "homewatt-fixture-1"
TX = b"first transaction"
"""The one that the recording hands in, twice."""
TX_HASH = sha256(TX).digest()
BAD_TX = b"bad one: accepted by CheckTx, refused in the block"
"""The one whose answer to `tx` is recorded last."""

Answer = Callable[[Mapping[str, Any]], Any]
Given = TypeVar("Given")


def recorded(name: str) -> Answer:
    """The recorded answer to a call: a result, or a refusal as it was."""
    response = RPC_CALLS[name]["response"]
    return lambda params: response["error"] if "error" in response else {"result": response["result"]}


def result(value: Any) -> Answer:
    return lambda params: {"result": value}


def at_height(field: str) -> Answer:
    """The recorded answers about one height; the last one where none is named."""
    return lambda params: {"result": recorded_chain()[int(params.get("height", "0")) - 1][field]}


class RecordedNode:
    """Heights 1 to 137 of a real chain. `answers` may be altered; `asked` holds what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answers: dict[str, Answer] = {
            "status": recorded("status"),
            "commit": at_height("commit"),
            "validators": at_height("validators"),
            "header": lambda params: {"result": {"header": at_height("commit")(params)["result"]["signed_header"]["header"]}},
            "block_results": at_height("block_results"),
            "tx": recorded("tx with proof"),
            "broadcast_tx_sync": recorded("broadcast_tx_sync accepted"),
        }
        self.sets = ValidatorSets()

    def provider(self, chain_id: str = CHAIN_ID) -> Provider:
        return Provider("node", BytesTransport(self._handle, lambda _: lambda: None), chain_id, self.sets)

    async def _handle(self, request: bytes) -> bytes:
        call = json.loads(request)
        self.asked.append((call["method"], call["params"]))
        answer = self.answers[call["method"]](call["params"])
        body = answer if "result" in answer else {"error": answer}
        return json.dumps({"jsonrpc": "2.0", "id": call["id"], **body}).encode()


def ask(node: RecordedNode, question: Callable[[Provider], Coroutine[Any, Any, Given]], chain_id: str = CHAIN_ID) -> Given:
    return asyncio.run(question(node.provider(chain_id)))


def methods(node: RecordedNode) -> list[str]:
    return [method for method, _ in node.asked]


def altered(answer: Answer, *path: str, to: Any) -> Answer:
    """The same answer with one field changed."""

    def lie(params: Mapping[str, Any]) -> Any:
        body = json.loads(json.dumps(answer(params)))
        inner = body["result"]
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = to
        return body

    return lie


def test_a_node_says_once_who_it_is() -> None:
    node = RecordedNode()

    async def twice(provider: Provider) -> tuple[str, str]:
        return await provider.node_id(), await provider.node_id()

    assert ask(node, twice) == ("a11059a3b474f50c0254229a524e8036025a2d48",) * 2
    assert methods(node) == ["status"]


def test_a_node_of_another_chain_is_refused() -> None:
    with pytest.raises(errors.WrongAnswer, match="asked for chain_id other-1, the answer is about homewatt-fixture-1"):
        ask(RecordedNode(), lambda provider: provider.node_id(), chain_id="other-1")


def test_blocks_of_a_real_chain_are_fetched_as_they_are() -> None:
    node = RecordedNode()

    async def fetch(provider: Provider) -> None:
        assert await provider.light_block(None) == light_blocks()[-1]
        assert (await provider.latest()).height == 137
        for height in (1, 2, 120, 137):
            block = await provider.light_block(height)
            assert block == light_blocks()[height - 1]
            assert await provider.header(height) == block.header
            assert await provider.signed_header(height) == block.signed_header

    ask(node, fetch)
    assert node.asked[1] == ("validators", {"height": "137", "page": "1", "per_page": "100"})
    sets = {block.header.validators_hash for block in (light_blocks()[height - 1] for height in (1, 2, 120, 137))}
    assert methods(node).count("validators") == len(sets) < 5


def test_providers_share_the_sets_that_they_know() -> None:
    node = RecordedNode()
    ask(node, lambda provider: provider.light_block(1))
    ask(node, lambda provider: provider.light_block(2))
    assert methods(node) == ["commit", "validators", "commit"]


def test_only_the_last_sets_are_kept() -> None:
    sets = ValidatorSets(most=2)
    for block in light_blocks()[:1]:
        for name in (b"a", b"b", b"c"):
            sets.add(name, block.validators)
    assert [sets.get(name) is not None for name in (b"a", b"b", b"c")] == [False, True, True]


BY_HEIGHT: dict[str, Callable[[Provider], Coroutine[Any, Any, object]]] = {
    "commit": lambda provider: provider.signed_header(7),
    "header": lambda provider: provider.header(7),
    "block_results": lambda provider: provider.block_results(7),
    "validators": lambda provider: provider.light_block(7),
}
REFUSALS = [
    ("height 7 must be less than or equal to the current blockchain height 6", errors.HeightTooHigh),
    ("height 7 is not available, lowest height is 9", errors.HeightPruned),
    ("something else", errors.RpcRefused),
]


@pytest.mark.parametrize("method", BY_HEIGHT)
@pytest.mark.parametrize(("why", "expected"), REFUSALS, ids=["too high", "pruned", "other"])
def test_a_refused_height_says_why(method: str, why: str, expected: type[errors.NodeError]) -> None:
    node = RecordedNode()
    node.answers[method] = lambda params: {"code": -32603, "message": "Internal error", "data": why}
    with pytest.raises(expected) as refused:
        ask(node, BY_HEIGHT[method])
    assert getattr(refused.value, "height", 7) == 7


def test_recorded_refusals_of_the_future_are_recognised() -> None:
    node = RecordedNode()
    node.answers["commit"] = recorded("commit of the future")
    node.answers["validators"] = recorded("validators future")
    with pytest.raises(errors.HeightTooHigh):
        ask(node, lambda provider: provider.signed_header(1138))
    with pytest.raises(errors.HeightTooHigh):
        ask(node, lambda provider: provider.with_validators(light_blocks()[0].signed_header))


@pytest.mark.parametrize("nothing", [None, {"signed_header": {"header": None, "commit": None}, "canonical": False}])
def test_a_node_without_blocks_is_behind_and_no_liar(nothing: Any) -> None:
    node = RecordedNode()
    node.answers["commit"] = result(nothing)
    node.answers["header"] = result({"header": None})
    with pytest.raises(errors.HeightTooHigh, match="no block yet"):
        ask(node, lambda provider: provider.latest())
    with pytest.raises(errors.HeightTooHigh, match="no block 3 yet"):
        ask(node, lambda provider: provider.signed_header(3))
    with pytest.raises(errors.HeightTooHigh, match="no block 3 yet"):
        ask(node, lambda provider: provider.header(3))


@pytest.mark.parametrize("method", BY_HEIGHT)
def test_an_answer_about_another_height_is_refused(method: str) -> None:
    node = RecordedNode()
    honest = node.answers[method]
    node.answers[method] = lambda params: honest({"height": "8"})
    with pytest.raises(errors.WrongAnswer, match="asked for height 7, the answer is about 8"):
        ask(node, BY_HEIGHT[method])


def test_another_set_than_the_header_names_is_refused() -> None:
    changed = next(height for height in range(1, 137) if light_blocks()[height].validators != light_blocks()[0].validators)
    node = RecordedNode()
    other = recorded_chain()[changed]["validators"]
    members = other["validators"][:4]
    node.answers["validators"] = result({"block_height": "1", "validators": members, "count": "4", "total": "4"})
    with pytest.raises(errors.WrongAnswer, match="validators_hash"):
        ask(node, lambda provider: provider.light_block(1))
    assert node.sets.get(light_blocks()[0].header.validators_hash) is None


def test_ten_thousand_fake_validators_cost_one_page() -> None:
    node = RecordedNode()
    node.answers["validators"] = altered(node.answers["validators"], "total", to="10000")
    with pytest.raises(errors.WrongAnswer, match="asked for number of validators 4, the answer is about 10000"):
        ask(node, lambda provider: provider.light_block(1))
    assert methods(node) == ["commit", "validators"]


@pytest.mark.parametrize("shown", [1, 3])
def test_a_page_that_is_not_full_ends_the_fetch(shown: int) -> None:
    node = RecordedNode()
    members = recorded_chain()[0]["validators"]["validators"]
    page = altered(node.answers["validators"], "validators", to=members[:shown])
    node.answers["validators"] = altered(page, "count", to=str(shown))
    with pytest.raises(errors.WrongAnswer, match=f"asked for validators on the page 4, the answer is about {shown}"):
        ask(node, lambda provider: provider.light_block(1))
    assert methods(node) == ["commit", "validators"]


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [("header", "chain_id", "other-1"), ("header", "validators_hash", ""), ("commit", "signatures", [])],
)
def test_a_block_that_cannot_be_right_costs_no_page(part: str, field: str, value: Any) -> None:
    node = RecordedNode()
    node.answers["commit"] = altered(node.answers["commit"], "signed_header", part, field, to=value)
    with pytest.raises(errors.MalformedHeader):
        ask(node, lambda provider: provider.light_block(1))
    assert methods(node) == ["commit"]


def test_a_large_set_is_fetched_page_by_page() -> None:
    chain = FakeChain([Member(number) for number in range(250)])
    block = chain.cut()
    provider = Provider("node", chain.transport(), FAKE_CHAIN_ID, ValidatorSets())
    assert asyncio.run(provider.light_block(None)) == block
    assert chain.calls == ["commit", "validators", "validators", "validators"]


def query_node(**changes: Any) -> RecordedNode:
    response = RPC_CALLS["abci_query"]["response"]["result"]["response"]
    node = RecordedNode()
    node.answers["abci_query"] = result({"response": {**response, **changes}})
    return node


def test_a_key_is_asked_at_its_height_with_proof() -> None:
    node = query_node()
    answer = ask(node, lambda provider: provider.query(b"abc", 138))
    assert (answer.key, answer.value, answer.height) == (b"abc", b"12", 138)
    assert node.asked == [("abci_query", {"path": "/key", "data": "616263", "height": "138", "prove": True})]


def test_an_answer_about_another_key_or_height_is_refused() -> None:
    with pytest.raises(errors.WrongAnswer, match="key"):
        ask(query_node(key="YWJk"), lambda provider: provider.query(b"abc", 138))
    with pytest.raises(errors.WrongAnswer, match="height"):
        ask(query_node(height="137"), lambda provider: provider.query(b"abc", 138))


def test_a_refused_query_carries_what_the_application_says() -> None:
    node = query_node(code=3, log="height 1 is\x1b[2J not kept" + "!" * 100_000)
    with pytest.raises(errors.QueryRefused) as refused:
        ask(node, lambda provider: provider.query(b"abc", 138))
    assert (refused.value.code, refused.value.log[:26]) == (3, "height 1 is?[2J not kept!!")
    assert len(refused.value.log) == 300


def test_a_recorded_transaction_is_found() -> None:
    node = RecordedNode()
    answer = ask(node, lambda provider: provider.tx(sha256(BAD_TX).digest()))
    assert (answer.tx, answer.height, answer.index, answer.result.code) == (BAD_TX, 104, 6, 9)
    assert node.asked == [("tx", {"hash": "k4/yeSq0uTX6NZdzIhEnz9WwtJ6l5vUGcVX5zSD7x8Y=", "prove": True})]


def test_another_transaction_is_refused_whatever_hash_it_carries() -> None:
    node = RecordedNode()
    with pytest.raises(errors.WrongAnswer, match="tx hash"):
        ask(node, lambda provider: provider.tx(TX_HASH))
    node.answers["tx"] = altered(node.answers["tx"], "hash", to=TX_HASH.hex().upper())
    with pytest.raises(errors.WrongAnswer, match="tx"):
        ask(node, lambda provider: provider.tx(TX_HASH))


def test_a_transaction_that_is_not_there_is_refused_by_the_node() -> None:
    node = RecordedNode()
    node.answers["tx"] = recorded("tx unknown")
    with pytest.raises(errors.RpcRefused, match="not found"):
        ask(node, lambda provider: provider.tx(bytes(32)))


def test_results_of_a_recorded_block() -> None:
    results = ask(RecordedNode(), lambda provider: provider.block_results(104)).results
    assert [each.code for each in results] == [0, 0, 0, 0, 0, 0, 9, 0]


def test_a_transaction_handed_in_and_handed_in_again() -> None:
    node = RecordedNode()
    outcome = ask(node, lambda provider: provider.broadcast(TX))
    assert (outcome.code, outcome.tx_hash, outcome.already_known) == (0, TX_HASH, False)
    node.answers["broadcast_tx_sync"] = recorded("broadcast_tx_sync again: already in cache")
    outcome = ask(node, lambda provider: provider.broadcast(TX))
    assert (outcome.code, outcome.tx_hash, outcome.already_known) == (0, TX_HASH, True)
    node.answers["broadcast_tx_sync"] = recorded("broadcast_tx_sync refused by CheckTx")
    assert ask(node, lambda provider: provider.broadcast(b"!refuse me")).code == 7
    with pytest.raises(errors.WrongAnswer, match="tx hash"):
        ask(node, lambda provider: provider.broadcast(TX))


def test_a_transaction_that_the_node_does_not_take() -> None:
    node = RecordedNode()
    node.answers["broadcast_tx_sync"] = lambda params: {"code": -32603, "message": "Internal error", "data": "mempool is full"}
    with pytest.raises(errors.RpcRefused, match="mempool is full"):
        ask(node, lambda provider: provider.broadcast(TX))


def test_evidence_is_taken_when_the_node_names_its_hash() -> None:
    evidence, digest = {"type": "tendermint/LightClientAttackEvidence", "value": {}}, sha256(b"evidence").digest()
    node = RecordedNode()
    node.answers["broadcast_evidence"] = result({"hash": encode_base64(digest)})
    ask(node, lambda provider: provider.report(evidence, digest))
    assert node.asked == [("broadcast_evidence", {"evidence": evidence})]
    with pytest.raises(errors.WrongAnswer, match="evidence hash"):
        ask(node, lambda provider: provider.report(evidence, bytes(32)))
    node.answers["broadcast_evidence"] = recorded("broadcast_evidence nonsense")
    with pytest.raises(errors.RpcRefused):
        ask(node, lambda provider: provider.report(evidence, digest))
