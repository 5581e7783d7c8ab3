"""A battery and a meter that hold no building and announce nothing: as real ones they are asked once a second."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from agent.clock import now_s
from agent.vocabulary import Clock, Reading
from drivers.errors import DriverMisconfigured

BATTERY: Final = "bench.battery"
METER: Final = "bench.meter"
DRIVERS: Final = dict.fromkeys((BATTERY, METER), f"{__name__}:open_driver")
"""Rows for the table of drivers."""

POWER_W: Final = 2_000
"""What the meter shows at first, and always where nobody sets it: the building's."""
STORED_WH: Final = 30_000
_S_PER_H: Final = 3_600


class SteadyMeter:
    """Meter: one power until another is set; the registers follow it."""

    def __init__(self, clock: Clock, power_w: int) -> None:
        self._clock = clock
        self._power_w = power_w
        self._since_s = now_s(clock)
        self._import_ws = self._export_ws = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to close."""

    async def read(self) -> Reading:
        self._count()
        return Reading(self._since_s, self._power_w, self._import_ws // _S_PER_H, self._export_ws // _S_PER_H)

    def _count(self) -> None:
        at_s = max(now_s(self._clock), self._since_s)
        energy_ws = self._power_w * (at_s - self._since_s)
        self._import_ws += max(energy_ws, 0)
        self._export_ws += max(-energy_ws, 0)
        self._since_s = at_s


class SteadyBattery(SteadyMeter):
    """Meter, PowerSetpoint and ChargeLevel: it takes and gives what is asked for."""

    async def set_power(self, power_w: int) -> None:
        self._count()
        self._power_w = power_w

    async def stored_wh(self) -> int:
        self._count()
        return STORED_WH + (self._import_ws - self._export_ws) // _S_PER_H


def open_driver(name: str, options: Mapping[str, object], clock: Clock) -> SteadyMeter:
    """Open one of the two by its name; neither has options. Raises DriverMisconfigured."""
    if options:
        raise DriverMisconfigured(name, f"expected no options, got {', '.join(sorted(options))}")
    return SteadyBattery(clock, 0) if name == BATTERY else SteadyMeter(clock, POWER_W)
