"""When a block is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.fullnode.engine.cutting import BlockPolicy, Pending, next_cut_ns

S = 10**9
POLICY = BlockPolicy(gather_ns=S // 2, heartbeat_ns=5 * S)
LAST = 1_000 * S


@pytest.mark.parametrize(
    ("pending", "expected_ns"),
    [
        (Pending(LAST, False, None, None), LAST + 5 * S),
        (Pending(LAST, True, None, None), LAST + S // 2),
        (Pending(LAST, False, LAST + 2 * S, None), LAST + 2 * S + S // 2),
        (Pending(LAST, False, LAST - 3 * S, None), LAST + S // 2),
        (Pending(LAST, False, None, 1_003), 1_003 * S),
        (Pending(LAST, False, None, 1_900), LAST + 5 * S),
        (Pending(LAST, False, None, 900), LAST + S // 2),
        (Pending(LAST, False, LAST + 4 * S, 1_004), 1_004 * S),
    ],
    ids=["heartbeat", "proof block", "gathered", "held over", "due", "due after the heartbeat", "overdue", "due first"],
)
def test_the_earliest_wish_counts(pending: Pending, expected_ns: int) -> None:
    assert next_cut_ns(POLICY, pending) == expected_ns


times = st.integers(min_value=0, max_value=2_000)


@given(changed=st.booleans(), first_tx=st.none() | times, due_s=st.none() | times)
def test_blocks_keep_their_distance_and_never_miss_a_heartbeat(changed: bool, first_tx: int | None, due_s: int | None) -> None:
    pending = Pending(LAST, changed, None if first_tx is None else first_tx * S, due_s)
    assert LAST + POLICY.gather_ns <= next_cut_ns(POLICY, pending) <= LAST + POLICY.heartbeat_ns
