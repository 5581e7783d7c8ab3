"""What the agent knows of its own appliance: its state now, and the energy of its slots. Reads the drivers when asked.

Every reading goes through the slot meter, whoever asked for it, so a slot's edge is never missed because of who was first.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from agent.appliances.base import Appliance
from agent.clock import NS_PER_S, now_s
from agent.metering import Metered, SlotMeter
from agent.status import Status, Trouble
from agent.vocabulary import Clock, Reading, SlotEnergy
from drivers.errors import DriverError

HISTORY_S: Final = 8 * 86_400


class Observer:
    """Looks at one appliance. `found` collects what the slot meter finds until the controller has stored it."""

    def __init__(self, appliance: Appliance[Any], clock: Clock, status: Status, meter: SlotMeter, duration_s: int) -> None:
        self._appliance = appliance
        self._clock = clock
        self._status = status
        self._meter = meter
        self.found: list[Metered] = []
        self.reading: Reading | None = None
        self.silent_since_s: int | None = None
        self.history: deque[SlotEnergy] = deque(maxlen=HISTORY_S // duration_s)
        """Own metered slots, ascending."""

    @property
    def meter(self) -> SlotMeter:
        return self._meter

    async def look(self) -> Any | None:
        """The appliance's state now; None while a sensor that it needs is silent, which the status says."""
        try:
            reading = await self._appliance.meter.read()
            self.reading = reading
            self._take(reading)
            state = await self._appliance.look(reading)
        except DriverError as error:
            at_s = now_s(self._clock)
            self.silent_since_s = at_s if self.silent_since_s is None else self.silent_since_s
            self._status.set(Trouble.SENSOR, str(error), at_s)
            return None
        self.silent_since_s = None
        if self._appliance.missing is None:
            self._status.clear(Trouble.SENSOR, reading.taken_at_s)
        else:
            self._status.set(Trouble.SENSOR, self._appliance.missing, reading.taken_at_s)
        return state

    def _take(self, reading: Reading) -> None:
        for found in self._meter.take(reading):
            self.found.append(found)
            if isinstance(found, SlotEnergy):
                self.history.append(found)

    def taken_ns(self) -> int:
        """The time of the last reading, for the records made of it."""
        return 0 if self.reading is None else self.reading.taken_at_s * NS_PER_S
