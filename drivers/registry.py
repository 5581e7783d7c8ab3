"""Which drivers there are: one table, loaded on demand, so that a machine needs only the libraries of the drivers it uses.

A factory is called with the driver's name, its options from the configuration and the clock. It returns an object that is
opened with `async with` and implements the abilities (`drivers.abilities`) its device has. A wrong option raises
DriverMisconfigured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final

from agent.vocabulary import Clock
from drivers.errors import DriverMisconfigured

Factory = Callable[[str, Mapping[str, object], Clock], AbstractAsyncContextManager[Any]]

_SIMULATED: Final = "drivers.simulated.buildingfile:open_driver"

DRIVERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "simulated.base_load": _SIMULATED,
        "simulated.battery": _SIMULATED,
        "simulated.ev": _SIMULATED,
        "simulated.freezer": _SIMULATED,
        "simulated.grid_meter": _SIMULATED,
        "simulated.prices": "drivers.simulated.prices:open_driver",
        "simulated.solar": _SIMULATED,
        "simulated.washer": _SIMULATED,
    }
)
"""Name in the configuration -> `module:factory`."""


def open_driver(name: str, options: Mapping[str, object], clock: Clock) -> AbstractAsyncContextManager[Any]:
    """Load a driver's module and make the driver. Raises DriverMisconfigured for an unknown name or wrong options."""
    if name not in DRIVERS:
        raise DriverMisconfigured(name, f"no such driver; known are {', '.join(sorted(DRIVERS))}")
    module, _, factory_name = DRIVERS[name].partition(":")
    factory: Factory = getattr(import_module(module), factory_name)
    return factory(name, options, clock)
