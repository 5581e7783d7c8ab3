"""The task that keeps the time: looks at the system's clock, hears the ledger while in doubt, takes up what a person set, and
writes down what comes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from agent.clock import NS_PER_S, now_s
from agent.journaling import entries
from agent.journaling.explaining import Deed, Explanations
from agent.journaling.keeping import Keeper
from agent.time.keeping import TIME_FLOOR, TimeKeeper
from agent.time.operator import read_request, remove_request

ASK_FIRST_S: Final = 15
ASK_LONGEST_S: Final = 300
"""While the ledger's time is wanted, it is asked for, ever more rarely."""
SAVE_FLOOR_S: Final = 600
"""How often a floor that rose is written down, where nothing else takes it along."""


class Timing:
    """Runs one TimeKeeper. `hear_ledger` asks the nodes for their newest block, for its time alone: whether that was new."""

    def __init__(
        self,
        time: TimeKeeper,
        keeper: Keeper,
        explanations: Explanations,
        request: Path,
        hear_ledger: Callable[[], Awaitable[bool]],
    ) -> None:
        self._time = time
        self._keeper = keeper
        self._explanations = explanations
        self._request = request
        self._hear_ledger = hear_ledger
        self._wake = asyncio.Event()
        self._ask_at_ns = 0
        self._ask_wait_s = ASK_FIRST_S
        self._was_answered = False
        self._floor_saved_ns = 0
        time.on_news = self._wake.set

    async def run(self) -> None:
        """Keep the time until cancelled."""
        while True:
            self._time.look()
            await self._take_request()
            if self._time.wants_ledger:
                await self._ask_ledger()
            else:
                self._ask_wait_s = ASK_FIRST_S
            await self.write()
            await self._sleep()

    async def write(self) -> None:
        """Write down what was heard and decided."""
        anchors, events = self._time.take_news()
        wall_ns, clock = self._time.wall_ns(), self._time.clock
        records = [entries.anchor(anchor, wall_ns) for anchor in anchors]
        for text in events:
            self._explanations.give(Deed.TIME, text, now_s(clock))
            records.append(entries.event(Deed.TIME, text, wall_ns))
        value = str(self._time.floor_ns).encode()
        is_old = clock.monotonic_ns() - self._floor_saved_ns >= SAVE_FLOOR_S * NS_PER_S
        if not records and not (is_old and self._keeper.journal.values.get(TIME_FLOOR) != value):
            return
        if await self._keeper.store(records, values=[(TIME_FLOOR, value)]) is None:
            self._time.give_back(anchors, [])
        else:
            self._floor_saved_ns = clock.monotonic_ns()

    async def _ask_ledger(self) -> None:
        if self._time.clock.monotonic_ns() < self._ask_at_ns:
            return
        is_answered = await self._hear_ledger()
        if is_answered and not self._was_answered:
            self._ask_wait_s = ASK_FIRST_S  # it takes a second block to tell the time
        self._was_answered = is_answered
        self._ask_at_ns = self._time.clock.monotonic_ns() + self._ask_wait_s * NS_PER_S
        self._ask_wait_s = min(2 * self._ask_wait_s, ASK_LONGEST_S)

    async def _take_request(self) -> None:
        """Take up what a person set; what is no request, or of an earlier boot, is taken away."""
        try:
            anchor = await asyncio.to_thread(read_request, self._request)
        except OSError:
            return  # tried again with the next look
        except ValueError as error:
            self._time.note(str(error))
        else:
            if anchor is None:
                return
            if anchor.boot_id == self._time.boot_id:
                self._time.hear_operator(anchor)
            else:
                self._time.note("A person set the time before the machine was started again: that says nothing any more.")
        await self.write()
        await asyncio.to_thread(remove_request, self._request)

    async def _sleep(self) -> None:
        """Until the next look is due, or there is something to write down."""
        waits_s = [float(self._time.clock.system.look_every_s or 0)]
        if self._time.wants_ledger:
            waits_s.append(max(0.0, (self._ask_at_ns - self._time.clock.monotonic_ns()) / NS_PER_S))
        timeout_s = min((wait_s for wait_s in waits_s if wait_s > 0), default=None)
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
