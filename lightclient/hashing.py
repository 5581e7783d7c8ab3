"""The bytes that CometBFT hashes and signs, and the hashes. Identical from 0.34 to 0.40.

Source: CometBFT v0.38 types/block.go (Header.Hash, Commit.Hash), types/encoding_helper.go, types/canonical.go,
types/validator.go, types/tx.go, types/results.go, types/params.go, and the .proto files of the same names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from lightclient import merkle
from lightclient.blocks import (
    BlockId,
    BlockIdFlag,
    Commit,
    CommitSig,
    ExecTxResult,
    Header,
    Validator,
    ValidatorSet,
)
from lightclient.protobuf import delimited, fixed64, integer, message, octets

PRECOMMIT: Final = 2
"""SignedMsgType of the votes that make a commit."""

ADDRESS_BYTES: Final = 20
_NS: Final = 10**9


def header_hash(header: Header) -> bytes:
    """Merkle root over the fourteen fields. Go: Header.Hash."""
    return merkle.root(
        (
            integer(1, header.version_block) + integer(2, header.version_app),
            octets(1, header.chain_id.encode()),
            integer(1, header.height),
            timestamp(header.time_ns),
            _block_id(header.last_block_id),
            octets(1, header.last_commit_hash),
            octets(1, header.data_hash),
            octets(1, header.validators_hash),
            octets(1, header.next_validators_hash),
            octets(1, header.consensus_hash),
            octets(1, header.app_hash),
            octets(1, header.last_results_hash),
            octets(1, header.evidence_hash),
            octets(1, header.proposer_address),
        )
    )


def vote_sign_bytes(
    chain_id: str, height: int, round_: int, block_id: BlockId | None, time_ns: int, vote_type: int = PRECOMMIT
) -> bytes:
    """What a validator signs; `block_id` None votes for nil. Go: VoteSignBytes, CanonicalVote."""
    head = _vote_head(vote_type, height, round_, block_id)
    return delimited(head + message(5, timestamp(time_ns)) + octets(6, chain_id.encode()))


class CommitSignBytes:
    """What each validator of one commit signed. Votes differ by their time, and by being for the block or for nil."""

    __slots__ = ("_for_block", "_for_nil", "_tail")

    def __init__(self, chain_id: str, commit: Commit) -> None:
        self._for_nil = _vote_head(PRECOMMIT, commit.height, commit.round, None)
        self._for_block = _vote_head(PRECOMMIT, commit.height, commit.round, commit.block_id)
        self._tail = octets(6, chain_id.encode())

    def of(self, vote: CommitSig) -> bytes:
        head = self._for_block if vote.flag == BlockIdFlag.COMMIT else self._for_nil
        return delimited(head + message(5, timestamp(vote.time_ns)) + self._tail)


def commit_sign_bytes(chain_id: str, commit: Commit, vote: CommitSig) -> bytes:
    """What the validator of one vote in a commit signed; votes carry a time each. Go: Commit.VoteSignBytes."""
    return CommitSignBytes(chain_id, commit).of(vote)


def commit_hash(commit: Commit) -> bytes:
    """The next header's last_commit_hash. Go: Commit.Hash."""
    return merkle.root(
        [
            integer(1, vote.flag)
            + octets(2, vote.validator_address)
            + message(3, timestamp(vote.time_ns))
            + octets(4, vote.signature)
            for vote in commit.signatures
        ]
    )


@lru_cache(maxsize=512)
def address(public_key: bytes) -> bytes:
    """Address of an Ed25519 validator, 20 bytes. Asked for the same few keys with every header."""
    return sha256(public_key).digest()[:ADDRESS_BYTES]


@lru_cache(maxsize=2)
def validators_hash(validators: ValidatorSet) -> bytes:
    """Go: ValidatorSet.Hash; proposer and priorities are not part of it. Headers of one set mostly follow each other."""
    return merkle.root([_simple_validator(validator) for validator in validators.validators])


def data_hash(txs: Sequence[bytes]) -> bytes:
    """Merkle root over the transactions' hashes. Go: Txs.Hash."""
    return merkle.root([sha256(tx).digest() for tx in txs])


def last_results_hash(results: Sequence[ExecTxResult]) -> bytes:
    """The next header's last_results_hash. Go: TxResultsHash, deterministicExecTxResult."""
    return merkle.root(
        [
            integer(1, result.code) + octets(2, result.data) + integer(5, result.gas_wanted) + integer(6, result.gas_used)
            for result in results
        ]
    )


def consensus_hash(block_max_bytes: int, block_max_gas: int) -> bytes:
    """Go: ConsensusParams.Hash; the other parameters are not part of it."""
    return sha256(integer(1, block_max_bytes) + integer(2, block_max_gas)).digest()


def timestamp(time_ns: int) -> bytes:
    """google.protobuf.Timestamp: seconds rounded down, and nanoseconds from 0 up also before 1970."""
    return integer(1, time_ns // _NS) + integer(2, time_ns % _NS)


def _block_id(block_id: BlockId) -> bytes:
    """BlockID and CanonicalBlockID alike; the part set header is always present."""
    parts = integer(1, block_id.parts_total) + octets(2, block_id.parts_hash)
    return octets(1, block_id.hash) + message(2, parts)


def _vote_head(vote_type: int, height: int, round_: int, block_id: BlockId | None) -> bytes:
    """CanonicalVote as far as the votes of one commit have it in common."""
    about = b"" if block_id is None else message(4, _block_id(block_id))
    return integer(1, vote_type) + fixed64(2, height) + fixed64(3, round_) + about


def _simple_validator(validator: Validator) -> bytes:
    return message(1, octets(1, validator.public_key)) + integer(2, validator.voting_power)
