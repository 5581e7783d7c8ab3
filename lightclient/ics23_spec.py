"""What ICS23 allows a proof to look like: operations, specifications, and their checks, rule by rule.

Without a specification many pairs of key and value could be read into one leaf. Every check here is a clause of the Go
implementation, which is the reference: cosmos/ics23 at 7f2c2d0, go/ops.go and go/proof.go. Keccak and BLAKE3 are unsupported,
as they are there.

Three checks are stricter than the reference. Outside IAVL a leaf's prefix is exactly the specification's: a longer one could
take in the first bytes of a key, so that a proof of one key would pass for another. Where inner nodes have one length, every
step has it. The numbers of an IAVL prefix have their shortest form and 64 bits at most.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from lightclient import protobuf
from lightclient.errors import ProofFailed

NO_HASH, SHA256, SHA512, RIPEMD160, BITCOIN, SHA512_256, BLAKE2B_512, BLAKE2S_256 = 0, 1, 2, 4, 5, 6, 7, 8
"""HashOp of proofs.proto; BITCOIN is RIPEMD-160 over SHA-256."""

NO_PREFIX, VAR_PROTO, FIXED32_BIG, FIXED32_LITTLE, FIXED64_BIG, FIXED64_LITTLE = 0, 1, 3, 4, 5, 6
REQUIRE_32_BYTES, REQUIRE_64_BYTES = 7, 8
"""LengthOp of proofs.proto."""

DEFAULT_MAX_DEPTH: Final = 128

_HASHLIB_NAMES: Final = {
    SHA256: "sha256",
    SHA512: "sha512",
    RIPEMD160: "ripemd160",
    BITCOIN: "ripemd160",
    SHA512_256: "sha512_256",
    BLAKE2B_512: "blake2b",
    BLAKE2S_256: "blake2s",
}
_LENGTH_FORMS: Final[dict[int, tuple[int, str]]] = {
    FIXED32_BIG: (4, "big"),
    FIXED32_LITTLE: (4, "little"),
    FIXED64_BIG: (8, "big"),
    FIXED64_LITTLE: (8, "little"),
}
_REQUIRED_BYTES: Final = {REQUIRE_32_BYTES: 32, REQUIRE_64_BYTES: 64}


@dataclass(frozen=True, slots=True)
class LeafOp:
    """How key and value become the hash of a leaf."""

    hash_op: int = NO_HASH
    prehash_key: int = NO_HASH
    prehash_value: int = NO_HASH
    length: int = NO_PREFIX
    prefix: bytes = b""


@dataclass(frozen=True, slots=True)
class InnerOp:
    """One step up: hash(prefix + child + suffix)."""

    hash_op: int = NO_HASH
    prefix: bytes = b""
    suffix: bytes = b""


@dataclass(frozen=True, slots=True)
class InnerSpec:
    """Form of the inner nodes of a store."""

    child_order: tuple[int, ...] = ()
    child_size: int = 0
    min_prefix_length: int = 0
    max_prefix_length: int = 0
    empty_child: bytes = b""
    hash_op: int = NO_HASH


@dataclass(frozen=True, slots=True)
class ProofSpec:
    """Form of a store: what every proof of it must look like."""

    leaf: LeafOp
    inner: InnerSpec
    max_depth: int = 0
    min_depth: int = 0
    prehash_key_before_comparison: bool = False

    def equals(self, other: ProofSpec) -> bool:
        """Go's SpecEquals: the fields that tell the known stores apart."""
        mine, theirs = self.inner, other.inner
        return (
            (self.leaf.hash_op, self.leaf.prehash_key, self.leaf.prehash_value, self.leaf.length)
            == (other.leaf.hash_op, other.leaf.prehash_key, other.leaf.prehash_value, other.leaf.length)
            and (mine.hash_op, mine.min_prefix_length, mine.max_prefix_length, mine.child_size)
            == (theirs.hash_op, theirs.min_prefix_length, theirs.max_prefix_length, theirs.child_size)
            and len(mine.child_order) == len(theirs.child_order)
        )


IAVL_SPEC: Final = ProofSpec(
    leaf=LeafOp(hash_op=SHA256, prehash_value=SHA256, length=VAR_PROTO, prefix=b"\x00"),
    inner=InnerSpec((0, 1), child_size=33, min_prefix_length=4, max_prefix_length=12, hash_op=SHA256),
)
TENDERMINT_SPEC: Final = ProofSpec(
    leaf=LeafOp(hash_op=SHA256, prehash_value=SHA256, length=VAR_PROTO, prefix=b"\x00"),
    inner=InnerSpec((0, 1), child_size=32, min_prefix_length=1, max_prefix_length=1, hash_op=SHA256),
)
SMT_SPEC: Final = ProofSpec(
    leaf=LeafOp(hash_op=SHA256, prehash_key=SHA256, prehash_value=SHA256, length=NO_PREFIX, prefix=b"\x00"),
    inner=InnerSpec((0, 1), child_size=32, min_prefix_length=1, max_prefix_length=1, empty_child=bytes(32), hash_op=SHA256),
    max_depth=256,
    prehash_key_before_comparison=True,
)
"""The compact sparse Merkle tree of the ledger's state."""


def hash_bytes(hash_op: int, data: bytes) -> bytes:
    """Apply a HashOp. Raises ProofFailed for NO_HASH, and for those that are not supported or that this machine lacks."""
    if hash_op == SHA256:
        return hashlib.sha256(data).digest()
    name = _HASHLIB_NAMES.get(hash_op)
    if name is None:
        raise ProofFailed(f"hash operation {hash_op} is not supported")
    try:
        return hashlib.new(name, hashlib.sha256(data).digest() if hash_op == BITCOIN else data).digest()
    except ValueError as error:  # hashlib promises RIPEMD-160 nowhere; an OpenSSL without its legacy provider has none
        raise ProofFailed(f"{name} is not available here") from error


def prehash(hash_op: int, data: bytes) -> bytes:
    """Apply a HashOp where none is allowed too."""
    return data if hash_op == NO_HASH else hash_bytes(hash_op, data)


def with_length(length_op: int, data: bytes) -> bytes:
    """Apply a LengthOp. Raises ProofFailed for a wrong length or an unsupported operation."""
    if length_op == NO_PREFIX:
        return data
    if length_op == VAR_PROTO:
        return protobuf.uvarint(len(data)) + data
    if length_op in _REQUIRED_BYTES:
        if len(data) != _REQUIRED_BYTES[length_op]:
            raise ProofFailed(f"leaf data has {len(data)} bytes, not {_REQUIRED_BYTES[length_op]}")
        return data
    if length_op not in _LENGTH_FORMS:
        raise ProofFailed(f"length operation {length_op} is not supported")
    size, order = _LENGTH_FORMS[length_op]
    return len(data).to_bytes(size, "big" if order == "big" else "little") + data


def apply_leaf(op: LeafOp, key: bytes, value: bytes) -> bytes:
    """Hash of the leaf that holds key and value; neither may be empty."""
    if not key:
        raise ProofFailed("a leaf needs a key")
    if not value:
        raise ProofFailed("a leaf needs a value")
    data = op.prefix + with_length(op.length, prehash(op.prehash_key, key))
    return hash_bytes(op.hash_op, data + with_length(op.length, prehash(op.prehash_value, value)))


def apply_inner(op: InnerOp, child: bytes) -> bytes:
    """Hash of the node above `child`."""
    if not child:
        raise ProofFailed("an inner node needs a child")
    return hash_bytes(op.hash_op, op.prefix + child + op.suffix)


def check_leaf(op: LeafOp, spec: ProofSpec) -> None:
    """Raise ProofFailed unless the leaf operation has the form of the specification."""
    wanted = spec.leaf
    if spec.equals(IAVL_SPEC):
        _check_iavl_prefix(op.prefix, op.hash_op, layer=0)
    if op.hash_op != wanted.hash_op:
        raise ProofFailed(f"leaf: unexpected hash operation {op.hash_op}")
    if op.prehash_key != wanted.prehash_key:
        raise ProofFailed(f"leaf: unexpected hash operation {op.prehash_key} of the key")
    if op.prehash_value != wanted.prehash_value:
        raise ProofFailed(f"leaf: unexpected hash operation {op.prehash_value} of the value")
    if op.length != wanted.length:
        raise ProofFailed(f"leaf: unexpected length operation {op.length}")
    fixed_prefix = spec.equals(TENDERMINT_SPEC) or spec.equals(SMT_SPEC)
    if op.prefix != wanted.prefix if fixed_prefix else not op.prefix.startswith(wanted.prefix):
        raise ProofFailed("leaf: the prefix is not that of a leaf")


def check_path(path: tuple[InnerOp, ...], spec: ProofSpec) -> None:
    """Raise ProofFailed unless every step, from the leaf up, has the form of the specification."""
    if len(path) < spec.min_depth:
        raise ProofFailed(f"{len(path)} steps, at least {spec.min_depth} are needed")
    if len(path) > (spec.max_depth or DEFAULT_MAX_DEPTH):
        raise ProofFailed(f"{len(path)} steps, at most {spec.max_depth or DEFAULT_MAX_DEPTH} are allowed")
    inner, leaf_prefix = spec.inner, spec.leaf.prefix
    if inner.child_size < 1 or inner.max_prefix_length >= inner.min_prefix_length + inner.child_size:
        raise ProofFailed("the specification is not sound")
    longest_prefix = inner.max_prefix_length + (len(inner.child_order) - 1) * inner.child_size
    fixed_length = inner.min_prefix_length == inner.max_prefix_length
    iavl, tendermint = spec.equals(IAVL_SPEC), spec.equals(TENDERMINT_SPEC)
    for layer, op in enumerate(path, start=1):
        prefix = op.prefix
        if op.hash_op != inner.hash_op:
            raise ProofFailed(f"step {layer}: unexpected hash operation {op.hash_op}")
        if iavl:
            _check_iavl_prefix(prefix, op.hash_op, layer)
        if tendermint and (prefix != b"\x01" if op.suffix else not prefix.startswith(b"\x01")):
            raise ProofFailed(f"step {layer}: the prefix is not that of an inner node")
        if prefix.startswith(leaf_prefix):
            raise ProofFailed(f"step {layer}: the prefix is that of a leaf")
        if not inner.min_prefix_length <= len(prefix) <= longest_prefix:
            raise ProofFailed(f"step {layer}: prefix of {len(prefix)} bytes")
        if len(op.suffix) % inner.child_size:
            raise ProofFailed(f"step {layer}: suffix of {len(op.suffix)} bytes")
        if fixed_length and len(prefix) + len(op.suffix) != longest_prefix:
            raise ProofFailed(f"step {layer}: prefix and suffix have no room for exactly one child")


def _check_iavl_prefix(prefix: bytes, hash_op: int, layer: int) -> None:
    """IAVL prefixes begin with height, size and version; `layer` counts from the leaf at 0. Go: validateIavlOps."""
    height, at = _read_varint(prefix, 0)
    size, at = _read_varint(prefix, at)
    version, at = _read_varint(prefix, at)
    rest = len(prefix) - at
    if height < layer or size < 0 or version < 0:
        raise ProofFailed(f"IAVL step {layer}: height {height}, size {size}, version {version}")
    if layer == 0 and (rest or height or size != 1):
        raise ProofFailed("IAVL leaf: wrong prefix")
    if layer > 0 and (rest not in (1, 34) or hash_op != SHA256):
        raise ProofFailed(f"IAVL step {layer}: wrong prefix")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Zigzag varint of Go's binary.ReadVarint."""
    try:
        value, at = protobuf.read_uvarint(data, at)
    except ValueError as error:
        raise ProofFailed(f"IAVL prefix: {error}") from error
    return value >> 1 ^ -(value & 1), at
