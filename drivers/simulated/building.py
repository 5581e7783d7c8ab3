"""A simulated building as plain values, put in operation: one plant, and drivers for its devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from agent.vocabulary import Clock, Kind
from drivers.errors import DriverMisconfigured
from drivers.simulated.base_load import BaseLoadPart, BaseLoadSpec, SimulatedBaseLoad
from drivers.simulated.battery import BatteryPart, BatterySpec, SimulatedBattery
from drivers.simulated.device import SimulatedDevice
from drivers.simulated.ev import EvPart, EvSpec, SimulatedEv
from drivers.simulated.faults import Fault
from drivers.simulated.freezer import FreezerPart, FreezerSpec, SimulatedFreezer
from drivers.simulated.grid_meter import GridMeterSpec, SimulatedGridMeter
from drivers.simulated.part import Part
from drivers.simulated.plant import GridConnection, Plant
from drivers.simulated.solar import SimulatedSolar, SolarPart, SolarSpec
from drivers.simulated.washer import SimulatedWasher, WasherPart, WasherSpec

Spec = SolarSpec | BaseLoadSpec | WasherSpec | EvSpec | BatterySpec | FreezerSpec | GridMeterSpec

SPECS: Final[Mapping[Kind, type[Spec]]] = MappingProxyType(
    {
        Kind.SOLAR: SolarSpec,
        Kind.BASE_LOAD: BaseLoadSpec,
        Kind.WASHER: WasherSpec,
        Kind.EV: EvSpec,
        Kind.BATTERY: BatterySpec,
        Kind.FREEZER: FreezerSpec,
        Kind.GRID_METER: GridMeterSpec,
    }
)


@dataclass(frozen=True, slots=True)
class Building:
    """The devices of a building by name."""

    devices: Mapping[str, Spec]


class SimulatedBuilding(Plant):
    """A building in operation."""

    def __init__(self, building: Building, clock: Clock) -> None:
        self._specs = building.devices
        super().__init__(clock, {name: part for name, spec in self._specs.items() if (part := _part(spec)) is not None})

    def part(self, name: str) -> Part:
        """The physics behind a device, for reports. Raises DriverMisconfigured for an unknown name."""
        if isinstance(self._spec(name), GridMeterSpec):
            return self.grid
        return self.parts[name]

    def open(self, name: str, faults: tuple[Fault, ...] = ()) -> SimulatedDevice[Any]:
        """A driver for a device, which is attended from now on. Raises DriverMisconfigured for an unknown name."""
        return _driver(name, self, self.part(name), faults)

    def kind(self, name: str) -> Kind:
        """What a device is. Raises DriverMisconfigured for an unknown name."""
        return kind_of(self._spec(name))

    def _spec(self, name: str) -> Spec:
        if name not in self._specs:
            raise DriverMisconfigured(name, f"no such device in the building; it has {', '.join(sorted(self._specs))}")
        return self._specs[name]


def _part(spec: Spec) -> Part | None:
    match spec:
        case SolarSpec():
            return SolarPart(spec)
        case BaseLoadSpec():
            return BaseLoadPart(spec)
        case WasherSpec():
            return WasherPart(spec)
        case EvSpec():
            return EvPart(spec)
        case BatterySpec():
            return BatteryPart(spec)
        case FreezerSpec():
            return FreezerPart(spec)
        case GridMeterSpec():
            return None


def _driver(name: str, plant: Plant, part: Part, faults: tuple[Fault, ...]) -> SimulatedDevice[Any]:
    match part:
        case SolarPart():
            return SimulatedSolar(name, plant, part, faults)
        case BaseLoadPart():
            return SimulatedBaseLoad(name, plant, part, faults)
        case WasherPart():
            return SimulatedWasher(name, plant, part, faults)
        case EvPart():
            return SimulatedEv(name, plant, part, faults)
        case BatteryPart():
            return SimulatedBattery(name, plant, part, faults)
        case FreezerPart():
            return SimulatedFreezer(name, plant, part, faults)
        case GridConnection():
            return SimulatedGridMeter(name, plant, part, faults)
    raise AssertionError(f"no driver for {type(part).__name__}")


def kind_of(spec: Spec) -> Kind:
    """What a spec is the spec of."""
    return next(kind for kind, spec_type in SPECS.items() if type(spec) is spec_type)
