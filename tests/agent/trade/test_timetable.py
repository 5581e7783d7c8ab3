"""The instants of a slot, for every slot length that a society may have."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.trade.timetable import Timetable

TIMETABLES = st.builds(
    Timetable,
    duration_s=st.sampled_from((60, 300, 900)),
    gate_lead_s=st.sampled_from((20, 60, 90)),
    lead_s=st.integers(20, 45),
    delay_s=st.integers(0, 10),
)
INSTANTS = st.integers(1_700_000_000, 1_900_000_000)


@given(TIMETABLES, INSTANTS)
def test_a_bid_lies_before_its_gate_and_its_proof_between_gate_and_slot(timetable: Timetable, at_s: int) -> None:
    slot_s = timetable.first_tradable(at_s)
    assert slot_s % timetable.duration_s == 0
    assert timetable.bid_s(slot_s) < timetable.gate_s(slot_s) < timetable.prove_s(slot_s) < slot_s


@given(TIMETABLES, INSTANTS)
def test_the_first_tradable_slot_is_the_first_whose_gate_lies_ahead(timetable: Timetable, at_s: int) -> None:
    slot_s = timetable.first_tradable(at_s)
    assert timetable.gate_s(slot_s - timetable.duration_s) <= at_s < timetable.gate_s(slot_s)


@given(TIMETABLES, INSTANTS)
def test_each_slot_is_bid_for_and_proven_once(timetable: Timetable, at_s: int) -> None:
    bid, proof = timetable.next_bid_slot(at_s), timetable.next_prove_slot(at_s)
    assert timetable.bid_s(bid - timetable.duration_s) <= at_s < timetable.bid_s(bid)
    assert timetable.prove_s(proof - timetable.duration_s) <= at_s < timetable.prove_s(proof)
    assert timetable.next_bid_slot(timetable.bid_s(bid)) == bid + timetable.duration_s
    assert timetable.next_prove_slot(timetable.prove_s(proof)) == proof + timetable.duration_s


def test_a_quarter_of_an_hour_as_it_runs() -> None:
    timetable = Timetable(duration_s=900, gate_lead_s=60, lead_s=30)
    assert (timetable.bid_s(9_000), timetable.gate_s(9_000), timetable.prove_s(9_000)) == (8_910, 8_940, 8_955)


def test_with_one_minute_slots_the_gate_is_the_start_of_the_slot_before() -> None:
    timetable = Timetable(duration_s=60, gate_lead_s=60, lead_s=30)
    assert timetable.gate_s(9_000) == 8_940
    assert timetable.first_tradable(8_940) == 9_060
    assert timetable.next_bid_slot(8_909) == 9_000


@pytest.mark.parametrize(("lead_s", "delay_s"), [(30, 30), (30, -1)])
def test_a_delay_beyond_the_lead_is_refused(lead_s: int, delay_s: int) -> None:
    with pytest.raises(ValueError, match="delay_s"):
        Timetable(900, 60, lead_s, delay_s)


def test_slots_without_length_are_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Timetable(0, 60)
