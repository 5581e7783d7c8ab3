"""Blocks signed with real keys, for any number of validators: what benchmarks and tests verify.

The keys follow from numbers, so that every run makes the same chain. Nothing here keeps a chain or answers a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

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


@cache
def key_of(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(sha256(b"validator %d" % number).digest())


@cache
def _public_key_of(number: int) -> bytes:
    return key_of(number).public_key().public_bytes_raw()


@dataclass(frozen=True)
class Member:
    """A validator with its private key."""

    number: int
    power: int = 10

    @property
    def validator(self) -> Validator:
        return Validator(_public_key_of(self.number), self.power)


def ordered(members: Sequence[Member]) -> list[Member]:
    """By power descending, then address ascending, as commits follow them."""
    return sorted(members, key=lambda member: (-member.power, hashing.address(member.validator.public_key)))


def set_of(members: Sequence[Member]) -> ValidatorSet:
    return ValidatorSet(tuple(member.validator for member in ordered(members)))


def sign(header: Header, members: Sequence[Member], absent: Sequence[int] = (), nil: Sequence[int] = ()) -> LightBlock:
    """The header with a commit of its validators; `absent` and `nil` name those who did not vote for it."""
    block_id = BlockId(hashing.header_hash(header), 1, sha256(b"parts").digest())
    unsigned = Commit(header.height, 0, block_id, ())
    votes = []
    for member in ordered(members):
        if member.number in absent:
            votes.append(ABSENT_VOTE)
            continue
        flag = BlockIdFlag.NIL if member.number in nil else BlockIdFlag.COMMIT
        vote = CommitSig(flag, hashing.address(member.validator.public_key), header.time_ns + 5, b"")
        signature = key_of(member.number).sign(hashing.commit_sign_bytes(header.chain_id, unsigned, vote))
        votes.append(replace(vote, signature=signature))
    return LightBlock(SignedHeader(header, replace(unsigned, signatures=tuple(votes))), set_of(members))
