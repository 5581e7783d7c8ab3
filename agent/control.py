"""The control loop: looks at the appliance when something may have changed, and steers it. It never waits for the network.

It wakes at every slot's edge, when a watched driver announces a change, when the strategy asked to be asked again, and for a
device that announces nothing at the device's own pace. Changes that are announced right after a look wait for the rest of a
second: mostly they are the effect of what it just did, and of what the neighbours do at the same edge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from agent.appliances.base import Appliance, Command, Seen
from agent.clock import NS_PER_S, now_s
from agent.journaling.explaining import Deed
from agent.journaling.recording import SAMPLE_EVERY_S, Recorder
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock
from drivers.abilities import Announces
from drivers.errors import DriverError

PACE_S: Final = 1
"""Shortest time between two looks at a device, and the pace of one that announces nothing."""
LONGEST_RETRY_S: Final = 60
"""A silent sensor is asked ever more rarely, up to this."""
RESEND_S: Final = 30
"""A command to a device that announces nothing is repeated after this: fail-safe time-outs are longer."""
RETRY_S: Final = 10
"""A command that failed is thought over and given again after this."""
SAFE_AFTER_S: Final = 60
"""With its sensors silent for so long, the appliance is put into its safe state."""
SAFE_WITHIN_S: Final = 2
"""How long the safe state may take at the end; a device that does not answer then has a fail-safe of its own."""
FAR_S: Final = 86_400


class Controller:
    """Steers one appliance. `seen(at_s)` gives what is known beside the appliance's state; `occasion` is called when something
    happened that makes trading again worthwhile."""

    def __init__(
        self,
        appliance: Appliance[Any],
        observer: Observer,
        recorder: Recorder,
        timetable: Timetable,
        clock: Clock,
        status: Status,
        *,
        seen: Callable[[int], Seen],
        occasion: Callable[[], None],
    ) -> None:
        self._appliance = appliance
        self._observer = observer
        self._recorder = recorder
        self._timetable = timetable
        self._clock = clock
        self._status = status
        self._seen = seen
        self._notify = occasion
        self._announces = isinstance(appliance.meter, Announces)
        self._wake = asyncio.Event()
        self._forced = True
        self._ask_again_s = 0
        self._last_look_ns = 0
        self._last_situation: object = None
        self._last_occasion: object = None
        self._last_command: Command | None = None
        self._sent_at_ns = 0

    def nudge(self) -> None:
        """Steer again now: what is known of the market has changed."""
        self._forced = True
        self._wake.set()

    async def run(self) -> None:
        """Steer until cancelled, then leave the appliance in its safe state, whatever else of the agent has not ended yet."""
        async with asyncio.TaskGroup() as watchers:
            for driver in self._appliance.watched():
                watchers.create_task(self._watch(driver))
            try:
                await self._loop()
            finally:
                await self._end()

    async def make_safe(self) -> None:
        """Put the appliance into its safe state; a driver that fails now is beyond our reach, and the status says so."""
        command = self._appliance.safe_command()
        if command is not None:
            await self._send(command, now_s(self._clock))

    async def _end(self) -> None:
        """Make safe, within a time. In a task of its own: a driver that hangs may not heed being cancelled either."""
        making_safe = asyncio.create_task(self.make_safe())
        done, _ = await asyncio.wait((making_safe,), timeout=SAFE_WITHIN_S)
        if done:
            making_safe.result()
        else:
            making_safe.cancel()
            self._status.set(Trouble.CONTROL, f"no safe state within {SAFE_WITHIN_S} s at the stop", now_s(self._clock))

    async def _watch(self, driver: Announces) -> None:
        while True:
            try:
                if await driver.wait_change(now_s(self._clock) + FAR_S):
                    self._wake.set()
                else:
                    await asyncio.sleep(PACE_S)  # at once again where our time was set back and the driver's was not
            except DriverError:
                await asyncio.sleep(LONGEST_RETRY_S)  # the loop hears of it by itself when it looks

    async def _loop(self) -> None:
        edge_s = self._timetable.next_slot(now_s(self._clock) - 1)
        wake_s, retry_s = 0, PACE_S
        while True:
            await self._wait(min(edge_s, wake_s))
            at_s = now_s(self._clock)
            is_edge, edge_s = at_s >= edge_s, self._timetable.next_slot(at_s)
            state = await self._observer.look()
            self._last_look_ns = self._clock.monotonic_ns()
            await self._recorder.begin()
            if state is None:
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)
                wake_s = at_s + retry_s
                await self._despair(at_s)
            else:
                retry_s = PACE_S
                await self._steer(state, at_s, forced=is_edge)
                wake_s = min(self._ask_again_s, at_s + self._pace_s())
            await self._recorder.write(is_edge=is_edge)

    def _pace_s(self) -> int:
        """How soon to look again at the latest: what a device announces tells nothing of a slot's edge that nobody can name."""
        if not self._announces or self._is_early():
            return PACE_S
        return SAMPLE_EVERY_S if self._observer.wants_pace else FAR_S

    def _is_early(self) -> bool:
        """Whether the last reading was made before a slot's edge that is over by our clock: the driver's is a little behind."""
        reading = self._observer.reading
        return reading is not None and self._timetable.next_slot(reading.taken_at_s) <= now_s(self._clock)

    async def _wait(self, until_s: int) -> None:
        """Wait until a time or for a change, and after a change for the rest of the pace."""
        loop = asyncio.get_running_loop()
        while (left_s := (until_s * NS_PER_S - self._clock.now_ns()) / NS_PER_S) > 0:
            timer = loop.call_later(left_s, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
            if self._forced:
                return
            left_s = (until_s * NS_PER_S - self._clock.now_ns()) / NS_PER_S
            rest_s = PACE_S - (self._clock.monotonic_ns() - self._last_look_ns) / NS_PER_S
            if left_s > 0:
                await asyncio.sleep(min(left_s, rest_s))
                if rest_s <= left_s:
                    return

    async def _steer(self, state: Any, at_s: int, *, forced: bool) -> None:
        """Ask the strategy where that is due, and carry out what it says."""
        appliance = self._appliance
        situation, occasion = appliance.situation(state), appliance.occasion(state)
        if occasion != self._last_occasion:
            self._last_occasion = occasion
            self._notify()
        forced, self._forced = forced or self._forced, False
        if not forced and situation == self._last_situation and at_s < self._ask_again_s:
            await self._repeat(at_s)
            return
        self._last_situation = situation
        setpoint = appliance.steer(state, self._seen(at_s))
        self._ask_again_s = at_s + FAR_S if setpoint.until_s is None else max(setpoint.until_s, at_s + PACE_S)
        self._recorder.give_reason(Deed.STEER, setpoint.reason, at_s)
        command = appliance.command(setpoint, state)
        if command is not None and (self._last_command is None or command.value != self._last_command.value):
            await self._send(command, at_s)
        else:
            await self._repeat(at_s)

    async def _send(self, command: Command, at_s: int) -> None:
        self._last_command, self._sent_at_ns = command, self._clock.monotonic_ns()
        try:
            await command.send()
        except DriverError as error:
            self._last_command, self._ask_again_s = None, at_s + RETRY_S
            self._status.set(Trouble.CONTROL, str(error), at_s)
        else:
            self._status.clear(Trouble.CONTROL, at_s)

    async def _repeat(self, at_s: int) -> None:
        """Send the last command again before the device's fail-safe gives up on us."""
        since_ns = self._clock.monotonic_ns() - self._sent_at_ns
        if not self._announces and self._last_command is not None and since_ns >= RESEND_S * NS_PER_S:
            await self._send(self._last_command, at_s)

    async def _despair(self, at_s: int) -> None:
        """Nothing was seen. After a while without eyes the appliance is better off in its safe state."""
        since_ns, command = self._observer.silent_since_ns, self._appliance.safe_command()
        if since_ns is None or command is None or self._clock.monotonic_ns() - since_ns < SAFE_AFTER_S * NS_PER_S:
            return
        if self._last_command is None or self._last_command.value != command.value:
            await self._send(command, at_s)
        self._forced = True
