"""The golden vectors that are checked in are what the rules make, and what a reader of them gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lightclient import wire
from lightclient.messages import decode_body
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.p256 import load_public_key, verify
from tools.fullnode.rules.sample import NS
from tools.fullnode.rules.vectors import all_vectors, render

DIRECTORY = Path(__file__).parents[3] / "vectors" / "ledger"


def load(name: str) -> Any:
    return json.loads((DIRECTORY / name).read_text())


@pytest.mark.parametrize("name", sorted(all_vectors()))
def test_the_rules_still_make_these_bytes(name: str) -> None:
    assert (DIRECTORY / name).read_text() == render(all_vectors()[name])


@pytest.mark.parametrize("row", load("transactions.json"), ids=lambda row: row["message"])
def test_a_transaction_decodes_to_what_encodes_to_it(row: dict[str, str]) -> None:
    sealed = wire.decode_tx(bytes.fromhex(row["tx"]))
    message = decode_body(sealed.envelope.kind, sealed.body)
    assert type(message).__name__ == row["message"]
    assert wire.encode_payload(sealed.envelope, message.body()).hex() == row["payload"]
    assert verify(load_public_key(bytes.fromhex(row["public_key"])), sealed.payload, sealed.signature)
    assert sealed.envelope.sender.hex() == row["sender_as_device"]


@pytest.mark.parametrize("name", ["chain.json", "notices.json"])
def test_a_chain_replays_block_by_block(name: str) -> None:
    vector = load(name)
    ledger = Ledger()
    ledger.init_chain(vector["chain_id"], vector["app_state"], 1, vector["genesis_s"] * NS)
    for block in vector["blocks"]:
        txs = [bytes.fromhex(tx) for tx in block["txs"]]
        made = ledger.finalize_block(block["height"], block["time_s"] * NS, txs)
        ledger.commit()
        assert [result.code for result in made.tx_results] == [result["code"] for result in block["results"]]
        assert made.app_hash.hex() == block["app_hash"]
    for key, value in vector["values"].items():
        assert ledger.query("/key", bytes.fromhex(key), 0, False).value.hex() == value
