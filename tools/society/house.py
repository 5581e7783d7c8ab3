"""The simulated building of a scenario: what each device of the cast would do, as the specifications of its drivers."""

from __future__ import annotations

from typing import Final

from agent.vocabulary import Kind
from drivers.simulated.base_load import BaseLoadSpec
from drivers.simulated.battery import BatteryPart, BatterySpec
from drivers.simulated.building import Building, SimulatedBuilding, Spec
from drivers.simulated.ev import EvPart, EvSpec, StaySpec
from drivers.simulated.freezer import FreezerPart, FreezerSpec
from drivers.simulated.grid_meter import GridMeterSpec
from drivers.simulated.part import NJ_PER_WH
from drivers.simulated.prices import PriceList
from drivers.simulated.solar import SolarSpec
from drivers.simulated.washer import WasherPart, WasherSpec, WashSpec
from tools.society.cast import Cast, CastDevice
from tools.society.record import Comfort, EvStay
from tools.society.scenario import Scenario

LEAD_IN_S: Final = 900
"""The society starts this long before the window, so that its first slot can be traded."""


def start_s(scenario: Scenario) -> int:
    """When the society starts: some slots before the window, in which nothing is drawn or fed in."""
    return scenario.start_s - LEAD_IN_S


def building_of(scenario: Scenario, cast: Cast) -> Building:
    """The building, idle until the window begins."""
    specs = ((device.name, _spec(scenario, device)) for device in cast.devices)
    return Building({name: spec for name, spec in specs if spec is not None})


def price_list(scenario: Scenario) -> PriceList:
    """What the utility asks and bids in the window."""
    return PriceList(scenario.start_s, scenario.slot_duration_s, scenario.ask_ueur_kwh, scenario.bid_ueur_kwh)


def _spec(scenario: Scenario, device: CastDevice) -> Spec | None:
    """None for the utility, which has no appliance."""
    from_s, slot_s, home = start_s(scenario), scenario.slot_duration_s, device.home
    idle = (0,) * (LEAD_IN_S // slot_s)
    match device.kind:
        case Kind.UTILITY:
            return None
        case Kind.GRID_METER:
            return GridMeterSpec()
        case Kind.SOLAR:
            return SolarSpec(from_s, slot_s, idle + scenario.pv_mwh)
        case Kind.BATTERY:
            return _battery(scenario)
    assert home is not None, "all other kinds stand in a home"
    match device.kind:
        case Kind.BASE_LOAD:
            return BaseLoadSpec(from_s, slot_s, idle + scenario.load_mwh[home])
        case Kind.WASHER:
            jobs = scenario.washer_jobs_of(home)
            washes = (WashSpec(scenario.slot_s(j.ready_slot), scenario.slot_s(j.end_by_slot), j.energy_mwh) for j in jobs)
            return WasherSpec(from_s, slot_s, tuple(washes))
        case Kind.EV:
            return EvSpec(from_s, _stays(scenario, home))
        case Kind.FREEZER:
            return _freezer(scenario)


def _battery(scenario: Scenario) -> BatterySpec:
    spec = scenario.battery
    assert spec is not None, "a battery in the cast comes from the scenario"
    return BatterySpec(
        start_s=start_s(scenario),
        capacity_mwh=spec.capacity_mwh,
        initial_mwh=spec.initial_mwh,
        max_charge_w=spec.power_w,
        max_discharge_w=spec.power_w,
        eta_charge_ppm=spec.eta_charge_ppm,
        eta_discharge_ppm=spec.eta_discharge_ppm,
    )


def _freezer(scenario: Scenario) -> FreezerSpec:
    spec = scenario.freezer
    return FreezerSpec(
        start_s=start_s(scenario),
        power_w=spec.power_w,
        cop_permille=spec.cop_permille,
        leak_mw_k=spec.leak_mw_k,
        heat_j_k=spec.heat_j_k,
        room_mc=spec.room_mc,
        coldest_mc=spec.coldest_mc,
        warmest_mc=spec.warmest_mc,
        start_mc=spec.start_mc,
        min_off_s=spec.min_off_s,
    )


def _stays(scenario: Scenario, home: int) -> tuple[StaySpec, ...]:
    return tuple(
        StaySpec(
            plugged_in_s=scenario.slot_s(session.first_slot),
            departs_s=scenario.slot_s(session.end_slot),
            needs_mwh=session.energy_mwh,
            max_charge_w=session.max_w,
            max_discharge_w=session.discharge_w,
            stored_mwh=session.stored_mwh,
            capacity_mwh=session.capacity_mwh,
        )
        for session in scenario.ev_sessions_of(home)
    )


def comfort_of(scenario: Scenario, cast: Cast, house: SimulatedBuilding) -> Comfort:
    """Whether the appliances did what they are there for, by the physics of the building up to now."""
    now_us = house.advance()
    stays: list[EvStay] = []
    late = 0
    too_warm_s = above_band_s = 0.0
    for device in cast.devices:
        part = None if device.kind is Kind.UTILITY else house.part(device.name)
        match part:
            case EvPart():
                stays.extend(_left(scenario, device.name, part))
            case WasherPart():
                late += part.late_washes(now_us)
            case FreezerPart():
                too_warm_s += part.alarm_s(now_us)
                above_band_s += part.too_warm_s(now_us)
    return Comfort(tuple(stays), late, too_warm_s, above_band_s)


def _left(scenario: Scenario, name: str, part: EvPart) -> list[EvStay]:
    return [
        EvStay(
            device=name,
            from_slot=(departure.stay.plugged_in_s - scenario.start_s) // scenario.slot_duration_s,
            to_slot=(departure.stay.departs_s - scenario.start_s) // scenario.slot_duration_s,
            needed_wh=departure.stay.needs_mwh // 1000,
            delivered_wh=departure.delivered_nj // NJ_PER_WH,
        )
        for departure in part.departures
    ]


def stored_wh(house: SimulatedBuilding, name: str) -> int:
    """Charge of a battery now."""
    part = house.part(name)
    assert isinstance(part, BatteryPart)
    house.measure(part)
    return part.stored_nj // NJ_PER_WH


def temperature_mc(house: SimulatedBuilding, name: str) -> int:
    """Temperature of a freezer now."""
    part = house.part(name)
    assert isinstance(part, FreezerPart)
    return round(part.temperature_mc(house.advance()))
