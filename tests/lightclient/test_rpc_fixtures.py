"""Answers of real nodes of several versions and networks, collected by tendermint-rs: each that has a decoder is read by it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from lightclient import hashing, merkle, rpcjson, strictjson
from lightclient.blocks import Header
from lightclient.errors import LightClientError, NodeGarbage
from lightclient.provider import Provider, ValidatorSets
from lightclient.proving import prove_tx
from lightclient.strictjson import decode_base64
from lightclient.transport import BytesTransport
from tests.lightclient.test_hashing import NO_COMMIT
from tests.lightclient.vectors import load_compressed

FIXTURES: dict[str, str] = load_compressed("tendermint-rs-rpc/fixtures.json.gz")
VERSIONS = ["v0_34", "v0_37", "v0_38"]
NETWORKS = [*(f"kvstore_fixtures/{version}" for version in VERSIONS), "gaia_fixtures"]

# What each kind of answer is read by, by the beginning of its name; None: the client asks for nothing of the kind.
DECODERS: dict[str, Callable[[Any], object] | None] = {
    "commit_at_height": rpcjson.decode_commit,
    "status": rpcjson.decode_status,
    "abci_query": rpcjson.decode_abci_query,
    "broadcast_tx_sync": rpcjson.decode_broadcast,
    "broadcast_tx_async": rpcjson.decode_broadcast,
    "subscribe_txs_broadcast_tx": rpcjson.decode_broadcast,
    "block_results": rpcjson.decode_block_results,
    "tx_search": lambda result: [rpcjson.decode_tx(found) for found in result["txs"]],
    "tx.": rpcjson.decode_tx,
    "broadcast_tx_commit": None,
    "abci_info": None,
    "block_": None,
    "blockchain": None,
    "consensus_": None,
    "genesis": None,
    "net_info": None,
    "subscribe_": None,
}
INCOMING = sorted(path for path in FIXTURES if "/incoming/" in path)


def answer(path: str) -> Any:
    return strictjson.load(FIXTURES[path])


def decoder(path: str) -> Callable[[Any], object] | None:
    name = path.rpartition("/")[2]
    kinds = [kind for kind in DECODERS if name.startswith(kind)]
    assert kinds, f"no kind for {path}"
    return DECODERS[max(kinds, key=len)]


READ = [path for path in INCOMING if decoder(path) is not None]


@pytest.mark.parametrize("path", READ)
def test_answers_of_all_networks_are_read(path: str) -> None:
    decode = decoder(path)
    assert decode is not None
    assert decode(answer(path)["result"])


def test_every_answer_is_json_that_is_read() -> None:
    for path in INCOMING:
        assert isinstance(answer(path), dict)
    assert (len(INCOMING), len(READ)) == (149, 54)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_commit_is_for_its_header(network: str) -> None:
    result = answer(f"{network}/incoming/commit_at_height_10.json")["result"]
    signed = rpcjson.decode_commit(result)
    assert hashing.header_hash(signed.header) == signed.commit.block_id.hash
    assert signed.header.height == signed.commit.height == 10
    assert rpcjson.header_to_json(signed.header) == result["signed_header"]["header"]
    assert rpcjson.commit_to_json(signed.commit) == result["signed_header"]["commit"]


def header_of(fields: Any) -> Header:
    return rpcjson.decode_commit({"signed_header": {"header": fields, "commit": NO_COMMIT}}).header


def blocks_of(node: Any) -> list[Any]:
    """Every object with `block_id` and `block`, or `block_id` and `header`, however deep."""
    if isinstance(node, list):
        return [block for item in node for block in blocks_of(item)]
    if not isinstance(node, dict):
        return []
    own = [node] if "block_id" in node and ("block" in node or "header" in node) else []
    return own + [block for item in node.values() for block in blocks_of(item)]


@pytest.mark.parametrize("network", NETWORKS)
def test_headers_and_transactions_hash_to_what_their_blocks_say(network: str) -> None:
    found = [block for path in INCOMING if path.startswith(network) for block in blocks_of(answer(path).get("result"))]
    for block in found:
        whole = block.get("block")
        header = header_of(whole["header"] if whole else block["header"])
        assert hashing.header_hash(header).hex().upper() == block["block_id"]["hash"]
        if whole:
            txs = [decode_base64(tx, "txs") for tx in whole["data"]["txs"] or []]
            assert hashing.data_hash(txs) == header.data_hash
        if whole and whole["last_commit"] and whole["last_commit"]["signatures"]:
            shown = {"signed_header": {"header": whole["header"], "commit": whole["last_commit"]}}
            assert hashing.commit_hash(rpcjson.decode_commit(shown).commit) == header.last_commit_hash
    assert len(found) > 10


@pytest.mark.parametrize("version", VERSIONS)
def test_transactions_are_proven_in_their_blocks(version: str) -> None:
    found = answer(f"kvstore_fixtures/{version}/incoming/tx_search_with_prove.json")["result"]["txs"]
    template = rpcjson.decode_commit(answer(f"kvstore_fixtures/{version}/incoming/commit_at_height_10.json")["result"]).header
    for shown in found:
        tx = rpcjson.decode_tx(shown)
        root = strictjson.Fields(shown["proof"], "proof").hex("root_hash")
        header = replace(template, height=tx.height, data_hash=root)
        assert prove_tx(tx, sha256(tx.tx).digest(), header).index == tx.index
        assert tx.proof is not None
        assert merkle.leaf_hash(tx.tx_hash) == decode_base64(shown["proof"]["proof"]["leaf_hash"], "leaf_hash")
    assert len(found) == 9


# What the client asks for, in its own words, and the request of the same kind that was recorded.
ASKED: list[tuple[str, Callable[[Provider], Any]]] = [
    ("commit_at_height_10", lambda node: node.signed_header(10)),
    ("status", lambda node: node.node_id()),
    ("block_results_at_height_10", lambda node: node.block_results(10)),
    ("broadcast_tx_sync", lambda node: node.broadcast(b"sync-key=value")),
    ("abci_query_with_existing_key", lambda node: node.query(b"tx0", 75)),
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("name", "ask"), ASKED, ids=[name for name, _ in ASKED])
def test_requests_are_those_that_nodes_were_asked(version: str, name: str, ask: Callable[[Provider], Any]) -> None:
    """The recorded client leaves out what has a default; what both name is named alike."""
    sent: list[Mapping[str, Any]] = []

    async def handle(request: bytes) -> bytes:
        sent.append(strictjson.load(request))
        raise NodeGarbage("message", "nothing: the request is all that is looked at")

    transport = BytesTransport(handle, lambda wake: lambda: None)
    with pytest.raises(LightClientError):
        asyncio.run(ask(Provider("node", transport, "dockerchain", ValidatorSets())))
    recorded = strictjson.load(FIXTURES[f"kvstore_fixtures/{version}/outgoing/{name}.json"])
    assert [request["method"] for request in sent] == [recorded["method"]]
    params = recorded["params"] or {}
    assert {key: sent[0]["params"][key] for key in params} == params
    assert sent[0]["jsonrpc"] == recorded["jsonrpc"]
