"""What CometBFT answers about blocks and state that were made up, for nodes of benchmarks, recordings and tests.

The fields and the spelling are those of v0.38. A full node writes its own answers, see tools/fullnode/rpc.
"""

from __future__ import annotations

from typing import Any

from lightclient import rpcjson
from lightclient.blocks import SignedHeader, ValidatorSet
from lightclient.ics23 import OP_TYPE
from lightclient.strictjson import encode_base64
from tools.fullnode.rules.smt import Tree


def commit_answer(signed: SignedHeader, canonical: bool = True) -> dict[str, Any]:
    """Answer to `commit`; the newest commit is not canonical yet."""
    return {"signed_header": rpcjson.signed_header_to_json(signed), "canonical": canonical}


def validators_answer(height: int, validators: ValidatorSet, page: int = 1, per_page: int = rpcjson.MAX_PAGE) -> dict[str, Any]:
    """Answer to `validators`: one page of the set; pages count from 1."""
    everyone = rpcjson.validators_to_json(validators)
    first = (page - 1) * per_page
    shown = everyone[first : first + per_page]
    return {"block_height": str(height), "validators": shown, "count": str(len(shown)), "total": str(len(everyone))}


def query_answer(state: Tree, key: bytes, height: int) -> dict[str, Any]:
    """Answer to `abci_query`: what `key` holds in a state, or that it holds nothing, with the proof."""
    value = state.get(key)
    op = {"type": OP_TYPE, "key": encode_base64(key), "data": encode_base64(state.prove(key))}
    response = {
        "code": 0,
        "log": "",
        "info": "",
        "index": "0",
        "key": encode_base64(key),
        "value": encode_base64(value) if value else None,
        "proofOps": {"ops": [op]},
        "height": str(height),
        "codespace": "",
    }
    return {"response": response}
