"""All simulated appliances behind one grid connection, moved through time from change to change, never step by step.

The plant is asked, it does not run: `advance` makes all changes that are due by now, in order of time, and keeps the grid meter
equal to the sum of its parts through each of them. One timer on the running event loop wakes those who wait for a change.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping

from agent.vocabulary import Clock
from drivers.simulated.part import US_PER_S, Part


class GridConnection(Part):
    """The sum of all parts. Its registers net them at every instant."""

    def turn(self, at_us: int) -> None:
        raise AssertionError("a sum has no changes of its own")


class Plant:
    """The appliances of a building by name, and its grid connection."""

    def __init__(self, clock: Clock, parts: Mapping[str, Part]) -> None:
        self._clock = clock
        self.parts = dict(parts)
        self._order = list(self.parts.values())
        self._place = {id(part): place for place, part in enumerate(self._order)}
        self._agenda = [(part.next_us, place) for place, part in enumerate(self._order) if part.next_us is not None]
        heapq.heapify(self._agenda)
        self._at_us = clock.now_ns() // 1000
        self.grid = GridConnection(min((part.at_us for part in self._order), default=self._at_us))
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0

    def advance(self) -> int:
        """Make all changes that are due; return the time in microseconds. It never goes back, whatever the clock does."""
        self._at_us = max(self._at_us, self._clock.now_ns() // 1000)
        while self._agenda and self._agenda[0][0] <= self._at_us:
            due_us, place = heapq.heappop(self._agenda)
            part = self._order[place]
            if part.next_us == due_us:  # a command may have moved it
                part.next_us = None
                self._change(part, due_us, part.turn)
        return self._at_us

    def command(self, part: Part, action: Callable[[int], None]) -> None:
        """Let `action(at_us)` change a part now."""
        self._change(part, self.advance(), action)
        self.arm()

    def measure(self, part: Part) -> int:
        """Bring a part's registers up to now; return the time in microseconds."""
        now_us = self.advance()
        part.accrue(now_us)
        return now_us

    def arm(self) -> None:
        """See to it that those who wait hear of the next change in time."""
        if not self._agenda:
            return
        due_us = self._agenda[0][0]
        if self._timer is not None and self._timer_us <= due_us:
            return
        if not any(part.waiters for part in (self.grid, *self._order)):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0, due_us - self._clock.now_ns() // 1000) / US_PER_S
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._ring)
        self._timer_us = due_us

    def _ring(self) -> None:
        self._timer = None
        self.advance()
        self.arm()

    def _change(self, part: Part, at_us: int, action: Callable[[int], None]) -> None:
        part.accrue(at_us)
        power_mw, changes, next_us = part.power_mw, part.changes, part.next_us
        action(at_us)
        if part.power_mw != power_mw:
            self.grid.accrue(at_us)
            self.grid.run_at(self.grid.power_mw + part.power_mw - power_mw)
            _tell(self.grid)
        if part.next_us is not None and part.next_us != next_us:
            heapq.heappush(self._agenda, (part.next_us, self._place[id(part)]))
        if part.changes != changes:
            _tell(part)


def _tell(part: Part) -> None:
    for waiter in part.waiters:
        if not waiter.done():
            waiter.set_result(True)
    part.waiters.clear()
