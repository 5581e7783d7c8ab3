"""JSON-RPC messages, recorded answers, and a node in the same process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from lightclient import errors, rpcjson
from lightclient.jsonrpc import Refused, Result, decode_message, encode_request
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import FakeChain
from tests.lightclient.vectors import load, recorded_chain

RPC_CALLS = load("cometbft-0.38.25/rpc_calls.json")
DECODERS: dict[str, Callable[[Any], object]] = {
    "status": rpcjson.decode_status,
    "commit": rpcjson.decode_commit,
    "validators": rpcjson.decode_validators,
    "abci_query": rpcjson.decode_abci_query,
    "tx": rpcjson.decode_tx,
    "broadcast_tx_sync": rpcjson.decode_broadcast,
}


def test_every_recorded_answer_is_understood() -> None:
    decoded = 0
    for call in RPC_CALLS:
        if not isinstance(call["response"], dict) or "id" not in call["response"]:
            continue
        message = decode_message(json.dumps(call["response"]))
        if isinstance(message, Refused):
            assert message.error.code == call["response"]["error"]["code"]
        elif call["request"]["method"] in DECODERS:
            DECODERS[call["request"]["method"]](message.value)
            decoded += 1
    assert decoded == 12


def test_recorded_status_and_results_are_read_field_by_field() -> None:
    status = rpcjson.decode_status(next(call["response"]["result"] for call in RPC_CALLS if call["name"] == "status"))
    assert (status.chain_id, status.latest_height, status.catching_up) == ("homewatt-fixture-1", 138, False)
    results = rpcjson.decode_block_results(recorded_chain()[103]["block_results"])
    assert [result.code for result in results.results] == [0, 0, 0, 0, 0, 0, 9, 0]
    assert results.height == 104


def test_recorded_frames_of_a_websocket_are_understood() -> None:
    frames = [frame["received"] for frame in load("cometbft-0.38.25/websocket.json") if "received" in frame]
    messages = [decode_message(json.dumps(frame)) for frame in frames]
    assert [message.id for message in messages] == [1, 2, 3, 4, 1, 2, 1, 1, 5]
    assert isinstance(messages[3], Refused)


def test_requests_are_written_as_cometbft_reads_them() -> None:
    assert json.loads(encode_request(7, "commit", {"height": "3"})) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "commit",
        "params": {"height": "3"},
    }


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"7",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"id": 1}',
        b'{"result": {}}',
        b'{"id": "1", "result": {}}',
        b'{"id": 1, "error": 5}',
        b'{"id": 1, "error": {"code": "5"}}',
    ],
)
def test_other_messages_are_garbage(data: bytes) -> None:
    with pytest.raises(errors.NodeGarbage):
        decode_message(data)


def test_a_refusal_without_id_is_read() -> None:
    message = decode_message(b'{"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error", "data": "why"}}')
    assert isinstance(message, Refused)
    assert (message.id, message.error.data) == (None, "why")


STATUS = next(call["response"]["result"] for call in RPC_CALLS if call["name"] == "status")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latest_block_height", 138),
        ("latest_block_height", "0138"),
        ("latest_block_height", "-1"),
        ("latest_block_height", "9223372036854775808"),
        ("latest_block_height", "١"),
        ("latest_block_time", "yesterday"),
        ("catching_up", 0),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    wrong = {**STATUS, "sync_info": {**STATUS["sync_info"], field: value}}
    with pytest.raises(errors.NodeGarbage) as refused:
        rpcjson.decode_status(wrong)
    assert refused.value.place == f"status.sync_info.{field}"


@pytest.mark.parametrize("value", ["QR==", "Q Q==", "QQ", "?", 5])
def test_base64_has_one_spelling(value: object) -> None:
    answer = {"response": {"code": 0, "log": "", "key": value, "value": "", "height": "1"}}
    with pytest.raises(errors.NodeGarbage, match=r"abci_query\.response\.key"):
        rpcjson.decode_abci_query(answer)


@pytest.mark.parametrize("value", ["ab" * 32, "AB CD", "ABC", "XY", None])
def test_hex_has_one_spelling(value: object) -> None:
    with pytest.raises(errors.NodeGarbage, match=r"broadcast_tx_sync\.hash"):
        rpcjson.decode_broadcast({"code": 0, "log": "", "hash": value})


def test_validators_of_other_kinds_are_refused() -> None:
    answer = json.loads(json.dumps(recorded_chain()[0]["validators"]))
    answer["validators"][0]["pub_key"]["type"] = "tendermint/PubKeySecp256k1"
    with pytest.raises(errors.NodeGarbage, match="PubKeyEd25519"):
        rpcjson.decode_validators(answer)
    answer = json.loads(json.dumps(recorded_chain()[0]["validators"]))
    answer["validators"][0]["address"] = answer["validators"][1]["address"]
    with pytest.raises(errors.NodeGarbage, match="address"):
        rpcjson.decode_validators(answer)


def in_process(answer: bytes) -> BytesTransport:
    async def handle(request: bytes) -> bytes:
        return answer

    return BytesTransport(handle, lambda listener: lambda: None, max_bytes=100)


def test_an_answer_to_another_request_or_too_large_is_refused() -> None:
    with pytest.raises(errors.WrongAnswer):
        asyncio.run(in_process(b'{"id": 2, "result": {}}').call("health", {}))
    with pytest.raises(errors.NodeGarbage):
        asyncio.run(in_process(b'{"id": 1, "result": "%s"}' % (b"x" * 100)).call("health", {}))
    assert asyncio.run(in_process(b'{"id": 1, "result": {}}').call("health", {})) == {}


def test_letting_go_of_a_node_ends_its_wake_ups() -> None:
    async def run() -> None:
        chain = FakeChain()
        transport = chain.transport()
        chain.cut()
        await transport.aclose()
        chain.cut()
        assert transport.block_events == 1

    asyncio.run(run())


def test_results_know_their_request() -> None:
    assert decode_message(b'{"jsonrpc": "2.0", "id": 3, "result": null}') == Result(3, None)


def test_what_a_node_says_to_people_is_one_short_printable_line() -> None:
    data = json.dumps({"id": 1, "error": {"code": 7, "message": "a\nb\x1b[31m", "data": "x" * 900_000}})
    message = decode_message(data)
    assert isinstance(message, Refused)
    assert (message.error.message, len(message.error.data)) == ("a?b?[31m", 300)
    message = decode_message(b'{"id": 1, "error": {"code": 7, "message": {"not": "text"}}}')
    assert isinstance(message, Refused)
    assert (message.error.message, message.error.data) == ("", "")
