"""The files of a FileStore: their names, and their content to and from bytes. No I/O.

    SERIAL-HEIGHT-HASH.json   a signed header, as a node's RPC writes it; HASH names its validator set
    validators-HASH.json      a validator set, once, however many headers it signed
    SERIAL-attack.json        the attack that halts trading
    anchor.json               the anchor of the last re-anchoring, and its serial

SERIAL counts the re-anchorings. What was written under an earlier one is no longer trusted, whether it is still there or
not; so the one file anchor.json, replaced as a whole, is all that a re-anchoring depends on. Hexadecimal is upper case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from lightclient import hashing, rpcjson, rules, strictjson
from lightclient.blocks import LightBlock, SignedHeader, Validator, ValidatorSet
from lightclient.errors import MalformedHeader, NodeGarbage
from lightclient.options import TrustAnchor
from lightclient.store import AttackRecord
from lightclient.strictjson import Fields

FORMAT: Final = 1
ANCHOR_NAME: Final = "anchor.json"

_NUMBER = r"(0|[1-9][0-9]{0,18})"
_BLOCK: Final = re.compile(rf"{_NUMBER}-{_NUMBER}-([0-9A-F]{{64}})\.json")
_ATTACK: Final = re.compile(rf"{_NUMBER}-attack\.json")
_VALIDATORS: Final = re.compile(r"validators-([0-9A-F]{64})\.json")


@dataclass(frozen=True, slots=True)
class BlockFile:
    """The name of a signed header's file: all that has to be known of it before it is read."""

    serial: int
    height: int
    validators_hash: str

    @property
    def name(self) -> str:
        return f"{self.serial}-{self.height}-{self.validators_hash}.json"


def block_file(serial: int, block: LightBlock) -> BlockFile:
    return BlockFile(serial, block.height, block.header.validators_hash.hex().upper())


def block_files(names: Iterable[str]) -> list[BlockFile]:
    """The signed headers among the names, lowest first."""
    matches = filter(None, map(_BLOCK.fullmatch, names))
    found = [BlockFile(int(match[1]), int(match[2]), match[3]) for match in matches]
    return sorted(found, key=lambda file: (file.height, file.name))


def attack_name(serial: int) -> str:
    return f"{serial}-attack.json"


def attack_serials(names: Iterable[str]) -> list[int]:
    """The serials under which an attack was noted."""
    return [int(match[1]) for match in map(_ATTACK.fullmatch, names) if match]


def validators_name(validators_hash: str) -> str:
    return f"validators-{validators_hash}.json"


def is_validators(name: str) -> bool:
    return _VALIDATORS.fullmatch(name) is not None


def encode_signed_header(signed: SignedHeader) -> bytes:
    return _encode({"signed_header": rpcjson.signed_header_to_json(signed)})


def decode_block(data: bytes, file: BlockFile, validators: ValidatorSet) -> LightBlock:
    """The block of that file. Raises NodeGarbage, and MalformedHeader where header, commit and set do not belong together.

    Signatures are not verified again: they were before it was written, and the hashes show decay as surely. Who could
    alter the files at will could as well alter the configured anchor.
    """
    block = LightBlock(rpcjson.decode_commit(_decode(data)), validators)
    rules.check_belongs_together(block)
    if block_file(file.serial, block) != file:
        raise MalformedHeader(f"the file {file.name} holds another header")
    return block


def encode_validators(validators: ValidatorSet) -> bytes:
    members = [
        {"public_key": strictjson.encode_base64(member.public_key), "voting_power": str(member.voting_power)}
        for member in validators.validators
    ]
    return _encode({"validators": members})


def decode_validators(data: bytes, validators_hash: str) -> ValidatorSet:
    """The set of that hash. Raises NodeGarbage and MalformedHeader."""
    members = Fields(_decode(data), "stored").objects("validators")
    found = ValidatorSet(tuple(Validator(member.base64("public_key"), member.int64("voting_power")) for member in members))
    if hashing.validators_hash(found).hex().upper() != validators_hash:
        raise MalformedHeader("the file holds another validator set")
    return found


def encode_anchor(serial: int, anchor: TrustAnchor) -> bytes:
    return _encode({"serial": str(serial), "height": str(anchor.height), "hash": anchor.hash.hex().upper()})


def decode_anchor(data: bytes) -> tuple[int, TrustAnchor]:
    """The serial and the anchor. Raises NodeGarbage."""
    fields = Fields(_decode(data), "stored")
    try:
        return fields.int64("serial"), TrustAnchor(fields.int64("height"), fields.hex("hash"))
    except ValueError as error:
        raise NodeGarbage("stored", str(error)) from error


def encode_attack(record: AttackRecord) -> bytes:
    return _encode(
        {
            "kind": record.kind,
            "height": str(record.height),
            "nodes": list(record.nodes),
            "seen_at_ns": str(record.seen_at_ns),
            "evidence": list(record.evidence),
            "accepted_by": list(record.accepted_by),
        }
    )


def decode_attack(data: bytes) -> AttackRecord:
    """The attack. Raises NodeGarbage."""
    stored = _decode(data)
    fields = Fields(stored, "stored")
    nodes, evidence, accepted_by = (fields.raw_list(name) for name in ("nodes", "evidence", "accepted_by"))
    if len(nodes) != 2 or not all(type(node) is str for node in nodes):
        raise NodeGarbage("stored.nodes", "two names")
    if not all(type(node) is str for node in accepted_by):
        raise NodeGarbage("stored.accepted_by", "names")
    if not all(type(entry) is dict for entry in evidence):
        raise NodeGarbage("stored.evidence", "objects")
    return AttackRecord(
        kind=fields.text("kind"),
        height=fields.int64("height"),
        nodes=(nodes[0], nodes[1]),
        seen_at_ns=fields.int64("seen_at_ns"),
        evidence=tuple(evidence),
        accepted_by=tuple(accepted_by),
    )


def _encode(content: dict[str, Any]) -> bytes:
    return json.dumps({"format": FORMAT, **content}, separators=(",", ":")).encode()


def _decode(data: bytes) -> dict[str, Any]:
    stored = strictjson.load(data)
    if type(stored) is not dict or stored.get("format") != FORMAT:
        raise NodeGarbage("stored.format", str(FORMAT))
    return stored
