"""The building of a scenario: what the simulated devices of its cast are made of."""

from __future__ import annotations

from agent.vocabulary import Kind
from drivers.simulated.base_load import BaseLoadSpec
from drivers.simulated.battery import BatterySpec
from drivers.simulated.building import Building, Spec
from drivers.simulated.ev import EvSpec, StaySpec
from drivers.simulated.freezer import FreezerSpec
from drivers.simulated.grid_meter import GridMeterSpec
from drivers.simulated.solar import SolarSpec
from drivers.simulated.washer import WasherSpec, WashSpec
from tools.society.cast import ARRAY, BATTERY, GRID_METER, home_name
from tools.society.scenario import EvSession, Scenario


def building_of(scenario: Scenario) -> Building:
    """All devices that have a meter, under the names that they have in the cast."""
    start_s, slot_s = scenario.start_s, scenario.slot_duration_s
    devices: dict[str, Spec] = {GRID_METER: GridMeterSpec()}
    if scenario.has(Kind.SOLAR):
        devices[ARRAY] = SolarSpec(start_s, slot_s, scenario.pv_mwh)
    if scenario.battery is not None:
        battery = scenario.battery
        devices[BATTERY] = BatterySpec(
            start_s,
            capacity_mwh=battery.capacity_mwh,
            initial_mwh=battery.initial_mwh,
            max_charge_w=battery.power_w,
            max_discharge_w=battery.power_w,
            eta_charge_ppm=battery.eta_charge_ppm,
            eta_discharge_ppm=battery.eta_discharge_ppm,
        )
    for home in range(scenario.homes):
        name = home_name(home)
        if scenario.has(Kind.BASE_LOAD):
            devices[f"{name}-base-load"] = BaseLoadSpec(start_s, slot_s, scenario.load_mwh[home])
        if scenario.has(Kind.WASHER):
            devices[f"{name}-washer"] = WasherSpec(start_s, slot_s, _washes(scenario, home))
        if scenario.has(Kind.FREEZER):
            devices[f"{name}-freezer"] = _freezer(scenario)
        if sessions := scenario.ev_sessions_of(home):
            devices[f"{name}-ev"] = EvSpec(start_s, tuple(_stay(scenario, session) for session in sessions))
    return Building(devices)


def _washes(scenario: Scenario, home: int) -> tuple[WashSpec, ...]:
    return tuple(
        WashSpec(scenario.slot_s(job.ready_slot), scenario.slot_s(job.end_by_slot), job.energy_mwh)
        for job in scenario.washer_jobs_of(home)
    )


def _stay(scenario: Scenario, session: EvSession) -> StaySpec:
    return StaySpec(
        plugged_in_s=scenario.slot_s(session.first_slot),
        departs_s=scenario.slot_s(session.end_slot),
        needs_mwh=session.energy_mwh,
        max_charge_w=session.max_w,
        max_discharge_w=session.discharge_w,
        stored_mwh=session.stored_mwh,
        capacity_mwh=session.capacity_mwh,
    )


def _freezer(scenario: Scenario) -> FreezerSpec:
    freezer = scenario.freezer
    return FreezerSpec(
        scenario.start_s,
        power_w=freezer.power_w,
        cop_permille=freezer.cop_permille,
        leak_mw_k=freezer.leak_mw_k,
        heat_j_k=freezer.heat_j_k,
        room_mc=freezer.room_mc,
        coldest_mc=freezer.coldest_mc,
        warmest_mc=freezer.warmest_mc,
        start_mc=freezer.start_mc,
        min_off_s=freezer.min_off_s,
    )
