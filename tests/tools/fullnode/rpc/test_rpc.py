"""Answers have the keys, types, HTTP status and error codes that CometBFT v0.38.25 gave to the same requests."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import ics23, merkle, rpcjson
from tests.tools.fullnode.engine.solo import Solo
from tools.fullnode.engine.solo import Retention
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher

VECTORS = Path(__file__).parents[3] / "vectors" / "cometbft-0.38.25"
RECORDED: list[dict[str, Any]] = json.loads((VECTORS / "rpc_calls.json").read_text())

FIRST_TX = b"first transaction"
BAD_TX = b"bad one: accepted by CheckTx, refused in the block"
BEFORE_THE_CHAIN = ("broadcast_tx_sync accepted", "broadcast_tx_sync again: already in cache")
ONE_VALIDATOR = {"validators page 1 of 2": {"per_page": "1"}, "validators page 2 of 2": {"page": "1", "per_page": "1"}}
"""The recording has four validators: the second page of ours is asked for as the first."""


class Node:
    """A node with a few blocks, the recorded transactions among them."""

    def __init__(self, **options: Any) -> None:
        self.solo = Solo(**options)
        self.answers = Answers(self.solo.engine)
        self.dispatcher = RpcDispatcher(self.answers, NodeIdentity("ab" * 20))

    def grow(self) -> Node:
        self.solo.cut(FIRST_TX, BAD_TX, b"k")
        for _ in range(4):
            self.solo.cut()
        return self

    def post(self, request: Any) -> tuple[int, Any]:
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        status, answer = self.dispatcher.handle(body)
        return status, json.loads(answer) if answer else None

    def call(self, method: str, **params: Any) -> Any:
        return self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})[1]["result"]

    def error(self, method: str, **params: Any) -> tuple[int, str]:
        error = self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})[1]["error"]
        return error["code"], error["data"]


@pytest.fixture(name="node", scope="module")
def make_node() -> Node:
    return Node().grow()


def known(call: dict[str, Any], node: Node) -> bool:
    request = call["request"]
    return type(request) is not dict or request["method"] in node.dispatcher.methods or request["method"] == "nope"


def as_sent(call: dict[str, Any]) -> Any:
    """The recorded request, with the large transaction written out and pages that exist here."""
    request = call["request"]
    if type(request) is not dict:
        return request
    params = request["params"] | ONE_VALIDATOR.get(call["name"], {})
    large = re.fullmatch(r"\(base64 of ([0-9,]+) bytes of z\)", str(params.get("tx")))
    if large is not None:
        params["tx"] = b64encode(b"z" * int(large.group(1).replace(",", ""))).decode()
    return request | {"params": params}


def assert_same_shape(found: Any, recorded: Any, place: str) -> None:
    """Same keys in the same order, same types; values may differ. Lists compare by their first entries."""
    assert type(found) is type(recorded), f"{place}: {found!r} instead of {recorded!r}"
    if type(recorded) is dict:
        assert list(found) == list(recorded), place
        for name, value in recorded.items():
            assert_same_shape(found[name], value, f"{place}.{name}")
    elif type(recorded) is list and recorded and found:
        assert_same_shape(found[0], recorded[0], f"{place}[0]")


def without_numbers(data: Any) -> str:
    return re.sub(r"[0-9]+", "N", str(data))


@pytest.mark.parametrize("call", RECORDED, ids=lambda call: call["name"])
def test_answers_have_the_recorded_shape(call: dict[str, Any], node: Node) -> None:
    asked = Node() if call["name"] in BEFORE_THE_CHAIN else node
    if call["name"] == BEFORE_THE_CHAIN[1]:
        asked.post(as_sent(call))
    status, answer = asked.post(as_sent(call))
    if not known(call, node):
        assert (status, answer["error"]["code"]) == (200, -32601)
        return
    recorded = call["response"]
    assert status == call["http_status"]
    if "error" in recorded:
        same = ("code", "message") if recorded["error"]["code"] == -32700 else ("code", "message", "data")
        for name in same:
            assert without_numbers(answer["error"].get(name)) == without_numbers(recorded["error"].get(name))
        assert answer.keys() == recorded.keys()
        assert answer["error"].keys() == recorded["error"].keys()
        return
    if call["name"] == "genesis":
        del answer["result"]["genesis"]["app_state"]  # the recorded application has none
    if call["name"].startswith("abci_query"):
        # The recorded application answers a value with a proof whatever it is asked for; ours does as it is told.
        answer = asked.post({**call["request"], "params": {"path": "/key", "data": b"k".hex(), "prove": True}})[1]
    assert_same_shape(answer, recorded, call["name"])


def test_all_recorded_methods_that_the_node_promises_were_compared(node: Node) -> None:
    compared = {call["request"]["method"] for call in RECORDED if type(call["request"]) is dict}
    assert set(node.dispatcher.methods) - compared == {"block_results"}


def test_block_results_and_block_have_the_shape_of_recorded_blocks(node: Node) -> None:
    recorded = json.loads((VECTORS / "blocks.json").read_text())
    assert_same_shape(
        node.call("block", height="3"), next(b for b in recorded if b["block"]["header"]["height"] == "105"), "block"
    )
    empty, full = node.call("block_results", height="2"), node.call("block_results", height="1")
    names = ["height", "txs_results", "finalize_block_events", "validator_updates", "consensus_param_updates", "app_hash"]
    assert list(empty) == list(full) == names
    assert empty["txs_results"] is None
    assert [result["code"] for result in full["txs_results"]] == [9, 0, 0]


def test_what_the_light_client_decodes(node: Node) -> None:
    store = node.solo.store
    signed = rpcjson.decode_commit(node.call("commit", height="3"))
    assert signed == store.signed_header(3)
    assert node.call("header", height="3")["header"] == node.call("commit", height="3")["signed_header"]["header"]
    assert node.call("header_by_hash", hash=signed.hash.hex())["header"]["height"] == "3"
    assert node.call("header_by_hash", hash="00" * 32) == {"header": None}
    assert rpcjson.decode_validators(node.call("validators", height="3")).validators == node.solo.engine.validators.validators
    status = rpcjson.decode_status(node.call("status"))
    assert (status.node_id, status.latest_height, status.earliest_height) == ("ab" * 20, 5, 1)
    assert rpcjson.decode_block_results(node.call("block_results", height="1")).results[0].code == 9


def test_the_latest_commit_is_not_canonical_until_the_next_block() -> None:
    node = Node().grow()
    assert [node.call("commit", **params)["canonical"] for params in ({}, {"height": "5"}, {"height": "4"})] == [
        False,
        False,
        True,
    ]
    node.solo.cut()
    assert node.call("commit", height="5")["canonical"] is True
    assert node.call("commit")["signed_header"]["header"]["height"] == "6"


def test_a_query_proves_values_and_absence(node: Node) -> None:
    for key in (b"k", b"absent"):
        answer = rpcjson.decode_abci_query(node.call("abci_query", path="/key", data=key.hex(), height="4", prove=True))
        app_hash = rpcjson.decode_commit(node.call("commit", height="5")).header.app_hash
        assert (answer.code, answer.key, answer.height) == (0, key, 4)
        assert [op.type for op in answer.proof_ops] == ["ics23:smt"]
        proof = ics23.decode_proof(answer.proof_ops[0].data)
        if key == b"k":
            ics23.verify_membership(app_hash, proof, key, answer.value)
        else:
            ics23.verify_non_membership(app_hash, proof, key)
    refused = node.call("abci_query", path="/other", data="00", height="4", prove=True)["response"]
    assert (refused["code"], refused["proofOps"], refused["value"]) == (1, None, None)
    assert node.call("abci_query", path="/key", data=b"k".hex())["response"]["proofOps"] is None


def test_a_transaction_comes_with_a_proof_of_inclusion(node: Node) -> None:
    for tx in (FIRST_TX, BAD_TX, b"k"):
        result = node.call("tx", hash=b64encode(sha256(tx).digest()).decode(), prove=True)
        answer = rpcjson.decode_tx(result)
        data_hash = rpcjson.decode_commit(node.call("commit", height="1")).header.data_hash
        assert (answer.tx, answer.height, answer.tx_hash) == (tx, 1, sha256(tx).digest())
        assert answer.proof is not None
        assert merkle.verify(answer.proof, data_hash, answer.tx_hash)
        assert b64decode(result["proof"]["proof"]["leaf_hash"]) == merkle.leaf_hash(answer.tx_hash)


def test_blockchain_counts_down_and_stays_within_limits() -> None:
    node = Node(retention=Retention(keep_blocks=60, ask_application=False))
    for _ in range(100):
        node.solo.cut()

    def heights(**params: str) -> list[str]:
        return [meta["header"]["height"] for meta in node.call("blockchain", **params)["block_metas"]]

    assert heights() == [str(height) for height in range(100, 80, -1)]
    assert heights(minHeight="3", maxHeight="42") == ["42", "41"]
    assert node.error("blockchain", minHeight="-1") == (-32603, "heights must be non-negative")
    assert node.error("blockchain", minHeight="7", maxHeight="5") == (
        -32603,
        "min height 41 can't be greater than max height 5",
    )
    assert node.error("commit", height="7") == (-32603, "height 7 is not available, lowest height is 41")
    assert node.call("status")["sync_info"]["earliest_block_height"] == "41"


def test_before_the_first_block_there_is_a_status_and_nothing_else() -> None:
    node = Node()
    assert node.call("status")["sync_info"]["latest_block_height"] == "0"
    for method in ("commit", "header", "block", "block_results"):
        assert node.error(method) == (-32603, "height 1 must be less than or equal to the current blockchain height 0")


@pytest.mark.parametrize(
    ("params", "data"),
    [
        ({"height": 3}, None),
        ([], "expected 1 parameters (['height']), got 0"),
        ("3", "unknown type for JSON params. Expected map or array"),
        ({"height": ""}, "unexpected end of JSON input"),
        ({"height": "1.5"}, "json: cannot unmarshal number 1.5 into Go value of type int64"),
        ({"height": str(2**63)}, f"json: cannot unmarshal number {2**63} into Go value of type int64"),
        ({"height": True}, "json: cannot unmarshal bool into Go value of type int64"),
        ({"height": ["3"]}, "json: cannot unmarshal array into Go value of type int64"),
        ({"height": None}, None),
        (None, None),
        (["3"], None),
        ([None], None),
    ],
)
def test_parameters_are_read_as_cometbft_reads_them(params: Any, data: str | None, node: Node) -> None:
    answer = node.post({"jsonrpc": "2.0", "id": 1, "method": "commit", "params": params})[1]
    if data is None:
        assert "result" in answer
    else:
        assert answer["error"]["code"] == -32602
        assert answer["error"]["data"] == f"error converting json params to arguments: {data}"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tx", {"hash": "***"}),
        ("tx", {"hash": 5}),
        ("tx", {"prove": "true"}),
        ("abci_query", {"data": "abc"}),
        ("abci_query", {"data": "0xab"}),
        ("abci_query", {"data": "a b"}),
        ("abci_query", {"data": "\u00e4\u00e4"}),
        ("abci_query", {"path": 7}),
        ("broadcast_tx_sync", {"tx": {}}),
    ],
)
def test_wrong_parameters_are_refused(method: str, params: dict[str, Any], node: Node) -> None:
    assert node.error(method, **params)[0] == -32602


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 500, -32700),
        (b"{", 500, -32700),
        (b"\xff\xfe", 500, -32700),
        (b"[" * 100_000, 500, -32700),
        (b'{"id": NaN, "method": "health"}', 500, -32700),
        (b'{"id": true, "method": "health"}', 500, -32700),
        (b'{"id": 1, "method": 7}', 500, -32700),
        (b'[{"id": 1, "method": "health"}, 7]', 500, -32700),
        (b'{"id": 1}', 200, -32601),
        (b'{"id": 1, "method": "subscribe", "params": {"query": "tm.event=\'NewBlockHeader\'"}}', 200, -32601),
        (json.dumps([{"id": 1, "method": "health"}] * 11).encode(), 200, -32600),
        (b" " * 1_000_001, 400, -32600),
    ],
)
def test_bodies_that_are_no_requests(body: bytes, status: int, code: int, node: Node) -> None:
    found, answer = node.post(body)
    assert (found, answer["error"]["code"]) == (status, code)


def test_notifications_get_no_answer_and_ids_come_back(node: Node) -> None:
    assert node.post({"method": "health"}) == (200, None)
    assert node.post([{"method": "health"}, None]) == (200, None)
    ids = ["x", 7, -1, "", '\u00e4"']
    answers = node.post([{"id": value, "method": "health"} for value in ids])[1]
    assert [answer["id"] for answer in answers] == ids
    assert node.post([{"id": 3.0, "method": "health"}])[1] == {"jsonrpc": "2.0", "id": 3, "result": {}}


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "method", "params", "height"]), inner)
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_node(body: bytes) -> None:
    status, answer = Node().dispatcher.handle(body)
    assert status in (200, 500)
    assert not answer or json.loads(answer)


@pytest.mark.parametrize(
    ("name", "query", "status"),
    [
        ("health", {}, 200),
        ("commit", {"height": "3"}, 200),
        ("commit", {"height": '"3"'}, 200),
        ("commit", {"height": "x"}, 500),
        ("commit", {"height": "99"}, 500),
        ("tx", {"hash": "0x" + sha256(FIRST_TX).hexdigest(), "prove": "true"}, 200),
        ("abci_query", {"path": '"/key"', "data": '"k"', "prove": "true"}, 200),
        ("abci_query", {"path": '"/key"', "data": "0x6b", "prove": "false"}, 200),
        ("nope", {}, 404),
    ],
)
def test_the_get_form(name: str, query: dict[str, str], status: int, node: Node) -> None:
    found, answer = node.dispatcher.handle_uri(name, query)
    parsed = json.loads(answer)
    assert (found, parsed["id"]) == (status, -1)
    if name == "abci_query":
        assert parsed["result"]["response"]["key"] == b64encode(b"k").decode()
