"""Hashes and sign bytes against CometBFT's own constants and a recorded chain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import hashing, merkle, rfc3339, rpcjson
from lightclient.blocks import ZERO_TIME_NS, Header
from lightclient.errors import MalformedHeader
from lightclient.rules import check_header
from lightclient.strictjson import decode_base64
from tests.lightclient.vectors import light_blocks, load, recorded_chain

NO_COMMIT = {
    "height": "1",
    "round": 0,
    "block_id": {"hash": "", "parts": {"total": 0, "hash": ""}},
    "signatures": None,
}


def header_of(fields: dict[str, Any]) -> Header:
    last = fields["last_block_id"]
    shaped = {**fields, "last_block_id": {"hash": last["hash"], "parts": last.get("parts", last.get("part_set_header"))}}
    return rpcjson.decode_commit({"signed_header": {"header": shaped, "commit": NO_COMMIT}}).header


@pytest.mark.parametrize("case", load("transcribed/header_hash.json")["cases"])
def test_header_hash(case: dict[str, Any]) -> None:
    fields = case["header"] if "header" in case else load("tendermint-rs-serialization/header_with_known_hash.json")
    header = header_of(fields)
    if case["want_hash"] is None:
        with pytest.raises(MalformedHeader):
            check_header(header, header.chain_id)
    else:
        assert hashing.header_hash(header).hex().upper() == case["want_hash"].upper()


def test_an_old_header_is_read_and_its_protocol_refused() -> None:
    header = header_of(load("tendermint-rs-serialization/header.json"))
    assert (header.height, header.chain_id) == (15, "cosmoshub-1")
    with pytest.raises(MalformedHeader, match="block protocol 10"):
        check_header(header, "cosmoshub-1")


@pytest.mark.parametrize("case", load("transcribed/vote_sign_bytes.json")["cases"])
def test_vote_sign_bytes(case: dict[str, Any]) -> None:
    assert case["block_id"] is None
    time_ns = rfc3339.parse_ns(case["timestamp"])
    signed = hashing.vote_sign_bytes(case["chain_id"], case["height"], case["round"], None, time_ns, case["type"])
    assert signed.hex() == case["want_hex"]


def test_every_recorded_block_hashes_to_its_header() -> None:
    blocks = light_blocks()
    for recorded, block in zip(recorded_chain(), blocks, strict=True):
        assert hashing.header_hash(block.header) == block.signed_header.hash
        txs = [decode_base64(tx, "tx") for tx in recorded["block"]["block"]["data"]["txs"]]
        assert hashing.data_hash(txs) == block.header.data_hash
        assert hashing.validators_hash(block.validators) == block.header.validators_hash
        assert hashing.consensus_hash(22_020_096, -1) == block.header.consensus_hash
    for recorded, before, after in zip(recorded_chain(), blocks, blocks[1:], strict=False):
        results = rpcjson.decode_block_results(recorded["block_results"]).results
        assert hashing.last_results_hash(results) == after.header.last_results_hash
        assert hashing.validators_hash(after.validators) == before.header.next_validators_hash


def test_the_next_header_hashes_the_commit_that_its_block_carries() -> None:
    for recorded in recorded_chain()[1:]:
        block = recorded["block"]["block"]
        shown = {"signed_header": {"header": block["header"], "commit": block["last_commit"]}}
        signed = rpcjson.decode_commit(shown)
        assert hashing.commit_hash(signed.commit) == signed.header.last_commit_hash


def test_a_recorded_transaction_is_proven_in_its_block() -> None:
    answers = [
        call["response"]["result"] for call in load("cometbft-0.38.25/rpc_calls.json") if call["name"] == "tx with proof"
    ]
    for answer in map(rpcjson.decode_tx, answers):
        assert answer.proof is not None
        root = light_blocks()[answer.height - 1].header.data_hash
        assert merkle.verify(answer.proof, root, answer.tx_hash)
        assert answer.proof.index == answer.index
    assert len(answers) == 2


@given(st.integers(ZERO_TIME_NS, 253_402_300_799 * 10**9))
def test_times_survive_text(time_ns: int) -> None:
    assert rfc3339.parse_ns(rfc3339.format_ns(time_ns)) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T07:34:05",
        "2026-11-21 07:34:05Z",
        "2026-13-01T00:00:00Z",
        "2026-11-21T07:34:05.1234567891Z",
        "2026-11-21T07:34:05.120Z",
        "2026-11-21T07:34:05.0Z",
        "2026-11-21T07:34:05.Z",
        "2026-11-20T24:00:00Z",
        "",
    ],
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|month"):
        rfc3339.parse_ns(text)


def test_the_zero_time_is_that_of_an_absent_vote() -> None:
    assert rfc3339.parse_ns("0001-01-01T00:00:00Z") == ZERO_TIME_NS
