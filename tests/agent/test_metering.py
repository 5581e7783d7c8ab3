"""Slots cut out of readings: exact edges, registers that never go back, and honesty about what nobody saw."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.metering import EdgesMissed, MeterState, RegisterFell, SlotMeter, TimeFell
from agent.vocabulary import Reading, SlotEnergy

D = 900
T0 = 1_772_323_200


def reading(at_s: int, import_wh: int, export_wh: int = 0) -> Reading:
    return Reading(at_s, 0, import_wh, export_wh)


def test_readings_at_both_edges_make_a_slot() -> None:
    meter = SlotMeter(D)
    assert meter.take(reading(T0, 100, 7)) == []
    assert meter.take(reading(T0 + 450, 120, 7)) == []
    assert meter.take(reading(T0 + D, 150, 9)) == [SlotEnergy(T0, 100, 7, 150, 9)]
    assert meter.take(reading(T0 + 2 * D, 150, 20)) == [SlotEnergy(T0 + D, 150, 9, 150, 20)]


def test_the_slot_in_which_it_starts_is_not_whole() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0 + 10, 100))
    assert meter.take(reading(T0 + D, 150)) == []
    assert meter.take(reading(T0 + 2 * D, 160)) == [SlotEnergy(T0 + D, 150, 0, 160, 0)]


def test_an_edge_between_two_close_readings_is_interpolated_for_both_slots_alike() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0, 0))
    meter.take(reading(T0 + D - 10, 90))
    (first,) = meter.take(reading(T0 + D + 10, 110))
    (second,) = meter.take(reading(T0 + 2 * D, 200))
    assert first == SlotEnergy(T0, 0, 0, 100, 0)
    assert second == SlotEnergy(T0 + D, 100, 0, 200, 0)


def test_a_missed_edge_costs_the_slots_on_both_sides_and_no_others() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0, 0))
    assert meter.take(reading(T0 + D + 40, 500)) == [EdgesMissed(T0, T0 + 2 * D)]
    assert meter.take(reading(T0 + 2 * D, 600)) == []
    assert meter.take(reading(T0 + 3 * D, 700)) == [SlotEnergy(T0 + 2 * D, 600, 0, 700, 0)]


def test_after_a_long_silence_that_ends_at_an_edge_the_running_slot_counts() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0, 0))
    assert meter.take(reading(T0 + 5 * D, 500)) == [EdgesMissed(T0, T0 + 5 * D)]
    assert meter.take(reading(T0 + 6 * D, 600)) == [SlotEnergy(T0 + 5 * D, 500, 0, 600, 0)]


def test_a_reset_register_goes_on_where_it_was() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0, 5_000, 800))
    assert meter.take(reading(T0 + 450, 3, 800)) == [RegisterFell(T0 + 450, 4_997, 0)]
    assert meter.take(reading(T0 + D, 53, 810)) == [SlotEnergy(T0, 5_000, 800, 5_050, 810)]


def test_a_restart_within_a_slot_loses_nothing() -> None:
    before = SlotMeter(D)
    before.take(reading(T0, 100))
    before.take(reading(T0 + 450, 3))  # a reset before the restart
    state = before.state
    assert state is not None
    after = SlotMeter(D, MeterState.decode(state.encode()))
    assert after.take(reading(T0 + D, 23)) == [SlotEnergy(T0, 100, 0, 120, 0)]


def test_a_clock_set_back_a_little_catches_up() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0, 0))
    meter.take(reading(T0 + 100, 10))
    assert meter.take(reading(T0 + 60, 12)) == [TimeFell(T0 + 100, T0 + 60)]
    assert meter.take(reading(T0 + D, 50)) == [SlotEnergy(T0, 0, 0, 50, 0)]


def test_a_clock_set_back_far_starts_the_cutting_again_and_keeps_the_registers() -> None:
    meter = SlotMeter(D)
    meter.take(reading(T0 + 100 * D, 1_000))
    assert meter.take(reading(T0, 1_010)) == [TimeFell(T0 + 100 * D, T0)]
    assert meter.take(reading(T0 + D, 1_030)) == [SlotEnergy(T0, 1_010, 0, 1_030, 0)]


def test_bytes_of_another_format_are_refused() -> None:
    state = SlotMeter(D)
    state.take(reading(T0, 1))
    assert state.state is not None
    data = state.state.encode()
    with pytest.raises(ValueError, match="format"):
        MeterState.decode(data[:1] + b"\x02" + data[2:])


STEPS = st.lists(st.tuples(st.integers(0, 1_300), st.integers(-300, 500), st.integers(-300, 500)), max_size=60)


@given(STEPS, st.booleans())
def test_registers_never_go_back_and_slots_join(steps: list[tuple[int, int, int]], restarts: bool) -> None:
    """Whatever a meter does, reported registers only grow, and a slot starts where the one before it ended."""
    meter, at_s, raw_import, raw_export = SlotMeter(D), T0, 1_000, 1_000
    slots: list[SlotEnergy] = []
    for step_s, more_import, more_export in steps:
        at_s += step_s
        raw_import, raw_export = max(0, raw_import + more_import), max(0, raw_export + more_export)
        if restarts and meter.state is not None:
            meter = SlotMeter(D, MeterState.decode(meter.state.encode()))
        slots += [found for found in meter.take(reading(at_s, raw_import, raw_export)) if isinstance(found, SlotEnergy)]
    for slot in slots:
        assert slot.slot_s % D == 0
        assert slot.import_end_wh >= slot.import_start_wh
        assert slot.export_end_wh >= slot.export_start_wh
    for before, after in pairwise(slots):
        assert after.slot_s > before.slot_s
        assert after.import_start_wh >= before.import_end_wh
        if after.slot_s == before.slot_s + D:
            ends = before.import_end_wh, before.export_end_wh
            assert ends == (after.import_start_wh, after.export_start_wh)


@pytest.mark.parametrize("first_s", [T0, T0 + 10])
def test_registers_reported_before_are_gone_on_from(first_s: int) -> None:
    """Also where they become known only after some readings: what was counted since the first of these is kept."""
    meter = SlotMeter(D)
    meter.take(reading(first_s, 3, 800))
    meter.take(reading(T0 + 450, 13, 810))
    meter.continue_from(1_000, 500)
    meter.take(reading(T0 + D, 23, 820))
    assert meter.take(reading(T0 + 2 * D, 33, 830)) == [SlotEnergy(T0 + D, 1_020, 820, 1_030, 830)]


def test_registers_reported_before_may_be_known_before_the_first_reading() -> None:
    meter = SlotMeter(D)
    meter.continue_from(1_000, 500)
    meter.take(reading(T0, 3, 800))
    assert meter.take(reading(T0 + D, 13, 810)) == [SlotEnergy(T0, 1_000, 800, 1_010, 810)]
