"""The pace of a drain: never faster than it says, and never slower than it may be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS_PER_S
from agent.line.pacing import BURST, Pace


def passes(pace: Pace, waits_ns: list[int]) -> list[int]:
    """When each of those who come one after the other, each so long after the last one passed, may pass."""
    now_ns, passed = 0, []
    for wait_ns in waits_ns:
        now_ns += wait_ns
        now_ns += pace.wait_ns(now_ns)
        assert pace.wait_ns(now_ns) == 0, "who has waited passes"
        pace.passed(now_ns)
        passed.append(now_ns)
    return passed


@given(st.integers(1, 1_000), st.integers(1, 40), st.lists(st.integers(0, 3 * NS_PER_S), max_size=100))
def test_in_no_time_more_pass_than_a_burst_and_the_pace(per_s: int, burst: int, waits_ns: list[int]) -> None:
    passed = passes(Pace(per_s, burst), waits_ns)
    step_ns = NS_PER_S // per_s
    for first, first_ns in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - first_ns) // step_ns


@given(st.integers(1, 1_000), st.integers(1, 40), st.lists(st.integers(0, 3 * NS_PER_S), max_size=60))
def test_who_keeps_to_the_pace_never_waits(per_s: int, burst: int, more_ns: list[int]) -> None:
    pace = Pace(per_s, burst)
    step_ns, now_ns = NS_PER_S // per_s, 0
    for wait_ns in more_ns:
        now_ns += step_ns + wait_ns
        assert pace.wait_ns(now_ns) == 0
        pace.passed(now_ns)


def test_a_backlog_passes_as_a_burst_and_then_at_the_pace() -> None:
    passed = passes(Pace(10), [0] * (BURST + 20))
    assert passed[:BURST] == [0] * BURST
    assert [after - before for before, after in zip(passed[BURST - 1 :], passed[BURST:], strict=False)] == [NS_PER_S // 10] * 20


def test_a_quiet_time_is_worth_one_burst_and_no_more() -> None:
    pace = Pace(10, 4)
    assert passes(pace, [0] * 4) == [0] * 4
    later_ns = 3_600 * NS_PER_S
    assert passes(pace, [later_ns] + [0] * 4) == [later_ns] * 4 + [later_ns + NS_PER_S // 10]
