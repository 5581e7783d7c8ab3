"""The key store: signatures that others verify, and a file that nobody else may read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import ecdsa
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from ecdsa.util import sigencode_string_canonize
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import KeyExists, KeyExposed, KeyMissing, KeyUnusable
from agent.keystore import FileKeyStore, write_key_file
from lightclient.wire import P256_ORDER, is_low_s

# RFC 6979, appendix A.2.5: P-256 with SHA-256, message "sample". The RFC's s is the high one; ours is n - s.
RFC_KEY = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
RFC_R = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
RFC_S = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_created_key_is_there_after_reopening_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    created = FileKeyStore.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    opened = FileKeyStore.open(path)
    assert opened.public_key() == created.public_key()
    assert len(opened.public_key()) == 33
    assert opened.sign(b"payload") == created.sign(b"payload")


def test_the_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        FileKeyStore.create(tmp_path / "device.key")
    finally:
        os.umask(before)
    assert (tmp_path / "device.key").stat().st_mode & 0o777 == 0o600


@given(scalar=st.integers(min_value=1, max_value=2**255), payload=st.binary(max_size=300))
def test_signatures_are_the_deterministic_ones_of_another_implementation(scalar: int, payload: bytes) -> None:
    store = FileKeyStore(ec.derive_private_key(scalar, ec.SECP256R1()))
    oracle = ecdsa.SigningKey.from_secret_exponent(scalar, ecdsa.NIST256p, hashlib.sha256)
    signature = store.sign(payload)
    assert signature == oracle.sign_deterministic(payload, sigencode=sigencode_string_canonize)
    assert is_low_s(signature)
    assert ecdsa.VerifyingKey.from_string(store.public_key(), ecdsa.NIST256p, hashlib.sha256).verify(signature, payload)


def test_the_vector_of_rfc_6979() -> None:
    store = FileKeyStore(ec.derive_private_key(RFC_KEY, ec.SECP256R1()))
    assert store.sign(b"sample") == RFC_R.to_bytes(32, "big") + (P256_ORDER - RFC_S).to_bytes(32, "big")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    created = FileKeyStore.create(path)
    with pytest.raises(KeyExists):
        FileKeyStore.create(path)
    assert FileKeyStore.open(path).public_key() == created.public_key()


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match=r"device\.key: no such key file"):
        FileKeyStore.open(tmp_path / "device.key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o700, 0o660])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "device.key"
    FileKeyStore.create(path)
    path.chmod(mode)
    with pytest.raises(KeyExposed, match=f"{mode:04o}"):
        FileKeyStore.open(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
        pem(ec.derive_private_key(7, ec.SECP256R1()), b"password"),
        pem(ec.derive_private_key(7, ec.SECP384R1())),
        pem(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
    ],
    ids=["empty", "broken", "encrypted", "other curve", "other algorithm"],
)
def test_what_is_no_plain_p256_key_is_refused_without_showing_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.key"
    write_key_file(path, content)
    with pytest.raises(KeyUnusable) as refused:
        FileKeyStore.open(path)
    assert str(refused.value).startswith(f"{path}: holds ")
    assert refused.value.__cause__ is None


def test_a_folder_is_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="directory"):
        FileKeyStore.open(tmp_path)


def test_no_folder_for_a_new_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnusable, match="No such file"):
        FileKeyStore.create(tmp_path / "missing" / "device.key")
