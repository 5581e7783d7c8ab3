"""Evidence as CometBFT took it into its blocks, and each way to sign two chains on validator sets of every shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import ed25519, hashing, rpcjson
from lightclient.blocks import BlockIdFlag, Commit, CommitSig, Header, LightBlock, SignedHeader, Validator, ValidatorSet
from lightclient.detector import Divergence
from lightclient.evidence import AttackEvidence, AttackKind, evidence_hash, make_evidence, to_json
from lightclient.strictjson import encode_base64
from lightclient.verifier import Invalid, Verified, verify
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, START_NS, FakeChain, Member, key_of, ordered, set_of, sign
from tests.lightclient.vectors import load
from tools.recording.evidence import Attack, decode_block, encode_block, examine
from tools.recording.forgery import forge

RECORDING = load("evidence-cometbft-0.38.25/attacks.json")
HONEST = {block.height: block for block in map(decode_block, RECORDING["honest"])}
ATTACKS = {attack["name"]: attack for attack in RECORDING["attacks"]}
KINDS = {
    "forward lunatic": AttackKind.LUNATIC,
    "lunatic, wrong state": AttackKind.LUNATIC,
    "lunatic, wrong validators": AttackKind.LUNATIC,
    "equivocation": AttackKind.EQUIVOCATION,
    "amnesia": AttackKind.AMNESIA,
}
FOUR = [Member(number, power) for number, power in ((1, 10), (2, 20), (3, 20), (4, 10))]
NOW_NS = START_NS + 60 * SECOND_NS
VALIDITY_FIELDS = ("next_validators_hash", "consensus_hash", "app_hash", "last_results_hash")


def recorded_evidence(recorded: dict[str, Any]) -> AttackEvidence:
    attack = Attack(recorded["name"], tuple(recorded["shared"]), decode_block(recorded["forged"]))
    return examine(attack, HONEST)


def test_every_kind_was_recorded() -> None:
    assert set(ATTACKS) == set(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_the_evidence_is_what_the_node_took_and_goes_by_its_name(name: str) -> None:
    evidence = recorded_evidence(ATTACKS[name])
    assert evidence.kind == KINDS[name]
    assert to_json(evidence) == ATTACKS[name]["evidence"]
    assert encode_base64(evidence_hash(evidence)) == ATTACKS[name]["answer"]["hash"]


@pytest.mark.parametrize("name", KINDS)
def test_blocks_of_the_chain_hold_it_except_for_amnesia(name: str) -> None:
    in_block = ATTACKS[name]["in_block"]
    if name == "amnesia":
        assert in_block is None
    else:
        assert in_block["evidence"] == [ATTACKS[name]["evidence"]]


def test_a_node_refuses_evidence_before_its_chain_has_passed_the_height() -> None:
    assert "don't have commit at height" in ATTACKS["forward lunatic"]["too_early"]["data"]


def test_a_node_refuses_evidence_against_its_own_block() -> None:
    accusation = RECORDING["false accusation"]
    accused, witness = HONEST[5], decode_block(ATTACKS["lunatic, wrong state"]["forged"])
    divergence = Divergence(accused, trusted=witness, common=HONEST[3], source_trace=(HONEST[3], witness))
    assert to_json(make_evidence(divergence)) == accusation["evidence"]
    assert "trusted header hash matches" in accusation["error"]["data"]


@pytest.mark.parametrize("name", KINDS)
def test_forged_blocks_are_written_as_a_node_would_write_them(name: str) -> None:
    assert encode_block(decode_block(ATTACKS[name]["forged"])) == ATTACKS[name]["forged"]


def chain_of_three(members: Sequence[Member] = FOUR) -> tuple[LightBlock, Header]:
    """The first block, and the third's header; the second stays out of it, so that trust has to skip."""
    chain = FakeChain(members)
    common = chain.cut()
    chain.cut()
    return common, chain.next_header()


def altered(header: Header, **changes: Any) -> Header:
    return replace(header, **changes)


def against(common: LightBlock, trusted: LightBlock, conflicting: LightBlock) -> AttackEvidence:
    """Evidence from two blocks that both verify."""
    for block in (trusted, conflicting):
        assert verify(common, block, OPTIONS, NOW_NS) == Verified(block)
    return make_evidence(Divergence(conflicting, trusted, common, (common, trusted)))


def in_round(header: Header, round_: int, members: Sequence[Member], absent: Sequence[int] = ()) -> LightBlock:
    keys = {address_of(member): key_of(member.number) for member in members}
    return forge(header, round_, set_of(members), keys, {address_of(member) for member in members if member.number in absent})


def address_of(member: Member) -> bytes:
    return hashing.address(member.validator.public_key)


@pytest.mark.parametrize("field", VALIDITY_FIELDS)
def test_lunatic_by_each_field_that_follows_from_the_chain(field: str) -> None:
    common, header = chain_of_three()
    forged = sign(altered(header, **{field: sha256(field.encode()).digest()}), FOUR, absent=(4,))
    evidence = against(common, sign(header, FOUR), forged)
    assert evidence.kind is AttackKind.LUNATIC
    assert (evidence.common_height, evidence.time_ns, evidence.total_power) == (1, common.header.time_ns, 60)
    assert evidence.byzantine == tuple(member.validator for member in ordered(FOUR) if member.number != 4)


def test_lunatic_by_other_validators_accuses_those_of_the_common_set_with_the_power_they_had() -> None:
    common, header = chain_of_three()
    strange = [Member(1, 500), Member(3, 500), Member(9, 500)]
    forged = sign(replace(header, validators_hash=hashing.validators_hash(set_of(strange))), strange)
    evidence = against(common, sign(header, FOUR), forged)
    assert evidence.kind is AttackKind.LUNATIC
    assert evidence.byzantine == (FOUR[2].validator, FOUR[0].validator)


FREE_FIELDS = [{"time_ns": START_NS + 5 * SECOND_NS}, {"data_hash": bytes(32)}, {"proposer_address": bytes(20)}]


@pytest.mark.parametrize("change", FREE_FIELDS, ids=lambda change: next(iter(change)))
def test_equivocation_accuses_those_who_signed_both(change: dict[str, Any]) -> None:
    common, header = chain_of_three()
    forged = sign(altered(header, **change), FOUR, absent=(1,))
    evidence = against(common, sign(header, FOUR, nil=(4,)), forged)
    assert evidence.kind is AttackKind.EQUIVOCATION
    assert (evidence.common_height, evidence.time_ns, evidence.total_power) == (3, header.time_ns, 60)
    assert evidence.byzantine == tuple(member.validator for member in ordered(FOUR) if member.number in (2, 3))


def test_amnesia_accuses_nobody() -> None:
    common, header = chain_of_three()
    forged = in_round(replace(header, data_hash=bytes(32)), 1, FOUR)
    evidence = against(common, in_round(header, 0, FOUR), forged)
    assert evidence.kind is AttackKind.AMNESIA
    assert evidence.byzantine == ()
    assert evidence.common_height == 3
    assert to_json(evidence)["value"]["ByzantineValidators"] is None


def test_a_header_from_the_future_is_lunatic_even_where_it_copies_what_follows_from_the_chain() -> None:
    common, header = chain_of_three()
    evidence = against(common, sign(header, FOUR), sign(replace(header, height=9), FOUR))
    assert evidence.kind is AttackKind.LUNATIC
    assert evidence.common_height == 3
    assert len(evidence.byzantine) == 4


def test_the_accused_stand_by_power_and_then_by_address() -> None:
    common, header = chain_of_three()
    trusted, conflicting = sign(header, FOUR), sign(replace(header, app_hash=bytes(32)), FOUR)
    unordered = replace(common, validators=ValidatorSet(common.validators.validators[::-1]))
    evidence = make_evidence(Divergence(conflicting, trusted, unordered, (unordered, trusted)))
    shown = to_json(evidence)["value"]["ByzantineValidators"]
    keys = [(-int(member["voting_power"]), member["address"]) for member in shown]
    assert keys == sorted(keys)
    assert len(keys) == len(FOUR)


def test_the_hash_covers_header_and_common_height_and_nothing_else() -> None:
    common, header = chain_of_three()
    trusted, lunatic = sign(header, FOUR), replace(header, app_hash=bytes(32))
    by_all, by_some = (against(common, trusted, sign(lunatic, FOUR, absent=absent)) for absent in ((), (1,)))
    assert evidence_hash(by_all) == evidence_hash(by_some)
    assert evidence_hash(by_all) != evidence_hash(replace(by_all, common_height=2))
    later = sign(replace(lunatic, time_ns=header.time_ns + 1), FOUR)
    assert evidence_hash(by_all) != evidence_hash(against(common, trusted, later))


MANY = [Member(number) for number in range(1, 41)]


def with_vote(block: LightBlock, index: int, **changes: Any) -> LightBlock:
    signed = block.signed_header
    votes = list(signed.commit.signatures)
    votes[index] = replace(votes[index], **changes)
    return replace(block, signed_header=SignedHeader(signed.header, replace(signed.commit, signatures=tuple(votes))))


@pytest.mark.parametrize("change", [{"signature": bytes(64)}, {"time_ns": 0}, {"flag": BlockIdFlag.NIL}])
@pytest.mark.parametrize("field", ["app_hash", "data_hash"], ids=["lunatic", "equivocation"])
def test_a_vote_that_does_not_verify_accuses_nobody_and_is_not_sent(field: str, change: dict[str, Any]) -> None:
    common, header = chain_of_three(MANY)
    forged = with_vote(sign(altered(header, **{field: bytes(32)}), MANY), 39, **change)
    evidence = against(common, sign(header, MANY), forged)  # above 32 validators, counting stops before the last vote
    innocent = forged.validators.validators[39]
    assert innocent not in evidence.byzantine
    assert len(evidence.byzantine) == 39
    last = evidence.conflicting.signed_header.commit.signatures[39]
    assert (last.flag, last.validator_address, last.signature) == (BlockIdFlag.ABSENT, b"", b"")
    assert rpcjson.decode_commit(encode_block(evidence.conflicting)["commit"]) == evidence.conflicting.signed_header


@pytest.mark.parametrize("field", ["app_hash", "data_hash"], ids=["lunatic", "equivocation"])
def test_a_vote_under_the_name_of_somebody_else_does_not_accuse_that_one(field: str) -> None:
    common, header = chain_of_three(MANY)
    innocent = ordered(MANY)[38]
    voted = sign(altered(header, **{field: bytes(32)}), MANY, absent=(innocent.number,))
    forged = with_vote(voted, 39, validator_address=address_of(innocent))
    trusted = sign(header, MANY)
    assert isinstance(verify(common, forged, OPTIONS, NOW_NS), Invalid)  # and yet evidence does not rely on it
    evidence = make_evidence(Divergence(forged, trusted, common, (common, trusted)))
    assert innocent.validator not in evidence.byzantine
    assert len(evidence.byzantine) == 38


def test_a_vote_of_the_trusted_commit_that_does_not_verify_accuses_nobody() -> None:
    common, header = chain_of_three(MANY)
    trusted = with_vote(sign(header, MANY), 39, signature=bytes(64))
    evidence = against(common, trusted, sign(replace(header, data_hash=bytes(32)), MANY))
    assert evidence.kind is AttackKind.EQUIVOCATION
    assert trusted.validators.validators[39] not in evidence.byzantine
    assert len(evidence.byzantine) == 39


def signed_by(block: LightBlock, member: Validator) -> bool:
    commit: Commit = block.signed_header.commit
    address = hashing.address(member.public_key)

    def verifies(vote: CommitSig) -> bool:
        signed = hashing.commit_sign_bytes(block.header.chain_id, commit, vote)
        return vote.flag == BlockIdFlag.COMMIT and ed25519.verify(member.public_key, signed, vote.signature)

    return any(vote.validator_address == address and verifies(vote) for vote in commit.signatures)


@settings(max_examples=40, deadline=None)
@given(
    powers=st.lists(st.integers(1, 1_000), min_size=1, max_size=9),
    field=st.sampled_from(["app_hash", "data_hash"]),
    data=st.data(),
)
def test_everybody_accused_signed_the_conflicting_block(powers: list[int], field: str, data: st.DataObject) -> None:
    members = [Member(number, power) for number, power in enumerate(powers)]

    def some_absent() -> list[int]:
        """Members who can stay away with more than two thirds of the power left."""
        away: list[int] = []
        for number in data.draw(st.permutations(range(len(powers)))):
            if 3 * sum(powers[other] for other in (*away, number)) < sum(powers):
                away.append(number)
        return away[: data.draw(st.integers(0, len(powers)))]

    common, header = chain_of_three(members)
    trusted = sign(header, members, absent=some_absent())
    conflicting = sign(altered(header, **{field: bytes(32)}), members, absent=some_absent())
    evidence = against(common, trusted, conflicting)
    assert all(signed_by(conflicting, member) for member in evidence.byzantine)
    accused_power = sum(member.voting_power for member in evidence.byzantine)
    assert 3 * accused_power > sum(powers)  # LCAI-INV-Output.1: more than a third, whatever the kind
    if field == "data_hash":
        assert all(signed_by(trusted, member) for member in evidence.byzantine)
