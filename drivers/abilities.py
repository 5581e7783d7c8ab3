"""What a driver can do: small protocols, of which each driver implements the ones its device has and no others.

Hardware and simulated drivers implement the same abilities; the agent cannot tell them apart. All are asyncio, none
polls, retries or stores. Every method may raise a `DriverError` of `drivers.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agent.vocabulary import Reading


@runtime_checkable
class Meter(Protocol):
    """Measures the appliance (or, as a CT clamp at the grid connection, the building)."""

    async def read(self) -> Reading:
        """Read power_w (signed) and the two cumulative registers, import_wh and export_wh."""


@runtime_checkable
class Switch(Protocol):
    """Turns a load on or off (a relay, a contactor)."""

    async def switch(self, on: bool) -> None:
        """Close (True) or open (False) the contact. The device's own limits, such as a minimum off-time, still hold."""


@runtime_checkable
class PowerSetpoint(Protocol):
    """Follows a power setpoint (a battery, an EV charger)."""

    async def set_power(self, power_w: int) -> None:
        """Ask for `power_w` (positive charges, negative discharges). The device clips it to what it can do."""


@runtime_checkable
class FeedInLimit(Protocol):
    """Curtails its feed-in (an inverter)."""

    async def limit_feed_in(self, limit_w: int | None) -> None:
        """Feed in at most `limit_w` watts (>= 0); None lifts the limit."""


@runtime_checkable
class ChargeLevel(Protocol):
    """Knows how much energy its battery holds."""

    async def stored_wh(self) -> int:
        """Energy that is stored now."""


@runtime_checkable
class Thermometer(Protocol):
    """Measures the temperature of the air it cools or heats."""

    async def temperature_mc(self) -> int:
        """Temperature now, in thousandths of a degree Celsius."""


@dataclass(frozen=True, slots=True)
class PlugState:
    """A plugged-in vehicle, with what its driver told the charger. Energies are measured at the charger's meter."""

    plugged_in_s: int
    departs_s: int
    needs_wh: int
    """Energy still to be delivered until departure; 0 when the driver's wish is met, negative when there is more than that."""
    max_charge_w: int
    max_discharge_w: int
    """0 for a charger that cannot feed back."""
    stored_wh: int
    capacity_wh: int
    """Both 0 where the car does not tell; then it cannot feed back either."""


@runtime_checkable
class Plug(Protocol):
    """An EV charger's socket."""

    async def plug_state(self) -> PlugState | None:
        """The vehicle that is plugged in, or None."""


@dataclass(frozen=True, slots=True)
class WashJob:
    """A loaded washer that waits for its start, or runs. `slot_energy_wh` is its energy per slot from its start on."""

    job_id: int
    ready_s: int
    end_by_s: int
    slot_energy_wh: tuple[int, ...]
    started_s: int | None


@runtime_checkable
class WashProgram(Protocol):
    """A washer, dryer or dishwasher with remote start. A running program cannot be interrupted."""

    async def job(self) -> WashJob | None:
        """The job that waits or runs; None when the machine is empty or done."""

    async def start(self) -> None:
        """Start the waiting job now. Does nothing while one runs."""


@runtime_checkable
class Announces(Protocol):
    """Knows when its values change next. Without it a device is sampled at its own pace (`pace_s`, 1 s by default)."""

    async def wait_change(self, until_s: int) -> bool:
        """Return True as soon as a value changes at or after now, False at `until_s` (Unix seconds) when none did.

        A change that the caller's own command brought about counts too. A change is reported once per waiter.
        """
