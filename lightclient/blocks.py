"""What CometBFT signs and a light client reads: headers, commits, validator sets. Data only; no hashing, no judgement.

Times are nanoseconds since the Unix epoch as one integer: header hashes need all nine digits. Source: CometBFT v0.38
types/block.go, types/validator.go, spec/core/data_structures.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

BLOCK_PROTOCOL: Final = 11
"""Version.block of every header from CometBFT 0.34 on."""

ZERO_TIME_NS: Final = -62_135_596_800 * 10**9
"""0001-01-01T00:00:00Z, the time that an absent vote carries."""


class BlockIdFlag(IntEnum):
    """What a validator did in the last round."""

    ABSENT = 1
    COMMIT = 2
    NIL = 3


@dataclass(frozen=True, slots=True)
class BlockId:
    """A block by its header hash and the parts it was gossiped in. Empty hashes and 0 parts: no block."""

    hash: bytes = b""
    parts_total: int = 0
    parts_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Header:
    """A block header. `app_hash` and `last_results_hash` are those after the previous height."""

    version_block: int
    version_app: int
    chain_id: str
    height: int
    time_ns: int
    last_block_id: BlockId
    last_commit_hash: bytes
    data_hash: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    consensus_hash: bytes
    app_hash: bytes
    last_results_hash: bytes
    evidence_hash: bytes
    proposer_address: bytes


@dataclass(frozen=True, slots=True)
class CommitSig:
    """One validator's part of a commit. One that is absent is ABSENT_VOTE."""

    flag: int
    validator_address: bytes
    time_ns: int
    signature: bytes


ABSENT_VOTE: Final = CommitSig(BlockIdFlag.ABSENT, b"", ZERO_TIME_NS, b"")


@dataclass(frozen=True, slots=True)
class Commit:
    """The votes that made a block final, in the order of the validator set."""

    height: int
    round: int
    block_id: BlockId
    signatures: tuple[CommitSig, ...]


@dataclass(frozen=True, slots=True)
class Validator:
    """An Ed25519 validator. Its address follows from the key, see hashing.address."""

    public_key: bytes
    voting_power: int


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Validators by power descending, then address ascending: the order that commits follow and hashes depend on."""

    validators: tuple[Validator, ...]

    @property
    def total_power(self) -> int:
        return sum(validator.voting_power for validator in self.validators)


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header and the commit that makes it final."""

    header: Header
    commit: Commit

    @property
    def height(self) -> int:
        return self.header.height

    @property
    def hash(self) -> bytes:
        """What the commit says it signed; it is the header's hash once the two are verified to belong together."""
        return self.commit.block_id.hash


@dataclass(frozen=True, slots=True)
class LightBlock:
    """All that a light client needs of one height."""

    signed_header: SignedHeader
    validators: ValidatorSet

    @property
    def header(self) -> Header:
        return self.signed_header.header

    @property
    def height(self) -> int:
        return self.signed_header.header.height


@dataclass(frozen=True, slots=True)
class ExecTxResult:
    """Result of a transaction, as far as last_results_hash covers it: log, info, events and codespace are not proven."""

    code: int
    data: bytes = b""
    gas_wanted: int = 0
    gas_used: int = 0
