"""An EV charger. Cars come and go at recorded times, with a need.

A car takes what it needs and no more, unless it tells of its battery: then it takes what has room, and gives what it holds. All
energies are at the charger's meter; a car that feeds back loses nothing here, its owner's rules count losses and wear.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.abilities import PlugState
from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import MW_PER_W, NJ_PER_MWH, NJ_PER_WH, US_PER_S, Part


@dataclass(frozen=True, slots=True)
class StaySpec:
    """One car at the charger. `capacity_mwh` 0: it does not tell of its battery."""

    plugged_in_s: int
    departs_s: int
    needs_mwh: int
    max_charge_w: int
    max_discharge_w: int = 0
    stored_mwh: int = 0
    capacity_mwh: int = 0


@dataclass(frozen=True, slots=True)
class EvSpec:
    """All stays at one charger, in order of time, without overlap."""

    start_s: int
    stays: tuple[StaySpec, ...]


@dataclass(frozen=True, slots=True)
class Departure:
    """What a car left with: `delivered_nj` net of what it fed back."""

    stay: StaySpec
    delivered_nj: int

    @property
    def unmet_nj(self) -> int:
        return max(0, self.stay.needs_mwh * NJ_PER_MWH - self.delivered_nj)


class EvPart(Part):
    """An empty socket, or a car that charges at the setpoint as far as it goes. A setpoint ends with the stay."""

    def __init__(self, spec: EvSpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._stays = spec.stays
        self.departures: list[Departure] = []
        self._car: StaySpec | None = None
        self._delivered_nj = 0
        self._setpoint_mw = 0
        self._plan(self.at_us)

    def accrue(self, to_us: int) -> None:
        self._delivered_nj += self.power_mw * (to_us - self.at_us)
        super().accrue(to_us)

    def plug_state(self) -> PlugState | None:
        car = self._car
        if car is None:
            return None
        tells = car.capacity_mwh > 0
        stored_wh = (car.stored_mwh * NJ_PER_MWH + self._delivered_nj) // NJ_PER_WH
        return PlugState(
            plugged_in_s=car.plugged_in_s,
            departs_s=car.departs_s,
            needs_wh=-((self._delivered_nj - car.needs_mwh * NJ_PER_MWH) // NJ_PER_WH),
            max_charge_w=car.max_charge_w,
            max_discharge_w=car.max_discharge_w,
            stored_wh=min(max(0, stored_wh), car.capacity_mwh * NJ_PER_MWH // NJ_PER_WH) if tells else 0,
            capacity_wh=car.capacity_mwh * NJ_PER_MWH // NJ_PER_WH,
        )

    def unmet_nj(self) -> int:
        """What all cars that left were missing."""
        return sum(departure.unmet_nj for departure in self.departures)

    def set_power(self, power_mw: int, at_us: int) -> None:
        self._setpoint_mw = power_mw if self._car else 0
        self._plan(at_us)

    def turn(self, at_us: int) -> None:
        if self._car is not None and at_us >= self._car.departs_s * US_PER_S:
            self.departures.append(Departure(self._car, self._delivered_nj))
            self._car, self._setpoint_mw = None, 0
            self.changes += 1
        following = len(self.departures)
        if self._car is None and following < len(self._stays) and at_us >= self._stays[following].plugged_in_s * US_PER_S:
            self._car, self._delivered_nj = self._stays[following], 0
            self._setpoint_mw = self._car.max_charge_w * MW_PER_W if self.unattended else 0
            self.changes += 1
        self._plan(at_us)

    def _plan(self, at_us: int) -> None:
        """Power from now on, and when it ends by itself."""
        car = self._car
        if car is None:
            following = len(self.departures)
            self.next_us = self._stays[following].plugged_in_s * US_PER_S if following < len(self._stays) else None
            self.run_at(0)
            return
        power_mw = min(max(self._setpoint_mw, -car.max_discharge_w * MW_PER_W), car.max_charge_w * MW_PER_W)
        most_mwh = car.capacity_mwh - car.stored_mwh if car.capacity_mwh else car.needs_mwh
        if power_mw > 0:
            left_nj = most_mwh * NJ_PER_MWH - self._delivered_nj
        else:
            left_nj = car.stored_mwh * NJ_PER_MWH + self._delivered_nj
        self.next_us = car.departs_s * US_PER_S
        if left_nj <= 0:
            power_mw = 0
        if power_mw:
            ends_us = at_us - left_nj // -abs(power_mw)  # rounded up: it ends with the need met, at most one microsecond over
            self.next_us = min(self.next_us, ends_us)
        self.run_at(power_mw)


class SimulatedEv(SimulatedDevice[EvPart]):
    """Driver of an EV charger: Meter, Plug, PowerSetpoint and Announces."""

    async def plug_state(self) -> PlugState | None:
        """The car that is plugged in, or None. `needs_wh` is rounded up, `stored_wh` down."""
        self._plant.measure(self._part)
        return await self._measured("plug_state", self._part.plug_state)

    async def set_power(self, power_w: int) -> None:
        """Charge (or feed back, where the car can) at `power_w`, clipped to what car and charger can do."""
        await self._command(lambda at_us: self._part.set_power(power_w * MW_PER_W, at_us))
