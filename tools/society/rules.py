"""The owners' rules in a society: what each device's strategy is told, from nameplates and public facts alone."""

from __future__ import annotations

from typing import Any, Final

from agent.vocabulary import Kind
from strategies.base_load import BaseLoadRules
from strategies.battery import BatteryRules
from strategies.ev import EvRules
from strategies.facts import StorageFacts
from strategies.freezer import FreezerRules
from strategies.solar import SolarRules
from strategies.utility import UtilityRules
from strategies.washer import WasherRules
from tools.society.cast import CastDevice
from tools.society.scenario import MWH_PER_WH, PPM, Scenario

PPM_PER_PERMILLE: Final = PPM // 1000


def rules_of(device: CastDevice, scenario: Scenario, balance: bool = True) -> Any:
    """The rules object of a device's strategy; None for a kind that has no rules."""
    storage = storage_facts(scenario)
    match device.kind:
        case Kind.BASE_LOAD:
            return BaseLoadRules(nameplate_w=device.nameplate_import_w)
        case Kind.SOLAR:
            return SolarRules(nameplate_w=device.nameplate_export_w)
        case Kind.BATTERY:
            assert storage is not None, "a battery in the cast comes from the scenario"
            return BatteryRules(storage, balance=balance)
        case Kind.EV:
            return EvRules(nameplate_w=device.nameplate_import_w, storage=storage)
        case Kind.WASHER:
            return WasherRules(nameplate_w=device.nameplate_import_w, storage=storage)
        case Kind.FREEZER:
            return _freezer(scenario)
        case Kind.UTILITY:
            return UtilityRules()
    return None


def storage_facts(scenario: Scenario) -> StorageFacts | None:
    """The society's battery as everybody may know it."""
    spec = scenario.battery
    if spec is None:
        return None
    return StorageFacts(
        capacity_wh=spec.capacity_mwh // MWH_PER_WH,
        charge_w=spec.power_w,
        discharge_w=spec.power_w,
        eta_charge_permille=spec.eta_charge_ppm // PPM_PER_PERMILLE,
        eta_discharge_permille=spec.eta_discharge_ppm // PPM_PER_PERMILLE,
    )


def _freezer(scenario: Scenario) -> FreezerRules:
    spec = scenario.freezer
    return FreezerRules(
        power_w=spec.power_w,
        cop_permille=spec.cop_permille,
        leak_mw_k=spec.leak_mw_k,
        heat_j_k=spec.heat_j_k,
        room_mc=spec.room_mc,
        coldest_mc=spec.coldest_mc,
        warmest_mc=spec.warmest_mc,
        min_off_s=spec.min_off_s,
    )
