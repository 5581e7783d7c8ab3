"""Signatures made to break libraries: Ed25519 as validators sign, ECDSA P-256 as devices do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from lightclient import ed25519, wire
from tests.lightclient.vectors import load_compressed
from tools.fullnode.rules import p256

NEGATIVE_ZERO = 151
"""R has y = 1 and the sign of x set, though its x is 0. RFC 8032 refuses that encoding; ZIP-215, rule 1, takes it."""


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Public key and test."""
    for group in load_compressed(f"wycheproof/{name}.json.gz")["testGroups"]:
        for test in group["tests"]:
            yield group["publicKey"], test


def octets(test: dict[str, Any], field: str) -> bytes:
    return bytes.fromhex(test[field])


def test_ed25519_as_zip215_has_it() -> None:
    """All valid signatures are taken; of the invalid ones only the one whose encoding ZIP-215 allows on purpose."""
    count = 0
    for key, test in cases("ed25519_test"):
        public_key, message, signature = octets(key, "pk"), octets(test, "msg"), octets(test, "sig")
        expected = test["result"] == "valid" or test["tcId"] == NEGATIVE_ZERO
        assert ed25519.verify(public_key, message, signature) is expected, test["comment"]
        if len(signature) == ed25519.SIGNATURE_BYTES:
            assert ed25519.verify_zip215(public_key, message, signature) is expected, test["comment"]
        count += 1
    assert count == 151


def with_low_s(signature: bytes) -> bytes:
    return wire.to_low_s(signature) if 0 < int.from_bytes(signature[32:], "big") < wire.P256_ORDER else signature


def test_ecdsa_raw() -> None:
    """The ledger takes of each pair of equivalent signatures the one with low s, and nothing that is invalid."""
    taken = 0
    for key, test in cases("ecdsa_secp256r1_sha256_p1363_test"):
        public_key, message, signature = (
            p256.load_public_key(octets(key, "uncompressed")),
            octets(test, "msg"),
            octets(test, "sig"),
        )
        valid = test["result"] == "valid"
        assert p256.verify(public_key, message, signature) is (valid and wire.is_low_s(signature)), test["comment"]
        if len(signature) == wire.SIGNATURE_BYTES:
            assert p256.verify(public_key, message, with_low_s(signature)) is valid, test["comment"]
        taken += valid
    assert taken == 173


def raw(der: bytes) -> bytes:
    """As the key store turns what the library or a secure element signed into the ledger's form."""
    r, s = decode_dss_signature(der)
    return wire.to_low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def test_ecdsa_in_der() -> None:
    """What is valid in DER is valid once it is raw; what is not, is refused by the reader or by the ledger."""
    taken = 0
    for key, test in cases("ecdsa_secp256r1_sha256_test"):
        public_key = p256.load_public_key(octets(key, "uncompressed"))
        try:
            signature = raw(octets(test, "sig"))
        except (ValueError, OverflowError):
            assert test["result"] == "invalid", test["comment"]
            continue
        assert p256.verify(public_key, octets(test, "msg"), signature) is (test["result"] == "valid"), test["comment"]
        taken += test["result"] == "valid"
    assert taken == 174


@pytest.mark.parametrize("name", ["ecdsa_secp256r1_sha256_test", "ecdsa_secp256r1_sha256_p1363_test"])
def test_every_public_key_is_read_in_both_forms(name: str) -> None:
    for key in {key["uncompressed"]: key for key, _ in cases(name)}.values():
        point = bytes.fromhex(key["uncompressed"])
        compressed = bytes([2 + point[-1] % 2]) + point[1:33]
        assert p256.load_public_key(point) == p256.load_public_key(compressed)
