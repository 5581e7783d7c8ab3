"""What all simulated drivers share: reading the meter, announcing changes, and having faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Generic, Self, TypeVar, cast
from weakref import WeakKeyDictionary

from agent.vocabulary import Reading
from drivers.errors import DeviceSilent
from drivers.simulated.faults import SILENCE_S, Fault, FaultKind, ReversedMeter, fault_at
from drivers.simulated.part import MW_PER_W, NJ_PER_WH, US_PER_S, Part
from drivers.simulated.plant import Plant

P = TypeVar("P", bound=Part)
Value = TypeVar("Value")


class SimulatedDevice(Generic[P]):
    """A driver of one part of a plant: Meter and Announces. Several drivers may share a part, as agents share a grid meter.

    `wait_change` reports a change once to each task that waits. A change that happens between two calls is not lost: the next
    call returns at once. A task that waits for the first time takes over from whoever asked last on this driver.
    """

    def __init__(self, name: str, plant: Plant, part: P, faults: tuple[Fault, ...] = ()) -> None:
        self.name = name
        self._plant = plant
        self._part = part
        self._faults = faults
        self._held: dict[str, object] = {}
        self._reversed = ReversedMeter()
        self._reported = part.changes
        self._reported_to: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()
        part.unattended = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to close: the plant runs on."""

    async def read(self) -> Reading:
        """Read one Reading. Raises DeviceSilent during a fault of that kind."""
        if not self._faults:
            return self._reading()
        reading = await self._measured("reading", self._shown_reading)
        return replace(reading, taken_at_s=self._plant.advance() // US_PER_S)

    async def wait_change(self, until_s: int) -> bool:
        """Return True as soon as power or state changes, or changed since the last report; False at `until_s`."""
        while True:
            now_us = self._plant.advance()
            fault = fault_at(self._faults, now_us)
            if fault is not None and fault.kind in (FaultKind.SILENT, FaultKind.STUCK):
                await asyncio.sleep((min(until_s, fault.to_s) * US_PER_S - now_us) / US_PER_S)
                if until_s <= fault.to_s:
                    return False
            elif self._news():
                return True
            elif until_s * US_PER_S <= now_us:
                return False
            else:
                await self._wait(now_us, until_s)

    def _news(self) -> bool:
        """Whether the part changed since the last report; reports it."""
        task = asyncio.current_task()
        assert task is not None, "only a task can wait"
        reported = self._reported_to.get(task, self._reported)
        self._reported = self._reported_to[task] = self._part.changes
        return reported != self._reported

    async def _wait(self, now_us: int, until_s: int) -> None:
        """Wait for a change of the part, or until `until_s`."""
        loop = asyncio.get_running_loop()
        changed: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later((until_s * US_PER_S - now_us) / US_PER_S, _give_up, changed)
        self._part.waiters.add(changed)
        self._plant.arm()
        try:
            await changed
        finally:
            timer.cancel()
            self._part.waiters.discard(changed)

    async def _command(self, action: Callable[[int], None]) -> None:
        await self._answer()
        self._plant.command(self._part, action)

    async def _measured(self, what: str, measure: Callable[[], Value]) -> Value:
        """The value of `measure`, or what a fault makes of it."""
        if not self._faults:
            return measure()
        fault = self._fault()
        if fault is None or fault.kind is not FaultKind.STUCK:
            value = measure()
            self._held.clear()
        else:
            value = cast(Value, self._held.setdefault(what, measure()))
        await self._answer()
        return value

    async def _answer(self) -> None:
        """Let a fault delay or swallow the answer."""
        fault = self._fault()
        if fault is None:
            return
        if fault.kind is FaultKind.SILENT:
            await asyncio.sleep(SILENCE_S)
            raise DeviceSilent(self.name, f"no answer within {SILENCE_S} s")
        if fault.kind is FaultKind.LATE:
            await asyncio.sleep(fault.late_s)

    def _fault(self) -> Fault | None:
        return fault_at(self._faults, self._plant.advance()) if self._faults else None

    def _reading(self) -> Reading:
        now_us = self._plant.measure(self._part)
        part = self._part
        power_w = (part.power_mw + MW_PER_W // 2) // MW_PER_W
        return Reading(now_us // US_PER_S, power_w, part.import_nj // NJ_PER_WH, part.export_nj // NJ_PER_WH)

    def _shown_reading(self) -> Reading:
        fault = self._fault()
        return self._reversed.show(self._reading(), fault is not None and fault.kind is FaultKind.WRONG_SIGN)


def _give_up(changed: asyncio.Future[bool]) -> None:
    if not changed.done():
        changed.set_result(False)
