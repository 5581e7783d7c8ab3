from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from lightclient import ed25519

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ORDER = 2**252 + 27742317777372353535851937790883648493

# All encodings of points of small order, canonical or not. ZIP-215 takes each of them as key and as R, with s = 0, for any
# message. Source: https://zips.z.cash/zip-0215, test vectors of zcash/ed25519-zebra, tests/small_order.rs.
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@given(st.binary(max_size=50))
def test_both_rules_take_an_ordinary_signature(message: bytes) -> None:
    signature = KEY.sign(message)
    assert ed25519.verify(PUBLIC, message, signature)
    assert ed25519.verify_zip215(PUBLIC, message, signature)


@given(st.integers(0, 63), st.integers(1, 255))
def test_neither_takes_an_altered_one(at: int, flip: int) -> None:
    signature = bytearray(KEY.sign(b"message"))
    signature[at] ^= flip
    assert not ed25519.verify(PUBLIC, b"message", bytes(signature))
    assert not ed25519.verify(PUBLIC, b"massage", KEY.sign(b"message"))


@pytest.mark.parametrize("key", SMALL_ORDER)
def test_points_of_small_order_count_as_in_cometbft(key: str) -> None:
    for nonce in SMALL_ORDER:
        assert ed25519.verify(bytes.fromhex(key), b"Zcash", bytes.fromhex(nonce) + bytes(32))


def test_s_beyond_the_order_is_refused() -> None:
    signature = KEY.sign(b"message")
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert not ed25519.verify(PUBLIC, b"message", signature[:32] + s.to_bytes(32, "little"))


def test_what_is_no_point_or_has_another_length_is_refused() -> None:
    no_point = bytes([2]) + bytes(31)
    assert not ed25519.verify(no_point, b"message", KEY.sign(b"message"))
    assert not ed25519.verify(PUBLIC[:-1], b"message", KEY.sign(b"message"))
    assert not ed25519.verify(PUBLIC, b"message", KEY.sign(b"message")[:-1])
