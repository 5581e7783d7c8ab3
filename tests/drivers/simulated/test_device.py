"""The drivers as agents see them: abilities, readings, announced changes, faults; on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import pytest

from agent.vocabulary import Clock
from drivers import abilities
from drivers.errors import DeviceSilent, DriverMisconfigured
from drivers.simulated.battery import SimulatedBattery
from drivers.simulated.building import SimulatedBuilding
from drivers.simulated.ev import SimulatedEv
from drivers.simulated.faults import Fault, FaultKind
from drivers.simulated.freezer import SimulatedFreezer
from drivers.simulated.solar import SimulatedSolar
from drivers.simulated.washer import SimulatedWasher
from tests.drivers.simulated.stage import BUILDING, CAR, HOUR_S, SLOT_S, START_S, WASH, HandClock, build
from tools.society.virtualclock import run_virtual

Result = TypeVar("Result")

ABILITIES = (
    abilities.Meter,
    abilities.Announces,
    abilities.Switch,
    abilities.PowerSetpoint,
    abilities.FeedInLimit,
    abilities.ChargeLevel,
    abilities.Thermometer,
    abilities.Plug,
    abilities.WashProgram,
)


def act(play: Callable[[SimulatedBuilding, Clock], Awaitable[Result]]) -> Result:
    """Run a play in the small building on the virtual clock."""

    async def main(clock: Clock) -> Result:
        return await play(SimulatedBuilding(BUILDING, clock), clock)

    return run_virtual(main, START_S)


def now_s(clock: Clock) -> float:
    return clock.now_ns() / 1e9 - START_S


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("array", {abilities.FeedInLimit}),
        ("battery", {abilities.PowerSetpoint, abilities.ChargeLevel}),
        ("car", {abilities.Plug, abilities.PowerSetpoint}),
        ("freezer", {abilities.Switch, abilities.Thermometer}),
        ("grid", set()),
        ("home", set()),
        ("washer", {abilities.WashProgram}),
    ],
)
def test_a_driver_has_the_abilities_of_its_device_and_no_others(name: str, more: set[Any]) -> None:
    driver = build(HandClock()).open(name)
    assert {ability for ability in ABILITIES if isinstance(driver, ability)} == {abilities.Meter, abilities.Announces} | more


def test_readings_are_whole_watts_and_floored_registers() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> None:
        async with building.open("home") as home, building.open("array") as array:
            await asyncio.sleep(2 * SLOT_S)
            reading = await home.read()
            assert (reading.taken_at_s, reading.power_w) == (START_S + 2 * SLOT_S, 1707)
            assert (reading.import_wh, reading.export_wh) == (79, 0)
            await asyncio.sleep(SLOT_S)
            reading = await array.read()
            assert (reading.power_w, reading.import_wh, reading.export_wh) == (-3200, 0, 250)

    act(play)


def test_the_array_can_be_curtailed() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[int]:
        array = cast(SimulatedSolar, building.open("array"))
        await asyncio.sleep(3 * SLOT_S)
        powers = []
        for limit_w in (1500, 5000, 0, -1, None):
            await array.limit_feed_in(limit_w)
            powers.append((await array.read()).power_w)
        return powers

    assert act(play) == [-1500, -3200, 0, 0, -3200]


def test_changes_are_announced_at_their_instant() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[float]:
        home = building.open("home")
        changes = []
        while await home.wait_change(START_S + 4 * SLOT_S):
            changes.append(now_s(clock))
        changes.append(now_s(clock))
        return changes

    # The recording repeats its first value in its second slot: nothing changes there. At the end of the wait both happen.
    assert act(play) == [0, 2 * SLOT_S, 3 * SLOT_S, 4 * SLOT_S, 4 * SLOT_S]


def test_no_change_until_then_is_false() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> tuple[bool, float]:
        return await building.open("battery").wait_change(START_S + 77), now_s(clock)

    assert act(play) == (False, 77)


def test_plug_job_contact_and_full_battery_are_announced() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> None:
        car, washer = cast(SimulatedEv, building.open("car")), cast(SimulatedWasher, building.open("washer"))
        battery, freezer = cast(SimulatedBattery, building.open("battery")), cast(SimulatedFreezer, building.open("freezer"))
        assert await washer.wait_change(START_S + 2 * HOUR_S)
        assert now_s(clock) == WASH.ready_s - START_S
        assert await washer.job()
        assert await car.wait_change(START_S + 2 * HOUR_S)
        assert await car.plug_state()
        await battery.set_power(3000)
        assert await battery.wait_change(START_S + 4 * HOUR_S)
        assert await battery.wait_change(START_S + 4 * HOUR_S)
        assert (await battery.read()).power_w == 0
        assert await battery.stored_wh() == 2000
        await freezer.switch(True)
        assert await freezer.wait_change(START_S + 4 * HOUR_S)
        assert (await freezer.read()).power_w == 157
        assert -16_000 < await freezer.temperature_mc() < -15_000
        await car.wait_change(CAR.departs_s)
        assert await car.plug_state() is None

    act(play)


def test_the_grid_meter_hears_of_every_part_and_every_waiter_hears_once() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[list[float]]:
        heard: list[list[float]] = [[], [], []]

        async def listen(number: int, meter: abilities.Announces) -> None:
            while await meter.wait_change(START_S + 100):
                heard[number].append(now_s(clock))

        shared, own = building.open("grid"), building.open("grid")
        battery = cast(SimulatedBattery, building.open("battery"))
        async with asyncio.TaskGroup() as tasks:
            for number, meter in enumerate((shared, shared, own)):
                tasks.create_task(listen(number, meter))
            for second, power_w in ((10, 500), (20, 500), (30, -500)):
                await asyncio.sleep(START_S + second - clock.now_ns() / 1e9)
                await battery.set_power(power_w)
        return heard

    # The change at 0 came before any wait: it is reported once per driver, to whoever asks first. Later ones reach all.
    assert act(play) == [[0, 10, 30], [10, 30], [0, 10, 30]]


def test_a_change_between_two_waits_is_reported_by_the_next() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[bool]:
        grid, battery = building.open("grid"), cast(SimulatedBattery, building.open("battery"))
        seen = [await grid.wait_change(START_S)]
        await battery.set_power(800)
        seen.append(await grid.wait_change(START_S))
        seen.append(await grid.wait_change(START_S))
        await battery.set_power(900)
        seen.append(await asyncio.create_task(grid.wait_change(START_S)))
        seen.append(await asyncio.create_task(grid.wait_change(START_S)))
        return seen

    assert act(play) == [True, True, False, True, False]


def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> None:
        battery = building.open("battery")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(battery.wait_change(START_S + HOUR_S), 5)
        assert not building.part("battery").waiters

    act(play)


def fault(kind: FaultKind, late_s: int = 0) -> tuple[Fault, ...]:
    return (Fault(kind, START_S + SLOT_S, START_S + 3 * SLOT_S, late_s),)


def test_a_silent_device_answers_nothing_and_comes_back() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> None:
        home = building.open("home", fault(FaultKind.SILENT))
        car = cast(SimulatedEv, building.open("car", fault(FaultKind.SILENT)))
        assert (await home.read()).power_w == 159
        await home.wait_change(START_S + 1)
        await asyncio.sleep(SLOT_S)
        for attempt in (home.read, car.plug_state, lambda: car.set_power(100)):
            before_s = now_s(clock)
            with pytest.raises(DeviceSilent, match="no answer within 2 s"):
                await attempt()
            assert now_s(clock) == before_s + 2
        assert not await home.wait_change(START_S + 2 * SLOT_S + 5)
        assert await home.wait_change(START_S + 3 * SLOT_S + 5)
        assert now_s(clock) == 3 * SLOT_S
        assert (await home.read()).import_wh == 506

    act(play)


def test_a_fault_that_begins_during_a_wait_holds_there_too() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> tuple[bool, bool]:
        home = building.open("home", fault(FaultKind.SILENT))
        return await home.wait_change(START_S + 1), await home.wait_change(START_S + 2 * SLOT_S + 10)

    assert act(play) == (True, False)


def test_a_stuck_device_repeats_itself() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[tuple[int, int, int]]:
        battery = cast(SimulatedBattery, building.open("battery", fault(FaultKind.STUCK)))
        await battery.set_power(1000)
        seen = []
        for second in (900, 1800, 2700):
            await asyncio.sleep(START_S + second - clock.now_ns() / 1e9)
            reading = await battery.read()
            assert reading.taken_at_s == START_S + second
            seen.append((reading.power_w, reading.import_wh, await battery.stored_wh()))
            await battery.set_power(-1000)
        return seen

    assert act(play) == [(1000, 250, 1238), (1000, 250, 1238), (-1000, 250, 682)]


def test_a_reversed_meter_swaps_what_it_counts_and_never_goes_back() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> list[tuple[int, int, int]]:
        battery = cast(SimulatedBattery, building.open("battery", fault(FaultKind.WRONG_SIGN)))
        await battery.set_power(400)
        seen = []
        for second in (900, 1800, 2700, 3600):
            await asyncio.sleep(START_S + second - 1 - clock.now_ns() / 1e9)
            reading = await battery.read()
            seen.append((reading.power_w, reading.import_wh, reading.export_wh))
            await asyncio.sleep(1)
            await battery.read()
        return seen

    assert act(play) == [(400, 99, 0), (-400, 99, 100), (-400, 99, 200), (400, 199, 200)]


def test_late_answers_are_old_and_late_commands_late() -> None:
    async def play(building: SimulatedBuilding, clock: Clock) -> None:
        battery = cast(SimulatedBattery, building.open("battery", fault(FaultKind.LATE, late_s=30)))
        await asyncio.sleep(SLOT_S)
        await battery.set_power(2000)
        assert now_s(clock) == SLOT_S + 30
        asyncio.get_running_loop().call_later(10, lambda: None)
        reading = await battery.read()
        assert (now_s(clock), reading.import_wh, reading.power_w) == (SLOT_S + 60, 0, 2000)

    act(play)


def test_an_unknown_device_is_named_with_those_that_exist() -> None:
    with pytest.raises(DriverMisconfigured, match="roof: no such device in the building; it has array, battery, car"):
        build(HandClock()).open("roof")
