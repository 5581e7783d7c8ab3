"""RFC 6962 Merkle trees as CometBFT builds them over headers, validator sets, transactions and results.

The tree over n items splits at the largest power of two below n; the root over nothing is SHA-256 of nothing. Source:
RFC 6962 section 2.1; CometBFT v0.38 crypto/merkle/tree.go, hash.go, proof.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

MAX_AUNTS: Final = 100
"""Longest path that CometBFT accepts in a proof."""


@dataclass(frozen=True, slots=True)
class MerkleProof:
    """That an item stands at `index` of `total` items. `aunts` are the siblings' hashes, from the leaf up."""

    total: int
    index: int
    aunts: tuple[bytes, ...]


def leaf_hash(item: bytes) -> bytes:
    return sha256(b"\x00" + item).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root(items: Sequence[bytes]) -> bytes:
    """Root hash over the items in their order."""
    if not items:
        return sha256(b"").digest()
    hashes = [leaf_hash(item) for item in items]
    # Pairing level by level, an odd one moving up unpaired, gives the same tree as splitting at powers of two.
    while len(hashes) > 1:
        paired = [inner_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        if len(hashes) % 2:
            paired.append(hashes[-1])
        hashes = paired
    return hashes[0]


def prove(items: Sequence[bytes], index: int) -> MerkleProof:
    """Proof for the item at `index`. Raises IndexError when there is no such item."""
    if not 0 <= index < len(items):
        raise IndexError(f"no item {index} among {len(items)}")
    hashes = [leaf_hash(item) for item in items]
    aunts: list[bytes] = []
    at = index
    while len(hashes) > 1:
        sibling = at ^ 1
        if sibling < len(hashes):
            aunts.append(hashes[sibling])
        paired = [inner_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes) - 1, 2)]
        if len(hashes) % 2:
            paired.append(hashes[-1])
        hashes, at = paired, at // 2
    return MerkleProof(len(items), index, tuple(aunts))


def verify(proof: MerkleProof, root_hash: bytes, item: bytes) -> bool:
    """Whether the proof leads from the item to the root, using every aunt."""
    if not 0 <= proof.index < proof.total or len(proof.aunts) > MAX_AUNTS:
        return False
    digest, at, width = leaf_hash(item), proof.index, proof.total
    aunts = iter(proof.aunts)
    while width > 1:
        if at ^ 1 < width:
            aunt = next(aunts, None)
            if aunt is None:
                return False
            digest = inner_hash(aunt, digest) if at % 2 else inner_hash(digest, aunt)
        at, width = at // 2, (width + 1) // 2
    return next(aunts, None) is None and digest == root_hash
