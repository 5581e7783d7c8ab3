"""What a household draws and nobody can move, from a recording. Nothing at all outside of it."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import US_PER_S, Part, Trace


@dataclass(frozen=True, slots=True)
class BaseLoadSpec:
    """A recorded load: milliwatt-hours per slot of `slot_s` seconds from the Unix second `start_s` on."""

    start_s: int
    slot_s: int
    slot_mwh: tuple[int, ...]


class BaseLoadPart(Part):
    """Steps from slot to slot."""

    def __init__(self, spec: BaseLoadSpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._trace = Trace(spec.start_s, spec.slot_s, spec.slot_mwh)
        self.next_us = self._trace.next_us()

    def turn(self, at_us: int) -> None:
        self.run_at(self._trace.take())
        self.next_us = self._trace.next_us()


class SimulatedBaseLoad(SimulatedDevice[BaseLoadPart]):
    """Driver of a household's meter: Meter and Announces."""
