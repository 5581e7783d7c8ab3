"""Chain folders: what is counted, and that every kind of defect is found and named."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lightclient import rules, tally
from lightclient.blocks import BlockIdFlag, LightBlock
from lightclient.errors import HeaderNotLater
from tests.lightclient.fake_chain import FakeChain, Member
from tests.tools.conformance.kit import edit, run, write_paged, write_recorded, write_signed_blocks
from tools.bench.chains import sign
from tools.conformance import chainchecks

HEIGHTS, PAIRS, BISECTIONS = "heights accepted by themselves", "forward pairs", "pairs bisected"
EXPIRY, MUTATIONS = "pairs refused once trust expired", "mutations refused"


def counts(kinds: dict[str, Any], kind: str) -> tuple[int, int]:
    return kinds[kind]["passed"], kinds[kind]["total"]


def drifting(heights: int, validators: int = 4) -> list[LightBlock]:
    """A chain of equal validators of whom one is replaced in every block."""
    chain = FakeChain([Member(number) for number in range(validators)])
    for height in range(heights):
        chain.cut(next_members=[Member(number) for number in range(height + 1, height + 1 + validators)])
    return chain.blocks


def crowd(validators: int) -> list[LightBlock]:
    chain = FakeChain([Member(number) for number in range(validators)])
    return [chain.cut(), chain.cut()]


def test_recorded_heights_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_recorded(tmp_path / "chain", [1, 2, 119, 120, 137])
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, HEIGHTS) == (5, 5)
    assert counts(kinds, PAIRS) == counts(kinds, EXPIRY) == (10, 10)
    passed, total = counts(kinds, MUTATIONS)
    assert passed == total > 5 * 300


def test_pairs_without_enough_trust_are_bisected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = drifting(6)
    write_signed_blocks(tmp_path, blocks)
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, PAIRS) == (15, 15)
    assert kinds[PAIRS]["notes"] == {"expected to be accepted": 9, "expected to be not enough trust": 6}
    assert counts(kinds, BISECTIONS) == (6, 6)


def test_exactly_a_third_is_not_enough_trust(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_signed_blocks(tmp_path, drifting(3, validators=3))
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[PAIRS]["notes"] == {"expected to be accepted": 2, "expected to be not enough trust": 1}
    assert counts(kinds, BISECTIONS) == (1, 1)


def test_what_cannot_be_bisected_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = drifting(6)
    write_signed_blocks(tmp_path, [blocks[0], blocks[-1]])
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, PAIRS) == (1, 1)
    assert kinds[BISECTIONS]["notes"] == {"not tried to the end: a height between is not there": 1}


def test_many_validators_on_several_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = crowd(tally.VERIFY_ALL_UP_TO + 8)
    write_paged(tmp_path, first, per_page=30)
    write_signed_blocks(tmp_path, [second])
    code, kinds = run(tmp_path, capsys)
    assert code == 0, kinds
    assert counts(kinds, HEIGHTS) == (2, 2)
    assert kinds[MUTATIONS]["notes"] == {"votes that need not be counted: flag, time and signature left alone": 2 * (40 - 27)}


def test_both_forms_of_one_height_may_lie_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = drifting(2)
    write_signed_blocks(tmp_path, blocks)
    write_paged(tmp_path, blocks[0], per_page=30)
    code, kinds = run(tmp_path, capsys)
    assert (code, counts(kinds, HEIGHTS), counts(kinds, PAIRS)) == (0, (3, 3), (1, 1))
    other = FakeChain([Member(9)]).cut()
    write_paged(tmp_path, other, per_page=30)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert "another block than the other recording" in kinds[HEIGHTS]["failures"][0]["cause"]


def test_chains_that_share_a_folder_are_kept_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = drifting(3)
    write_signed_blocks(tmp_path, blocks)
    write_recorded(tmp_path, [2, 3, 4])
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, HEIGHTS) == (6, 6)
    assert counts(kinds, PAIRS) == (6, 6)


def flip_signature(document: Any) -> None:
    vote = document["result"]["commit"]["signatures"][0]
    octets = bytearray(base64.b64decode(vote["signature"]))
    octets[0] ^= 1
    vote["signature"] = base64.b64encode(octets).decode()


def no_validators(document: Any) -> None:
    document["result"]["validator_set"]["validators"] = None


def other_app_hash(document: Any) -> None:
    document["result"]["header"]["app_hash"] = "00" * 32


def no_commit(document: Any) -> None:
    del document["result"]["commit"]


def answered_with_an_error(document: Any) -> None:
    document.clear()
    document["error"] = {"code": -32603, "message": "Internal error", "data": "height 2 is not available"}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (flip_signature, "does not verify"),
        (other_app_hash, "the commit is for another header"),
        (no_validators, "0 validators"),
        (no_commit, "commit.signed_header.commit"),
        (answered_with_an_error, "expected an object"),
    ],
)
def test_a_corrupted_block_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, cause: str) -> None:
    write_signed_blocks(tmp_path, drifting(3))
    edit(tmp_path / "2" / "signed_block.json", change)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    (failure,) = kinds[HEIGHTS]["failures"]
    assert failure["file"].endswith("2/signed_block.json")
    assert failure["case"] == "2"
    assert cause in failure["cause"]
    assert counts(kinds, PAIRS) == (1, 1)


def test_a_folder_with_the_wrong_name_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_signed_blocks(tmp_path, drifting(1))
    (tmp_path / "1").rename(tmp_path / "7")
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert "the name of the folder" in kinds[HEIGHTS]["failures"][0]["cause"]


def test_a_missing_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_paged(tmp_path, drifting(1)[0], per_page=2)
    (tmp_path / "1" / "validators_2.json").unlink()
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert "validators of all pages" in kinds[HEIGHTS]["failures"][0]["cause"]


# A verifier with a hole must not pass: each test takes one guard away.


def test_a_verifier_that_skips_too_far_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally.Tally, "power_of_trusted", lambda self, trusted, needed_above: needed_above + 1)
    write_signed_blocks(tmp_path, drifting(6))
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert counts(kinds, PAIRS) == (9, 15)
    assert kinds[PAIRS]["failures"][0]["cause"] == "expected NotEnoughTrust, the verdict is Verified"


def test_a_verifier_that_skips_too_little_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally.Tally, "power_of_trusted", lambda self, trusted, needed_above: 0)
    write_signed_blocks(tmp_path, drifting(4))
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert kinds[PAIRS]["failures"][0]["cause"] == "expected Verified, the verdict is NotEnoughTrust"


def test_a_bisection_that_is_refused_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_signed_blocks(tmp_path, drifting(6))

    def refused(*args: Any) -> None:
        raise HeaderNotLater("height", 2, 1)

    monkeypatch.setattr(chainchecks, "Bisection", refused)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert counts(kinds, BISECTIONS) == (0, 6)


def test_trust_that_never_expires_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "check_trusting_period", lambda trusted, options, now_ns: None)
    write_recorded(tmp_path, [1, 2])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert kinds[EXPIRY]["failures"][0]["cause"] == "the verdict is Verified"


def test_signatures_that_nobody_checks_are_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally.Tally, "_verify", lambda self, index, public_key: None)
    write_recorded(tmp_path, [1, 2])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    cases = {failure["case"] for failure in kinds[MUTATIONS]["failures"]}
    assert "commit.signatures[0].signature first character altered" in cases
    assert "commit.signatures[0].timestamp 1 ns later" in cases
    assert "commit.round plus 1" in cases


def test_hashes_that_nobody_compares_are_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "check_belongs_together", lambda block: None)
    write_recorded(tmp_path, [1, 137])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    found = kinds[MUTATIONS]["failures"]
    failures = {(Path(failure["file"]).parent.name, failure["case"]): failure["cause"] for failure in found}
    assert failures["1", "header.consensus_hash last digit altered"] == "accepted by itself"
    assert failures["137", "validators[0].voting_power plus 1"] == "accepted from 1"


def test_a_client_that_breaks_is_caught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = rules.check_commit

    def careless(commit: Any) -> None:
        ordinary(commit)
        if commit.round == 1:
            raise ZeroDivisionError("careless")

    monkeypatch.setattr(rules, "check_commit", careless)
    write_recorded(tmp_path, [2])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    assert "broke the client: ZeroDivisionError" in kinds[MUTATIONS]["failures"][0]["cause"]


def test_an_unknown_field_is_left_alone_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_signed_blocks(tmp_path, drifting(1))
    edit(tmp_path / "1" / "signed_block.json", lambda document: document["result"]["header"].update(weather="fair"))
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert kinds[MUTATIONS]["notes"] == {"recordings with weather, which no block has: left alone": 1}


def test_folders_may_be_numbered_with_leading_zeros(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_paged(tmp_path / "chain", drifting(1)[0], per_page=3)
    (tmp_path / "chain" / "1").rename(tmp_path / "chain" / "0001")
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, HEIGHTS) == (1, 1)


def test_nothing_may_be_written_in_either_of_two_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A version of 0 that Go leaves out, and an absent vote's signature that Go writes as null."""
    members = [Member(number) for number in range(4)]
    header = replace(FakeChain(members).next_header(), version_app=0)
    write_signed_blocks(tmp_path, [sign(header, members, absent=[1])])

    def spell_otherwise(document: Any) -> None:
        document["result"]["header"]["version"]["app"] = "0"
        absent = [vote for vote in document["result"]["commit"]["signatures"] if vote["block_id_flag"] == BlockIdFlag.ABSENT]
        absent[0]["signature"] = ""

    edit(tmp_path / "1" / "signed_block.json", spell_otherwise)
    code, kinds = run(tmp_path, capsys)
    assert code == 0
    assert counts(kinds, HEIGHTS) == (1, 1)


def test_another_kind_of_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_signed_blocks(tmp_path, drifting(1))

    def change(document: Any) -> None:
        document["result"]["validator_set"]["validators"][0]["pub_key"]["type"] = "tendermint/PubKeySecp256k1"

    edit(tmp_path / "1" / "signed_block.json", change)
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    cause = kinds[HEIGHTS]["failures"][0]["cause"]
    assert cause.endswith("expected tendermint/PubKeyEd25519, the only kind of key that is read here")


def test_votes_past_two_thirds_must_stand_at_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "check_votes_at_their_places", lambda block: None)
    write_signed_blocks(tmp_path, crowd(validators=40)[:1])
    code, kinds = run(tmp_path, capsys)
    assert code == 1
    cases = {failure["case"] for failure in kinds[MUTATIONS]["failures"]}
    assert "commit.signatures[39].validator_address first digit altered" in cases
    assert "commit.signatures[38] swapped with the next" in cases
