"""Headers that the validators of a chain sign against its rules: what light clients have to see through. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import hashing
from lightclient.blocks import (
    ABSENT_VOTE,
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    LightBlock,
    SignedHeader,
    Validator,
    ValidatorSet,
)

_PARTS_HASH: Final = sha256(b"the parts of no block").digest()


def forge(
    header: Header,
    round_: int,
    validators: ValidatorSet,
    keys: Mapping[bytes, Ed25519PrivateKey],
    absent: Collection[bytes] = (),
) -> LightBlock:
    """`header` with a commit of all `validators` but those whose address is in `absent`."""
    unsigned = Commit(header.height, round_, BlockId(hashing.header_hash(header), 1, _PARTS_HASH), ())

    def vote(member: Validator) -> CommitSig:
        address = hashing.address(member.public_key)
        if address in absent:
            return ABSENT_VOTE
        blank = CommitSig(BlockIdFlag.COMMIT, address, header.time_ns, b"")
        return replace(blank, signature=keys[address].sign(hashing.commit_sign_bytes(header.chain_id, unsigned, blank)))

    signatures = tuple(vote(member) for member in validators.validators)
    return LightBlock(SignedHeader(header, replace(unsigned, signatures=signatures)), validators)
