"""Which adapter and which rules belong to a kind of appliance. A new kind is a module and a row here.

Like a driver's module, one of these is loaded when it is asked for: an agent has one kind, and the strategies of all others
would take half a MiB of its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from agent.appliances.base import Appliance, Drivers
from agent.vocabulary import Kind


@dataclass(frozen=True, slots=True)
class NoRules:
    """Nothing to set."""


_RULES: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.SOLAR: "strategies.solar:SolarRules",
        Kind.BATTERY: "strategies.battery:BatteryRules",
        Kind.WASHER: "strategies.washer:WasherRules",
        Kind.EV: "strategies.ev:EvRules",
        Kind.FREEZER: "strategies.freezer:FreezerRules",
        Kind.BASE_LOAD: "strategies.base_load:BaseLoadRules",
        Kind.GRID_METER: f"{__name__}:NoRules",
        Kind.UTILITY: "strategies.utility:UtilityRules",
    }
)
"""The owner's rules of each kind, as the configuration's table fills them: `module:class`."""

_ADAPTERS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.SOLAR: "agent.appliances.solar:Solar",
        Kind.BATTERY: "agent.appliances.battery:Battery",
        Kind.WASHER: "agent.appliances.washer:Washer",
        Kind.EV: "agent.appliances.ev:Ev",
        Kind.FREEZER: "agent.appliances.freezer:Freezer",
        Kind.BASE_LOAD: "agent.appliances.base_load:BaseLoad",
        Kind.GRID_METER: "agent.appliances.grid_meter:GridMeter",
    }
)


def rules_of(kind: Kind) -> type[Any]:
    """The class of a kind's rules."""
    rules: type[Any] = _load(_RULES[kind])
    return rules


def appliance_of(kind: Kind, drivers: Drivers, rules: Any, is_passive: bool = False) -> Appliance[Any]:
    """The adapter of a kind that has a meter: all but the utility, which posts tariffs. Raises MissingAbility, KeyError."""
    adapter: Callable[[Drivers, Any, bool], Appliance[Any]] = _load(_ADAPTERS[kind])
    return adapter(drivers, rules, is_passive)


def _load(entry: str) -> Any:
    module, _, name = entry.partition(":")
    return getattr(import_module(module), name)
