"""The JSON of ICS23's reference tables: operations, specifications and existence proofs, as its Go types are written.

What is not there is zero or empty. Source: cosmos/ics23 at 7f2c2d0, go/proofs.pb.go.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from lightclient.ics23 import ExistenceProof
from lightclient.ics23_spec import InnerOp, InnerSpec, LeafOp, ProofSpec


def octets(text: str | None) -> bytes:
    return b64decode(text or "")


def leaf_op(fields: dict[str, Any]) -> LeafOp:
    return LeafOp(
        hash_op=fields.get("hash", 0),
        prehash_key=fields.get("prehash_key", 0),
        prehash_value=fields.get("prehash_value", 0),
        length=fields.get("length", 0),
        prefix=octets(fields.get("prefix")),
    )


def inner_op(fields: dict[str, Any]) -> InnerOp:
    return InnerOp(fields.get("hash", 0), octets(fields.get("prefix")), octets(fields.get("suffix")))


def proof_spec(fields: dict[str, Any]) -> ProofSpec:
    inner = fields.get("inner_spec", {})
    return ProofSpec(
        leaf=leaf_op(fields.get("leaf_spec", {})),
        inner=InnerSpec(
            child_order=tuple(inner.get("child_order", ())),
            child_size=inner.get("child_size", 0),
            min_prefix_length=inner.get("min_prefix_length", 0),
            max_prefix_length=inner.get("max_prefix_length", 0),
            empty_child=octets(inner.get("empty_child")),
            hash_op=inner.get("hash", 0),
        ),
        max_depth=fields.get("max_depth", 0),
        min_depth=fields.get("min_depth", 0),
    )


def existence(fields: dict[str, Any]) -> ExistenceProof:
    leaf = leaf_op(fields["leaf"]) if "leaf" in fields else None
    path = tuple(inner_op(step) for step in fields.get("path", ()))
    return ExistenceProof(octets(fields["key"]), octets(fields["value"]), leaf, path)
