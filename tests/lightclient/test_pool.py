"""Who is asked, who is left alone and for how long: whatever the nodes do, somebody can be asked."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient.pool import BACK_OFFS, HOUR_NS, MAX_CAUSE_CHARS, MINUTE_NS, SECOND_NS, Condition, Fault, Pool

NAMES = ("one", "two", "three", "four")


def waits_s(fault: Fault, times: int) -> list[int]:
    """How long one node is left alone, fault after fault, each coming when the wait before is over."""
    pool, now_ns, waits = Pool(NAMES), 7 * SECOND_NS, []
    for _ in range(times):
        pool.blame(1, fault, "why", now_ns)
        again_at_ns = pool.view(now_ns)[1].again_at_ns
        assert again_at_ns is not None
        waits.append((again_at_ns - now_ns) // SECOND_NS)
        now_ns = again_at_ns
    return waits


@pytest.mark.parametrize(
    ("fault", "expected_s"),
    [
        (Fault.SILENT, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (Fault.BEHIND, [10, 20, 40, 80, 160, 300, 300]),
        (Fault.LIED, [600, 1200, 2400, 4800, 9600, 19200, 38400, 76800, 86400, 86400]),
    ],
)
def test_waits_double_up_to_a_limit(fault: Fault, expected_s: list[int]) -> None:
    assert waits_s(fault, len(expected_s)) == expected_s


def test_a_node_that_fails_for_years_does_not_overflow() -> None:
    pool = Pool(NAMES)
    for _ in range(10_000):
        pool.blame(1, Fault.SILENT, "", 0)
    assert pool.view(0)[1].again_at_ns == 5 * MINUTE_NS


def test_blame_of_the_primary_makes_the_next_usable_node_primary() -> None:
    pool = Pool(NAMES)
    assert (pool.primary, pool.witnesses(0)) == (0, (1, 2, 3))
    pool.blame(1, Fault.LIED, "forged", 0)
    pool.blame(0, Fault.SILENT, "nothing", 0)
    assert (pool.primary, pool.witnesses(0)) == (2, (3,))
    assert pool.witnesses(2 * SECOND_NS) == (3, 0)
    pool.blame(2, Fault.BEHIND, "old", 2 * SECOND_NS)
    assert pool.primary == 3


def test_blame_of_a_witness_leaves_the_primary() -> None:
    pool = Pool(NAMES)
    pool.blame(2, Fault.SILENT, "nothing", 0)
    assert (pool.primary, pool.witnesses(0)) == (0, (1, 3))


def test_where_all_are_cooling_the_one_that_is_free_soonest_is_asked() -> None:
    pool = Pool(NAMES[:3])
    pool.blame(1, Fault.LIED, "forged", 0)
    pool.blame(2, Fault.BEHIND, "old", 0)
    assert pool.witnesses(0) == (2,)
    pool.blame(0, Fault.LIED, "forged", 1)
    assert pool.primary == 2
    assert pool.witnesses(1) == (1,)


def test_a_node_alone_stays_primary() -> None:
    pool = Pool(["only"])
    pool.blame(0, Fault.SILENT, "nothing", 0)
    assert (pool.primary, pool.witnesses(0)) == (0, ())
    assert pool.view(0)[0].condition is Condition.COOLING


def test_a_lesser_fault_does_not_shorten_a_wait() -> None:
    pool = Pool(NAMES)
    pool.blame(1, Fault.LIED, "forged", 0)
    pool.blame(1, Fault.SILENT, "nothing", SECOND_NS)
    seen = pool.view(SECOND_NS)[1]
    assert (seen.fault, seen.cause, seen.again_at_ns) == (Fault.LIED, "forged", 10 * MINUTE_NS)


def test_what_a_person_sees_of_a_node() -> None:
    pool = Pool(NAMES)
    pool.blame(3, Fault.LIED, "x" * 100_000, 0)
    cooling, after = pool.view(0)[3], pool.view(HOUR_NS)[3]
    assert (cooling.name, cooling.condition, cooling.again_at_ns) == ("four", Condition.COOLING, 10 * MINUTE_NS)
    assert (after.condition, after.again_at_ns, after.fault) == (Condition.GOOD, None, Fault.LIED)
    assert len(after.cause) == MAX_CAUSE_CHARS
    pool.praise(3)
    assert (pool.view(0)[3].condition, pool.view(0)[3].fault, pool.view(0)[3].cause) == (Condition.GOOD, None, "")
    assert [node.is_primary for node in pool.view(0)] == [True, False, False, False]


def test_a_pool_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Pool([])


@dataclass(frozen=True)
class Step:
    """Something that happens to a node; praise where there is no fault."""

    node: int
    fault: Fault | None
    after_ns: int


STEPS = st.lists(
    st.builds(
        Step,
        node=st.integers(0, 3),
        fault=st.none() | st.sampled_from(sorted(BACK_OFFS)),
        after_ns=st.integers(0, 30 * MINUTE_NS),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, count=st.integers(2, 4))
def test_whatever_happens_somebody_can_be_asked(steps: list[Step], count: int) -> None:
    pool, twin, now_ns = Pool(NAMES[:count]), Pool(NAMES[:count]), 0
    for step in steps:
        now_ns += step.after_ns
        node, primary = step.node % count, pool.primary
        for each in (pool, twin):
            if step.fault is None:
                each.praise(node)
            else:
                each.blame(node, step.fault, "why", now_ns)
        witnesses = pool.witnesses(now_ns)
        assert witnesses
        assert len(set(witnesses)) == len(witnesses)
        assert {pool.primary, *witnesses} <= set(range(count))
        assert pool.primary not in witnesses
        assert (pool.primary != primary) == (step.fault is not None and node == primary)
        assert [seen.is_primary for seen in pool.view(now_ns)].index(True) == pool.primary
        assert pool.view(now_ns) == twin.view(now_ns)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, fault=st.sampled_from(sorted(set(BACK_OFFS) - {Fault.LIED})))
def test_a_praised_node_begins_small_again_unless_it_lied(steps: list[Step], fault: Fault) -> None:
    pool, now_ns = Pool(NAMES), 0
    for step in steps:
        now_ns += step.after_ns
        if step.fault is not None:
            pool.blame(step.node, step.fault, "why", now_ns)
    pool.praise(2)
    pool.blame(2, fault, "why", now_ns)
    again_at_ns = pool.view(now_ns)[2].again_at_ns
    assert again_at_ns is not None
    assert again_at_ns - now_ns == waits_s(fault, 1)[0] * SECOND_NS


def test_what_is_noted_is_seen_and_changes_nothing() -> None:
    pool = Pool(NAMES)
    assert pool.note(2, Fault.DUPLICATE, "twin")
    assert not pool.note(2, Fault.DUPLICATE, "twin")
    assert (pool.view(0)[2].condition, pool.view(0)[2].fault) == (Condition.GOOD, Fault.DUPLICATE)
    assert pool.witnesses(0) == (1, 2, 3)
    pool.blame(1, Fault.LIED, "forged", 0)
    assert not pool.note(1, Fault.DUPLICATE, "twin")
    assert pool.view(0)[1].fault is Fault.LIED


def test_lies_stay_counted_over_praise_until_a_week_has_passed() -> None:
    pool, now_ns = Pool(NAMES), 0
    waits = []
    for pause_ns in (HOUR_NS, HOUR_NS, 8 * 24 * HOUR_NS, HOUR_NS):
        pool.blame(1, Fault.LIED, "forged", now_ns)
        waits.append(((pool.view(now_ns)[1].again_at_ns or 0) - now_ns) // MINUTE_NS)
        pool.praise(1)
        now_ns += pause_ns
    assert waits == [10, 20, 40, 10]
