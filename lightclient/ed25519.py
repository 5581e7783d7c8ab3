"""Ed25519 signatures as CometBFT judges them: by ZIP-215.

OpenSSL is stricter on keys and signatures that only their owner can craft. Without the second judgement such a validator
could make nodes go on while light clients stop. The slow rule runs only when the fast one has refused.
Source: https://zips.z.cash/zip-0215; CometBFT crypto/ed25519/ed25519.go, VerifyOptionsZIP_215.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1: Final = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]  # extended coordinates X, Y, Z, T with x = X/Z, y = Y/Z, x*y = T/Z
_IDENTITY: Final[_Point] = (0, 1, 1, 0)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is valid under ZIP-215."""
    if len(public_key) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return verify_zip215(public_key, message, signature)
    return True


def verify_zip215(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """ZIP-215 alone: s below the group order, encodings need not be canonical, [8]sB = [8]R + [8]kA."""
    s = int.from_bytes(signature[32:], "little")
    key, nonce = _decompress(public_key), _decompress(signature[:32])
    if key is None or nonce is None or s >= _ORDER:
        return False
    k = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % _ORDER
    # s*B - k*A - R, times the cofactor 8, must be the identity.
    rest = _add(_add(_multiply(s, _BASE), _multiply(_ORDER - k, key)), _negate(nonce))
    x, y, z, _ = _multiply(8, rest)
    return x % _P == 0 and (y - z) % _P == 0


def _decompress(encoded: bytes) -> _Point | None:
    """The point, or None where no x fits. y above the prime and a negative zero are taken, as ZIP-215 says."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, (y & (2**255 - 1)) % _P
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if v * x * x % _P == -u % _P:
        x = x * _SQRT_M1 % _P
    elif v * x * x % _P != u:
        return None
    if x & 1 != sign:
        x = -x % _P
    return x, y, 1, x * y % _P


def _add(first: _Point, second: _Point) -> _Point:
    x1, y1, z1, t1 = first
    x2, y2, z2, t2 = second
    a, b = (y1 - x1) * (y2 - x2) % _P, (y1 + x1) * (y2 + x2) % _P
    c, d = 2 * t1 * t2 * _D % _P, 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _negate(point: _Point) -> _Point:
    return -point[0] % _P, point[1], point[2], -point[3] % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    result = _IDENTITY
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _base_point() -> _Point:
    point = _decompress((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    if point is None:
        raise ArithmeticError("the base point lies on the curve")
    return point


_BASE: Final = _base_point()
