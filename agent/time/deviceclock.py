"""The best time that the device knows, as a clock. What it goes by is decided elsewhere; here is only how to reckon with it.

While the system's clock is believed, its time is passed on, but for a jump: then the clock goes on as before, until somebody
has looked into it. Else it reckons with an offset to the monotonic clock: a date of an anchor, or a time that has certainly
passed, from which on it counts. Corrections by less than CATCH_UP_NS do not turn time back: it stands still until it is right.
"""

from __future__ import annotations

from typing import Final

from agent.clock import NS_PER_S
from agent.time.system import AlwaysRight, SystemTime
from agent.vocabulary import Clock

JUMP_NS: Final = 5 * NS_PER_S
CATCH_UP_NS: Final = 60 * NS_PER_S


class DeviceClock:
    """A Clock for all parts of one agent, its drivers included. Until told otherwise it believes the system."""

    def __init__(self, system: SystemTime) -> None:
        self.system = system
        self._offset_ns = system.now_ns() - system.monotonic_ns()
        self._follows_system = True
        self._shown_ns = 0

    @classmethod
    def of(cls, clock: Clock) -> DeviceClock:
        """This clock itself, or around one that is always right."""
        return clock if isinstance(clock, DeviceClock) else cls(AlwaysRight(clock))

    def monotonic_ns(self) -> int:
        return self.system.monotonic_ns()

    def now_ns(self) -> int:
        reckoned_ns = self.system.monotonic_ns() + self._offset_ns
        if self._follows_system:
            system_ns = self.system.now_ns()
            if abs(system_ns - reckoned_ns) <= JUMP_NS:
                reckoned_ns = system_ns
        if 0 < self._shown_ns - reckoned_ns < CATCH_UP_NS:
            return self._shown_ns
        self._shown_ns = reckoned_ns
        return reckoned_ns

    def follow_system(self) -> None:
        """The system's clock is right, now and until it jumps."""
        self._follows_system = True
        self._offset_ns = self.system.now_ns() - self.system.monotonic_ns()

    def count_from(self, utc_ns: int, monotonic_ns: int) -> None:
        """It was `utc_ns` at an instant of the monotonic clock; what the system's clock shows does not matter."""
        self._follows_system = False
        self._offset_ns = utc_ns - monotonic_ns
