"""The genesis file in CometBFT's shape: who validates, from when, under which parameters, and the ledger's first state.

The same file starts the solo engine and CometBFT. Everything is checked on reading, unknown names included; only
`app_state` is left to the ledger rules. Source: CometBFT v0.38 types/genesis.go, types/params.go.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightclient import hashing, rfc3339
from lightclient.blocks import Validator, ValidatorSet
from lightclient.errors import NodeGarbage
from lightclient.rpcjson import KEY_TYPE
from lightclient.strictjson import Fields, encode_base64

MAX_CHAIN_ID: Final = 50
MAX_BLOCK_BYTES: Final = 22_020_096
_DAY_NS: Final = 86_400 * 10**9
_PARAMS: Final = {"block", "evidence", "validator", "version", "abci"}
_REQUIRED: Final = {"genesis_time", "chain_id", "initial_height", "consensus_params", "validators", "app_hash", "app_state"}


class GenesisFileError(ValueError):
    """A genesis file that cannot be used: which file, which place in it, what was expected there."""

    retry = False

    def __init__(self, file: str, place: str, expected: str) -> None:
        super().__init__(f"{file}: {place}: expected {expected}")
        self.file = file
        self.place = place
        self.expected = expected


@dataclass(frozen=True, slots=True)
class GenesisValidator:
    """An Ed25519 validator that the chain starts with."""

    public_key: bytes
    power: int
    name: str


@dataclass(frozen=True, slots=True)
class EvidenceParams:
    """How long evidence of an attack counts; light clients trust for about two thirds of it."""

    max_age_blocks: int = 518_400
    """30 days of heartbeats of 5 s. Evidence is too old when both ages are exceeded."""
    max_age_ns: int = 30 * _DAY_NS
    max_bytes: int = 1_048_576


@dataclass(frozen=True, slots=True)
class GenesisDoc:
    """A checked genesis. The first height is 1 and blocks have no gas limit."""

    chain_id: str
    time_ns: int
    validators: tuple[GenesisValidator, ...]
    app_state: Mapping[str, Any]
    evidence: EvidenceParams = EvidenceParams()
    block_max_bytes: int = MAX_BLOCK_BYTES

    @property
    def validator_set(self) -> ValidatorSet:
        """The validators in the order that commits follow."""
        validators = [Validator(validator.public_key, validator.power) for validator in self.validators]
        validators.sort(key=lambda v: (-v.voting_power, hashing.address(v.public_key)))
        return ValidatorSet(tuple(validators))

    @property
    def consensus_hash(self) -> bytes:
        return hashing.consensus_hash(self.block_max_bytes, -1)

    def to_json(self) -> dict[str, Any]:
        """The document as CometBFT writes it."""
        return {
            "genesis_time": rfc3339.format_ns(self.time_ns),
            "chain_id": self.chain_id,
            "initial_height": "1",
            "consensus_params": {
                "block": {"max_bytes": str(self.block_max_bytes), "max_gas": "-1"},
                "evidence": {
                    "max_age_num_blocks": str(self.evidence.max_age_blocks),
                    "max_age_duration": str(self.evidence.max_age_ns),
                    "max_bytes": str(self.evidence.max_bytes),
                },
                "validator": {"pub_key_types": ["ed25519"]},
                "version": {"app": "0"},
                "abci": {"vote_extensions_enable_height": "0"},
            },
            "validators": [
                {
                    "address": hashing.address(validator.public_key).hex().upper(),
                    "pub_key": {"type": KEY_TYPE, "value": encode_base64(validator.public_key)},
                    "power": str(validator.power),
                    "name": validator.name,
                }
                for validator in self.validators
            ],
            "app_hash": "",
            "app_state": self.app_state,
        }


def load_genesis(path: Path) -> GenesisDoc:
    """Read and check a genesis file. Raises GenesisFileError."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise GenesisFileError(str(path), "file", f"a readable file ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise GenesisFileError(str(path), "file", f"JSON ({error})") from None
    return read_genesis(document, str(path))


def read_genesis(document: Any, file: str) -> GenesisDoc:
    """Check a parsed genesis document; `file` is only named in errors. Raises GenesisFileError."""
    try:
        return _read(document)
    except NodeGarbage as error:
        raise GenesisFileError(file, error.place, error.expected) from None


def write_genesis(genesis: GenesisDoc, path: Path) -> None:
    path.write_text(json.dumps(genesis.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _read(document: Any) -> GenesisDoc:
    fields = Fields(document, "genesis")
    _only(document, "genesis", _REQUIRED)
    chain_id = fields.text("chain_id")
    if not 1 <= len(chain_id) <= MAX_CHAIN_ID or not chain_id.isascii() or not chain_id.isprintable():
        raise NodeGarbage("genesis.chain_id", f"1 to {MAX_CHAIN_ID} printable ASCII characters")
    _constant(fields.text("initial_height"), "1", "genesis.initial_height")
    _constant(fields.text("app_hash"), "", "genesis.app_hash")
    if type(document["app_state"]) is not dict:
        raise NodeGarbage("genesis.app_state", "an object")
    block_max_bytes, evidence = _params(document["consensus_params"])
    return GenesisDoc(
        chain_id=chain_id,
        time_ns=fields.time_ns("genesis_time"),
        validators=_validators(fields, document),
        app_state=document["app_state"],
        evidence=evidence,
        block_max_bytes=block_max_bytes,
    )


def _params(value: Any) -> tuple[int, EvidenceParams]:
    place = "genesis.consensus_params"
    params = Fields(value, place)
    _only(value, place, _PARAMS)
    block = params.inner("block")
    _only(value["block"], f"{place}.block", {"max_bytes", "max_gas"})
    max_bytes = block.int64("max_bytes")
    if not 1 <= max_bytes <= MAX_BLOCK_BYTES:
        raise NodeGarbage(f"{place}.block.max_bytes", f"1 to {MAX_BLOCK_BYTES}")
    _constant(block.text("max_gas"), "-1", f"{place}.block.max_gas")
    evidence = params.inner("evidence")
    _only(value["evidence"], f"{place}.evidence", {"max_age_num_blocks", "max_age_duration", "max_bytes"})
    _constant(value["validator"], {"pub_key_types": ["ed25519"]}, f"{place}.validator")
    _constant(value["version"], {"app": "0"}, f"{place}.version")
    _constant(value["abci"], {"vote_extensions_enable_height": "0"}, f"{place}.abci")
    return max_bytes, EvidenceParams(
        max_age_blocks=evidence.int64("max_age_num_blocks"),
        max_age_ns=evidence.int64("max_age_duration"),
        max_bytes=evidence.int64("max_bytes"),
    )


def _validators(fields: Fields, document: Mapping[str, Any]) -> tuple[GenesisValidator, ...]:
    found: list[GenesisValidator] = []
    for index, item in enumerate(fields.objects("validators")):
        place = f"genesis.validators[{index}]"
        _only(document["validators"][index], place, {"address", "pub_key", "power", "name"})
        key = item.inner("pub_key")
        _constant(key.text("type"), KEY_TYPE, f"{place}.pub_key.type")
        public_key = key.base64("value")
        if len(public_key) != 32:
            raise NodeGarbage(f"{place}.pub_key.value", "32 bytes in base64")
        if item.hex("address") != hashing.address(public_key):
            raise NodeGarbage(f"{place}.address", "the address that follows from the key")
        power = item.int64("power")
        if power < 1:
            raise NodeGarbage(f"{place}.power", "at least 1")
        found.append(GenesisValidator(public_key, power, item.text("name")))
    if len({validator.public_key for validator in found}) != len(found):
        raise NodeGarbage("genesis.validators", "every key once")
    return tuple(found)


def _only(value: Any, place: str, names: set[str]) -> None:
    """Exactly these names stand in an object."""
    if type(value) is not dict:
        raise NodeGarbage(place, "an object")
    for name in value:
        if name not in names:
            raise NodeGarbage(f"{place}.{name}", f"no such field; known are {', '.join(sorted(names))}")
    for name in sorted(names):
        if name not in value:
            raise NodeGarbage(f"{place}.{name}", "this field")


def _constant(value: Any, expected: Any, place: str) -> None:
    if value != expected:
        raise NodeGarbage(place, json.dumps(expected))
