"""A washer with remote start that runs recorded cycles. People load it at given times; once started it runs to the end."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from drivers.abilities import WashJob
from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import US_PER_S, Part

MWH_PER_WH = 1_000


@dataclass(frozen=True, slots=True)
class WashSpec:
    """One load: ready to start from `ready_s` on, to be done by `end_by_s`, its milliwatt-hours per slot from its start on."""

    ready_s: int
    end_by_s: int
    slot_mwh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WasherSpec:
    """All loads of one machine, in order of time; `slot_s` is the length of the slots of their recordings in seconds."""

    start_s: int
    slot_s: int
    washes: tuple[WashSpec, ...]


@dataclass(frozen=True, slots=True)
class WashRun:
    """A wash that was run."""

    job_id: int
    started_us: int
    ended_us: int
    end_by_us: int

    @property
    def late(self) -> bool:
        return self.ended_us > self.end_by_us


class WasherPart(Part):
    """Empty, loaded, or running. Whoever loads the next wash waits until the last one is done."""

    def __init__(self, spec: WasherSpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._slot_us = spec.slot_s * US_PER_S
        self._washes = spec.washes
        self._powers_mw = [tuple(mwh * 3600 // spec.slot_s for mwh in wash.slot_mwh) for wash in spec.washes]
        self._slot_wh = [_whole_wh(wash.slot_mwh) for wash in spec.washes]
        self.runs: list[WashRun] = []
        self._loaded = False
        self._started_us: int | None = None
        self._slot = 0
        self._await_load(self.at_us)

    def job(self) -> WashJob | None:
        """The wash that waits or runs; `job_id` counts from 0."""
        if not self._loaded:
            return None
        number = len(self.runs)
        wash = self._washes[number]
        started_s = None if self._started_us is None else self._started_us // US_PER_S
        return WashJob(number, wash.ready_s, wash.end_by_s, self._slot_wh[number], started_s)

    def late_washes(self, at_us: int) -> int:
        """Washes that were done too late, or are not done though they should be."""
        due = sum(wash.end_by_s * US_PER_S <= at_us for wash in self._washes[len(self.runs) :])
        return due + sum(run.late for run in self.runs)

    def start(self, at_us: int) -> None:
        if self._loaded and self._started_us is None:
            self._started_us, self._slot = at_us, 0
            self.run_at(self._powers_mw[len(self.runs)][0])
            self.next_us = at_us + self._slot_us
            self.changes += 1

    def turn(self, at_us: int) -> None:
        if self._started_us is None:
            self._load(at_us)
            return
        powers_mw = self._powers_mw[len(self.runs)]
        self._slot += 1
        if self._slot < len(powers_mw):
            self.run_at(powers_mw[self._slot])
            self.next_us = at_us + self._slot_us
            return
        wash = self._washes[len(self.runs)]
        self.runs.append(WashRun(len(self.runs), self._started_us, at_us, wash.end_by_s * US_PER_S))
        self._loaded, self._started_us = False, None
        self.run_at(0)
        self.changes += 1
        self._await_load(at_us)

    def _await_load(self, at_us: int) -> None:
        self.next_us = None
        if len(self.runs) < len(self._washes):
            self.next_us = max(at_us, self._washes[len(self.runs)].ready_s * US_PER_S)

    def _load(self, at_us: int) -> None:
        self._loaded, self.next_us = True, None
        self.changes += 1
        if self.unattended:
            self.start(at_us)


def _whole_wh(slot_mwh: tuple[int, ...]) -> tuple[int, ...]:
    """Whole Wh per slot whose running sum is never more than half a Wh off."""
    sums = [0, *((total + MWH_PER_WH // 2) // MWH_PER_WH for total in accumulate(slot_mwh))]
    return tuple(sums[slot + 1] - sums[slot] for slot in range(len(slot_mwh)))


class SimulatedWasher(SimulatedDevice[WasherPart]):
    """Driver of a washer: Meter, WashProgram and Announces."""

    async def job(self) -> WashJob | None:
        """The wash that waits or runs; None when the machine is empty or done."""
        self._plant.advance()
        return await self._measured("job", self._part.job)

    async def start(self) -> None:
        """Start the waiting wash now. Does nothing while one runs or none waits."""
        await self._command(self._part.start)
