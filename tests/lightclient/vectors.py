"""Reading the recorded and public vectors."""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any

from lightclient import rpcjson
from lightclient.blocks import LightBlock, ValidatorSet

VECTORS = Path(__file__).parent.parent / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


@functools.cache
def load_compressed(name: str) -> Any:
    """A large file of vectors; do not change what it returns."""
    with gzip.open(VECTORS / name, "rt", encoding="utf-8") as text:
        return json.load(text)


@functools.cache
def recorded_chain() -> list[dict[str, Any]]:
    """Heights 1 to 137 of a real network, in order."""
    with gzip.open(VECTORS / "cometbft-0.38.25" / "chain.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@functools.cache
def light_blocks() -> list[LightBlock]:
    return [
        LightBlock(
            rpcjson.decode_commit(height["commit"]),
            ValidatorSet(rpcjson.decode_validators(height["validators"]).validators),
        )
        for height in recorded_chain()
    ]
