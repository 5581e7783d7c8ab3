"""The freezer follows the closed form of a lumped heat balance, rests long enough and counts its warm minutes."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.freezer import FreezerPart, FreezerSpec
from drivers.simulated.plant import Plant
from tests.drivers.simulated.stage import HOUR_S, START_S, HandClock

SPEC = FreezerSpec(START_S)
TAU_S = 65_000.0
COOLING_TARGET_C = 20 - 157 * 1.6


def stage(unattended: bool = False) -> tuple[HandClock, Plant, FreezerPart]:
    clock = HandClock()
    part = FreezerPart(SPEC)
    part.unattended = unattended
    return clock, Plant(clock, {"freezer": part}), part


def switch(plant: Plant, part: FreezerPart, on: bool) -> None:
    plant.command(part, lambda at_us: part.switch(on, at_us))


def decay(start_c: float, target_c: float, seconds: float) -> float:
    return target_c + (start_c - target_c) * math.exp(-seconds / TAU_S)


def test_warming_and_cooling_follow_the_closed_form() -> None:
    clock, plant, freezer = stage()
    clock.set(START_S + HOUR_S)
    warm_c = decay(-18, 20, HOUR_S)
    assert freezer.temperature_mc(plant.advance()) == pytest.approx(1000 * warm_c, abs=1e-6)
    switch(plant, freezer, True)
    assert freezer.power_mw == 157_000
    clock.set(START_S + HOUR_S + 600)
    assert freezer.temperature_mc(plant.advance()) == pytest.approx(1000 * decay(warm_c, COOLING_TARGET_C, 600), abs=1e-6)


def test_closed_and_left_alone_it_stays_near_its_coldest() -> None:
    clock, plant, freezer = stage()
    switch(plant, freezer, True)
    coldest = warmest = 0.0
    for minute in range(60, 24 * 60):
        clock.set(START_S + 60 * minute)
        temperature_mc = freezer.temperature_mc(plant.advance())
        coldest, warmest = min(coldest, temperature_mc), max(warmest if minute > 60 else -99_000.0, temperature_mc)
    assert coldest >= -20_000.001
    assert warmest <= -19_700
    plant.measure(freezer)
    assert freezer.import_nj / 3.6e15 == pytest.approx(0.6, abs=0.05)


def test_the_compressor_rests_five_minutes() -> None:
    clock, plant, freezer = stage()
    switch(plant, freezer, True)
    clock.set(START_S + 100)
    switch(plant, freezer, False)
    clock.set(START_S + 160)
    switch(plant, freezer, True)
    assert not freezer.running
    assert freezer.next_us == (START_S + 400) * 10**6
    clock.set(START_S + 400)
    plant.advance()
    assert freezer.running


@given(st.lists(st.tuples(st.integers(1, 3 * HOUR_S * 10**6), st.booleans()), max_size=30))
def test_it_is_never_colder_than_coldest_and_never_starts_too_soon(steps: list[tuple[int, bool]]) -> None:
    clock, plant, freezer = stage()
    stopped_us, running = -(10**15), False
    for stride_us, on in steps:
        switch(plant, freezer, on)
        end_us = clock.now_us + stride_us
        while True:
            if freezer.running and not running:
                assert clock.now_us - stopped_us >= 300 * 10**6
            if running and not freezer.running:
                stopped_us = clock.now_us
            running = freezer.running
            assert freezer.temperature_mc(clock.now_us) >= -20_000.01
            if clock.now_us == end_us:
                break
            clock.now_us = min(end_us, freezer.next_us or end_us)
            plant.advance()


def test_a_thermostat_keeps_the_band_when_nobody_attends() -> None:
    clock, plant, freezer = stage(unattended=True)
    turns = []
    for minute in range(3 * 24 * 60):
        clock.set(START_S + 60 * minute)
        at_us = plant.advance()
        assert -20_000.01 <= freezer.temperature_mc(at_us) <= -15_999.9
        turns.append(freezer.running)
    assert sum(turns) / len(turns) == pytest.approx(0.15, abs=0.01)
    assert sum(not before and after for before, after in pairwise(turns)) >= 3
    assert freezer.too_warm_s(plant.advance()) < 0.01


def test_warm_time_is_counted_from_the_instant_of_crossing() -> None:
    clock, plant, freezer = stage()
    above_band_s = TAU_S * math.log((20 + 18) / (20 + 16))
    above_alarm_s = TAU_S * math.log((20 + 18) / (20 + 15))
    clock.set(START_S + 3 * HOUR_S)
    assert freezer.too_warm_s(plant.advance()) == pytest.approx(3 * HOUR_S - above_band_s, abs=1e-3)
    assert freezer.alarm_s(plant.advance()) == pytest.approx(3 * HOUR_S - above_alarm_s, abs=1e-3)
    switch(plant, freezer, True)
    back_s = TAU_S * math.log((decay(-18, 20, 3 * HOUR_S) - COOLING_TARGET_C) / (-16 - COOLING_TARGET_C))
    clock.set(START_S + 4 * HOUR_S)
    assert freezer.too_warm_s(plant.advance()) == pytest.approx(3 * HOUR_S - above_band_s + back_s, abs=1e-3)
