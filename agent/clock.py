"""The clock of a controller, and waiting for an instant of it. Every other module is given a clock."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from agent.vocabulary import Clock

NS_PER_S: Final = 1_000_000_000


class SystemClock:
    """The operating system's clocks."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


def now_s(clock: Clock) -> int:
    """Whole Unix seconds that have passed."""
    return clock.now_ns() // NS_PER_S


async def sleep_until(clock: Clock, at_s: int) -> None:
    """Sleep until the clock shows at least `at_s`: a timer that fires a microsecond early would miss the slot's edge."""
    while (left_ns := at_s * NS_PER_S - clock.now_ns()) > 0:  # noqa: ASYNC110 - the clock sets no event
        await asyncio.sleep(left_ns / NS_PER_S)
