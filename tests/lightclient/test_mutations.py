"""A recorded chain of our own engine: no field of what is verified or proven can be altered unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

import pytest

from agent.vocabulary import Side
from lightclient import keys, rpcjson, values
from lightclient.blocks import Header, LightBlock, ValidatorSet
from lightclient.errors import LightClientError
from lightclient.options import Options, TrustAnchor
from lightclient.proving import prove_results, prove_tx, prove_value
from lightclient.verifier import Verified, verify, verify_anchor
from tests.lightclient.fake_chain import SECOND_NS
from tests.lightclient.vectors import VECTORS, load
from tools.conformance import chains, mutationchecks
from tools.conformance.findings import Kind
from tools.conformance.mutations import mutations
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S
from tools.recording.solochain import HEIGHTS, record

FOLDER = VECTORS / "solo-chain"
ALL = range(1, HEIGHTS + 1)
PROVABLE = range(1, HEIGHTS)
OPTIONS = Options(CHAIN_ID, trusting_period_ns=86_400 * SECOND_NS, freshness_ns=60 * SECOND_NS)


def answer(height: int, name: str) -> Any:
    return load(f"solo-chain/{height}/{name}.json")


def block(height: int) -> LightBlock:
    members = rpcjson.decode_validators(answer(height, "validators_1")["result"]).validators
    return LightBlock(rpcjson.decode_commit(answer(height, "commit")["result"]), ValidatorSet(members))


def proofs(height: int) -> Any:
    return answer(height, "proofs")


def test_the_engine_still_makes_the_recorded_chain() -> None:
    """A difference is a change of the engine, of the rules or of the answers, and has to be meant: record it again then."""
    for height, files in record():
        for name, content in files.items():
            assert json.loads(json.dumps(content)) == answer(height, name), f"{name} of height {height}"


def test_the_recorded_chain_verifies() -> None:
    first = block(1)
    assert verify_anchor(TrustAnchor(1, first.signed_header.hash), first, OPTIONS) == Verified(first)
    for height in ALL[1:]:
        now_ns = block(height).header.time_ns
        assert verify(first, block(height), OPTIONS, now_ns) == Verified(block(height))
        assert verify(block(height - 1), block(height), OPTIONS, now_ns) == Verified(block(height))


@pytest.mark.parametrize("height", ALL)
def test_no_field_of_a_block_can_be_altered(height: int) -> None:
    findings = mutationchecks.check_mutations(FOLDER, CHAIN_ID, chains.Source(FOLDER / str(height), chains.COMMIT))
    assert findings.failures == {}
    assert findings.passed[Kind.MUTATIONS] > 200


def prove_query(result: Any, key: bytes, header: Header) -> object:
    return prove_value(rpcjson.decode_abci_query(result), key, header)


def prove_inclusion(result: Any, tx_hash: bytes, header: Header) -> object:
    proven = prove_tx(rpcjson.decode_tx(result), tx_hash, header)
    return proven.tx, proven.height, proven.index  # `total` is what the header leaves open


def prove_block_results(result: Any, header: Header) -> object:
    return prove_results(rpcjson.decode_block_results(result), header)


def test_what_was_recorded_is_proven() -> None:
    for height in PROVABLE:
        recorded, header, above = proofs(height), block(height).header, block(height + 1).header
        value = prove_value(rpcjson.decode_abci_query(recorded["value"]["result"]), keys.book(FIRST_SLOT_S), above).value
        assert value is not None
        entries = values.BookRecord.decode(value).book.open_entries
        assert [entry.side for entry in entries] == ([Side.SELL] if height > 1 else [])
        absence = prove_value(rpcjson.decode_abci_query(recorded["absence"]["result"]), keys.book(0), above)
        assert absence.value is None
        results = prove_results(rpcjson.decode_block_results(recorded["results"]["result"]), above)
        txs = [rpcjson.decode_tx(tx["result"]) for tx in recorded["txs"]]
        places = [prove_tx(tx, sha256(tx.tx).digest(), header) for tx in txs]
        assert [(place.index, place.total) for place in places] == [(index, len(results)) for index in range(len(txs))]
        assert [tx.result for tx in txs] == list(results)


def sweep(document: dict[str, Any], prove: Callable[[Any], object]) -> int:
    """Alter every field in turn: what is proven is the same as before, or nothing is. How many ended in a refusal."""
    before = prove(document)
    refused = 0
    for mutation in mutations(document, is_spared=lambda _: False):
        try:
            assert prove(document) == before, str(mutation)
        except LightClientError:
            refused += 1
    assert prove(document) == before
    return refused


@pytest.mark.parametrize("height", PROVABLE)
def test_no_altered_answer_proves_something_else(height: int) -> None:
    recorded, header, above = proofs(height), block(height).header, block(height + 1).header
    assert sweep(recorded["value"]["result"], partial(prove_query, key=keys.book(FIRST_SLOT_S), header=above)) > 20
    assert sweep(recorded["absence"]["result"], partial(prove_query, key=keys.book(0), header=above)) > 20
    for tx in recorded["txs"]:
        tx_hash = bytes.fromhex(tx["result"]["hash"])
        assert sweep(tx["result"], partial(prove_inclusion, tx_hash=tx_hash, header=header)) > 20
    assert sweep(recorded["results"]["result"], partial(prove_block_results, header=above)) > 1
