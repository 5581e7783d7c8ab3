"""Keys of a scenario, derived from its seed: the same seed gives the same society, key by key. For simulations only.

Nobody may use a derived key outside a simulation: whoever knows the seed and a name knows the key.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lightclient.wire import P256_ORDER

_CURVE: Final = ec.SECP256R1()
_SCHEME: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


def derive(seed: int, name: str) -> bytes:
    """32 bytes that belong to a name under a seed: HMAC-SHA256(seed, name)."""
    return hmac.digest(b"homewatt society %d" % seed, name.encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class SeededKey:
    """An identity key (P-256) in memory; it has the two methods of the agent's KeyStore."""

    private_key: ec.EllipticCurvePrivateKey

    def public_key(self) -> bytes:
        """33 bytes, SEC1 compressed."""
        return self.private_key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    def sign(self, payload: bytes) -> bytes:
        """ES256: raw r||s, 64 bytes, low s. Deterministic (RFC 6979), so that a run repeats to the byte."""
        r, s = decode_dss_signature(self.private_key.sign(payload, _SCHEME))
        return r.to_bytes(32, "big") + min(s, P256_ORDER - s).to_bytes(32, "big")

    def pem(self) -> bytes:
        """The private key as an unencrypted PKCS #8 file, as the file key store keeps it."""
        return self.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def seeded_key(seed: int, name: str) -> SeededKey:
    """The identity key of a party or device."""
    scalar = int.from_bytes(derive(seed, f"p256 {name}"), "big") % (P256_ORDER - 1) + 1
    return SeededKey(ec.derive_private_key(scalar, _CURVE))


def seeded_validator_key(seed: int, name: str) -> Ed25519PrivateKey:
    """The key with which a full node signs blocks."""
    return Ed25519PrivateKey.from_private_bytes(derive(seed, f"ed25519 {name}"))
