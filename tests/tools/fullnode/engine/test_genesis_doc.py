"""The genesis file: its shape is CometBFT's, and every mistake is named by file, place and expectation."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from lightclient import hashing
from tests.tools.fullnode.engine.solo import genesis
from tools.fullnode.engine.genesis_doc import GenesisFileError, load_genesis, read_genesis, write_genesis

RECORDED = json.loads((Path(__file__).parents[3] / "vectors" / "cometbft-0.38.25" / "rpc_calls.json").read_text())


def test_a_written_genesis_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "genesis.json"
    write_genesis(genesis(), path)
    assert load_genesis(path) == genesis()


def test_the_genesis_that_cometbft_serves_is_read_and_hashes_as_its_headers_say() -> None:
    recorded = next(call for call in RECORDED if call["name"] == "genesis")["response"]["result"]["genesis"]
    found = read_genesis(recorded | {"app_state": {}}, "recorded")
    header = next(call for call in RECORDED if call["name"] == "header")["response"]["result"]["header"]
    assert found.consensus_hash.hex().upper() == header["consensus_hash"]
    assert hashing.validators_hash(found.validator_set).hex().upper() == header["validators_hash"]
    assert found.to_json() == recorded | {"app_state": {}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("chain_id",), "", "genesis.chain_id: expected 1 to 50"),
        (("chain_id",), "x" * 51, "genesis.chain_id: expected 1 to 50"),
        (("chain_id",), 7, "genesis.chain_id: expected text"),
        (("initial_height",), "2", 'genesis.initial_height: expected "1"'),
        (("genesis_time",), "yesterday", "genesis.genesis_time: expected an RFC 3339 time"),
        (("app_state",), None, "genesis.app_state: expected an object"),
        (("colour",), "blue", "genesis.colour: expected no such field"),
        (("consensus_params",), [], "genesis.consensus_params: expected an object"),
        (("consensus_params", "speed"), 1, "genesis.consensus_params.speed: expected no such field"),
        (("consensus_params", "block", "max_bytes"), "0", "block.max_bytes: expected 1 to 22020096"),
        (("consensus_params", "block", "max_gas"), "5", 'block.max_gas: expected "-1"'),
        (("consensus_params", "block"), 3, "genesis.consensus_params.block: expected an object"),
        (("consensus_params", "evidence", "max_age_duration"), 5, "evidence.max_age_duration: expected digits"),
        (("consensus_params", "abci"), {}, "genesis.consensus_params.abci: expected"),
        (("validators",), {}, "genesis.validators: expected a list"),
        (("validators", 0), [], "genesis.validators[0]: expected an object"),
        (("validators", 0, "power"), "0", "genesis.validators[0].power: expected at least 1"),
        (("validators", 0, "address"), "00" * 20, "genesis.validators[0].address: expected the address that follows"),
        (("validators", 0, "pub_key", "type"), "rsa", "genesis.validators[0].pub_key.type: expected"),
        (("validators", 0, "pub_key", "value"), "AAAA", "genesis.validators[0].pub_key.value: expected 32 bytes"),
    ],
)
def test_a_wrong_field_is_named(path: tuple[Any, ...], value: Any, expected: str) -> None:
    document = copy.deepcopy(genesis().to_json())
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(GenesisFileError) as raised:
        read_genesis(document, "genesis.json")
    assert str(raised.value).startswith("genesis.json: ")
    assert expected in str(raised.value)


@pytest.mark.parametrize("name", sorted(genesis().to_json()))
def test_a_missing_field_is_named(name: str) -> None:
    document = genesis().to_json()
    del document[name]
    with pytest.raises(GenesisFileError) as raised:
        read_genesis(document, "genesis.json")
    assert raised.value.place == f"genesis.{name}"


def test_a_validator_stands_once() -> None:
    document = genesis().to_json()
    document["validators"] *= 2
    with pytest.raises(GenesisFileError, match="every key once"):
        read_genesis(document, "genesis.json")


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "genesis.json"
    path.write_bytes(content)
    with pytest.raises(GenesisFileError, match=r"genesis\.json: file: expected JSON"):
        load_genesis(path)
    with pytest.raises(GenesisFileError, match="expected a readable file"):
        load_genesis(tmp_path / "absent.json")
