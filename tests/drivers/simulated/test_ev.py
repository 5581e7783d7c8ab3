"""Cars come, charge to their need, feed back where they can, and leave."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.ev import EvPart, EvSpec, StaySpec
from drivers.simulated.part import NJ_PER_MWH
from drivers.simulated.plant import Plant
from tests.drivers.simulated.stage import CAR, HOUR_S, START_S, V2G_CAR, HandClock


def stage(*stays: StaySpec) -> tuple[HandClock, Plant, EvPart]:
    clock = HandClock()
    part = EvPart(EvSpec(START_S, stays))
    part.unattended = False
    return clock, Plant(clock, {"car": part}), part


def command(plant: Plant, part: EvPart, power_w: int) -> None:
    plant.command(part, lambda at_us: part.set_power(power_w * 1000, at_us))


def test_a_car_comes_charges_to_its_need_and_leaves() -> None:
    clock, plant, charger = stage(CAR)
    assert charger.plug_state() is None
    command(plant, charger, 7_200)
    clock.set(START_S + HOUR_S)
    plant.advance()
    state = charger.plug_state()
    assert state is not None
    assert (state.needs_wh, state.max_charge_w, state.max_discharge_w, state.capacity_wh) == (4_000, 7_200, 0, 0)
    assert charger.power_mw == 0, "a setpoint from before the car came does not count"
    command(plant, charger, 9_999)
    assert charger.power_mw == 7_200_000
    clock.set(START_S + HOUR_S + 1999.999999)
    plant.advance()
    assert charger.power_mw == 7_200_000
    clock.set(START_S + HOUR_S + 2000)
    plant.advance()
    state = charger.plug_state()
    assert (charger.power_mw, state and state.needs_wh) == (0, 0)
    command(plant, charger, -5_000)
    assert charger.power_mw == 0
    clock.set(CAR.departs_s)
    plant.advance()
    assert charger.plug_state() is None
    assert [departure.delivered_nj for departure in charger.departures] == [4_000_000 * NJ_PER_MWH]
    assert charger.unmet_nj() == 0


def test_what_a_car_was_missing_is_recorded() -> None:
    clock, plant, charger = stage(CAR)
    clock.set(CAR.departs_s - 1000)
    command(plant, charger, 3_600)
    clock.set(CAR.departs_s + 5)
    plant.advance()
    assert charger.unmet_nj() == 3_000_000 * NJ_PER_MWH


def test_a_car_that_tells_of_its_battery_feeds_back_and_takes_more_than_it_needs() -> None:
    clock, plant, charger = stage(V2G_CAR)
    clock.set(V2G_CAR.plugged_in_s)
    command(plant, charger, -9_000)
    clock.set(V2G_CAR.plugged_in_s + HOUR_S)
    plant.measure(charger)
    state = charger.plug_state()
    assert state is not None
    assert (charger.power_mw, state.needs_wh, state.stored_wh, state.capacity_wh) == (-5_000_000, 6_000, 1_000, 10_000)
    clock.set(V2G_CAR.plugged_in_s + HOUR_S + 720)
    plant.measure(charger)
    assert charger.power_mw == 0
    command(plant, charger, 7_200)
    clock.set(V2G_CAR.plugged_in_s + HOUR_S + 720 + 5000)
    plant.measure(charger)
    state = charger.plug_state()
    assert state is not None
    assert (charger.power_mw, state.needs_wh, state.stored_wh) == (0, -3_000, 10_000)


def test_unattended_it_charges_at_once() -> None:
    clock, plant, charger = stage(CAR, replace(CAR, plugged_in_s=CAR.departs_s, departs_s=CAR.departs_s + HOUR_S))
    charger.unattended = True
    clock.set(START_S + 10 * HOUR_S)
    plant.measure(charger)
    assert charger.import_nj == 8_000_000 * NJ_PER_MWH
    assert len(charger.departures) == 2


@given(
    st.lists(st.tuples(st.integers(1, 3 * HOUR_S * 10**6), st.integers(-8_000, 8_000)), max_size=30),
    st.sampled_from([CAR, V2G_CAR, replace(CAR, needs_mwh=3_333_333, max_charge_w=7_001)]),
)
def test_no_sequence_of_setpoints_passes_need_or_battery(steps: list[tuple[int, int]], car: StaySpec) -> None:
    clock, plant, charger = stage(car)
    for stride_us, power_w in steps:
        command(plant, charger, power_w)
        clock.now_us += stride_us
        plant.measure(charger)
        most_mwh = car.capacity_mwh - car.stored_mwh if car.capacity_mwh else car.needs_mwh
        one_us_nj = 8_000_000
        assert -car.stored_mwh * NJ_PER_MWH - one_us_nj < charger.import_nj - charger.export_nj
        assert charger.import_nj - charger.export_nj < most_mwh * NJ_PER_MWH + one_us_nj
