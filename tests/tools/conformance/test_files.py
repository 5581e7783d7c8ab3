"""Model-based steps, ICS23 and Ed25519 files, and what happens with files of no kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lightclient import ed25519, ics23
from tests.lightclient.test_ed25519 import KEY as PRIVATE_KEY
from tests.lightclient.test_ed25519 import PUBLIC, SMALL_ORDER
from tests.lightclient.vectors import VECTORS, load
from tests.tools.conformance.kit import edit, run, single_steps, write
from tools.conformance.__main__ import main

STEPS, TABLES, PROOFS, ALTERED = "model-based steps", "ICS23 table rows", "ICS23 proofs", "ICS23 altered bytes refused"
SIGNATURES = "Ed25519 edge cases"
HALVES = "MC10_3_faulty_TestValsetHalves.json"


def test_all_model_based_steps_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, document in single_steps().items():
        write(tmp_path / "deep" / "down" / name, document)
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[STEPS]["passed"] == kinds[STEPS]["total"] == 99
    assert kinds[STEPS]["notes"] == {"expected INVALID": 13, "expected NOT_ENOUGH_TRUST": 42, "expected SUCCESS": 44}


@pytest.mark.parametrize("number", [0, -1])
def test_a_wrong_expected_verdict_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int) -> None:
    document = single_steps()[HALVES]
    right = document["input"][number]["verdict"]
    document["input"][number]["verdict"] = "INVALID" if right != "INVALID" else "SUCCESS"
    write(tmp_path / HALVES, document)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    (failure,) = kinds[STEPS]["failures"]
    assert failure["file"].endswith(HALVES)
    assert f"the verdict is {right}" in failure["cause"]


def respelled(node: Any) -> Any:
    """The same document as older and newer writers spell it."""
    if isinstance(node, list):
        return [respelled(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    names = {"part_set_header": "parts", "voting_power": "power"}
    return {names.get(name, name): respelled(value) for name, value in node.items()}


def test_other_spellings_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = respelled(single_steps()[HALVES])
    write(tmp_path / HALVES, document)
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[STEPS]["total"] == len(document["input"])


def test_a_state_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = single_steps()[HALVES]
    del document["initial"]["signed_header"]["commit"]
    write(tmp_path / HALVES, document)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert kinds[STEPS]["failures"][0]["case"] == "initial"
    document = single_steps()[HALVES]
    accepted = next(step for step in document["input"] if step["verdict"] == "SUCCESS")
    accepted["block"]["next_validator_set"] = None
    write(tmp_path / HALVES, document)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert kinds[STEPS]["failures"][-1]["case"].startswith("after step")


def test_ics23_files_of_all_three_specifications_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for table in (VECTORS / "ics23").glob("Test*Data.json"):
        shutil.copy(table, tmp_path)
    for spec, name in (("iavl", "exist_middle"), ("tendermint", "nonexist_left"), ("smt", "nonexist_right")):
        write(tmp_path / spec / f"{name}.json", load(f"ics23/{spec}/{name}.json"))
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[TABLES]["passed"] == kinds[TABLES]["total"] == 57
    assert kinds[PROOFS]["passed"] == kinds[PROOFS]["total"] == 3
    assert kinds[ALTERED]["passed"] == kinds[ALTERED]["total"] > 1_500


def test_a_proof_under_another_specification_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "iavl" / "exist_left.json"
    target.parent.mkdir()
    shutil.copy(VECTORS / "ics23" / "smt" / "exist_left.json", target)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert kinds[PROOFS]["failures"][0]["file"] == str(target)


def test_a_byte_that_nobody_checks_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smt").mkdir()
    shutil.copy(VECTORS / "ics23" / "smt" / "exist_left.json", tmp_path / "smt")
    monkeypatch.setattr(ics23, "verify_membership", lambda root, proof, key, value, spec: None)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    cases = {failure["case"] for failure in kinds[ALTERED]["failures"]}
    assert {"byte 0 of root", "byte 0 of key", "byte 0 of value"} <= cases


def wrong_digest(rows: Any) -> None:
    rows["hash foobar"]["Expected"] = "AAAA"


def needless_error(rows: Any) -> None:
    rows["hash foobar"]["IsErr"] = True


def missing_field(rows: Any) -> None:
    del rows["hash foobar"]["Op"]


@pytest.mark.parametrize(
    ("change", "cause"),
    [(wrong_digest, "expected 000000, got"), (needless_error, "an error is expected"), (missing_field, "cannot be read")],
)
def test_a_wrong_table_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, cause: str) -> None:
    shutil.copy(VECTORS / "ics23" / "TestLeafOpData.json", tmp_path)
    edit(tmp_path / "TestLeafOpData.json", change)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    (failure,) = kinds[TABLES]["failures"]
    assert failure["case"] == "hash foobar"
    assert cause in failure["cause"]


def edge_cases() -> list[dict[str, Any]]:
    """An ordinary signature, one with another message, and points of small order, as C2SP/CCTV lists them."""
    ordinary = {"key": PUBLIC.hex(), "msg": "good morning", "sig": PRIVATE_KEY.sign(b"good morning").hex(), "flags": None}
    oddities = ["low_order_A", "low_order_R", "reencoded_k"]
    small = [
        {"number": number, "key": point, "msg": "m", "sig": point + "00" * 32, "flags": oddities}
        for number, point in enumerate(SMALL_ORDER, start=1)
    ]
    return [ordinary, ordinary | {"number": 99, "msg": "good night", "flags": ["reencoded_k"]}, *small]


def test_edge_cases_of_ed25519_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "cases.json", edge_cases())
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[SIGNATURES]["passed"] == 2 + len(SMALL_ORDER)
    assert kinds[SIGNATURES]["notes"]["expected to be refused"] == 1


def test_a_library_that_is_too_strict_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ed25519, "verify_zip215", lambda public_key, message, signature: False)
    write(tmp_path / "cases.json", edge_cases())
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert all(failure["cause"].startswith("refused, flags low_order_A") for failure in kinds[SIGNATURES]["failures"])


def test_a_signature_that_should_fail_and_does_not_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ordinary = edge_cases()[0]
    unreadable = [
        ordinary | wrong for wrong in ({"number": 7, "sig": "no hex"}, {"number": 8, "flags": 5}, {"number": 9, "msg": 1})
    ]
    write(tmp_path / "cases.json", [ordinary | {"flags": ["reencoded_k"]}, *unreadable])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    first, *others = kinds[SIGNATURES]["failures"]
    assert (first["case"], first["cause"]) == ("case 0", "accepted, flags reencoded_k")
    assert [failure["case"] for failure in others] == ["case 7", "case 8", "case 9"]
    assert all("cannot be read" in failure["cause"] for failure in others)


def test_files_of_no_kind_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "cases.json", edge_cases()[:1])
    write(tmp_path / "other.json", {"weather": "fair"})
    write(tmp_path / "12" / "commit.json", {})
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    shutil.copy(VECTORS / "ics23" / "smt" / "exist_left.json", tmp_path)
    assert main(["light-client", str(tmp_path), "--verbose", "--jobs", "1"]) == 0
    out = capsys.readouterr().out
    assert "Ed25519 edge cases: passed 1 of 1" in out
    assert "not recognised: 5 files" in out
    for line in ("other.json: of no known shape", "broken.json: not JSON", "notes.txt: not a .json file"):
        assert line in out
    assert "exist_left.json: an ICS23 proof in no folder named iavl, tendermint, smt" in out
    assert "12/commit.json: lies in no folder named by its height, or has no validators beside it" in out
    assert main(["light-client", str(tmp_path), "--jobs", "1"]) == 0
    assert "not recognised: 5 files (names with --verbose)" in capsys.readouterr().out


def test_failures_are_printed_with_file_and_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "cases.json", [edge_cases()[0] | {"flags": ["reencoded_k"]}])
    assert main(["light-client", str(tmp_path), "--jobs", "1"]) == 1
    out = capsys.readouterr().out
    assert "Ed25519 edge cases: passed 0 of 1" in out
    assert f"  FAILED {tmp_path / 'cases.json'}, case 0: accepted, flags reencoded_k" in out


def test_nothing_recognised_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "other.json", {"weather": "fair"})
    assert main(["light-client", str(tmp_path)]) == 3
    assert "none of the 1 files" in capsys.readouterr().err
    assert main(["light-client", str(tmp_path / "nowhere")]) == 2
    assert "is not a folder" in capsys.readouterr().err


def test_several_processes_find_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in list(single_steps())[:4]:
        write(tmp_path / name, single_steps()[name])
    answers = []
    for jobs in ("1", "2"):
        assert main(["light-client", str(tmp_path), "--json", "--jobs", jobs]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
