"""The clock of a controller, and waiting for an instant of it. Every other module is given a clock."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from agent.vocabulary import Clock

NS_PER_S: Final = 1_000_000_000
LONGEST_SLEEP_S: Final = 600
"""A clock may be set while somebody sleeps; after this they look at it again."""
_SINCE_BOOT: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """The operating system's clocks. The monotonic one counts since the boot of the machine, the time it was suspended too."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.clock_gettime_ns(_SINCE_BOOT)


def now_s(clock: Clock) -> int:
    """Whole Unix seconds that have passed."""
    return clock.now_ns() // NS_PER_S


async def sleep_until(clock: Clock, at_s: int) -> None:
    """Sleep until the clock shows at least `at_s`: a timer that fires a microsecond early would miss the slot's edge."""
    while (left_ns := at_s * NS_PER_S - clock.now_ns()) > 0:  # noqa: ASYNC110 - the clock sets no event
        await asyncio.sleep(min(left_ns / NS_PER_S, LONGEST_SLEEP_S))
