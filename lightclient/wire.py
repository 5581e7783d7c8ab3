"""The ledger's wire format: canonical msgpack, transactions, ids. Nothing here knows what a message means.

    tx = msgpack([payload, signature])
    payload = msgpack([1, chain_id, kind, sender, seq, expires_height, ...body])

Only integers, byte strings, ASCII text and arrays exist. What does not re-encode to the same bytes is refused, and every
decoding failure is one error, `Malformed`. The signature covers the payload bytes exactly as received. Source: docs/ledger.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgpack

VERSION: Final = 1
MAX_TX_BYTES: Final = 8 * 1024
MAX_SEQ: Final = 2**53 - 1
ID_BYTES: Final = 20
SIGNATURE_BYTES: Final = 64
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ENVELOPE_FIELDS: Final = 6
MAX_DEPTH: Final = 8
"""Arrays within arrays. Without a fixed limit the interpreter's stack would decide, differently on every node."""


class Malformed(ValueError):
    """Bytes that are not the one canonical encoding of anything the ledger knows."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every transaction carries before its body."""

    chain_id: str
    kind: int
    sender: bytes
    seq: int
    expires_height: int


@dataclass(frozen=True, slots=True)
class SealedTx:
    """A decoded but not yet verified transaction."""

    payload: bytes
    signature: bytes
    envelope: Envelope
    body: tuple[Any, ...]


def pack(value: Sequence[Any]) -> bytes:
    """Encode arrays of integers, byte strings, ASCII text and arrays; the caller has checked the types."""
    return bytes(msgpack.packb(value, use_bin_type=True))


def unpack(data: bytes) -> Any:
    """Decode one canonical value. Arrays come back as tuples. Raises Malformed."""
    try:
        value = msgpack.unpackb(data, use_list=False, raw=False, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error
    _check_types(value, 0)
    if pack(value) != data:
        raise Malformed("not the canonical encoding")
    return value


def _check_types(value: Any, depth: int) -> None:
    kind = type(value)
    if kind is tuple:
        if depth == MAX_DEPTH:
            raise Malformed(f"arrays nest deeper than {MAX_DEPTH}")
        for item in value:
            _check_types(item, depth + 1)
    elif kind is str:
        if not value.isascii():
            raise Malformed("text is not ASCII")
    elif kind is not int and kind is not bytes:
        raise Malformed(f"type {kind.__name__} is not allowed")


def encode_payload(envelope: Envelope, body: Sequence[Any]) -> bytes:
    """The bytes that are signed."""
    head = (VERSION, envelope.chain_id, envelope.kind, envelope.sender, envelope.seq, envelope.expires_height)
    return pack([*head, *body])


def encode_tx(payload: bytes, signature: bytes) -> bytes:
    """The bytes that are sent."""
    return pack([payload, signature])


def decode_tx(tx: bytes) -> SealedTx:
    """Split a transaction into its parts without judging signature, sender or body. Raises Malformed."""
    if len(tx) > MAX_TX_BYTES:
        raise Malformed(f"{len(tx)} bytes, at most {MAX_TX_BYTES} are allowed")
    outer = unpack(tx)
    if type(outer) is not tuple or len(outer) != 2 or type(outer[0]) is not bytes or type(outer[1]) is not bytes:
        raise Malformed("a transaction is [payload, signature]")
    payload, signature = outer
    if len(signature) != SIGNATURE_BYTES:
        raise Malformed(f"signature has {len(signature)} bytes, not {SIGNATURE_BYTES}")
    fields = unpack(payload)
    if type(fields) is not tuple or len(fields) < ENVELOPE_FIELDS:
        raise Malformed("payload is not an array with an envelope")
    version, chain_id, kind, sender, seq, expires_height = fields[:ENVELOPE_FIELDS]
    if type(version) is not int or version != VERSION:
        raise Malformed("unknown version")
    if type(chain_id) is not str or type(sender) is not bytes or len(sender) != ID_BYTES:
        raise Malformed("chain_id or sender has the wrong form")
    for number in (kind, seq, expires_height):
        if type(number) is not int or not 0 <= number <= MAX_SEQ:
            raise Malformed("kind, seq or expires_height is out of range")
    return SealedTx(payload, signature, Envelope(chain_id, kind, sender, seq, expires_height), fields[ENVELOPE_FIELDS:])


def order_id(payload: bytes) -> bytes:
    """The id of the order that a payload places: ids come from payloads, never from signature bytes."""
    return hashlib.sha256(payload).digest()[:ID_BYTES]


def party_id(chain_id: str, public_key: bytes) -> bytes:
    """Id of a party by its first public key (33 bytes, SEC1 compressed). It survives key rotation."""
    return hashlib.sha256(b"party" + chain_id.encode("ascii") + public_key).digest()[:ID_BYTES]


def device_id(chain_id: str, public_key: bytes) -> bytes:
    """Id of a device by its first public key (33 bytes, SEC1 compressed). It survives key rotation."""
    return hashlib.sha256(b"device" + chain_id.encode("ascii") + public_key).digest()[:ID_BYTES]


def is_low_s(signature: bytes) -> bool:
    """Whether a raw r||s signature has its s in the lower half, the only form the ledger takes."""
    return int.from_bytes(signature[32:], "big") <= P256_ORDER // 2


def to_low_s(signature: bytes) -> bytes:
    """The equivalent signature with low s."""
    if is_low_s(signature):
        return signature
    s = P256_ORDER - int.from_bytes(signature[32:], "big")
    return signature[:32] + s.to_bytes(32, "big")
