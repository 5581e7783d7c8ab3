"""Reading what nodes send: one spelling for everything that is read, and bounds on what it may cost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import merkle, rpcjson, strictjson
from lightclient.blocks import ExecTxResult
from lightclient.errors import NodeGarbage
from lightclient.strictjson import MAX_LEVELS, Fields
from tests.lightclient.vectors import load, recorded_chain


def nested(levels: int, opening: str = "[", closing: str = "]") -> str:
    return opening * levels + closing * levels


@pytest.mark.parametrize("text", [nested(MAX_LEVELS), nested(MAX_LEVELS // 2, '{"a":[', "]}"), "[" + "[]," * 99 + "{}]"])
def test_nesting_is_read_up_to_its_bound(text: str) -> None:
    assert strictjson.load(text) == strictjson.load(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        nested(MAX_LEVELS + 1),
        nested(MAX_LEVELS // 2 + 1, '{"a":[', "]}"),
        nested(400_000),
        "[" * 999_999,
        '["' + "]" * 50 + '",' + nested(MAX_LEVELS) + "]",
        '["\\\\\\"' + "]" * 50 + '\\\\",' + nested(MAX_LEVELS) + "]",
    ],
)
def test_deeper_nesting_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(NodeGarbage, match=f"at most {MAX_LEVELS} levels"):
        strictjson.load(text)


def test_brackets_within_text_are_no_nesting() -> None:
    value = {"log": 'say "[[{"\\ ' * 99, "\\": "[" * 99}
    assert strictjson.load(json.dumps(value)) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('ab"\\[]{}', max_size=4), inner, max_size=4),
    max_leaves=40,
)


@given(json_values, st.booleans())
def test_other_json_is_read_as_it_is(value: Any, ascii_only: bool) -> None:
    assert strictjson.load(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"height":"1","height":"2"}',
        '{"a":{"b":1,"b":1}}',
        '{"a":1,"\\u0061":1}',
        "[NaN]",
        "[Infinity]",
        "[-Infinity]",
        "[1.0]",
        "[1e3]",
        "[" + "9" * 20 + "]",
        "[1" + "0" * 100_000 + "]",
        "[01]",
        "",
        "{",
        '{"a":1}{}',
        "[" * 33 + "]" * 32,
    ],
)
def test_what_has_two_readings_is_not_read(text: str) -> None:
    with pytest.raises(NodeGarbage):
        strictjson.load(text)


@pytest.mark.parametrize("data", [b"\xff\xfe[\x00]\x00", b'["\xed\xa0\x80"]', b"\xef\xbb\xbf[]", b"\x80"])
def test_only_utf8_is_read(data: bytes) -> None:
    with pytest.raises(NodeGarbage):
        strictjson.load(data)


def test_half_a_character_is_no_text() -> None:
    fields = Fields(strictjson.load('{"log":"\\ud800","price":"10 \\u20ac"}'), "answer")
    assert fields.text("price") == "10 €"
    with pytest.raises(NodeGarbage, match=r"answer\.log"):
        fields.text("log")


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("int64", "01"),
        ("int64", "-1"),
        ("int64", "+1"),
        ("int64", ""),
        ("int64", " 1"),
        ("int64", "１"),
        ("int64", "9223372036854775808"),
        ("int64", 1),
        ("number", "1"),
        ("number", -1),
        ("number", True),
        ("number", 2**32),
        ("hex", "ab"),
        ("hex", "A"),
        ("hex", "AB CD"),
        ("hex", None),
        ("base64", "QQ"),
        ("base64", "QR=="),
        ("base64", "QQ==\n"),
        ("base64", "Q_=="),
        ("time_ns", "2026-11-21T07:34:05.1234567890Z"),
        ("time_ns", "2026-11-21T07:34:05+00:00"),
        ("flag", 1),
        ("ascii", "é"),
        ("text", None),
        ("objects", {}),
        ("objects", [1]),
        ("objects", [{}] * (strictjson.MAX_ITEMS + 1)),
        ("inner", []),
    ],
)
def test_every_field_has_one_spelling(reader: str, value: Any) -> None:
    with pytest.raises(NodeGarbage, match=r"answer\.field"):
        getattr(Fields({"field": value}, "answer"), reader)("field")


def validators_answer() -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(recorded_chain()[0]["validators"]))
    return answer


def test_a_page_holds_as_many_validators_as_it_says_and_no_more_than_a_page() -> None:
    answer = validators_answer()
    assert len(rpcjson.decode_validators(answer).validators) == int(answer["count"]) == 4
    with pytest.raises(NodeGarbage, match=r"validators\.count"):
        rpcjson.decode_validators({**answer, "count": "5"})
    page = answer["validators"][:1] * rpcjson.MAX_PAGE
    assert len(rpcjson.decode_validators({**answer, "validators": page, "count": "100"}).validators) == 100
    with pytest.raises(NodeGarbage, match="at most 100"):
        rpcjson.decode_validators({**answer, "validators": [*page, page[0]], "count": "101"})


@pytest.mark.parametrize(
    "change",
    [
        {"pub_key": {"type": "tendermint/PubKeySecp256k1", "value": "Ag=="}},
        {"address": "00" * 20},
        {"voting_power": "-1"},
        {"pub_key": None},
    ],
)
def test_other_validators_are_not_read(change: dict[str, Any]) -> None:
    answer = validators_answer()
    answer["validators"][2] |= change
    with pytest.raises(NodeGarbage, match="validators"):
        rpcjson.decode_validators(answer)


def test_proofs_of_a_query_are_few() -> None:
    op = {"type": "ics23:smt", "key": "AA==", "data": "AA=="}
    response = {"code": 0, "log": "", "key": "AA==", "value": None, "height": "5"}
    ops = [op] * rpcjson.MAX_PROOF_OPS
    assert len(rpcjson.decode_abci_query({"response": {**response, "proofOps": {"ops": ops}}}).proof_ops) == len(ops)
    with pytest.raises(NodeGarbage, match="at most 8"):
        rpcjson.decode_abci_query({"response": {**response, "proofOps": {"ops": [*ops, op]}}})
    assert rpcjson.decode_abci_query({"response": {**response, "proofOps": None}}).proof_ops == ()


def test_the_path_of_a_transaction_is_short() -> None:
    calls = [call["response"]["result"] for call in load("cometbft-0.38.25/rpc_calls.json") if call["name"] == "tx with proof"]
    answer = json.loads(json.dumps(calls[0]))
    aunt = strictjson.encode_base64(bytes(32))
    answer["proof"]["proof"]["aunts"] = [aunt] * merkle.MAX_AUNTS
    assert rpcjson.decode_tx(answer).proof is not None
    answer["proof"]["proof"]["aunts"].append(aunt)
    with pytest.raises(NodeGarbage, match="at most 100"):
        rpcjson.decode_tx(answer)


@pytest.mark.parametrize(
    "decode",
    [
        rpcjson.decode_commit,
        rpcjson.decode_validators,
        rpcjson.decode_abci_query,
        rpcjson.decode_status,
        rpcjson.decode_tx,
        rpcjson.decode_block_results,
        rpcjson.decode_broadcast,
    ],
)
@given(value=json_values)
def test_garbage_is_named_as_such(decode: Any, value: Any) -> None:
    with pytest.raises(NodeGarbage):
        decode(value)


def test_what_go_leaves_out_is_its_zero() -> None:
    signed = json.loads(json.dumps(recorded_chain()[0]["commit"]))
    del signed["signed_header"]["header"]["version"]["app"]
    header = rpcjson.decode_commit(signed).header
    assert header.version_app == 0
    assert rpcjson.header_to_json(header) == signed["signed_header"]["header"]
    signed["signed_header"]["header"]["version"]["app"] = None
    with pytest.raises(NodeGarbage, match=r"version\.app"):
        rpcjson.decode_commit(signed)
    refused = rpcjson.decode_block_results({"height": "7", "txs_results": [{"code": 32, "log": ""}, {"data": "AQ=="}]})
    assert refused.results == (ExecTxResult(32), ExecTxResult(0, b"\x01"))
