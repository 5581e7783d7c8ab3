"""Signed anchors: taken when a known key signed them for this chain, byte for byte; else refused, and why."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from ecdsa import NIST256p, VerifyingKey
from ecdsa.util import sigdecode_string

from agent.keystore import FileKeyStore
from lightclient.anchor import SignedAnchor, check_anchor, decode_anchor, encode_anchor, sign_anchor, signed_bytes
from lightclient.errors import AnchorError, MalformedAnchor, UnknownAnchorKey, WrongAnchorChain, WrongAnchorSignature
from lightclient.options import TrustAnchor
from lightclient.wire import P256_ORDER

CHAIN = "society-1"
ANCHOR = TrustAnchor(81_000, bytes(range(32)))
ISSUED_NS = 1_795_000_000_123_456_789


@pytest.fixture(name="board")
def make_board(tmp_path: Path) -> FileKeyStore:
    return FileKeyStore.create(tmp_path / "board.key")


@pytest.fixture(name="signed")
def make_signed(board: FileKeyStore) -> SignedAnchor:
    return sign_anchor(CHAIN, ANCHOR, ISSUED_NS, board.public_key(), board.sign)


def test_what_is_signed(board: FileKeyStore) -> None:
    key = board.public_key().hex().upper()
    expected = f"homewatt anchor 1\nsociety-1\n81000\n{ANCHOR.hash.hex().upper()}\n{ISSUED_NS}\n{key}\n"
    assert signed_bytes(CHAIN, ANCHOR, ISSUED_NS, board.public_key()) == expected.encode()


def test_a_signed_anchor_survives_its_file_and_is_taken(signed: SignedAnchor, board: FileKeyStore) -> None:
    found = decode_anchor(encode_anchor(signed))
    assert found == signed
    assert found.anchor == ANCHOR
    check_anchor(found, CHAIN, [bytes(33), board.public_key()])


def test_another_implementation_verifies_it(signed: SignedAnchor) -> None:
    key = VerifyingKey.from_string(signed.public_key, curve=NIST256p)
    message = signed_bytes(CHAIN, ANCHOR, ISSUED_NS, signed.public_key)
    assert key.verify(signed.signature, message, hashfunc=sha256, sigdecode=sigdecode_string)


def test_another_chain_and_an_unknown_key_are_refused(signed: SignedAnchor, board: FileKeyStore) -> None:
    with pytest.raises(WrongAnchorChain, match=r"'society-1', not of 'society-2'"):
        check_anchor(signed, "society-2", [board.public_key()])
    with pytest.raises(UnknownAnchorKey, match=board.public_key().hex()):
        check_anchor(signed, CHAIN, [])


def test_every_field_is_covered(signed: SignedAnchor, board: FileKeyStore, tmp_path: Path) -> None:
    other = FileKeyStore.create(tmp_path / "other.key").public_key()
    keys = [board.public_key(), other]
    flipped = bytes([signed.signature[0] ^ 1]) + signed.signature[1:]
    for altered, chain in (
        (replace(signed, chain_id="society-2"), "society-2"),
        (replace(signed, height=signed.height + 1), CHAIN),
        (replace(signed, hash=bytes(32)), CHAIN),
        (replace(signed, issued_ns=signed.issued_ns + 1), CHAIN),
        (replace(signed, public_key=other), CHAIN),
        (replace(signed, signature=flipped), CHAIN),
        (replace(signed, signature=bytes(64)), CHAIN),
        (replace(signed, signature=b""), CHAIN),
        (replace(signed, signature=signed.signature + b"\x00"), CHAIN),
    ):
        with pytest.raises(WrongAnchorSignature):
            check_anchor(altered, chain, keys)


def test_the_high_s_of_the_same_signature_is_refused(signed: SignedAnchor, board: FileKeyStore) -> None:
    s = P256_ORDER - int.from_bytes(signed.signature[32:], "big")
    with pytest.raises(WrongAnchorSignature):
        check_anchor(replace(signed, signature=signed.signature[:32] + s.to_bytes(32, "big")), CHAIN, [board.public_key()])


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": ""},
        {"chain_id": "x" * 51},
        {"chain_id": "two\nlines"},
        {"chain_id": "möwe"},
        {"chain_id": None},
        {"height": 81000},
        {"height": "0"},
        {"height": "081000"},
        {"height": "-1"},
        {"hash": "ab" * 32},
        {"hash": "AB" * 31},
        {"issued": "2026-11-21 09:00:00"},
        {"public_key": 5},
        {"signature": "not base64"},
    ],
)
def test_a_file_of_another_form_is_refused(signed: SignedAnchor, change: dict[str, object]) -> None:
    with pytest.raises(MalformedAnchor):
        decode_anchor(json.dumps(json.loads(encode_anchor(signed)) | change).encode())


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"{", b"[" * 4000, b" " * 5000])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedAnchor) as raised:
        decode_anchor(data)
    assert isinstance(raised.value, AnchorError)
    assert not raised.value.retry
