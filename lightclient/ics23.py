"""ICS23 commitment proofs: that a key holds a value, or holds none, under a root hash.

Decodes proofs (protobuf, strictly) and verifies them against a specification. It knows nothing of nodes, heights or
what a key means. Batch and compressed proofs are refused. Source: cosmos/ics23 at 7f2c2d0, go/ics23.go and go/proof.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lightclient import protobuf
from lightclient.errors import MalformedProof, ProofFailed
from lightclient.ics23_spec import (
    SMT_SPEC,
    InnerOp,
    InnerSpec,
    LeafOp,
    ProofSpec,
    apply_inner,
    apply_leaf,
    check_leaf,
    check_path,
    prehash,
)

OP_TYPE: Final = "ics23:smt"
"""Type of the proof operation in an answer to abci_query; the constant of Cosmos SDK."""
MAX_PROOF_BYTES: Final = 262_144
"""Room for the values of two neighbours, far above what a ledger keeps under one key, and for their paths."""
MAX_STEPS: Final = 256
"""Depth of the deepest tree, a sparse Merkle tree over 32-byte hashes."""


@dataclass(frozen=True, slots=True)
class ExistenceProof:
    """That `key` holds `value`; `path` leads from the leaf to the root."""

    key: bytes
    value: bytes
    leaf: LeafOp | None
    path: tuple[InnerOp, ...]


@dataclass(frozen=True, slots=True)
class NonExistenceProof:
    """That `key` holds nothing, because nothing stands between its neighbours; at the edges one is missing."""

    key: bytes
    left: ExistenceProof | None
    right: ExistenceProof | None


CommitmentProof = ExistenceProof | NonExistenceProof


def decode_proof(data: bytes) -> CommitmentProof:
    """Decode a CommitmentProof. Raises MalformedProof."""
    if len(data) > MAX_PROOF_BYTES:
        raise MalformedProof(f"{len(data)} bytes, at most {MAX_PROOF_BYTES} are read")
    try:
        fields = protobuf.read_fields(data)
        if len(fields) != 1:
            raise ValueError("exactly one proof is expected")
        tag, body = fields[0]
        if not isinstance(body, bytes):
            raise ValueError("a proof is a message")
        if tag == _EXIST:
            return _decode_existence(body)
        if tag == _NONEXIST:
            return _decode_non_existence(body)
    except ValueError as error:
        raise MalformedProof(str(error)) from error
    raise MalformedProof("neither an existence nor a non-existence proof")


def verify_membership(root: bytes, proof: CommitmentProof, key: bytes, value: bytes, spec: ProofSpec = SMT_SPEC) -> None:
    """Raise ProofFailed unless the proof shows that `key` holds `value` under `root`."""
    if not isinstance(proof, ExistenceProof):
        raise ProofFailed("a value needs an existence proof")
    _verify_existence(root, proof, key, value, spec)


def verify_non_membership(root: bytes, proof: CommitmentProof, key: bytes, spec: ProofSpec = SMT_SPEC) -> None:
    """Raise ProofFailed unless the proof shows that `key` holds nothing under `root`."""
    if not isinstance(proof, NonExistenceProof):
        raise ProofFailed("an absence needs a non-existence proof")
    asked = _comparable(spec, key)
    if proof.key not in (key, asked):  # stricter than Go, which ignores this field; some provers put the hash there
        raise ProofFailed("the proof is about another key")
    left, right = proof.left, proof.right
    for neighbour in (left, right):
        if neighbour is not None:
            _verify_existence(root, neighbour, neighbour.key, neighbour.value, spec)
    if right is not None and asked >= _comparable(spec, right.key):
        raise ProofFailed("the key does not lie left of the right neighbour")
    if left is not None and asked <= _comparable(spec, left.key):
        raise ProofFailed("the key does not lie right of the left neighbour")
    if left is not None and right is not None:
        if not is_left_neighbour(spec.inner, left.path, right.path):
            raise ProofFailed("the two are not neighbours")
    elif right is not None:
        if not is_left_most(spec.inner, right.path):
            raise ProofFailed("there is something left of the right neighbour")
    elif left is not None:
        if not is_right_most(spec.inner, left.path):
            raise ProofFailed("there is something right of the left neighbour")
    else:
        raise ProofFailed("both neighbours are missing")


def existence_root(proof: ExistenceProof, spec: ProofSpec | None = None) -> bytes:
    """The root that the proof leads to; with a specification, no step may give more than one child's bytes."""
    if proof.leaf is None:
        raise ProofFailed("the leaf operation is missing")
    digest = apply_leaf(proof.leaf, proof.key, proof.value)
    for op in proof.path:
        digest = apply_inner(op, digest)
        if spec is not None and len(digest) > spec.inner.child_size >= 32:
            raise ProofFailed("a step gives more bytes than a child has")
    return digest


def check_existence(proof: ExistenceProof, spec: ProofSpec) -> None:
    """Raise ProofFailed unless leaf and path have the form of the specification."""
    if proof.leaf is None:
        raise ProofFailed("the leaf operation is missing")
    check_leaf(proof.leaf, spec)
    check_path(proof.path, spec)


def _verify_existence(root: bytes, proof: ExistenceProof, key: bytes, value: bytes, spec: ProofSpec) -> None:
    check_existence(proof, spec)
    if proof.key != key:
        raise ProofFailed("the proof is about another key")
    if proof.value != value:
        raise ProofFailed("the proof is about another value")
    if existence_root(proof, spec) != root:
        raise ProofFailed("the proof leads to another root")


def _comparable(spec: ProofSpec, key: bytes) -> bytes:
    return prehash(spec.leaf.prehash_key, key) if spec.prehash_key_before_comparison else key


# Order in the tree. A step's branch shows in the lengths of its prefix and suffix.


def is_left_most(spec: InnerSpec, path: tuple[InnerOp, ...]) -> bool:
    """Whether nothing but empty children lies left of the path."""
    return all(_branch(spec, op) == 0 or left_branches_are_empty(spec, op) for op in path)


def is_right_most(spec: InnerSpec, path: tuple[InnerOp, ...]) -> bool:
    """Whether nothing but empty children lies right of the path."""
    last = len(spec.child_order) - 1
    return all(_branch(spec, op) == last or right_branches_are_empty(spec, op) for op in path)


def is_left_neighbour(spec: InnerSpec, left: tuple[InnerOp, ...], right: tuple[InnerOp, ...]) -> bool:
    """Whether `right` is the next leaf right of `left`."""
    shared = 0
    # Go indexes past the shorter path when one contains the other; here that is simply no neighbour.
    while shared < min(len(left), len(right)) and _same_node(left[-1 - shared], right[-1 - shared]):
        shared += 1
    if shared in (len(left), len(right)):
        return False
    left_branch, right_branch = _branch(spec, left[-1 - shared]), _branch(spec, right[-1 - shared])
    if left_branch is None or right_branch is None or right_branch != left_branch + 1:
        return False
    return is_right_most(spec, left[: -1 - shared]) and is_left_most(spec, right[: -1 - shared])


def left_branches_are_empty(spec: InnerSpec, op: InnerOp) -> bool:
    """Whether there are children left of this step, all of them empty."""
    branch = _branch(spec, op)
    if not branch:
        return False
    start = len(op.prefix) - branch * spec.child_size
    return start >= 0 and _all_empty(spec, op.prefix, start, range(branch))


def right_branches_are_empty(spec: InnerSpec, op: InnerOp) -> bool:
    """Whether there are children right of this step, all of them empty."""
    branch = _branch(spec, op)
    if branch is None:
        return False
    right_of_it = len(spec.child_order) - 1 - branch
    if right_of_it == 0 or len(op.suffix) != right_of_it * spec.child_size:
        return False
    return _all_empty(spec, op.suffix, 0, range(right_of_it))


def _all_empty(spec: InnerSpec, children: bytes, start: int, branches: range) -> bool:
    if len(spec.empty_child) != spec.child_size:
        return False  # the store has no empty children
    for branch in branches:
        begin = start + spec.child_order.index(branch) * spec.child_size
        if children[begin : begin + spec.child_size] != spec.empty_child:
            return False
    return True


def _branch(spec: InnerSpec, op: InnerOp) -> int | None:
    """Which child of its node this step comes from; None when its lengths fit none."""
    count, size = len(spec.child_order), spec.child_size
    for branch in range(count):
        position = spec.child_order.index(branch)
        shortest = position * size + spec.min_prefix_length
        longest = position * size + spec.max_prefix_length
        if shortest <= len(op.prefix) <= longest and len(op.suffix) == (count - 1 - position) * size:
            return branch
    return None


def _same_node(first: InnerOp, second: InnerOp) -> bool:
    return first.prefix == second.prefix and first.suffix == second.suffix


# Decoding. Tags are `field number << 3 | wire type` of proofs.proto.

_EXIST, _NONEXIST = 0x0A, 0x12
_KEY, _VALUE, _LEAF, _STEP = 0x0A, 0x12, 0x1A, 0x22
_LEFT, _RIGHT = 0x12, 0x1A
_INNER_TAGS: Final = {0x08: "hash_op", 0x12: "prefix", 0x1A: "suffix"}
_LEAF_TAGS: Final = {0x08: "hash_op", 0x10: "prehash_key", 0x18: "prehash_value", 0x20: "length", 0x2A: "prefix"}


def _decode_existence(data: bytes) -> ExistenceProof:
    path: list[InnerOp] = []
    once: dict[int, bytes] = {}
    for tag, body in protobuf.read_fields(data):
        if not isinstance(body, bytes):
            raise ValueError("unexpected number in an existence proof")
        if tag == _STEP:
            if len(path) == MAX_STEPS:
                raise ValueError(f"more than {MAX_STEPS} steps")
            path.append(InnerOp(**_named(body, _INNER_TAGS)))
        elif tag in once or tag not in (_KEY, _VALUE, _LEAF):
            raise ValueError("unexpected field in an existence proof")
        else:
            once[tag] = body
    leaf = LeafOp(**_named(once[_LEAF], _LEAF_TAGS)) if _LEAF in once else None
    return ExistenceProof(once.get(_KEY, b""), once.get(_VALUE, b""), leaf, tuple(path))


def _decode_non_existence(data: bytes) -> NonExistenceProof:
    once: dict[int, bytes] = {}
    for tag, body in protobuf.read_fields(data):
        if not isinstance(body, bytes) or tag in once or tag not in (_KEY, _LEFT, _RIGHT):
            raise ValueError("unexpected field in a non-existence proof")
        once[tag] = body
    left = _decode_existence(once[_LEFT]) if _LEFT in once else None
    right = _decode_existence(once[_RIGHT]) if _RIGHT in once else None
    return NonExistenceProof(once.get(_KEY, b""), left, right)


def _named(data: bytes, names: dict[int, str]) -> dict[str, Any]:
    """Fields of an operation by name; the tag fixes the wire type, so every value has the type of its field."""
    named: dict[str, Any] = {}
    for tag, value in protobuf.read_fields(data):
        name = names.get(tag)
        if name is None or name in named:
            raise ValueError("unexpected field in an operation")
        named[name] = value
    return named
