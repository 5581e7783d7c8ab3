"""Whether records are the device's own, in an unbroken chain: checked from outside, with nothing but the public key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from storeforward.records import NO_HASH, StoredRecord, Stream

_SCHEME: Final = ec.ECDSA(hashes.SHA256())


@dataclass(slots=True)
class ChainCheck:
    """Takes records in order, also in several parts; remembers where the chains stand."""

    public_key: bytes
    seq: int = 0
    head: bytes = NO_HASH
    samples_head: bytes = NO_HASH

    def take(self, records: list[StoredRecord]) -> str | None:
        """Follow the chains through more records; what is wrong with the first bad one, or None."""
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.public_key)
        for stored in records:
            problem = self._take_one(stored, key)
            if problem is not None:
                return f"record {stored.record.seq} {problem}"
        return None

    def _take_one(self, stored: StoredRecord, key: ec.EllipticCurvePublicKey) -> str | None:
        record = stored.record
        if record.seq != self.seq + 1:
            return f"follows record {self.seq}"
        self.seq = record.seq
        if record.stream is Stream.SAMPLE:
            if record.previous != self.samples_head:
                return "breaks the chain of samples"
            self.samples_head = stored.ref.record_hash
            return None
        if (record.previous, record.samples) != (self.head, self.samples_head):
            return "breaks the chain"
        self.head = stored.ref.record_hash
        return None if _is_signed(stored, key) else "is not signed by the device"


def _is_signed(stored: StoredRecord, key: ec.EllipticCurvePublicKey) -> bool:
    signature = stored.signature or b""
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, stored.data, _SCHEME)
    except InvalidSignature:
        return False
    return True
