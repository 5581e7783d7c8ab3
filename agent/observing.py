"""What the agent knows of its own appliance: its state now, and the energy of its slots. Reads the drivers when asked.

Every reading goes through the slot meter, whoever asked for it, so a slot's edge is never missed because of who was first.
While nobody knows the time, and until the samples of that time are dated, none does: the journal keeps them for later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from agent.appliances.base import Appliance
from agent.clock import NS_PER_S, now_s
from agent.metering import SlotMeter
from agent.status import Status, Trouble
from agent.time.feeding import Fed, Feeder
from agent.time.keeping import TimeKeeper
from agent.time.redating import NeverDated, Redating
from agent.vocabulary import Clock, Reading, SlotEnergy
from drivers.errors import DriverError
from storeforward.timekeeping import Dated

HISTORY_S: Final = 8 * 86_400
LATEST_S: Final = 5
"""How far the time of a reading may be from the own: a driver that tells another one has a clock that nobody sets."""

INEXACT_NS: Final = NS_PER_S // 2
"""From this uncertainty on it may reach a second within a slot, before the next look: a clock strays by 500 ppm at most."""


class Observer:
    """Looks at one appliance. `found` collects what the slot meter finds until the controller has stored it."""

    def __init__(
        self,
        appliance: Appliance[Any],
        clock: Clock,
        status: Status,
        feeder: Feeder,
        time: TimeKeeper,
        redating: Redating,
        duration_s: int,
    ) -> None:
        self._appliance = appliance
        self._clock = clock
        self._status = status
        self._feeder = feeder
        self._time = time
        self._duration_s = duration_s
        self.redating = redating
        self.found: list[Fed | NeverDated] = []
        self.reading: Reading | None = None
        self.read_at_ns = 0
        """When the last reading was made, by the monotonic clock."""
        self.silent_since_ns: int | None = None
        """Since when a sensor that is needed was silent, by the monotonic clock."""
        self.history: deque[SlotEnergy] = deque(maxlen=HISTORY_S // duration_s)
        """Own metered slots, ascending."""

    @property
    def meter(self) -> SlotMeter:
        return self._feeder.meter

    @property
    def is_live(self) -> bool:
        """Whether readings go to the slot meter at once."""
        return self._time.is_anchored and not self.redating.is_pending

    @property
    def wants_pace(self) -> bool:
        """Whether looking at slots' edges alone is not enough, because it is not known to the second when they are, or will not
        be when the next one comes."""
        now = self._time.now()
        return not self.is_live or now is None or now.uncertainty_ns >= INEXACT_NS

    async def look(self) -> Any | None:
        """The appliance's state now; None while a sensor that it needs is silent, which the status says."""
        try:
            read = await self._appliance.meter.read()
            self.read_at_ns = self._clock.monotonic_ns()
            taken = self._taken(read)
            self.reading = reading = replace(read, taken_at_s=taken.utc_ns // NS_PER_S)
            if self.is_live:
                self.take(self._feeder.feed(reading, taken))
            state = await self._appliance.look(reading)
        except DriverError as error:
            if self.silent_since_ns is None:
                self.silent_since_ns = self._clock.monotonic_ns()
            self._status.set(Trouble.SENSOR, str(error), now_s(self._clock))
            return None
        self.silent_since_ns = None
        if self._appliance.missing is None:
            self._status.clear(Trouble.SENSOR, reading.taken_at_s)
        else:
            self._status.set(Trouble.SENSOR, self._appliance.missing, reading.taken_at_s)
        return state

    def take(self, found: Sequence[Fed | NeverDated]) -> None:
        """Remember what came to light."""
        self.found += found
        self.history.extend(event for event in found if isinstance(event, SlotEnergy))

    @property
    def measured_until_ns(self) -> int | None:
        """When the newest slot ended that was measured whole, None before the first."""
        return (self.history[-1].slot_s + self._duration_s) * NS_PER_S if self.history else None

    def taken_ns(self) -> int | None:
        """The time of the last reading, for the records made of it; None where it was not known."""
        return None if self.reading is None or not self.is_live else self.reading.taken_at_s * NS_PER_S

    def _taken(self, reading: Reading) -> Dated:
        """When a reading was made: the driver's word, unless that is far from the own, which may be a guess, or ahead of it: a
        reading that comes at a slot's edge and says that the edge is seconds ago would have the slot go without."""
        now = self._time.now() or Dated(self._clock.now_ns(), 0)
        if not 0 <= now.utc_ns - reading.taken_at_s * NS_PER_S <= LATEST_S * NS_PER_S:
            return now
        return Dated(reading.taken_at_s * NS_PER_S, now.uncertainty_ns)
