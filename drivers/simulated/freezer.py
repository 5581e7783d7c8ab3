"""A chest freezer behind a relay: exact exponential warming and cooling, a minimum off-time, and its own cut-out when coldest.

With the relay closed it cools down to its coldest temperature, rests for the minimum off-time, and cools again: left alone and
closed it stays cold. With the relay open it warms. Temperature follows from the instant of the last change in closed form, so
it does not depend on how often it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import MW_PER_W, US_PER_S, Part

ALARM_MC: Final = -15_000
"""Food is in danger above this; a warmer air is counted apart from one that only left its band."""


@dataclass(frozen=True, slots=True)
class FreezerSpec:
    """Heat capacity and leak lump food, air and walls together. Temperatures in thousandths of a degree Celsius."""

    start_s: int
    power_w: int = 157
    cop_permille: int = 1_600
    leak_mw_k: int = 1_000
    heat_j_k: int = 65_000
    room_mc: int = 20_000
    coldest_mc: int = -20_000
    warmest_mc: int = -16_000
    start_mc: int = -18_000
    min_off_s: int = 300


class FreezerPart(Part):
    """Compressor on or off. Unattended it is a thermostat between the coldest and the warmest temperature."""

    def __init__(self, spec: FreezerSpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._spec = spec
        self._tau_us = 1_000 * US_PER_S * spec.heat_j_k / spec.leak_mw_k
        self._pull_mc = 1_000 * spec.power_w * spec.cop_permille / spec.leak_mw_k
        self._closed = False
        self._since_us = self.at_us
        self._since_mc = float(spec.start_mc)
        self._rested_us = self.at_us
        self._above_us = dict.fromkeys((spec.warmest_mc, ALARM_MC), 0.0)
        self.next_us = self.at_us

    @property
    def running(self) -> bool:
        return self.power_mw > 0

    def temperature_mc(self, at_us: int) -> float:
        """Temperature of the air."""
        target_mc = self._target_mc()
        return target_mc + (self._since_mc - target_mc) * math.exp(-max(0, at_us - self._since_us) / self._tau_us)

    def too_warm_s(self, at_us: int) -> float:
        """Seconds spent above the warmest temperature so far."""
        return self._above_s(self._spec.warmest_mc, at_us)

    def alarm_s(self, at_us: int) -> float:
        """Seconds spent above the alarm temperature so far."""
        return self._above_s(ALARM_MC, at_us)

    def switch(self, on: bool, at_us: int) -> None:
        self._closed = on
        if self.running and not on:
            self._run(False, at_us)
        self._plan(at_us)

    def turn(self, at_us: int) -> None:
        if self.running:  # as cold as it gets
            self._run(False, at_us)
        self._plan(at_us)

    def _plan(self, at_us: int) -> None:
        """Start the compressor if it may; set when it stops or may start."""
        spec = self._spec
        wanted = self._closed if not self.unattended else self.temperature_mc(at_us) >= spec.warmest_mc - 0.5
        if wanted and not self.running and at_us >= self._rested_us and self.temperature_mc(at_us) > spec.coldest_mc:
            self._run(True, at_us)
        if self.running:
            self.next_us = at_us + self._until_us(spec.coldest_mc, at_us)
        elif self.unattended:
            self.next_us = max(self._rested_us, at_us + self._until_us(spec.warmest_mc, at_us))
        elif self._closed:
            colder_than_coldest = at_us + self._until_us(spec.coldest_mc, at_us)
            self.next_us = max(self._rested_us, colder_than_coldest)
        else:
            self.next_us = None

    def _run(self, on: bool, at_us: int) -> None:
        for limit_mc in self._above_us:
            self._above_us[limit_mc] += self._above_since_us(limit_mc, at_us)
        self._since_mc, self._since_us = self.temperature_mc(at_us), max(at_us, self._since_us)
        if not on:
            self._rested_us = at_us + self._spec.min_off_s * US_PER_S
        self.run_at(self._spec.power_w * MW_PER_W if on else 0)

    def _target_mc(self) -> float:
        """Where the temperature would end."""
        return self._spec.room_mc - (self._pull_mc if self.running else 0)

    def _until_us(self, limit_mc: float, at_us: int) -> int:
        """Microseconds until a limit is reached on the present course, at least 1; very long if never."""
        target_mc, now_mc = self._target_mc(), self.temperature_mc(at_us)
        if (limit_mc - now_mc) * (target_mc - now_mc) <= 0:
            return 1
        if (target_mc - limit_mc) * (target_mc - now_mc) <= 0:
            return 10**15
        return max(1, math.ceil(self._tau_us * math.log((now_mc - target_mc) / (limit_mc - target_mc))))

    def _above_s(self, limit_mc: int, at_us: int) -> float:
        return (self._above_us[limit_mc] + self._above_since_us(limit_mc, at_us)) / US_PER_S

    def _above_since_us(self, limit_mc: int, at_us: int) -> float:
        """Microseconds above a limit since the compressor last started or stopped; temperature runs one way in between."""
        lasted_us = max(0, at_us - self._since_us)
        first, last = self._since_mc > limit_mc, self.temperature_mc(at_us) > limit_mc
        if first == last:
            return lasted_us if first else 0.0
        target_mc = self._target_mc()
        crossed_us = self._tau_us * math.log((self._since_mc - target_mc) / (limit_mc - target_mc))
        return crossed_us if first else lasted_us - crossed_us


class SimulatedFreezer(SimulatedDevice[FreezerPart]):
    """Driver of a relay, a meter and a thermometer at a freezer: Meter, Switch, Thermometer and Announces."""

    async def switch(self, on: bool) -> None:
        """Close or open the relay. The compressor stays off for its minimum off-time, and stops by itself when coldest."""
        await self._command(lambda at_us: self._part.switch(on, at_us))

    async def temperature_mc(self) -> int:
        """Temperature of the air now."""
        return await self._measured("temperature_mc", lambda: round(self._part.temperature_mc(self._plant.advance())))
