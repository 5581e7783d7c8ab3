"""Where the identity key lives. Everybody else holds a KeyStore and never sees a private key.

A file is the simplest store. A TPM or a secure element can stand in its place: nothing but these two methods is asked of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from agent.errors import KeyExists, KeyExposed, KeyMissing, KeyUnusable
from lightclient.wire import to_low_s

OWNER_ONLY: Final = 0o600
_SCHEME: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class KeyStore(Protocol):
    """Signs with an identity key (P-256)."""

    def public_key(self) -> bytes:
        """33 bytes, SEC1 compressed."""

    def sign(self, payload: bytes) -> bytes:
        """ES256 over the payload: raw r||s, 64 bytes, low s. May be called from any thread."""


class FileKeyStore:
    """A key in a PKCS #8 PEM file that its owner alone may read.

    Signatures are deterministic (RFC 6979): a freshly booted controller has little randomness to offer.
    """

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)

    @classmethod
    def open(cls, path: Path) -> FileKeyStore:
        """Read the key. Raises KeyMissing, KeyExposed, KeyUnusable."""
        try:
            with path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & ~OWNER_ONLY:
                    raise KeyExposed(path, mode)
                pem = file.read()
        except FileNotFoundError as error:
            raise KeyMissing(path) from error
        except OSError as error:
            raise KeyUnusable(path, error.strerror or "cannot be read") from error
        try:
            private_key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyUnusable(path, "holds no unencrypted private key in PEM") from None  # the cause could quote the file
        if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(private_key.curve, ec.SECP256R1):
            raise KeyUnusable(path, "holds a key of another kind than P-256")
        return cls(private_key)

    @classmethod
    def create(cls, path: Path) -> FileKeyStore:
        """Make a new key and store it durably. Raises KeyExists, KeyUnusable."""
        private_key = ec.generate_private_key(ec.SECP256R1())
        write_key_file(path, private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cls(private_key)

    def public_key(self) -> bytes:
        """33 bytes, SEC1 compressed."""
        return self._public_key

    def sign(self, payload: bytes) -> bytes:
        """ES256 over the payload: raw r||s, 64 bytes, low s."""
        r, s = decode_dss_signature(self._private_key.sign(payload, _SCHEME))
        return to_low_s(r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def write_key_file(path: Path, pem: bytes) -> None:
    """Write a new key file, readable by its owner alone from the first moment on. Raises KeyExists, KeyUnusable."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
    except FileExistsError as error:
        raise KeyExists(path) from error
    except OSError as error:
        raise KeyUnusable(path, error.strerror or "cannot be written") from error
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
