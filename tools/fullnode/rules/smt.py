"""Compact sparse Merkle tree over the ledger's state, exactly the ICS23 SMT specification, immutable.

A leaf is SHA-256(00 || SHA-256(key) || SHA-256(value)), an inner node SHA-256(01 || left || right), an empty subtree 32 zero
bytes, and a subtree that holds one leaf is that leaf. Leaves are ordered by SHA-256(key). Every change gives a new tree
that shares all untouched nodes with the old one, so keeping the last roots keeps the last states; what no tree holds any
more is freed by reference counting. Source: cosmos/ics23, go/proof.go, SmtSpec.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from lightclient import protobuf

EMPTY_ROOT: Final = bytes(32)
"""Hash of an empty subtree and root of the empty tree."""

PATH_BITS: Final = 256

# Plain tuples: a node is made for every level of every change, and a tuple is made ten times faster than an object.
# A path is SHA-256(key) as an integer, so that order and bits are cheap to get at.
_Leaf = tuple[bytes, int, bytes, bytes]  # hash, path, key, value
_Inner = tuple[bytes, "_Node", "_Node"]  # hash, left, right
_Node = _Leaf | _Inner | None
_Change = tuple[int, _Leaf | None]  # path, new leaf; None deletes

_LEAF_OP: Final = bytes.fromhex("1a090801100118012a0100")  # SHA-256, key and value hashed first, no lengths, prefix 00
_LEFT_STEP: Final = bytes.fromhex("222708011201011a20")  # prefix 01; the right sibling follows as suffix
_RIGHT_STEP: Final = bytes.fromhex("22250801122101")  # prefix 01 and left sibling; no suffix


class EmptyTreeError(LookupError):
    """ICS23 cannot prove absence in an empty tree; a ledger writes a key at genesis."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One state. `Tree()` is the empty one."""

    _top: _Node = None

    @property
    def root(self) -> bytes:
        """Root hash, 32 bytes; zero bytes when empty."""
        return EMPTY_ROOT if self._top is None else self._top[0]

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        path = _path(key)
        node, _ = _descend(self._top, path)
        return node[3] if node is not None and node[1] == path else None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """All keys and values, in the order of SHA-256(key)."""
        waiting: list[_Node] = [self._top]
        while waiting:
            node = waiting.pop()
            if node is None:
                continue
            if len(node) == 4:
                yield node[2], node[3]
            else:
                waiting += (node[2], node[1])

    def update_many(self, changes: Iterable[tuple[bytes, bytes | None]]) -> Tree:
        """A tree with all changes made, None deleting; a later change of the same key wins.

        Raises ValueError for an empty key or value, which ICS23 cannot prove.
        """
        by_path = dict(map(_change, changes))
        if not by_path:
            return self
        ordered = sorted(by_path.items())
        return Tree(_update(self._top, ordered, [path for path, _ in ordered], 0, len(ordered), 0, 0))

    def prove(self, key: bytes) -> bytes:
        """ICS23 CommitmentProof of the key's value, or of its absence between its two neighbours.

        Raises EmptyTreeError when the tree holds nothing.
        """
        path = _path(key)
        leaf, siblings = _descend(self._top, path)
        if leaf is not None and leaf[1] == path:
            return protobuf.message(1, _existence(leaf, siblings))
        if self._top is None:
            raise EmptyTreeError("an empty tree proves nothing")
        left, right = self._neighbour(path, 0), self._neighbour(path, 1)
        body = protobuf.octets(1, key)
        if left is not None:
            body += protobuf.message(2, left)
        if right is not None:
            body += protobuf.message(3, right)
        return protobuf.message(2, body)

    def _neighbour(self, path: int, side: int) -> bytes | None:
        """Existence proof of the nearest leaf left (side 0) or right (side 1) of an absent path."""
        node = self._top
        steps: list[tuple[int, _Inner]] = []
        turn_off: int | None = None  # the deepest step at which the wanted side could be entered instead
        while node is not None and len(node) == 3:
            bit = path >> (PATH_BITS - 1 - len(steps)) & 1
            if bit != side and _child(node, side) is not None:
                turn_off = len(steps)
            steps.append((bit, node))
            node = _child(node, bit)
        if node is None or (node[1] > path) != bool(side):
            if turn_off is None:
                return None
            fork = steps[turn_off][1]
            steps[turn_off:] = [(side, fork)]
            node = _child(fork, side)
            while node is not None and len(node) == 3:
                near = side if _child(node, 1 - side) is None else 1 - side
                steps.append((near, node))
                node = _child(node, near)
        assert node is not None, "an inner node holds at least two leaves"
        return _existence(node, [(bit, _child(inner, 1 - bit)) for bit, inner in steps])


def _child(node: _Inner, bit: int) -> _Node:
    return node[2] if bit else node[1]


def _path(key: bytes) -> int:
    return int.from_bytes(sha256(key).digest(), "big")


def _change(change: tuple[bytes, bytes | None]) -> _Change:
    key, value = change
    digest = sha256(key).digest()
    path = int.from_bytes(digest, "big")
    if value is None:
        return path, None
    if not key or not value:
        raise ValueError("neither key nor value may be empty")
    return path, (sha256(b"\x00" + digest + sha256(value).digest()).digest(), path, key, value)


def _descend(node: _Node, path: int) -> tuple[_Leaf | None, list[tuple[int, _Node]]]:
    """Where `path` leads: the leaf there, if any, and (bit, sibling) of every step from the top."""
    siblings: list[tuple[int, _Node]] = []
    shift = PATH_BITS - 1
    while node is not None and len(node) == 3:
        bit = path >> shift & 1
        sibling, node = (node[1], node[2]) if bit else (node[2], node[1])
        siblings.append((bit, sibling))
        shift -= 1
    return node, siblings


def _existence(leaf: _Leaf, siblings: list[tuple[int, _Node]]) -> bytes:
    """ExistenceProof, protobuf: key, value, leaf operation, and the steps from the leaf up."""
    parts = [protobuf.octets(1, leaf[2]), protobuf.octets(2, leaf[3]), _LEAF_OP]
    for bit, sibling in reversed(siblings):
        parts.append(_RIGHT_STEP if bit else _LEFT_STEP)
        parts.append(EMPTY_ROOT if sibling is None else sibling[0])
    return b"".join(parts)


def _join(left: _Node, right: _Node) -> _Node:
    """The node above two subtrees: a single leaf moves up instead."""
    if left is None:
        if right is None or len(right) == 4:
            return right
        return (sha256(b"\x01" + EMPTY_ROOT + right[0]).digest(), left, right)
    if right is None:
        if len(left) == 4:
            return left
        return (sha256(b"\x01" + left[0] + EMPTY_ROOT).digest(), left, right)
    return (sha256(b"\x01" + left[0] + right[0]).digest(), left, right)


def _update(
    node: _Node, changes: list[tuple[int, _Leaf | None]], paths: list[int], low: int, high: int, depth: int, base: int
) -> _Node:
    """Apply changes[low:high], all of which lie under `node`; `base` is the lowest path under it. Shared paths hash once."""
    if high - low == 1:
        return _update_one(node, changes[low], depth)
    if node is not None and len(node) == 4:
        at = bisect_left(paths, node[1], low, high)
        if at == high or paths[at] != node[1]:
            # The old leaf joins the changes as one more, so that below here there is nothing but changes.
            changes = [*changes[low:at], (node[1], node), *changes[at:high]]
            paths = [*paths[low:at], node[1], *paths[at:high]]
            low, high = 0, len(paths)
        node = None
    middle = base | 1 << (PATH_BITS - 1 - depth)
    split = bisect_left(paths, middle, low, high)
    left, right = (None, None) if node is None else (node[1], node[2])
    if low < split:
        left = _update(left, changes, paths, low, split, depth + 1, base)
    if split < high:
        right = _update(right, changes, paths, split, high, depth + 1, middle)
    return _join(left, right)


def _update_one(node: _Node, change: _Change, depth: int) -> _Node:
    """Apply a single change under `node`, without recursion: most levels of a batch are of this kind."""
    path, leaf = change
    above: list[tuple[int, _Node]] = []
    shift = PATH_BITS - 1 - depth
    while node is not None and len(node) == 3:
        bit = path >> shift & 1
        sibling, node = (node[1], node[2]) if bit else (node[2], node[1])
        above.append((bit, sibling))
        shift -= 1
    new: _Node = leaf
    if node is not None and node[1] != path:
        new = node if leaf is None else _fork(leaf, node, shift)
    for bit, sibling in reversed(above):
        new = _join(sibling, new) if bit else _join(new, sibling)
    return new


def _fork(first: _Leaf, second: _Leaf, shift: int) -> _Node:
    """The subtree that holds two leaves whose paths agree above bit `shift`."""
    parting = (first[1] ^ second[1]).bit_length() - 1
    left, right = (first, second) if first[1] < second[1] else (second, first)
    node = _join(left, right)
    for level in range(parting + 1, shift + 1):
        node = _join(None, node) if first[1] >> level & 1 else _join(node, None)
    return node
