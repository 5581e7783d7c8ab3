"""Which adapter and which rules belong to a kind of appliance. A new kind is a module and a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from agent.appliances.base import Appliance, Drivers
from agent.appliances.base_load import BaseLoad
from agent.appliances.battery import Battery
from agent.appliances.ev import Ev
from agent.appliances.freezer import Freezer
from agent.appliances.grid_meter import GridMeter
from agent.appliances.solar import Solar
from agent.appliances.washer import Washer
from agent.vocabulary import Kind
from strategies.base_load import BaseLoadRules
from strategies.battery import BatteryRules
from strategies.ev import EvRules
from strategies.freezer import FreezerRules
from strategies.solar import SolarRules
from strategies.utility import UtilityRules
from strategies.washer import WasherRules


@dataclass(frozen=True, slots=True)
class NoRules:
    """Nothing to set."""


RULES: Final[dict[Kind, type[Any]]] = {
    Kind.SOLAR: SolarRules,
    Kind.BATTERY: BatteryRules,
    Kind.WASHER: WasherRules,
    Kind.EV: EvRules,
    Kind.FREEZER: FreezerRules,
    Kind.BASE_LOAD: BaseLoadRules,
    Kind.GRID_METER: NoRules,
    Kind.UTILITY: UtilityRules,
}
"""The owner's rules of each kind, as the configuration's table fills them."""

_ADAPTERS: Final[dict[Kind, Callable[[Drivers, Any, bool], Appliance[Any]]]] = {
    Kind.SOLAR: Solar,
    Kind.BATTERY: Battery,
    Kind.WASHER: Washer,
    Kind.EV: Ev,
    Kind.FREEZER: Freezer,
    Kind.BASE_LOAD: BaseLoad,
    Kind.GRID_METER: GridMeter,
}


def appliance_of(kind: Kind, drivers: Drivers, rules: Any, is_passive: bool = False) -> Appliance[Any]:
    """The adapter of a kind that has a meter: all but the utility, which posts tariffs. Raises MissingAbility, KeyError."""
    return _ADAPTERS[kind](drivers, rules, is_passive)
