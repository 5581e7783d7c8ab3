"""The rules of the light client protocol: one rule, one function, one error. The verifier orders them.

Source: CometBFT v0.38 types/light.go, types/block.go (ValidateBasic), types/validation.go, light/verifier.go; the light
client specification's clauses are named where one exists.
"""

from __future__ import annotations

from typing import Final

from lightclient import hashing
from lightclient.blocks import BLOCK_PROTOCOL, ZERO_TIME_NS, BlockIdFlag, Commit, CommitSig, Header, LightBlock, ValidatorSet
from lightclient.ed25519 import KEY_BYTES, SIGNATURE_BYTES
from lightclient.errors import (
    HeaderFromFuture,
    HeaderNotLater,
    MalformedHeader,
    NotLinked,
    TrustExpired,
    WrongValidators,
)
from lightclient.options import Options

MAX_CHAIN_ID_CHARS: Final = 50
MAX_TOTAL_POWER: Final = (2**63 - 1) // 8
MAX_VALIDATORS: Final = 10_000
HASH_BYTES: Final = 32


def check_header(header: Header, chain_id: str) -> None:
    """Raise MalformedHeader unless every field of the header has its form. Go: Header.ValidateBasic."""
    if header.version_block != BLOCK_PROTOCOL:
        raise MalformedHeader(f"block protocol {header.version_block}, not {BLOCK_PROTOCOL}")
    if header.chain_id != chain_id or len(chain_id) > MAX_CHAIN_ID_CHARS:
        raise MalformedHeader(f"chain_id is {header.chain_id[:MAX_CHAIN_ID_CHARS]!r}, not {chain_id!r}")
    if header.height < 1:
        raise MalformedHeader("height is below 1")
    hashes = (
        header.last_block_id.hash,
        header.last_block_id.parts_hash,
        header.last_commit_hash,
        header.data_hash,
        header.evidence_hash,
        header.last_results_hash,
    )
    if any(len(value) not in (0, HASH_BYTES) for value in hashes):
        raise MalformedHeader("a hash has neither 0 nor 32 bytes")
    always = (header.validators_hash, header.next_validators_hash, header.consensus_hash)
    if any(len(value) != HASH_BYTES for value in always):
        raise MalformedHeader("a hash of validators or parameters has not 32 bytes")
    if len(header.proposer_address) != hashing.ADDRESS_BYTES:
        raise MalformedHeader("proposer_address has not 20 bytes")


def check_commit(commit: Commit) -> None:
    """Raise MalformedHeader unless the commit has its form. Go: Commit.ValidateBasic, BlockID.IsComplete."""
    block_id = commit.block_id
    if len(block_id.hash) != HASH_BYTES or len(block_id.parts_hash) != HASH_BYTES or block_id.parts_total < 1:
        raise MalformedHeader("the commit is for no block")
    if not 1 <= len(commit.signatures) <= MAX_VALIDATORS:
        raise MalformedHeader(f"{len(commit.signatures)} signatures in the commit")
    for vote in commit.signatures:
        _check_vote(vote)


def _check_vote(vote: CommitSig) -> None:
    if vote.flag == BlockIdFlag.ABSENT:
        if vote.validator_address or vote.signature or vote.time_ns != ZERO_TIME_NS:
            raise MalformedHeader("an absent vote carries something")
    elif vote.flag in (BlockIdFlag.COMMIT, BlockIdFlag.NIL):
        if len(vote.validator_address) != hashing.ADDRESS_BYTES:
            raise MalformedHeader("a vote's address has not 20 bytes")
        if len(vote.signature) != SIGNATURE_BYTES:
            raise MalformedHeader("a vote's signature has not 64 bytes")
    else:
        raise MalformedHeader(f"unknown vote flag {vote.flag}")


def check_validators(validators: ValidatorSet) -> None:
    """Raise MalformedHeader unless the set has its form. Go: ValidatorSet.ValidateBasic."""
    members = validators.validators
    if not 1 <= len(members) <= MAX_VALIDATORS:
        raise MalformedHeader(f"{len(members)} validators")
    if any(len(member.public_key) != KEY_BYTES for member in members):
        raise MalformedHeader("a validator's key has not 32 bytes")
    if any(member.voting_power < 0 for member in members) or not 0 < validators.total_power <= MAX_TOTAL_POWER:
        raise MalformedHeader("voting power is out of range")
    if len({member.public_key for member in members}) != len(members):
        raise MalformedHeader("a validator stands twice in the set")
    order = [(-member.voting_power, hashing.address(member.public_key)) for member in members]
    if order != sorted(order):  # Go sorts what it was sent before it hashes it
        raise MalformedHeader("the validators do not stand by power, then address")


def check_belongs_together(block: LightBlock) -> None:
    """Raise MalformedHeader unless header, commit and validators are of one block. Go: LightBlock.ValidateBasic."""
    header, commit = block.header, block.signed_header.commit
    if commit.height != header.height:
        raise MalformedHeader(f"the commit is of height {commit.height}, the header of {header.height}")
    if commit.block_id.hash != hashing.header_hash(header):
        raise MalformedHeader("the commit is for another header")
    if len(commit.signatures) != len(block.validators.validators):
        raise MalformedHeader("the commit has not one entry per validator")
    if header.validators_hash != hashing.validators_hash(block.validators):
        raise MalformedHeader("the validator set is not the header's")


def check_votes_at_their_places(block: LightBlock) -> None:
    """Raise MalformedHeader unless every vote stands at the place of the validator who cast it.

    Also of votes that need not be counted: else the votes of trusted validators could stand anywhere in the commit of a made-up
    set, and evidence would accuse nobody. Source: CometBFT v0.38 types/validation.go, which looks only as far as it counts.
    """
    members = block.validators.validators
    for index, (vote, member) in enumerate(zip(block.signed_header.commit.signatures, members, strict=True)):
        if vote.flag != BlockIdFlag.ABSENT and vote.validator_address != hashing.address(member.public_key):
            raise MalformedHeader(f"vote {index} is not by the validator at its place")


def check_trusting_period(trusted: Header, options: Options, now_ns: int) -> None:
    """Raise TrustExpired once the trusting period is over. Source: light client specification, LCV-INV-TP.1."""
    expires_at_ns = trusted.time_ns + options.trusting_period_ns
    if expires_at_ns <= now_ns:
        raise TrustExpired(expires_at_ns, now_ns)


def check_not_from_future(untrusted: Header, options: Options, now_ns: int) -> None:
    """Raise HeaderFromFuture when the header lies further ahead than clocks may differ. Go: verifyNewHeaderAndVals."""
    if untrusted.time_ns >= now_ns + options.drift_ns:
        raise HeaderFromFuture(untrusted.time_ns, now_ns, options.drift_ns)


def check_later(trusted: Header, untrusted: Header) -> None:
    """Raise HeaderNotLater unless height and time both grow. Go: verifyNewHeaderAndVals."""
    if untrusted.height <= trusted.height:
        raise HeaderNotLater("height", trusted.height, untrusted.height)
    if untrusted.time_ns <= trusted.time_ns:
        raise HeaderNotLater("time_ns", trusted.time_ns, untrusted.time_ns)


def check_announced_validators(trusted: Header, untrusted: Header) -> None:
    """Raise WrongValidators unless the next height is signed by the set announced for it. Go: VerifyAdjacent."""
    if untrusted.validators_hash != trusted.next_validators_hash:
        raise WrongValidators(trusted.next_validators_hash, untrusted.validators_hash)


def check_linked(above: Header, below: Header) -> None:
    """Raise NotLinked unless `below` is the header that `above` names as the one before it. Go: VerifyBackwards.

    Needs no signature and no trusting period: a hash fixes all that lies before it. Raises HeaderNotLater where height or
    time does not grow from `below` to `above`.
    """
    check_later(below, above)
    got = hashing.header_hash(below)
    if below.height != above.height - 1 or got != above.last_block_id.hash:
        raise NotLinked(below.height, above.last_block_id.hash, got)
