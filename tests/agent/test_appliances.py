"""Adapters: abilities read into states, setpoints turned into commands; each on a simulated device of its kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import Any

import pytest

from agent.appliances.base import DEVICE, GRID, Appliance, MissingAbility, Seen
from agent.appliances.table import appliance_of, rules_of
from agent.trade.market import NO_MARKET
from agent.vocabulary import Clock, Kind, Setpoint, Tariff
from drivers.abilities import Meter
from drivers.simulated.base_load import BaseLoadSpec
from drivers.simulated.battery import BatterySpec
from drivers.simulated.building import Building, SimulatedBuilding, Spec
from drivers.simulated.ev import EvSpec, StaySpec
from drivers.simulated.freezer import FreezerSpec
from drivers.simulated.grid_meter import GridMeterSpec
from drivers.simulated.solar import SolarSpec
from drivers.simulated.washer import WasherSpec, WashSpec
from strategies.battery import BatteryRules
from strategies.facts import StorageFacts
from strategies.solar import SolarRules
from strategies.view import MarketView
from tools.society.virtualclock import run_virtual

D = 900
T0 = 1_772_323_200
SPECS: dict[Kind, Spec] = {
    Kind.SOLAR: SolarSpec(T0, D, (1_000_000,) * 8),
    Kind.BATTERY: BatterySpec(T0, 10_000_000, 5_000_000, 5_000, 5_000, 950_000, 950_000),
    Kind.WASHER: WasherSpec(T0, D, (WashSpec(T0 + 60, T0 + 8 * D, (400_000, 100_000)),)),
    Kind.EV: EvSpec(T0, (StaySpec(T0 + 60, T0 + 6 * D, 5_000_000, 7_200),)),
    Kind.FREEZER: FreezerSpec(T0),
    Kind.BASE_LOAD: BaseLoadSpec(T0, D, (100_000,) * 8),
    Kind.GRID_METER: GridMeterSpec(),
}
OWNERS: dict[Kind, Any] = {
    Kind.SOLAR: SolarRules(nameplate_w=5_000),
    Kind.BATTERY: BatteryRules(StorageFacts(10_000, 5_000, 5_000)),
}
Test = Callable[[Clock, SimulatedBuilding], Coroutine[Any, Any, None]]


def in_a_building(test: Test) -> None:
    async def main(clock: Clock) -> None:
        await test(clock, SimulatedBuilding(Building({str(kind): spec for kind, spec in SPECS.items()}), clock))

    run_virtual(main, T0)


def make(kind: Kind, house: SimulatedBuilding, is_passive: bool = False, **more: object) -> Appliance[Any]:
    rules = OWNERS.get(kind) or rules_of(kind)()
    return appliance_of(kind, {DEVICE: house.open(str(kind)), **more}, rules, is_passive)


def seen(at_s: int, bid: int = 50_000) -> Seen:
    tariffs = tuple(Tariff(T0 + i * D, 200_000, bid) for i in range(96))
    return Seen(MarketView(at_s, D, 60, (), tariffs, ()), None, (), ())


async def look(appliance: Appliance[Any]) -> Any:
    return await appliance.look(await appliance.meter.read())


async def obey(appliance: Appliance[Any], power_w: int | None) -> None:
    command = appliance.command(Setpoint(power_w, "because"), await look(appliance))
    assert command is not None
    await command.send()


async def power_w(appliance: Appliance[Any]) -> int:
    return (await appliance.meter.read()).power_w


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("is_passive", [False, True])
def test_every_kind_gives_a_reason_for_all_it_does_without_a_market(kind: Kind, is_passive: bool) -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        appliance = make(kind, house, is_passive)
        await asyncio.sleep(120)
        state = await look(appliance)
        now = seen(T0 + 120)
        assert appliance.bid(state, now).orders == ()
        assert appliance.bid(state, now).reason
        assert appliance.steer(state, now).reason
        if is_passive:
            assert appliance.wants(state) == NO_MARKET

    in_a_building(test)


def test_an_array_feeds_in_what_it_is_allowed_to_and_everything_when_safe() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        array = make(Kind.SOLAR, house)
        await obey(array, -1_500)
        assert await power_w(array) == -1_500
        await obey(array, 0)
        assert await power_w(array) == 0
        safe = array.safe_command()
        assert safe is not None
        await safe.send()
        assert await power_w(array) == -4_000

    in_a_building(test)


def test_an_array_is_curtailed_when_feeding_in_costs_money() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        array = make(Kind.SOLAR, house)
        setpoint = array.steer(await look(array), seen(T0 + 10, bid=-10_000))
        assert setpoint.power_w == 0

    in_a_building(test)


def test_a_battery_follows_its_setpoint_and_rests_when_safe() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        battery = make(Kind.BATTERY, house, grid=house.open("grid_meter"))
        await obey(battery, 2_000)
        state = await look(battery)
        assert (state.power_w, state.grid_power_w, state.stored_wh) == (2_000, -1_600, 5_000)
        assert len(battery.watched()) == 2
        safe = battery.safe_command()
        assert safe is not None
        await safe.send()
        assert await power_w(battery) == 0

    in_a_building(test)


def test_without_a_market_a_battery_with_a_grid_meter_keeps_the_surplus() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        battery = make(Kind.BATTERY, house, grid=house.open("grid_meter"))
        setpoint = battery.steer(await look(battery), seen(T0 + 10))
        assert setpoint.power_w == 3_600

    in_a_building(test)


def test_a_wash_is_started_once_and_never_stopped() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        washer = make(Kind.WASHER, house)
        assert washer.command(Setpoint(1, "because"), await look(washer)) is None
        await asyncio.sleep(61)
        waiting = await look(washer)
        assert washer.command(Setpoint(0, "because"), waiting) is None
        await obey(washer, 1)
        running = await look(washer)
        assert running.job.started_s == T0 + 61
        assert washer.situation(waiting) != washer.situation(running)
        assert washer.occasion(waiting) == washer.occasion(running)
        assert washer.command(Setpoint(1, "because"), running) is None
        assert washer.safe_command() is None

    in_a_building(test)


def test_a_plug_in_is_an_occasion_and_the_charger_follows() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        charger = make(Kind.EV, house)
        empty = await look(charger)
        assert charger.command(Setpoint(3_000, "because"), empty) is None
        await asyncio.sleep(61)
        plugged = await look(charger)
        assert charger.occasion(plugged) != charger.occasion(empty)
        assert plugged.car.needs_wh == 5_000
        await obey(charger, 3_000)
        assert await power_w(charger) == 3_000

    in_a_building(test)


def test_a_freezer_remembers_when_it_stopped_and_is_safe_with_its_own_thermostat() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        freezer = make(Kind.FREEZER, house)
        assert (await look(freezer)).off_since_s is None
        await obey(freezer, 157)
        await asyncio.sleep(60)
        cold = await look(freezer)
        assert cold.power_w == 157
        assert cold.air_mc < -18_000
        await obey(freezer, 0)
        await asyncio.sleep(60)
        assert (await look(freezer)).off_since_s == T0 + 120
        await asyncio.sleep(60)
        assert (await look(freezer)).off_since_s == T0 + 120
        safe = freezer.safe_command()
        assert safe is not None
        await safe.send()
        await asyncio.sleep(4 * 3600)
        assert -20_500 <= (await look(freezer)).air_mc <= -16_000

    in_a_building(test)


def test_only_meters_trade_nothing() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        assert [kind for kind in SPECS if not make(kind, house).trades] == [Kind.GRID_METER]

    in_a_building(test)


def test_rules_of_every_kind_can_be_written_in_a_configuration() -> None:
    for kind in Kind:
        rules = rules_of(kind)
        usual = OWNERS.get(kind) or rules()
        assert rules(**asdict(usual) | ({"storage": usual.storage} if hasattr(usual, "storage") else {})) == usual


def test_a_role_without_the_ability_is_named() -> None:
    async def test(clock: Clock, house: SimulatedBuilding) -> None:
        with pytest.raises(MissingAbility, match="'device' does not have the ability FeedInLimit"):
            appliance_of(Kind.SOLAR, {DEVICE: house.open("base_load")}, OWNERS[Kind.SOLAR])
        with pytest.raises(MissingAbility, match=f"'{GRID}' does not have the ability {Meter.__name__}"):
            make(Kind.BATTERY, house, grid=object())

    in_a_building(test)
