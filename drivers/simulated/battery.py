"""A battery with losses each way and limits. It follows its setpoint until it is full or empty, to the microsecond."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import MW_PER_W, NJ_PER_MWH, NJ_PER_WH, US_PER_S, Part

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class BatterySpec:
    """Capacity and charge are inside the battery, powers at its meter. `floor_mwh` is kept for emergencies."""

    start_s: int
    capacity_mwh: int
    initial_mwh: int
    max_charge_w: int
    max_discharge_w: int
    eta_charge_ppm: int
    eta_discharge_ppm: int
    floor_mwh: int = 0


class BatteryPart(Part):
    """Its charge is counted in a unit that makes both losses whole numbers, so it is exact over any sequence of commands.

    Charging by E stores E x eta_charge, delivering E takes E / eta_discharge out. In units of 1 nJ / (PPM x eta_discharge_ppm)
    that is E x eta_charge_ppm x eta_discharge_ppm in, and E x PPM x PPM out.
    """

    def __init__(self, spec: BatterySpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._most_mw = spec.max_charge_w * MW_PER_W
        self._least_mw = -spec.max_discharge_w * MW_PER_W
        self._units_per_nj = PPM * spec.eta_discharge_ppm
        self._units_in = spec.eta_charge_ppm * spec.eta_discharge_ppm
        self._units_out = PPM * PPM
        self._stored = spec.initial_mwh * NJ_PER_MWH * self._units_per_nj
        self._full = spec.capacity_mwh * NJ_PER_MWH * self._units_per_nj
        self._floor = spec.floor_mwh * NJ_PER_MWH * self._units_per_nj
        self._setpoint_mw = 0

    @property
    def stored_nj(self) -> int:
        """Charge, rounded down to the nanojoule."""
        return self._stored // self._units_per_nj

    def accrue(self, to_us: int) -> None:
        self._stored += self._flow(self.power_mw) * (to_us - self.at_us)
        super().accrue(to_us)

    def set_power(self, power_mw: int, at_us: int) -> None:
        self._setpoint_mw = min(max(power_mw, self._least_mw), self._most_mw)
        self._plan(at_us)

    def turn(self, at_us: int) -> None:
        self._plan(at_us)

    def _flow(self, power_mw: int) -> int:
        """Units per microsecond into the store."""
        return power_mw * (self._units_in if power_mw > 0 else self._units_out)

    def _plan(self, at_us: int) -> None:
        power_mw, self.next_us = self._setpoint_mw, None
        if power_mw:
            flow = self._flow(power_mw)
            # Rounded down: the last part of a microsecond is not run, so that no limit is ever passed.
            lasts_us = (self._full - self._stored) // flow if flow > 0 else (self._stored - self._floor) // -flow
            if lasts_us > 0:
                self.next_us = at_us + lasts_us
            else:
                power_mw = 0
        self.run_at(power_mw)


class SimulatedBattery(SimulatedDevice[BatteryPart]):
    """Driver of a battery inverter: Meter, PowerSetpoint, ChargeLevel and Announces."""

    async def set_power(self, power_w: int) -> None:
        """Charge (positive) or discharge (negative) at `power_w`, clipped to its limits, until it is full or empty."""
        await self._command(lambda at_us: self._part.set_power(power_w * MW_PER_W, at_us))

    async def stored_wh(self) -> int:
        """Energy that is stored now, to the nearest Wh: a full battery reads full."""
        self._plant.measure(self._part)
        return await self._measured("stored_wh", lambda: (self._part.stored_nj + NJ_PER_WH // 2) // NJ_PER_WH)
