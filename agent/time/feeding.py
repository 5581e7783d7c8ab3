"""Feeds the slot meter with readings whose time has an uncertainty. No I/O, no clock.

A reading that may lie on either side of a slot's edge stays away from the meter: it is evidence, and nothing is settled upon
it. So the registers at an edge are found between the last reading certainly before it and the first certainly after it, by the
meter's own rule for such bridges; where they lie too far apart, both slots go without.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.clock import NS_PER_S
from agent.metering import EdgesMissed, Metered, SlotMeter
from agent.vocabulary import Reading
from storeforward.timekeeping import Dated


@dataclass(frozen=True, slots=True)
class EdgesUncertain:
    """The time was not known well enough at one or more edges: slots from `first_slot_s` to before `end_s` do not settle."""

    first_slot_s: int
    end_s: int
    uncertainty_s: int


Fed = Metered | EdgesUncertain


class Feeder:
    """Feeds one slot meter, in the order of the readings."""

    def __init__(self, meter: SlotMeter, duration_s: int) -> None:
        self.meter = meter
        self._duration_s = duration_s
        self._left_out_ns = 0

    def feed(self, reading: Reading, at: Dated) -> list[Fed]:
        """What a reading brings to light that was made at that time; what its own `taken_at_s` says does not count."""
        if at.spans_edge(self._duration_s):
            self._left_out_ns = max(self._left_out_ns, at.uncertainty_ns)
            return []
        found = self.meter.take(replace(reading, taken_at_s=at.utc_ns // NS_PER_S))
        left_out_ns, self._left_out_ns = self._left_out_ns, 0
        if not left_out_ns:
            return list(found)
        seconds = -(-left_out_ns // NS_PER_S)
        return [
            EdgesUncertain(event.first_slot_s, event.end_s, seconds) if isinstance(event, EdgesMissed) else event
            for event in found
        ]
