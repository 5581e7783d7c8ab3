"""A whole block as CometBFT encodes and splits it for gossip: needed for the part set header that every commit signs.

Source: CometBFT v0.38 proto/tendermint/types/{block,types}.proto, types/part_set.go (BlockPartSizeBytes).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lightclient import hashing, merkle
from lightclient.blocks import BlockId, Commit, Header
from lightclient.protobuf import integer, message, octets

PART_BYTES: Final = 65_536


def encode_block(header: Header, txs: Sequence[bytes], last_commit: Commit) -> bytes:
    """Protobuf of a block without evidence."""
    data = b"".join([message(1, tx) for tx in txs])
    return message(1, _header(header)) + message(2, data) + message(3, b"") + message(4, _commit(last_commit))


def block_id(header: Header, encoded_block: bytes) -> BlockId:
    """What the commit of a block signs: the header's hash, and number and Merkle root of the parts."""
    parts = [encoded_block[at : at + PART_BYTES] for at in range(0, len(encoded_block), PART_BYTES)]
    return BlockId(hashing.header_hash(header), len(parts), merkle.root(parts))


def _header(header: Header) -> bytes:
    return (
        message(1, integer(1, header.version_block) + integer(2, header.version_app))
        + octets(2, header.chain_id.encode())
        + integer(3, header.height)
        + message(4, hashing.timestamp(header.time_ns))
        + message(5, _block_id(header.last_block_id))
        + octets(6, header.last_commit_hash)
        + octets(7, header.data_hash)
        + octets(8, header.validators_hash)
        + octets(9, header.next_validators_hash)
        + octets(10, header.consensus_hash)
        + octets(11, header.app_hash)
        + octets(12, header.last_results_hash)
        + octets(13, header.evidence_hash)
        + octets(14, header.proposer_address)
    )


def _block_id(value: BlockId) -> bytes:
    parts = integer(1, value.parts_total) + octets(2, value.parts_hash)
    return octets(1, value.hash) + message(2, parts)


def _commit(commit: Commit) -> bytes:
    votes = [
        integer(1, vote.flag)
        + octets(2, vote.validator_address)
        + message(3, hashing.timestamp(vote.time_ns))
        + octets(4, vote.signature)
        for vote in commit.signatures
    ]
    head = integer(1, commit.height) + integer(2, commit.round) + message(3, _block_id(commit.block_id))
    return head + b"".join([message(4, vote) for vote in votes])
