"""Anchors that a society's board has signed: how a device whose trust has expired, or was attacked, is told where to begin.

    {"chain_id": "homewatt-1", "height": "81000", "hash": "5D1C…", "issued": "2026-11-21T09:00:00Z",
     "public_key": "02AB…", "signature": "base64"}

The signature is ECDSA over P-256 with SHA-256, r and s of 32 bytes each with low s, over the lines of `signed_bytes`; the key
must be one that the device's configuration names. An anchor says nothing of whether the device is expired or attacked.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from agent.vocabulary import Sign
from lightclient import rfc3339, strictjson
from lightclient.errors import MalformedAnchor, NodeGarbage, UnknownAnchorKey, WrongAnchorChain, WrongAnchorSignature
from lightclient.options import TrustAnchor
from lightclient.rules import MAX_CHAIN_ID_CHARS
from lightclient.strictjson import Fields
from lightclient.wire import P256_ORDER, SIGNATURE_BYTES

DOMAIN: Final = b"homewatt anchor 1\n"
"""No other message that these keys sign begins with it."""
MAX_FILE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class SignedAnchor:
    """An anchor, when it was issued by its signer's clock, and who signed it (33 bytes, SEC1 compressed)."""

    chain_id: str
    height: int
    hash: bytes
    issued_ns: int
    public_key: bytes
    signature: bytes

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(self.height, self.hash)


def signed_bytes(chain_id: str, anchor: TrustAnchor, issued_ns: int, public_key: bytes) -> bytes:
    """What is signed: the domain, then one line each, so that no two anchors share their bytes."""
    lines = (chain_id, str(anchor.height), anchor.hash.hex().upper(), str(issued_ns), public_key.hex().upper())
    return DOMAIN + "".join(f"{line}\n" for line in lines).encode("ascii")


def sign_anchor(chain_id: str, anchor: TrustAnchor, issued_ns: int, public_key: bytes, sign: Sign) -> SignedAnchor:
    """The anchor, signed by the key that `sign` holds."""
    signature = sign(signed_bytes(chain_id, anchor, issued_ns, public_key))
    return SignedAnchor(chain_id, anchor.height, anchor.hash, issued_ns, public_key, signature)


def encode_anchor(signed: SignedAnchor) -> bytes:
    """The file that is handed to devices."""
    content = {
        "chain_id": signed.chain_id,
        "height": str(signed.height),
        "hash": signed.hash.hex().upper(),
        "issued": rfc3339.format_ns(signed.issued_ns),
        "public_key": signed.public_key.hex().upper(),
        "signature": strictjson.encode_base64(signed.signature),
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def decode_anchor(data: bytes) -> SignedAnchor:
    """Read such a file without judging its signature. Raises MalformedAnchor."""
    if len(data) > MAX_FILE_BYTES:
        raise MalformedAnchor(f"{len(data)} bytes, at most {MAX_FILE_BYTES} are allowed")
    try:
        fields = Fields(strictjson.load(data), "anchor")
        signed = SignedAnchor(
            chain_id=fields.ascii("chain_id"),
            height=fields.int64("height"),
            hash=fields.hex("hash"),
            issued_ns=fields.time_ns("issued"),
            public_key=fields.hex("public_key"),
            signature=fields.base64("signature"),
        )
        _ = signed.anchor
    except (NodeGarbage, ValueError) as error:
        raise MalformedAnchor(str(error)) from error
    if not signed.chain_id.isprintable() or not 1 <= len(signed.chain_id) <= MAX_CHAIN_ID_CHARS:
        raise MalformedAnchor(f"anchor.chain_id: expected 1 to {MAX_CHAIN_ID_CHARS} printable characters")
    return signed


def check_anchor(signed: SignedAnchor, chain_id: str, keys: Iterable[bytes]) -> None:
    """Raise WrongAnchorChain, UnknownAnchorKey or WrongAnchorSignature unless one of the keys signed it for this chain."""
    if signed.chain_id != chain_id:
        raise WrongAnchorChain(signed.chain_id, chain_id)
    if signed.public_key not in set(keys):
        raise UnknownAnchorKey(signed.public_key)
    r, s = (int.from_bytes(half, "big") for half in (signed.signature[:32], signed.signature[32:]))
    if len(signed.signature) != SIGNATURE_BYTES or not 0 < s <= P256_ORDER // 2:  # one signature has one spelling
        raise WrongAnchorSignature(signed.public_key)
    message = signed_bytes(signed.chain_id, signed.anchor, signed.issued_ns, signed.public_key)
    try:
        load_key(signed.public_key).verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise WrongAnchorSignature(signed.public_key) from error


def load_key(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """A P-256 key from its 33 bytes, SEC1 compressed. Raises ValueError."""
    if len(public_key) != 33:
        raise ValueError(f"a compressed P-256 key has 33 bytes, not {len(public_key)}")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
