"""From a trusted block to a later one: in one step where trust reaches, and in few where it does not, whatever is shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import errors, hashing
from lightclient.bisection import Bisection
from lightclient.blocks import LightBlock
from lightclient.pool import Fault
from lightclient.verifier import Verified, verify
from tests.lightclient.adversaries import STRANGERS
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, FakeChain, Member, set_of, sign
from tests.lightclient.fake_net import FOUR, Net

WEEK_S = 604_800
MOST_STEPS = 77
"""(9/16)^77 * 2^63 < 1: no height lies further away than so many pivots."""


def far_block(chain: FakeChain, height: int, members: list[Member]) -> LightBlock:
    """A block of a height far above the chain, signed by `members`."""
    validators_hash, time_ns = hashing.validators_hash(set_of(members)), chain.now_ns + min(height, SECOND_NS)
    return sign(replace(chain.next_header(), height=height, time_ns=time_ns, validators_hash=validators_hash), members)


@pytest.mark.parametrize("height", [3, 4, 1_000, WEEK_S])
def test_with_the_same_validators_one_step_is_enough(height: int) -> None:
    chain = FakeChain(FOUR).grow(2)
    bisection = Bisection(chain.blocks[-1], far_block(chain, height, FOUR), OPTIONS, chain.now_ns)
    assert bisection.wanted is None
    assert [block.height for block in bisection.trace] == [2, height]


def test_pivots_lie_a_little_beyond_the_middle() -> None:
    chain = FakeChain(FOUR).grow(2)
    bisection = Bisection(chain.blocks[-1], far_block(chain, 102, STRANGERS), OPTIONS, chain.now_ns)
    wanted = []
    while bisection.wanted is not None and bisection.wanted > 3:
        wanted.append(bisection.wanted)
        bisection.give(far_block(chain, bisection.wanted, STRANGERS))
    assert wanted == [58, 33, 19, 11, 7, 4]
    assert bisection.wanted == 3
    with pytest.raises(errors.WrongValidators):
        bisection.give(far_block(chain, 3, STRANGERS))
    assert bisection.trace == [chain.blocks[-1]]


def test_a_block_of_another_height_is_refused_and_the_wish_stands() -> None:
    chain = FakeChain(FOUR).grow(2)
    bisection = Bisection(chain.blocks[-1], far_block(chain, 102, STRANGERS), OPTIONS, chain.now_ns)
    with pytest.raises(errors.WrongAnswer, match="height 58"):
        bisection.give(far_block(chain, 59, FOUR))
    assert bisection.wanted == 58
    bisection.give(far_block(chain, 58, FOUR))
    assert [block.height for block in bisection.trace] == [2, 58]


@settings(max_examples=15)
@given(height=st.integers(2, 2**63 - 1))
def test_strangers_at_any_height_are_refused_after_few_steps(height: int) -> None:
    chain = FakeChain(FOUR).grow(1)
    steps = 0
    with pytest.raises(errors.WrongValidators):  # noqa: PT012 - which step is refused depends on the height
        bisection = Bisection(chain.blocks[-1], far_block(chain, height, STRANGERS), OPTIONS, chain.now_ns)
        while bisection.wanted is not None:
            steps += 1
            bisection.give(far_block(chain, bisection.wanted, STRANGERS))
    assert steps <= MOST_STEPS


@settings(max_examples=25)
@given(changes=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_any_drift_of_validators_is_followed_by_steps_that_each_verify(changes: list[tuple[int, bool]]) -> None:
    chain, members = FakeChain(FOUR), list(FOUR)
    for number, (place, changed) in enumerate(changes):
        if changed:
            members[place] = Member(100 + number)
        chain.cut(next_members=members)
    chain.cut()
    first, last = chain.blocks[0], chain.blocks[-1]
    bisection = Bisection(first, last, OPTIONS, chain.now_ns)
    asked = []
    while bisection.wanted is not None:
        asked.append(bisection.wanted)
        bisection.give(chain.blocks[bisection.wanted - 1])
    assert (bisection.trace[0], bisection.trace[-1]) == (first, last)
    assert len(asked) == len(set(asked))
    for trusted, block in zip(bisection.trace, bisection.trace[1:], strict=False):
        assert verify(trusted, block, OPTIONS, chain.now_ns) == Verified(block)


class Endless(FakeChain):
    """Has a block at every height, each above its end signed by the same hundred strangers."""

    crowd = tuple(Member(number, 1) for number in range(1_000, 1_100))

    def _at(self, top: int, height: str | None) -> LightBlock:
        number = top if height is None else int(height)
        return super()._at(top, height) if number <= len(self.blocks) else far_block(self, number, list(self.crowd))


def test_a_liar_with_fake_validators_at_every_height_costs_bounded_calls_and_is_left_alone() -> None:
    async def run() -> None:
        chain = Endless(FOUR)
        net = Net(chain=chain.grow(3), names=("one",))
        node, client = net["one"], net.client(OPTIONS)
        await client.update()
        node.lag = -(2**62)
        before, before_bytes = len(node.called), node.sent_bytes
        with pytest.raises(errors.WrongValidators):
            await client.update()
        calls = len(node.called) - before
        assert calls <= MOST_STEPS + 2
        assert node.sent_bytes - before_bytes < calls * 40_000
        assert client.nodes()[0].fault is Fault.LIED
        assert (client.nodes()[0].again_at_ns or 0) - net.clock.now_ns() == 600 * SECOND_NS

    asyncio.run(run())
