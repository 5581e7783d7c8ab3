"""The building as a whole: energy is conserved to the nanojoule, and what is announced is what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.battery import BatteryPart
from drivers.simulated.building import SimulatedBuilding
from drivers.simulated.ev import EvPart
from drivers.simulated.freezer import FreezerPart
from drivers.simulated.part import Part
from drivers.simulated.solar import SolarPart
from drivers.simulated.washer import WasherPart
from tests.drivers.simulated.stage import HOUR_S, START_S, HandClock, build

Command = tuple[str, int]

commands = st.tuples(st.sampled_from(["array", "battery", "car", "freezer", "washer"]), st.integers(-9_000, 9_000))
moments_us = st.integers(-HOUR_S * 10**6, 10 * HOUR_S * 10**6)
histories = st.lists(st.tuples(moments_us, commands), max_size=40).map(
    lambda history: sorted(history, key=lambda step: step[0])
)


def give(building: SimulatedBuilding, command: Command) -> None:
    name, value = command
    part = building.part(name)
    actions: dict[str, Callable[[int], None]] = {
        "array": lambda _: cast(SolarPart, part).limit(abs(value) * 1000 if value % 3 else None),
        "battery": lambda at_us: cast(BatteryPart, part).set_power(value * 1000, at_us),
        "car": lambda at_us: cast(EvPart, part).set_power(value * 1000, at_us),
        "freezer": lambda at_us: cast(FreezerPart, part).switch(value % 2 == 1, at_us),
        "washer": lambda at_us: cast(WasherPart, part).start(at_us),
    }
    building.command(part, actions[name])


def all_parts(building: SimulatedBuilding) -> list[Part]:
    return list(building.parts.values())


def settle(building: SimulatedBuilding) -> None:
    for part in (*all_parts(building), building.grid):
        building.measure(part)


@given(histories, st.booleans())
def test_the_grid_meter_is_the_exact_sum_of_its_parts(history: list[tuple[int, Command]], attended: bool) -> None:
    clock = HandClock(START_S - HOUR_S)
    building = build(clock)
    for part in all_parts(building):
        part.unattended = not attended
    last = (0, 0)
    for moment_us, command in [*history, (10 * HOUR_S * 10**6, ("battery", 0))]:
        clock.now_us = START_S * 10**6 + moment_us
        give(building, command)
        settle(building)
        grid, parts = building.grid, all_parts(building)
        assert grid.power_mw == sum(part.power_mw for part in parts)
        assert grid.import_nj - grid.export_nj == sum(part.import_nj - part.export_nj for part in parts)
        assert all(register >= before for register, before in zip((grid.import_nj, grid.export_nj), last, strict=True))
        last = (grid.import_nj, grid.export_nj)


@given(histories, st.lists(moments_us, max_size=30))
def test_the_past_does_not_depend_on_how_often_it_is_looked_at(history: list[tuple[int, Command]], looks: list[int]) -> None:
    def outcome(looks: list[int]) -> list[object]:
        clock = HandClock(START_S - HOUR_S)
        building = build(clock)
        steps: list[tuple[int, Command | None]] = [*history, *((look, None) for look in looks)]
        for moment_us, command in sorted(steps, key=lambda step: (step[0], step[1] is None)):
            clock.now_us = START_S * 10**6 + moment_us
            if command:
                give(building, command)
            settle(building)
        clock.set(START_S + 11 * HOUR_S)
        settle(building)
        return [(part.import_nj, part.export_nj, part.changes) for part in (*all_parts(building), building.grid)]

    assert outcome(looks) == outcome([])


@given(histories, st.lists(st.integers(1, 10**9), min_size=20, max_size=20))
def test_power_is_constant_between_announced_changes(history: list[tuple[int, Command]], strides: list[int]) -> None:
    clock = HandClock(START_S - HOUR_S)
    building = build(clock)
    for moment_us, command in history:
        clock.now_us = START_S * 10**6 + moment_us
        give(building, command)
    for stride in strides:
        parts = (*all_parts(building), building.grid)
        before = [(part.power_mw, part.changes) for part in parts]
        due_us = min((part.next_us for part in parts if part.next_us is not None), default=None)
        clock.now_us += stride
        building.advance()
        after = [(part.power_mw, part.changes) for part in parts]
        if due_us is None or due_us > clock.now_us:
            assert after == before
        for (power, changes), (power_after, changes_after) in zip(before, after, strict=True):
            assert changes_after > changes or power_after == power


def test_a_clock_that_goes_back_stops_the_plant_but_never_its_registers() -> None:
    clock = HandClock(START_S + 3000)
    building = build(clock)
    home = building.part("home")
    building.measure(home)
    before_nj = home.import_nj
    clock.set(START_S + 2000)
    assert building.measure(home) == (START_S + 3000) * 10**6
    assert home.import_nj == before_nj
