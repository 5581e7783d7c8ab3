"""ES256 verification as the ledger wants it: P-256, SHA-256, raw r||s with low s, keys SEC1 compressed. Signs nothing."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from lightclient.wire import is_low_s

_ES256 = ec.ECDSA(SHA256())


class BadPublicKey(ValueError):
    """Bytes that are no point of the curve."""


def load_public_key(data: bytes) -> ec.EllipticCurvePublicKey:
    """Parse a public key once; it costs a third of a verification. Raises BadPublicKey."""
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError as error:
        raise BadPublicKey(str(error)) from error


def verify(key: ec.EllipticCurvePublicKey, payload: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes) is the low-s ES256 signature of `payload` by `key`."""
    if not is_low_s(signature):
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, payload, _ES256)
    except InvalidSignature:
        return False
    return True
