"""Files of the ICS23 reference: tables of single operations (`Test*Data.json`), and proofs with root, key and value.

A proof file lies in a folder named after the specification it must verify under; an empty value stands for absence. It
must also fail when any byte of root, proof, key or value is another. Source: cosmos/ics23 at 7f2c2d0, testdata and
go/vectors_data_test.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from lightclient import ics23, ics23_spec
from lightclient.errors import ProofError, ProofFailed
from lightclient.ics23_spec import InnerSpec, ProofSpec
from tools.conformance.findings import Findings, Kind
from tools.conformance.ics23json import existence, inner_op, leaf_op, octets, proof_spec
from tools.conformance.reading import read_json

SPECS: Final[Mapping[str, ProofSpec]] = {
    "iavl": ics23_spec.IAVL_SPEC,
    "tendermint": ics23_spec.TENDERMINT_SPEC,
    "smt": ics23_spec.SMT_SPEC,
}
PROOF_FIELDS: Final = ("root", "proof", "key", "value")


def spec_name(path: Path) -> str | None:
    """The specification that a folder above the file names, the nearest one."""
    return next((parent.name for parent in path.parents if parent.name in SPECS), None)


def is_table(path: Path, document: Any) -> bool:
    """Whether a JSON document is one of the tables; they are known by their names."""
    return path.name in TABLES and isinstance(document, dict | list)


def is_proof(document: Any) -> bool:
    """Whether a JSON document has the shape of a proof file."""
    return isinstance(document, dict) and all(isinstance(document.get(name), str) for name in PROOF_FIELDS)


def check_proof(path: Path) -> Findings:
    """The proof as it is, and with every byte altered in each of its eight bits."""
    findings = Findings()
    spec = SPECS[spec_name(path) or ""]
    try:
        case = {name: bytes.fromhex(text) for name, text in read_json(path).items() if name in PROOF_FIELDS}
        _verify(case, spec)
    except (ValueError, ProofError) as error:
        findings.check(Kind.PROOFS, path, spec_name(path) or "", f"refused: {error}")
        return findings
    findings.check(Kind.PROOFS, path, spec_name(path) or "", None)
    for field, at, altered in _altered(case):
        survivors = [bit for bit, other in enumerate(altered) if _holds(case | {field: other}, spec)]
        wrong = f"still verifies with bit {survivors} flipped" if survivors else None
        findings.check(Kind.ALTERED, path, f"byte {at} of {field}", wrong)
    return findings


def _altered(case: Mapping[str, bytes]) -> Iterator[tuple[str, int, list[bytes]]]:
    for field, data in case.items():
        for at, byte in enumerate(data):
            yield field, at, [data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :] for bit in range(8)]


def _verify(case: Mapping[str, bytes], spec: ProofSpec) -> None:
    proof = ics23.decode_proof(case["proof"])
    if case["value"]:
        ics23.verify_membership(case["root"], proof, case["key"], case["value"], spec)
    else:
        ics23.verify_non_membership(case["root"], proof, case["key"], spec)


def _holds(case: Mapping[str, bytes], spec: ProofSpec) -> bool:
    try:
        _verify(case, spec)
    except ProofError:
        return False
    return True


def check_table(path: Path) -> Findings:
    """Every row of a table: the operation gives what is expected, or fails where an error is."""
    findings = Findings()
    rows = read_json(path)
    named = rows.items() if isinstance(rows, dict) else ((f"row {index}", row) for index, row in enumerate(rows))
    for name, row in named:
        try:
            wrong = TABLES[path.name](row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            wrong = f"cannot be read: {error!r}"
        findings.check(Kind.TABLES, path, name, wrong)
    return findings


def _leaf_op_row(row: dict[str, Any]) -> str | None:
    return _compare(row, lambda: ics23_spec.apply_leaf(leaf_op(row["Op"]), octets(row["Key"]), octets(row["Value"])))


def _inner_op_row(row: dict[str, Any]) -> str | None:
    return _compare(row, lambda: ics23_spec.apply_inner(inner_op(row["Op"]), octets(row["Child"])))


def _existence_row(row: dict[str, Any]) -> str | None:
    return _compare(row, lambda: ics23.existence_root(existence(row["Proof"])))


def _hash_row(row: dict[str, Any]) -> str | None:
    preimage = str(row.get("Preimage") or row["PreImage"]).encode()
    expected = bytes.fromhex(row["ExpectedHash"])
    return _outcome(lambda: ics23_spec.hash_bytes(row["HashOp"], preimage), False, expected)


def _check_leaf_row(row: dict[str, Any]) -> str | None:
    spec = ProofSpec(leaf_op(row["Spec"]), InnerSpec())
    return _outcome(lambda: ics23_spec.check_leaf(leaf_op(row["Leaf"]), spec), bool(row["IsErr"]))


def _check_against_spec_row(row: dict[str, Any]) -> str | None:
    return _outcome(lambda: ics23.check_existence(existence(row["Proof"]), proof_spec(row["Spec"])), bool(row["Err"]))


def _empty_branch_row(row: dict[str, Any]) -> str | None:
    spec, op = proof_spec(row["Spec"]), inner_op(row["Op"])
    got = (ics23.left_branches_are_empty(spec.inner, op), ics23.right_branches_are_empty(spec.inner, op))
    expected = (row["IsLeft"], row["IsRight"])
    return None if got == expected else f"left and right empty: expected {expected}, got {got}"


TABLES: Final[Mapping[str, Callable[[dict[str, Any]], str | None]]] = {
    "TestLeafOpData.json": _leaf_op_row,
    "TestInnerOpData.json": _inner_op_row,
    "TestDoHashData.json": _hash_row,
    "TestExistenceProofData.json": _existence_row,
    "TestCheckLeafData.json": _check_leaf_row,
    "TestCheckAgainstSpecData.json": _check_against_spec_row,
    "TestEmptyBranchData.json": _empty_branch_row,
}
"""What is wrong with a row, by the name of its file; None: nothing."""


def _compare(row: dict[str, Any], operation: Callable[[], bytes]) -> str | None:
    return _outcome(operation, bool(row["IsErr"]), octets(row["Expected"]))


def _outcome(operation: Callable[[], bytes | None], must_fail: bool, expected: bytes | None = None) -> str | None:
    try:
        got = operation()
    except ProofFailed as error:
        return None if must_fail else f"refused: {error}"
    if must_fail:
        return "accepted, an error is expected"
    return None if got == expected else f"expected {(expected or b'').hex()}, got {(got or b'').hex()}"
