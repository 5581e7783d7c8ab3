"""The washer runs what was recorded, from the instant of its start, to the end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.abilities import WashJob
from drivers.simulated.part import NJ_PER_MWH
from drivers.simulated.plant import Plant
from drivers.simulated.washer import WasherPart, WasherSpec, WashSpec
from tests.drivers.simulated.stage import HOUR_S, SLOT_S, START_S, WASH, HandClock


def stage(*washes: WashSpec) -> tuple[HandClock, Plant, WasherPart]:
    clock = HandClock()
    part = WasherPart(WasherSpec(START_S, SLOT_S, washes))
    part.unattended = False
    return clock, Plant(clock, {"washer": part}), part


def test_a_wash_waits_runs_its_recording_and_is_done() -> None:
    clock, plant, washer = stage(WASH)
    plant.command(washer, washer.start)
    assert washer.job() is None
    clock.set(WASH.ready_s)
    plant.advance()
    assert washer.job() == WashJob(0, WASH.ready_s, WASH.end_by_s, (172, 23, 0, 1), None)
    clock.set(WASH.ready_s + 1234)
    plant.command(washer, washer.start)
    assert washer.power_mw == 171_617 * 4
    job = washer.job()
    assert job is not None
    assert job.started_s == WASH.ready_s + 1234
    clock.set(WASH.ready_s + 1234 + SLOT_S + 10)
    plant.command(washer, washer.start)
    assert washer.power_mw == 23_573 * 4, "a running wash does not start again"
    clock.set(WASH.ready_s + 1234 + 4 * SLOT_S)
    plant.measure(washer)
    assert (washer.job(), washer.power_mw) == (None, 0)
    assert washer.import_nj == sum(WASH.slot_mwh) * NJ_PER_MWH
    assert not washer.runs[0].late


def test_the_next_load_waits_until_the_machine_is_free() -> None:
    clock, plant, washer = stage(WASH, WashSpec(WASH.ready_s + 60, WASH.end_by_s, (400_000,)))
    clock.set(WASH.ready_s + 120)
    plant.command(washer, washer.start)
    job = washer.job()
    assert job is not None
    assert job.job_id == 0
    clock.set(WASH.ready_s + 120 + 4 * SLOT_S)
    plant.advance()
    job = washer.job()
    assert job is not None
    assert (job.job_id, job.started_s) == (1, None)


def test_late_washes_are_counted_whether_they_ran_or_not() -> None:
    clock, plant, washer = stage(WASH, WashSpec(WASH.end_by_s, WASH.end_by_s + HOUR_S, (400_000,)))
    clock.set(WASH.end_by_s - SLOT_S)
    assert washer.late_washes(plant.advance()) == 0
    plant.command(washer, washer.start)
    clock.set(WASH.end_by_s + 3 * SLOT_S)
    assert washer.late_washes(plant.advance()) == 1
    clock.set(WASH.end_by_s + HOUR_S)
    assert washer.late_washes(plant.advance()) == 2


@given(st.lists(st.integers(0, 500_000), min_size=1, max_size=12), st.integers(0, HOUR_S * 10**6))
def test_energies_equal_the_recording_and_its_whole_watt_hours(slot_mwh: list[int], delay_us: int) -> None:
    wash = WashSpec(START_S, START_S + 6 * HOUR_S, tuple(slot_mwh))
    clock, plant, washer = stage(wash)
    clock.now_us += delay_us
    plant.command(washer, washer.start)
    job = washer.job()
    assert job is not None
    total_mwh = total_wh = 0
    for slot, energy_mwh in enumerate(slot_mwh):
        total_mwh += energy_mwh
        total_wh += job.slot_energy_wh[slot]
        clock.now_us += SLOT_S * 10**6
        plant.measure(washer)
        assert washer.import_nj == total_mwh * NJ_PER_MWH
        assert abs(1000 * total_wh - total_mwh) <= 500
    assert washer.job() is None


def test_unattended_it_starts_when_it_is_loaded() -> None:
    clock, plant, washer = stage(WASH, WashSpec(WASH.ready_s + 60, WASH.end_by_s, (400_000,)))
    washer.unattended = True
    clock.set(START_S + 5 * HOUR_S)
    plant.advance()
    assert [run.started_us // 10**6 - WASH.ready_s for run in washer.runs] == [0, 4 * SLOT_S]
