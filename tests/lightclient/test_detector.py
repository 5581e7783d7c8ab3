"""Finding where two chains part: at every place of a trace, in the future, and against nodes that show no second chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from lightclient.blocks import Header, LightBlock
from lightclient.detector import Divergence, Examination, latest_conflicts
from lightclient.errors import (
    ConflictingHeader,
    HeaderNotLater,
    NoConflict,
    NotEnoughPower,
    VerificationError,
    WrongAnswer,
    WrongSignature,
)
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, START_NS, FakeChain, Member, sign

OLD = [Member(number) for number in range(1, 5)]
NEW = [Member(number) for number in range(5, 9)]
NOW_NS = START_NS + 60 * SECOND_NS


def chain_of(length: int, members: Sequence[Member] = OLD) -> FakeChain:
    chain = FakeChain(members)
    for _ in range(length):
        chain.cut()
    return chain


def fork(chain: FakeChain, shared: int, length: int) -> FakeChain:
    """A chain with the same first blocks; from then on its times, and after that its states, are others."""
    other = FakeChain(chain.members)
    other.blocks, other.states = chain.blocks[:shared], chain.states[: shared + 1]
    other.now_ns = chain.blocks[shared].header.time_ns + 1
    while len(other.blocks) < length:
        other.cut({b"lie": b"%d" % len(other.blocks)})
    return other


def pick(chain: FakeChain, *heights: int) -> list[LightBlock]:
    return [chain.blocks[height - 1] for height in heights]


def carry_out(examination: Examination, source: Mapping[int, LightBlock]) -> tuple[Divergence, list[int]]:
    """The divergence, and the heights that were asked for."""
    asked = []
    while examination.wanted is not None:
        asked.append(examination.wanted)
        examination.give(source[examination.wanted])
    return examination.divergence, asked


def examine(trace: Sequence[LightBlock], target: LightBlock, source: FakeChain) -> tuple[Divergence, list[int]]:
    blocks = {block.height: block for block in source.blocks}
    return carry_out(Examination(trace, target, OPTIONS, NOW_NS), blocks)


@pytest.mark.parametrize(
    ("shared", "conflicting", "asked"),
    [(9, 10, [1, 4, 7]), (6, 7, [1, 4, 7]), (4, 7, [1, 4, 7]), (3, 4, [1, 4]), (1, 4, [1, 4])],
)
def test_the_first_block_of_the_trace_that_the_other_chain_lacks_is_found(
    shared: int, conflicting: int, asked: list[int]
) -> None:
    honest = chain_of(10)
    lying = fork(honest, shared, 10)
    divergence, heights = examine(pick(lying, 1, 4, 7, 10), honest.blocks[9], honest)
    common = conflicting - 3
    assert divergence.conflicting == lying.blocks[conflicting - 1]
    assert divergence.trusted == honest.blocks[conflicting - 1]
    assert divergence.common == honest.blocks[common - 1]
    assert divergence.source_trace == (divergence.common, divergence.trusted)
    assert heights == asked


def test_the_other_chain_is_verified_by_heights_in_between_where_trust_does_not_reach() -> None:
    honest = chain_of(3)
    honest.cut(next_members=NEW)
    for _ in range(6):
        honest.cut()
    old_header = replace(honest.blocks[9].header, validators_hash=honest.blocks[0].header.validators_hash)
    forged = sign(old_header, OLD)
    divergence, asked = examine([honest.blocks[0], forged], honest.blocks[9], honest)
    assert asked[0] == 1
    assert len(asked) > 1
    assert divergence.conflicting == forged
    assert divergence.source_trace[0] == divergence.common == honest.blocks[0]
    assert divergence.source_trace[-1] == divergence.trusted == honest.blocks[9]
    heights = [block.height for block in divergence.source_trace]
    assert {4, 5} <= set(heights)  # the set changes between them, so nothing can skip that
    assert heights == sorted(heights)


def forward_lunatic(chain: FakeChain, ahead: int = 5, earlier_ns: int = 0) -> LightBlock:
    """A block above the chain's end with a time that is not later."""
    last = chain.blocks[-1].header
    return sign(replace(last, height=last.height + ahead, time_ns=last.time_ns - earlier_ns), chain.members)


@pytest.mark.parametrize("heights", [(1,), (1, 4), (1, 4, 7)])
@pytest.mark.parametrize("earlier_ns", [0, SECOND_NS])
def test_a_header_from_a_height_that_the_chain_has_not_reached(heights: tuple[int, ...], earlier_ns: int) -> None:
    honest = chain_of(10)
    forged = forward_lunatic(honest, earlier_ns=earlier_ns)
    assert latest_conflicts(forged.header, honest.blocks[-1].header)
    divergence, asked = examine([*pick(honest, *heights), forged], honest.blocks[-1], honest)
    assert divergence.conflicting == forged
    assert divergence.trusted == honest.blocks[-1]
    assert divergence.common == honest.blocks[heights[-1] - 1]
    assert asked == list(heights)


def test_the_first_of_several_headers_from_the_future_is_the_conflicting_one() -> None:
    honest = chain_of(10)
    first, second = forward_lunatic(honest, 5, earlier_ns=2), forward_lunatic(honest, 6, earlier_ns=1)
    divergence, _ = examine([honest.blocks[0], first, second], honest.blocks[-1], honest)
    assert divergence.conflicting == first


def test_both_sides_can_be_examined() -> None:
    honest = chain_of(10)
    lying = fork(honest, 5, 10)
    divergence, _ = examine(pick(lying, 1, 4, 10), honest.blocks[9], honest)
    mirrored, asked = examine(divergence.source_trace, divergence.conflicting, lying)
    assert (mirrored.conflicting, mirrored.trusted) == (divergence.trusted, divergence.conflicting)
    assert mirrored.common == divergence.common
    assert asked == [4]


def test_a_liar_from_the_future_has_a_chain_that_parts_as_well() -> None:
    honest = chain_of(10)
    forged = forward_lunatic(honest)
    divergence, _ = examine([honest.blocks[0], forged], honest.blocks[-1], honest)
    lying = fork(honest, 8, 10)
    mirrored, _ = examine(divergence.source_trace, forged, lying)
    assert mirrored.conflicting == honest.blocks[-1]
    assert mirrored.trusted == lying.blocks[-1]


def test_a_liar_from_the_future_who_has_the_whole_honest_chain_conflicts_with_nothing() -> None:
    honest = chain_of(10)
    forged = forward_lunatic(honest)
    divergence, _ = examine([honest.blocks[0], forged], honest.blocks[-1], honest)
    with pytest.raises(NoConflict):
        examine(divergence.source_trace, forged, honest)


def test_a_witness_that_changes_its_mind_conflicts_with_nothing() -> None:
    honest = chain_of(10)
    with pytest.raises(NoConflict):
        examine(pick(honest, 1, 4, 10), honest.blocks[9], honest)


def test_a_lower_header_that_is_earlier_conflicts_with_nothing() -> None:
    honest = chain_of(10)
    with pytest.raises(NoConflict):
        examine(pick(honest, 1, 10), honest.blocks[8], honest)


def test_another_chain_altogether_does_not_begin_at_the_trusted_block() -> None:
    ours, other = chain_of(10), chain_of(10, NEW)
    with pytest.raises(ConflictingHeader) as caught:
        examine(pick(ours, 1, 4, 10), other.blocks[9], other)
    assert caught.value.height == 1
    with pytest.raises(ConflictingHeader):
        examine(pick(ours, 10), other.blocks[9], other)


def test_a_target_below_what_was_trusted_cannot_be_examined() -> None:
    honest = chain_of(10)
    late = sign(replace(honest.blocks[1].header, time_ns=NOW_NS), OLD)
    with pytest.raises(HeaderNotLater):
        Examination(pick(honest, 4, 10), late, OPTIONS, NOW_NS)


def test_a_target_that_does_not_verify_is_refused() -> None:
    honest = chain_of(10)
    header = replace(honest.blocks[9].header, app_hash=bytes(32))
    with pytest.raises(NotEnoughPower):
        examine(pick(honest, 1, 10), sign(header, OLD, absent=(1, 2)), honest)
    signed_by_others = replace(sign(header, OLD), validators=honest.blocks[9].validators)
    commit = signed_by_others.signed_header.commit
    swapped = replace(commit.signatures[0], signature=commit.signatures[1].signature)
    broken = replace(commit, signatures=(swapped, *commit.signatures[1:]))
    with pytest.raises(WrongSignature):
        examine(
            pick(honest, 1, 10),
            replace(signed_by_others, signed_header=replace(signed_by_others.signed_header, commit=broken)),
            honest,
        )


def test_a_block_in_between_that_does_not_verify_is_refused() -> None:
    honest = chain_of(10)
    lying = fork(honest, 5, 10)
    source = {block.height: block for block in honest.blocks}
    source[7] = sign(replace(source[7].header, data_hash=bytes(32)), NEW)
    with pytest.raises(VerificationError):
        carry_out(Examination(pick(lying, 1, 7, 10), honest.blocks[9], OPTIONS, NOW_NS), source)


def test_a_block_of_another_height_is_refused_and_the_wish_stands() -> None:
    honest = chain_of(10)
    lying = fork(honest, 5, 10)
    examination = Examination(pick(lying, 1, 4, 10), honest.blocks[9], OPTIONS, NOW_NS)
    with pytest.raises(WrongAnswer):
        examination.give(honest.blocks[2])
    assert examination.wanted == 1


def test_there_is_no_divergence_before_the_other_node_has_answered() -> None:
    honest = chain_of(10)
    examination = Examination(pick(fork(honest, 5, 10), 1, 4, 10), honest.blocks[9], OPTIONS, NOW_NS)
    with pytest.raises(RuntimeError, match="still wants block 1"):
        _ = examination.divergence


@pytest.mark.parametrize(
    ("height", "time_ns", "conflicts"), [(9, 99, False), (9, 100, True), (9, 101, True), (10, 101, False), (11, 101, False)]
)
def test_time_grows_with_height(height: int, time_ns: int, conflicts: bool) -> None:
    def header(height: int, time_ns: int) -> Header:
        return replace(chain_of(1).blocks[0].header, height=height, time_ns=time_ns)

    assert latest_conflicts(header(10, 100), header(height, time_ns)) is conflicts
