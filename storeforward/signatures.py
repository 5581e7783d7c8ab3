"""Checks the signatures on records: ES256, raw r||s, 64 bytes. It signs nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

SIGNATURE_BYTES: Final = 64
_SCHEME: Final = ec.ECDSA(hashes.SHA256())

Verify = Callable[[bytes, bytes], bool]
"""Whether the second argument is the device's signature of the first."""


def verifier(public_key: bytes) -> Verify:
    """Checks against one key (33 bytes, SEC1 compressed). Raises ValueError for what is no key."""
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)

    def verify(data: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        half = SIGNATURE_BYTES // 2
        der = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
        try:
            key.verify(der, data, _SCHEME)
        except InvalidSignature:
            return False
        return True

    return verify
