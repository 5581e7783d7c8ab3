"""ICS23 against the tables and proofs of the reference implementation."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from hashlib import sha256
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import ics23, ics23_spec, protobuf
from lightclient.errors import MalformedProof, ProofError, ProofFailed
from lightclient.ics23 import ExistenceProof, NonExistenceProof, decode_proof, verify_membership, verify_non_membership
from lightclient.ics23_spec import IAVL_SPEC, SMT_SPEC, TENDERMINT_SPEC, InnerOp, InnerSpec, ProofSpec
from tests.lightclient.vectors import load
from tools.conformance.ics23json import existence, inner_op, leaf_op, octets, proof_spec

SPECS = {"iavl": IAVL_SPEC, "tendermint": TENDERMINT_SPEC, "smt": SMT_SPEC}
FILES = [f"{store}/{kind}_{side}" for store in SPECS for kind in ("exist", "nonexist") for side in ("left", "middle", "right")]


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
    if case["HashOp"] in (ics23_spec.RIPEMD160, ics23_spec.BITCOIN) and "ripemd160" not in hashlib.algorithms_available:
        with pytest.raises(ProofFailed, match="ripemd160 is not available here"):
            ics23_spec.hash_bytes(case["HashOp"], preimage)
    else:
        assert ics23_spec.hash_bytes(case["HashOp"], preimage).hex() == case["ExpectedHash"]


def test_a_hash_that_the_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(name: str, data: bytes) -> NoReturn:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", lacking)
    with pytest.raises(ProofFailed, match="ripemd160 is not available here"):
        ics23_spec.hash_bytes(ics23_spec.BITCOIN, b"food")
    with pytest.raises(ProofFailed, match="hash operation 3 is not supported"):
        ics23_spec.hash_bytes(3, b"food")


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


def proof_case(name: str) -> dict[str, bytes]:
    return {field: bytes.fromhex(value) for field, value in load(f"ics23/{name}.json").items()}


def check(name: str, case: dict[str, bytes]) -> None:
    spec = SPECS[name.split("/")[0]]
    if case["value"]:
        verify_membership(case["root"], decode_proof(case["proof"]), case["key"], case["value"], spec)
    else:
        verify_non_membership(case["root"], decode_proof(case["proof"]), case["key"], spec)


@pytest.mark.parametrize("name", FILES)
def test_proofs_of_other_implementations(name: str) -> None:
    check(name, proof_case(name))


@pytest.mark.parametrize("name", FILES)
def test_a_proof_holds_under_no_other_specification(name: str) -> None:
    store, _, file = name.partition("/")
    for other in SPECS:
        if other != store:
            with pytest.raises(ProofFailed):
                check(f"{other}/{file}", proof_case(name))


@pytest.mark.parametrize("name", FILES)
def test_no_byte_of_a_proof_can_be_altered(name: str) -> None:
    """Every byte of every field, its lowest bit and all of its bits flipped; the property below draws other flips."""
    case = proof_case(name)
    for field in ("root", "proof", "key", "value"):
        for at in range(len(case[field])):
            for flip in (0x01, 0xFF):
                with pytest.raises(ProofError):
                    check(name, {**case, field: flipped(case[field], at, flip)})


@given(st.sampled_from(FILES), st.data())
def test_no_byte_can_be_altered(name: str, data: st.DataObject) -> None:
    case = proof_case(name)
    field = data.draw(st.sampled_from([field for field in ("root", "proof", "key", "value") if case[field]]))
    at, flip = data.draw(st.integers(0, len(case[field]) - 1)), data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        check(name, {**case, field: flipped(case[field], at, flip)})


@given(st.sampled_from(FILES), st.data())
def test_no_byte_can_be_left_out_or_put_in(name: str, data: st.DataObject) -> None:
    case = proof_case(name)
    proof, at = case["proof"], data.draw(st.integers(0, len(case["proof"]) - 1))
    more = data.draw(st.binary(min_size=1, max_size=3))
    for other in (proof[:at] + proof[at + 1 :], proof[:at] + more + proof[at:], proof + more):
        with pytest.raises(ProofError):
            check(name, {**case, "proof": other})


def flipped(data: bytes, at: int, flip: int) -> bytes:
    return data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]


@given(st.binary(max_size=60))
def test_garbage_proves_nothing(data: bytes) -> None:
    with pytest.raises(ProofError):
        verify_membership(bytes(32), decode_proof(data), b"key", b"value")


@pytest.mark.parametrize("data", ["1a020a00", "0a020800", "12020a00", "0a00", "08010a0101", "0aff"])
def test_other_forms_are_malformed(data: str) -> None:
    with pytest.raises(MalformedProof):
        decode_proof(bytes.fromhex(data))


def test_long_proofs_are_not_read() -> None:
    with pytest.raises(MalformedProof, match="at most"):
        decode_proof(bytes(ics23.MAX_PROOF_BYTES + 1))
    step = protobuf.message(4, protobuf.integer(1, 1))
    path = step * ics23.MAX_STEPS
    longest = decode_proof(protobuf.message(1, protobuf.octets(1, b"key") + path))
    assert isinstance(longest, ExistenceProof)
    assert len(longest.path) == ics23.MAX_STEPS
    with pytest.raises(MalformedProof, match="more than 256 steps"):
        decode_proof(protobuf.message(1, protobuf.octets(1, b"key") + path + step))


def test_paths_are_no_longer_than_their_specification_allows() -> None:
    step = InnerOp(ics23_spec.SHA256, b"\x01", bytes(32))
    ics23_spec.check_path((step,) * 256, SMT_SPEC)
    with pytest.raises(ProofFailed, match="at most 256"):
        ics23_spec.check_path((step,) * 257, SMT_SPEC)
    ics23_spec.check_path((step,) * 128, TENDERMINT_SPEC)
    with pytest.raises(ProofFailed, match="at most 128"):
        ics23_spec.check_path((step,) * 129, TENDERMINT_SPEC)


def test_a_key_within_a_key_is_not_proven() -> None:
    """The leaf of key `lamp\\x03red` read as that of key `red`: the same bytes, the first ones taken into the prefix."""
    leaf = TENDERMINT_SPEC.leaf
    whole = ExistenceProof(b"lamp\x03red", b"on", leaf, ())
    root = ics23.existence_root(whole)
    verify_membership(root, whole, whole.key, whole.value, TENDERMINT_SPEC)
    part = ExistenceProof(b"red", b"on", replace(leaf, prefix=b"\x00\x08lamp"), ())
    assert ics23.existence_root(part) == root
    with pytest.raises(ProofFailed, match="not that of a leaf"):
        verify_membership(root, part, part.key, part.value, TENDERMINT_SPEC)


@pytest.mark.parametrize(("prefix", "suffix"), [(1, 0), (17, 0), (33, 32), (1, 64), (2, 32)])
def test_a_step_has_room_for_exactly_one_child(prefix: int, suffix: int) -> None:
    step = InnerOp(ics23_spec.SHA256, b"\x01" * prefix, bytes(suffix))
    with pytest.raises(ProofFailed):
        ics23_spec.check_path((step,), SMT_SPEC)


@pytest.mark.parametrize(
    ("prefix", "rule"),
    [
        (b"\x02\x04", "truncated"),
        (b"\x02\x04\x80\x00\x20", "canonical"),
        (b"\x02\x04" + b"\xff" * 9 + b"\x03\x20", "canonical"),
        (b"\x00\x04\x06\x20", "height 0"),
        (b"\x02\x03\x06\x20", "size -2"),
        (b"\x02\x04\x05\x20", "version -3"),
        (b"\x02\x04\x06\x20\x20", "wrong prefix"),
    ],
)
def test_iavl_steps_begin_with_height_size_and_version(prefix: bytes, rule: str) -> None:
    ics23_spec.check_path((InnerOp(ics23_spec.SHA256, b"\x02\x04\x06\x20", bytes(33)),), IAVL_SPEC)
    with pytest.raises(ProofFailed, match=rule):
        ics23_spec.check_path((InnerOp(ics23_spec.SHA256, prefix, bytes(33)),), IAVL_SPEC)


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
