"""Keys that follow from a seed: the same ones every time, good for the ledger's checks."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lightclient.wire import is_low_s
from tools.society.keys import seeded_key, seeded_validator_key


def test_the_same_seed_and_name_give_the_same_key_and_others_another() -> None:
    key = seeded_key(7, "home-01")
    assert key.public_key() == seeded_key(7, "home-01").public_key()
    assert key.public_key() not in (seeded_key(8, "home-01").public_key(), seeded_key(7, "home-02").public_key())
    first, again, other = (seeded_validator_key(7, name).private_bytes_raw() for name in ("a", "a", "b"))
    assert first == again != other


def test_signatures_repeat_have_low_s_and_verify() -> None:
    key = seeded_key(7, "home-01")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public_key())
    for number in range(20):
        payload = b"order %d" % number
        signature = key.sign(payload)
        assert signature == key.sign(payload)
        assert len(signature) == 64
        assert is_low_s(signature)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public.verify(encode_dss_signature(r, s), payload, ec.ECDSA(hashes.SHA256()))


def test_the_pem_file_holds_the_same_key() -> None:
    key = seeded_key(7, "home-01")
    loaded = load_pem_private_key(key.pem(), password=None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    assert loaded.private_numbers() == key.private_key.private_numbers()
