"""The light client protocol on a recorded chain of CometBFT and, rule by rule, on a chain made to break it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import ed25519, errors, hashing, rpcjson, rules, strictjson, tally
from lightclient.blocks import ABSENT_VOTE, BlockId, BlockIdFlag, Commit, CommitSig, Header, LightBlock, ValidatorSet
from lightclient.errors import LightClientError, VerificationError
from lightclient.options import Options, TrustAnchor
from lightclient.verifier import Invalid, NotEnoughTrust, Verified, verify, verify_anchor
from tests.lightclient.fake_chain import CHAIN_ID, OPTIONS, SECOND_NS, FakeChain, Member, set_of, sign
from tests.lightclient.vectors import light_blocks, load, recorded_chain

RECORDED = Options("homewatt-fixture-1", trusting_period_ns=20 * 86_400 * SECOND_NS, freshness_ns=60 * SECOND_NS)
RECORDED_NOW_NS = light_blocks()[-1].header.time_ns + SECOND_NS


def test_every_recorded_height_verifies_from_the_one_before() -> None:
    blocks = light_blocks()
    assert len(blocks) == 137
    assert verify_anchor(TrustAnchor(1, blocks[0].signed_header.hash), blocks[0], RECORDED) == Verified(blocks[0])
    for trusted, untrusted in pairwise(blocks):
        assert verify(trusted, untrusted, RECORDED, RECORDED_NOW_NS) == Verified(untrusted)


def test_every_recorded_height_verifies_by_skipping() -> None:
    blocks = light_blocks()
    for untrusted in blocks[2:]:
        assert verify(blocks[0], untrusted, RECORDED, RECORDED_NOW_NS) == Verified(untrusted)
    for trusted in blocks[1:-2]:
        assert verify(trusted, blocks[-1], RECORDED, RECORDED_NOW_NS) == Verified(blocks[-1])


def test_what_was_decoded_is_written_as_the_node_wrote_it() -> None:
    for recorded, block in zip(recorded_chain(), light_blocks(), strict=True):
        shown = recorded["commit"]["signed_header"]
        assert rpcjson.header_to_json(block.header) == shown["header"]
        assert rpcjson.commit_to_json(block.signed_header.commit) == shown["commit"]
        members = [{**member, "proposer_priority": "0"} for member in recorded["validators"]["validators"]]
        assert rpcjson.validators_to_json(block.validators) == members


def believe(trusted: LightBlock, text: str, validators: Any) -> None:
    """What a client does with a signed header as it came over the wire. Raises LightClientError."""
    signed = rpcjson.decode_commit({"signed_header": strictjson.load(text)})
    members = rpcjson.decode_validators(validators).validators
    verdict = verify(trusted, LightBlock(signed, ValidatorSet(members)), RECORDED, RECORDED_NOW_NS)
    if isinstance(verdict, Invalid):
        raise verdict.reason
    assert isinstance(verdict, Verified)


@given(st.sampled_from([2, 3, 50, 112, 125, 137]), st.booleans(), st.data())
def test_no_character_of_header_or_commit_can_be_altered(height: int, adjacent: bool, data: st.DataObject) -> None:
    trusted = light_blocks()[height - 2 if adjacent else 0]
    recorded = recorded_chain()[height - 1]
    text = json.dumps(recorded["commit"]["signed_header"], separators=(",", ":"))
    believe(trusted, text, recorded["validators"])
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from('0123456789ABCDEFabcdefTZ+/=.,:-"{}[]xyz \\').filter(lambda char: char != text[at]))
    with pytest.raises(LightClientError):
        believe(trusted, text[:at] + other + text[at + 1 :], recorded["validators"])


def four(*powers: int) -> list[Member]:
    return [Member(number, power) for number, power in enumerate(powers or (10, 10, 10, 10))]


def chain_of_two(members: list[Member], next_members: list[Member] | None = None) -> tuple[FakeChain, LightBlock]:
    """A chain with one block, and that block."""
    chain = FakeChain(members)
    return chain, chain.cut(next_members=next_members)


def reason(trusted: LightBlock, untrusted: LightBlock, now_ns: int, options: Options = OPTIONS) -> VerificationError:
    verdict = verify(trusted, untrusted, options, now_ns)
    assert isinstance(verdict, Invalid), verdict
    return verdict.reason


def test_three_of_four_are_enough_and_two_are_not() -> None:
    chain, trusted = chain_of_two(four())
    header = chain.next_header()
    now_ns = header.time_ns
    assert isinstance(verify(trusted, sign(header, four(), absent=[0]), OPTIONS, now_ns), Verified)
    too_few = reason(trusted, sign(header, four(), absent=[0], nil=[1]), now_ns)
    assert isinstance(too_few, errors.NotEnoughPower)
    assert (too_few.signed, too_few.needed_above) == (20, 26)


def test_exactly_two_thirds_are_not_enough() -> None:
    chain, trusted = chain_of_two(four(20, 10))
    assert isinstance(reason(trusted, sign(chain.next_header(), four(20, 10), absent=[1]), chain.now_ns), errors.NotEnoughPower)


def test_the_next_height_is_signed_by_the_announced_set() -> None:
    chain, trusted = chain_of_two(four(), next_members=four(1, 2, 3))
    usurped = replace(chain.next_header(), validators_hash=trusted.header.validators_hash)
    assert isinstance(reason(trusted, sign(usurped, four()), chain.now_ns), errors.WrongValidators)
    assert isinstance(verify(trusted, sign(chain.next_header(), four(1, 2, 3)), OPTIONS, chain.now_ns), Verified)


def test_skipping_needs_more_than_a_third_of_the_trusted_power() -> None:
    chain, trusted = chain_of_two(four(), next_members=[Member(0), Member(7), Member(8), Member(9)])
    chain.cut()
    skipped = chain.cut()
    verdict = verify(trusted, skipped, OPTIONS, chain.now_ns)
    assert verdict == NotEnoughTrust(signed_power=10, needed_above=13)
    half = replace(OPTIONS, trust_level=(1, 2))
    chain, trusted = chain_of_two(four(), next_members=[Member(0), Member(1), Member(8), Member(9)])
    chain.cut()
    skipped = chain.cut()
    assert isinstance(verify(trusted, skipped, OPTIONS, chain.now_ns), Verified)
    assert verify(trusted, skipped, half, chain.now_ns) == NotEnoughTrust(signed_power=20, needed_above=20)


def test_skipping_still_needs_two_thirds_of_the_new_set() -> None:
    chain, trusted = chain_of_two(four())
    chain.cut()
    header = chain.next_header()
    assert isinstance(reason(trusted, sign(header, four(), absent=[0, 1]), chain.now_ns), errors.NotEnoughPower)


def test_trust_ends_with_its_period() -> None:
    chain, trusted = chain_of_two(four())
    untrusted = chain.cut()
    ends_ns = trusted.header.time_ns + OPTIONS.trusting_period_ns
    assert isinstance(verify(trusted, untrusted, OPTIONS, ends_ns - 1), Verified)
    expired = reason(trusted, untrusted, ends_ns)
    assert isinstance(expired, errors.TrustExpired)
    assert not expired.retry


def test_a_header_may_be_ahead_by_the_drift_only() -> None:
    chain, trusted = chain_of_two(four())
    untrusted = chain.cut()
    latest_ns = untrusted.header.time_ns - OPTIONS.drift_ns
    assert isinstance(verify(trusted, untrusted, OPTIONS, latest_ns + 1), Verified)
    assert isinstance(reason(trusted, untrusted, latest_ns), errors.HeaderFromFuture)


def test_height_and_time_must_grow() -> None:
    chain, trusted = chain_of_two(four())
    header = chain.next_header()
    same_time = sign(replace(header, time_ns=trusted.header.time_ns), four())
    refused = reason(trusted, same_time, chain.now_ns)
    assert isinstance(refused, errors.HeaderNotLater)
    assert refused.what == "time_ns"
    refused = reason(trusted, sign(replace(header, height=1), four()), chain.now_ns)
    assert isinstance(refused, errors.HeaderNotLater)
    assert refused.what == "height"


HASH, ADDRESS = bytes(32), bytes(20)


@pytest.mark.parametrize(
    ("altered", "rule"),
    [
        ({"version_block": 10}, "block protocol"),
        ({"chain_id": "other"}, "chain_id"),
        ({"height": 0}, "height"),
        ({"data_hash": b"short"}, "neither 0 nor 32"),
        ({"last_block_id": BlockId(b"x", 1, HASH)}, "neither 0 nor 32"),
        ({"validators_hash": b""}, "validators or parameters"),
        ({"consensus_hash": b""}, "validators or parameters"),
        ({"proposer_address": b""}, "proposer_address"),
    ],
)
def test_headers_of_another_form_are_refused(altered: dict[str, Any], rule: str) -> None:
    chain, trusted = chain_of_two(four())
    header: Header = replace(chain.next_header(), **altered)
    refused = reason(trusted, sign(header, four()), chain.now_ns)
    assert isinstance(refused, errors.MalformedHeader)
    assert rule in refused.rule


def with_commit(block: LightBlock, **altered: Any) -> LightBlock:
    return replace(block, signed_header=replace(block.signed_header, commit=replace(block.signed_header.commit, **altered)))


def with_vote(block: LightBlock, index: int, vote: CommitSig) -> LightBlock:
    votes = list(block.signed_header.commit.signatures)
    votes[index] = vote
    return with_commit(block, signatures=tuple(votes))


def test_commits_of_another_form_are_refused() -> None:
    chain, trusted = chain_of_two(four())
    block = sign(chain.next_header(), four())
    commit = block.signed_header.commit
    vote = commit.signatures[0]
    cases = {
        "for no block": with_commit(block, block_id=BlockId()),
        "0 signatures": with_commit(block, signatures=()),
        "carries something": with_vote(block, 0, replace(vote, flag=BlockIdFlag.ABSENT)),
        "address has not": with_vote(block, 0, replace(vote, validator_address=b"")),
        "signature has not": with_vote(block, 0, replace(vote, signature=b"")),
        "unknown vote flag": with_vote(block, 0, replace(vote, flag=4)),
        "of height 3": with_commit(block, height=3),
        "another header": with_commit(block, block_id=BlockId(HASH, 1, HASH)),
        "one entry per validator": with_commit(block, signatures=commit.signatures[:-1]),
        "at its place": with_commit(block, signatures=commit.signatures[::-1]),
    }
    for rule, altered in cases.items():
        refused = reason(trusted, altered, chain.now_ns)
        assert isinstance(refused, errors.MalformedHeader)
        assert rule in refused.rule


def test_validator_sets_of_another_form_are_refused() -> None:
    chain, trusted = chain_of_two(four())
    block = sign(chain.next_header(), four())
    members = block.validators.validators
    cases = {
        "0 validators": ValidatorSet(()),
        "key has not": ValidatorSet((replace(members[0], public_key=b""), *members[1:])),
        "out of range": ValidatorSet((replace(members[0], voting_power=-1), *members[1:])),
        "twice in the set": ValidatorSet((members[1], *members[1:])),
        "not the header's": set_of([Member(5), *four()[1:]]),
    }
    for rule, validators in cases.items():
        refused = reason(trusted, replace(block, validators=validators), chain.now_ns)
        assert isinstance(refused, errors.MalformedHeader)
        assert rule in refused.rule
    too_much = ValidatorSet((replace(members[0], voting_power=2**62), *members[1:]))
    assert isinstance(reason(trusted, replace(block, validators=too_much), chain.now_ns), errors.MalformedHeader)


def test_a_set_stands_by_power_then_address() -> None:
    chain, trusted = chain_of_two(four(40, 30, 20, 20))
    header, members = chain.next_header(), set_of(four(40, 30, 20, 20)).validators
    for order in ((1, 0, 2, 3), (0, 1, 3, 2)):
        unordered = ValidatorSet(tuple(members[place] for place in order))
        block = sign(replace(header, validators_hash=hashing.validators_hash(unordered)), four(40, 30, 20, 20))
        votes = block.signed_header.commit.signatures
        moved = with_commit(replace(block, validators=unordered), signatures=tuple(votes[place] for place in order))
        refused = reason(trusted, moved, chain.now_ns)
        assert isinstance(refused, errors.MalformedHeader)
        assert "by power, then address" in refused.rule


def test_sets_and_commits_have_a_bound() -> None:
    member, vote = Member(0).validator, ABSENT_VOTE
    with pytest.raises(errors.MalformedHeader, match="10001 validators"):
        rules.check_validators(ValidatorSet((member,) * (rules.MAX_VALIDATORS + 1)))
    with pytest.raises(errors.MalformedHeader, match="10001 signatures"):
        rules.check_commit(Commit(1, 0, BlockId(HASH, 1, HASH), (vote,) * (rules.MAX_VALIDATORS + 1)))


def test_the_rules_stand_in_the_order_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expiry, form, height and time, trust, two thirds: what breaks several rules is refused by the first of them."""
    chain, trusted = chain_of_two(four(), next_members=[Member(7), Member(8), Member(9)])
    chain.cut()
    header = chain.next_header()
    strangers = [Member(7), Member(8), Member(9)]
    weak = sign(header, strangers, absent=[7, 8])
    ends_ns = trusted.header.time_ns + OPTIONS.trusting_period_ns
    malformed = sign(replace(header, proposer_address=b"", height=1), strangers, absent=[7])
    assert isinstance(reason(trusted, malformed, ends_ns), errors.TrustExpired)
    assert isinstance(reason(trusted, malformed, chain.now_ns), errors.MalformedHeader)
    early = sign(replace(header, height=1), strangers, absent=[7, 8])
    assert isinstance(reason(trusted, early, 0), errors.HeaderNotLater)
    assert isinstance(reason(trusted, weak, 0), errors.HeaderFromFuture)
    monkeypatch.setattr(ed25519, "verify", lambda *_: pytest.fail("a signature of a stranger was verified"))
    assert verify(trusted, weak, OPTIONS, chain.now_ns) == NotEnoughTrust(signed_power=0, needed_above=13)


def test_one_wrong_signature_refuses_the_header_even_where_it_is_not_needed() -> None:
    chain, trusted = chain_of_two(four())
    block = sign(chain.next_header(), four(), nil=[3])
    for index, vote in enumerate(block.signed_header.commit.signatures):
        forged = with_vote(block, index, replace(vote, signature=bytes(64)))
        refused = reason(trusted, forged, chain.now_ns)
        assert isinstance(refused, errors.WrongSignature)
        assert refused.index == index


def test_nobody_votes_twice() -> None:
    chain, trusted = chain_of_two(four())
    chain.cut()
    block = sign(chain.next_header(), four())
    votes = block.signed_header.commit.signatures
    twice = with_commit(block, signatures=(votes[0], votes[0], *votes[2:]))
    assert isinstance(reason(trusted, twice, chain.now_ns), errors.DoubleVote)


def test_many_validators_are_counted_only_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    members = [Member(number) for number in range(tally.VERIFY_ALL_UP_TO + 8)]
    chain, trusted = chain_of_two(members)
    verified: list[bytes] = []
    ordinary = ed25519.verify

    def counting(public_key: bytes, message: bytes, signature: bytes) -> bool:
        verified.append(public_key)
        return ordinary(public_key, message, signature)

    monkeypatch.setattr(ed25519, "verify", counting)
    chain.cut()
    assert isinstance(verify(trusted, chain.cut(), OPTIONS, chain.now_ns), Verified)
    assert len(verified) == len(set(verified)) == 27  # the first number above two thirds of 40, each verified once


def test_votes_of_trusted_validators_count_only_in_their_own_places() -> None:
    """A made-up set signs by itself, and carries the votes of those who are trusted where nobody needs to count any more."""
    chain, trusted = chain_of_two(four())
    made_up = [Member(number) for number in range(100, 140)]
    chain.cut()
    header = replace(chain.next_header(), validators_hash=hashing.validators_hash(set_of(made_up)))
    forged = sign(header, made_up)
    votes = list(forged.signed_header.commit.signatures)
    votes[-4:] = sign(header, four()).signed_header.commit.signatures
    commit = replace(forged.signed_header.commit, signatures=tuple(votes))
    forged = replace(forged, signed_header=replace(forged.signed_header, commit=commit))
    verdict = verify(trusted, forged, OPTIONS, chain.now_ns + SECOND_NS)
    assert isinstance(verdict, Invalid)
    assert isinstance(verdict.reason, errors.MalformedHeader)
    assert "at its place" in str(verdict.reason)


def test_the_anchor_must_be_met_exactly() -> None:
    chain, block = chain_of_two(four())
    other = verify_anchor(TrustAnchor(1, HASH), block, OPTIONS)
    assert isinstance(other, Invalid)
    assert isinstance(other.reason, errors.WrongAnchor)
    unsigned = sign(block.header, four(), absent=[0, 1])
    verdict = verify_anchor(chain.anchor, unsigned, OPTIONS)
    assert isinstance(verdict, Invalid)
    assert isinstance(verdict.reason, errors.NotEnoughPower)


@pytest.mark.parametrize(
    "wrong",
    [{"trust_level": (1, 4)}, {"trust_level": (2, 1)}, {"trusting_period_ns": 0}, {"freshness_ns": 0}, {"drift_ns": -1}],
)
def test_unsound_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="trust"):
        Options(**{"chain_id": CHAIN_ID, "trusting_period_ns": 1, "freshness_ns": 1, **wrong})


def test_an_anchor_has_a_height_and_a_hash() -> None:
    with pytest.raises(ValueError, match="anchor"):
        TrustAnchor(0, HASH)


def test_trust_is_by_default_what_others_write_for_a_third() -> None:
    fraction = load("tendermint-rs-serialization/trust_threshold.json")
    assert OPTIONS.trust_level == (int(fraction["numerator"]), int(fraction["denominator"]))
