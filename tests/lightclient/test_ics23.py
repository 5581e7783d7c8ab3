"""ICS23 against the tables and proofs of the reference implementation."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import ics23, ics23_spec
from lightclient.errors import MalformedProof, ProofError, ProofFailed
from lightclient.ics23 import ExistenceProof, NonExistenceProof, decode_proof, verify_membership, verify_non_membership
from lightclient.ics23_spec import SMT_SPEC, InnerOp, InnerSpec, LeafOp, ProofSpec
from tests.lightclient.vectors import load

SMT_FILES = [f"{kind}_{side}" for kind in ("exist", "nonexist") for side in ("left", "middle", "right")]


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


def table(name: str) -> list[Any]:
    return [pytest.param(case, id=title) for title, case in load(f"ics23/{name}.json").items()]


@pytest.mark.parametrize("case", table("TestLeafOpData"))
def test_leaf_operations(case: dict[str, Any]) -> None:
    if case["IsErr"]:
        with pytest.raises(ProofFailed):
            ics23_spec.apply_leaf(leaf_op(case["Op"]), octets(case["Key"]), octets(case["Value"]))
    else:
        digest = ics23_spec.apply_leaf(leaf_op(case["Op"]), octets(case["Key"]), octets(case["Value"]))
        assert digest == octets(case["Expected"])


@pytest.mark.parametrize("case", table("TestInnerOpData"))
def test_inner_operations(case: dict[str, Any]) -> None:
    if case["IsErr"]:
        with pytest.raises(ProofFailed):
            ics23_spec.apply_inner(inner_op(case["Op"]), octets(case["Child"]))
    else:
        assert ics23_spec.apply_inner(inner_op(case["Op"]), octets(case["Child"])) == octets(case["Expected"])


@pytest.mark.parametrize("case", table("TestDoHashData"))
def test_hash_operations(case: dict[str, Any]) -> None:
    preimage = str(case.get("Preimage") or case["PreImage"]).encode()
    if case["HashOp"] in (4, 5):  # RIPEMD-160, which hashlib does not promise
        with pytest.raises(ProofFailed, match="not supported"):
            ics23_spec.hash_bytes(case["HashOp"], preimage)
    else:
        assert ics23_spec.hash_bytes(case["HashOp"], preimage).hex() == case["ExpectedHash"]


@pytest.mark.parametrize("case", table("TestExistenceProofData"))
def test_existence_proofs_lead_to_a_root(case: dict[str, Any]) -> None:
    if case["IsErr"]:
        with pytest.raises(ProofFailed):
            ics23.existence_root(existence(case["Proof"]))
    else:
        assert ics23.existence_root(existence(case["Proof"])) == octets(case["Expected"])


@pytest.mark.parametrize("case", table("TestCheckLeafData"))
def test_leaves_against_their_specification(case: dict[str, Any]) -> None:
    spec = ProofSpec(leaf_op(case["Spec"]), InnerSpec())
    if case["IsErr"]:
        with pytest.raises(ProofFailed):
            ics23_spec.check_leaf(leaf_op(case["Leaf"]), spec)
    else:
        ics23_spec.check_leaf(leaf_op(case["Leaf"]), spec)


@pytest.mark.parametrize("case", table("TestCheckAgainstSpecData"))
def test_proofs_against_their_specification(case: dict[str, Any]) -> None:
    if case["Err"]:
        with pytest.raises(ProofFailed):
            ics23.check_existence(existence(case["Proof"]), proof_spec(case["Spec"]))
    else:
        ics23.check_existence(existence(case["Proof"]), proof_spec(case["Spec"]))


@pytest.mark.parametrize("case", load("ics23/TestEmptyBranchData.json"))
def test_empty_branches(case: dict[str, Any]) -> None:
    spec, op = proof_spec(case["Spec"]), inner_op(case["Op"])
    ics23_spec.check_path((op,), spec)
    assert ics23.left_branches_are_empty(spec.inner, op) is case["IsLeft"]
    assert ics23.right_branches_are_empty(spec.inner, op) is case["IsRight"]


def smt_case(name: str) -> dict[str, bytes]:
    return {field: bytes.fromhex(value) for field, value in load(f"ics23/smt/{name}.json").items()}


def check(case: dict[str, bytes]) -> None:
    if case["value"]:
        verify_membership(case["root"], decode_proof(case["proof"]), case["key"], case["value"])
    else:
        verify_non_membership(case["root"], decode_proof(case["proof"]), case["key"])


@pytest.mark.parametrize("name", SMT_FILES)
def test_smt_proofs_of_other_implementations(name: str) -> None:
    check(smt_case(name))


@given(st.sampled_from(SMT_FILES), st.data())
def test_no_byte_can_be_altered(name: str, data: st.DataObject) -> None:
    case = smt_case(name)
    field = data.draw(st.sampled_from([field for field in ("root", "proof", "key", "value") if case[field]]))
    altered = bytearray(case[field])
    altered[data.draw(st.integers(0, len(altered) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        check({**case, field: bytes(altered)})


@given(st.binary(max_size=60))
def test_garbage_proves_nothing(data: bytes) -> None:
    with pytest.raises(ProofError):
        verify_membership(bytes(32), decode_proof(data), b"key", b"value")


@pytest.mark.parametrize("data", ["1a020a00", "0a020800", "12020a00", "0a00", "08010a0101", "0aff"])
def test_other_forms_are_malformed(data: str) -> None:
    with pytest.raises(MalformedProof):
        decode_proof(bytes.fromhex(data))


LEAF = SMT_SPEC.leaf
EDGE_KEY = b"edge"


def tree_of_one() -> tuple[bytes, ExistenceProof]:
    proof = ExistenceProof(EDGE_KEY, b"v", LEAF, ())
    return ics23.existence_root(proof), proof


def test_absence_needs_two_true_neighbours() -> None:
    root, edge = tree_of_one()
    smaller, larger = sorted((b"a", b"b", b"c", b"d", b"e"), key=lambda key: sha256(key).digest())[:: len("abcd")]
    below, above = (
        (smaller, larger)
        if sha256(smaller).digest() < sha256(EDGE_KEY).digest() < sha256(larger).digest()
        else pytest.fail("choose other keys")
    )
    verify_non_membership(root, NonExistenceProof(below, None, edge), below)
    verify_non_membership(root, NonExistenceProof(above, edge, None), above)
    with pytest.raises(ProofFailed, match="left of the right"):
        verify_non_membership(root, NonExistenceProof(above, None, edge), above)
    with pytest.raises(ProofFailed, match="right of the left"):
        verify_non_membership(root, NonExistenceProof(below, edge, None), below)
    with pytest.raises(ProofFailed, match="both neighbours"):
        verify_non_membership(root, NonExistenceProof(below, None, None), below)
    with pytest.raises(ProofFailed, match="another key"):
        verify_non_membership(root, NonExistenceProof(above, None, edge), below)
    with pytest.raises(ProofFailed, match="left of the right"):
        verify_non_membership(root, NonExistenceProof(EDGE_KEY, None, edge), EDGE_KEY)


def test_a_path_within_another_is_no_neighbour() -> None:
    step = InnerOp(ics23_spec.SHA256, b"\x01", bytes(32))
    assert not ics23.is_left_neighbour(SMT_SPEC.inner, (), (step,))
    assert not ics23.is_left_neighbour(SMT_SPEC.inner, (step,), (step, step))
