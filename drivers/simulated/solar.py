"""A solar array with an inverter that can be told to feed in less, from a recording of what the sun offered."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.simulated.device import SimulatedDevice
from drivers.simulated.part import MW_PER_W, US_PER_S, Part, Trace


@dataclass(frozen=True, slots=True)
class SolarSpec:
    """What the array could deliver: milliwatt-hours per slot of `slot_s` seconds from the Unix second `start_s` on."""

    start_s: int
    slot_s: int
    slot_mwh: tuple[int, ...]


class SolarPart(Part):
    """Feeds in what the sun offers, up to the limit."""

    def __init__(self, spec: SolarSpec) -> None:
        super().__init__(spec.start_s * US_PER_S)
        self._trace = Trace(spec.start_s, spec.slot_s, spec.slot_mwh)
        self._offered_mw = 0
        self._limit_mw: int | None = None
        self.offered_nj = 0
        """What the sun offered so far; the rest after `export_nj` was curtailed."""
        self.next_us = self._trace.next_us()

    def accrue(self, to_us: int) -> None:
        self.offered_nj += self._offered_mw * (to_us - self.at_us)
        super().accrue(to_us)

    def turn(self, at_us: int) -> None:
        self._offered_mw = self._trace.take()
        self.next_us = self._trace.next_us()
        self._feed_in()

    def limit(self, limit_mw: int | None) -> None:
        self._limit_mw = limit_mw
        self._feed_in()

    def _feed_in(self) -> None:
        self.run_at(-(self._offered_mw if self._limit_mw is None else min(self._offered_mw, self._limit_mw)))


class SimulatedSolar(SimulatedDevice[SolarPart]):
    """Driver of an inverter: Meter, FeedInLimit and Announces."""

    async def limit_feed_in(self, limit_w: int | None) -> None:
        """Feed in at most `limit_w` watts; None lifts the limit. A limit below 0 counts as 0."""
        limit_mw = None if limit_w is None else max(0, limit_w) * MW_PER_W
        await self._command(lambda _: self._part.limit(limit_mw))
