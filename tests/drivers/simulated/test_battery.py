"""The battery keeps its limits and loses exactly what it should."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.battery import BatteryPart
from drivers.simulated.part import NJ_PER_MWH
from drivers.simulated.plant import Plant
from tests.drivers.simulated.stage import BATTERY, HOUR_S, START_S, HandClock

LOSS_IN, LOSS_OUT = Fraction(BATTERY.eta_charge_ppm, 10**6), Fraction(BATTERY.eta_discharge_ppm, 10**6)


def stage() -> tuple[HandClock, Plant, BatteryPart]:
    clock = HandClock()
    part = BatteryPart(BATTERY)
    return clock, Plant(clock, {"battery": part}), part


def command(plant: Plant, part: BatteryPart, power_w: int) -> None:
    plant.command(part, lambda at_us: part.set_power(power_w * 1000, at_us))


@given(st.lists(st.tuples(st.integers(1, 2 * HOUR_S * 10**6), st.integers(-4_000, 4_000)), max_size=40))
def test_it_never_leaves_its_limits_and_its_balance_is_exact(steps: list[tuple[int, int]]) -> None:
    clock, plant, battery = stage()
    for stride_us, power_w in steps:
        command(plant, battery, power_w)
        clock.now_us += stride_us
        plant.measure(battery)
        assert BATTERY.floor_mwh * NJ_PER_MWH <= battery.stored_nj <= BATTERY.capacity_mwh * NJ_PER_MWH
        assert -2_500_000 <= battery.power_mw <= 3_000_000
        balance = BATTERY.initial_mwh * NJ_PER_MWH + battery.import_nj * LOSS_IN - battery.export_nj / LOSS_OUT
        assert battery.stored_nj == balance.__floor__()


def test_it_stops_when_it_is_full_and_says_so_beforehand() -> None:
    clock, plant, battery = stage()
    command(plant, battery, 5_000)
    assert battery.power_mw == 3_000_000
    full_after_us = 1_000_000 * NJ_PER_MWH * 10**6 // (3_000_000 * BATTERY.eta_charge_ppm)
    assert battery.next_us == START_S * 10**6 + full_after_us
    clock.now_us = battery.next_us - 1
    plant.advance()
    assert battery.power_mw == 3_000_000
    clock.now_us += 1
    plant.measure(battery)
    assert battery.power_mw == 0
    assert BATTERY.capacity_mwh * NJ_PER_MWH - battery.stored_nj < 3_000_000
    command(plant, battery, 3_000)
    assert battery.power_mw == 0
    command(plant, battery, -3_000)
    assert battery.power_mw == -2_500_000


def test_it_keeps_its_floor() -> None:
    clock, plant, battery = stage()
    command(plant, battery, -2_500)
    clock.set(START_S + 10 * HOUR_S)
    plant.measure(battery)
    assert battery.stored_nj - BATTERY.floor_mwh * NJ_PER_MWH < 2 * 2_500_000
    assert battery.export_nj <= 900_000 * NJ_PER_MWH * LOSS_OUT
    assert battery.power_mw == 0
