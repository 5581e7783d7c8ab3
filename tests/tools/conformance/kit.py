"""Folders of test files as other people lay them out, made from the vectors of this repository and from chains made up here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lightclient import rpcjson
from lightclient.blocks import LightBlock
from tests.lightclient.vectors import VECTORS, recorded_chain
from tools.bench.answers import commit_answer, validators_answer
from tools.conformance.__main__ import main


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The exit code, and the findings by kind."""
    code = main(["light-client", str(folder), "--json", "--jobs", "1"])
    data = json.loads(capsys.readouterr().out)
    return code, {kind["kind"]: kind for kind in data["kinds"]}


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def edit(path: Path, change: Any) -> None:
    """Let `change` alter the document of a file in place."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    write(path, document)


def enveloped(result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": -1, "result": result}


def write_recorded(folder: Path, heights: Iterable[int]) -> None:
    """Heights recorded from CometBFT, as HEIGHT/commit.json and HEIGHT/validators_1.json."""
    for height in heights:
        recorded = recorded_chain()[height - 1]
        write(folder / str(height) / "commit.json", enveloped(recorded["commit"]))
        write(folder / str(height) / "validators_1.json", enveloped(recorded["validators"]))


def write_signed_blocks(folder: Path, blocks: Sequence[LightBlock]) -> None:
    """Blocks as HEIGHT/signed_block.json."""
    for block in blocks:
        members = rpcjson.validators_to_json(block.validators)
        signed_block = {
            **rpcjson.signed_header_to_json(block.signed_header),
            "data": {"txs": []},
            "validator_set": {"validators": members, "proposer": members[0]},
        }
        write(folder / str(block.height) / "signed_block.json", enveloped(signed_block))


def write_paged(folder: Path, block: LightBlock, per_page: int) -> None:
    """One block with its validators on several pages."""
    write(folder / str(block.height) / "commit.json", enveloped(commit_answer(block.signed_header)))
    pages = -(-len(block.validators.validators) // per_page)
    for number in range(1, pages + 1):
        answer = validators_answer(block.height, block.validators, number, per_page)
        write(folder / str(block.height) / f"validators_{number}.json", enveloped(answer))


def single_steps() -> dict[str, Any]:
    """The model-based files of tendermint-rs by name."""
    packed = (VECTORS / "tendermint-rs-single-step" / "single_step.json.gz").read_bytes()
    documents: dict[str, Any] = json.loads(gzip.decompress(packed))
    return documents
