"""The part set header that a commit signs, against blocks that CometBFT made."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from lightclient import merkle, rfc3339, rpcjson
from lightclient.blocks import BlockId, Commit, CommitSig
from tools.fullnode.engine.block_parts import PART_BYTES, block_id, encode_block

VECTORS = Path(__file__).parents[3] / "vectors" / "cometbft-0.38.25"
RECORDED: list[dict[str, Any]] = json.loads((VECTORS / "blocks.json").read_text())


def last_commit(block: dict[str, Any]) -> Commit:
    """The commit that a block carries; the first block's is empty, which no `commit` answer ever is."""
    commit = block["last_commit"]
    parts = commit["block_id"]["parts"]
    votes = [
        CommitSig(
            vote["block_id_flag"],
            bytes.fromhex(vote["validator_address"]),
            rfc3339.parse_ns(vote["timestamp"]),
            b64decode(vote["signature"] or ""),
        )
        for vote in commit["signatures"]
    ]
    signed = BlockId(bytes.fromhex(commit["block_id"]["hash"]), parts["total"], bytes.fromhex(parts["hash"]))
    return Commit(int(commit["height"]), commit["round"], signed, tuple(votes))


@pytest.mark.parametrize("answer", RECORDED, ids=lambda answer: answer["block"]["header"]["height"])
def test_recorded_blocks_have_the_recorded_block_id(answer: dict[str, Any]) -> None:
    block = answer["block"]
    commit = last_commit(block)
    pair = {"header": block["header"], "commit": rpcjson.commit_to_json(commit)}
    header = rpcjson.decode_commit({"signed_header": pair}).header
    encoded = encode_block(header, [b64decode(tx) for tx in block["data"]["txs"]], commit)
    assert rpcjson.block_id_to_json(block_id(header, encoded)) == answer["block_id"]


@pytest.mark.parametrize(("size", "total"), [(1, 1), (PART_BYTES, 1), (PART_BYTES + 1, 2), (3 * PART_BYTES, 3)])
def test_a_block_is_split_every_64_kib(size: int, total: int) -> None:
    answer = RECORDED[1]["block"]
    pair = {"header": answer["header"], "commit": rpcjson.commit_to_json(last_commit(answer))}
    header = rpcjson.decode_commit({"signed_header": pair}).header
    encoded = bytes(size)
    identity = block_id(header, encoded)
    assert identity.parts_total == total
    assert identity.parts_hash == merkle.root([bytes(PART_BYTES)] * (total - 1) + [bytes(size - PART_BYTES * (total - 1))])
