"""When things happen to a slot. All in Unix seconds of header time; pure arithmetic on the society's parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightclient.values import Params

FALLBACK_LEAD_S: Final = 2 * 3600
"""A book without the utility's tariff opens with the fallback this long before its slot."""
MAX_AHEAD_S: Final = 36 * 3600
MIN_SETTLEMENT_WAIT_S: Final = 900
SETTLEMENT_WAIT_SLOTS: Final = 4
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class SlotTimes:
    """The society's slot arithmetic."""

    duration_s: int
    gate_lead_s: int
    dispute_s: int

    @classmethod
    def of(cls, params: Params) -> SlotTimes:
        return cls(params.slot_duration_s, params.gate_lead_s, params.dispute_s)

    def is_start(self, slot_s: int) -> bool:
        return slot_s % self.duration_s == 0

    def gate_s(self, slot_s: int) -> int:
        return slot_s - self.gate_lead_s

    def fallback_s(self, slot_s: int) -> int:
        return slot_s - FALLBACK_LEAD_S

    def end_s(self, slot_s: int) -> int:
        return slot_s + self.duration_s

    def settlement_deadline_s(self, slot_s: int) -> int:
        """From here on the slot settles without the readings that are missing."""
        return self.end_s(slot_s) + max(SETTLEMENT_WAIT_SLOTS * self.duration_s, MIN_SETTLEMENT_WAIT_S)

    def dispute_end_s(self, slot_s: int) -> int:
        """From here on no reading of the slot counts any more."""
        return self.end_s(slot_s) + self.dispute_s

    def first_tradable(self, time_s: int) -> int:
        """The first slot whose gate lies after `time_s`."""
        return (time_s + self.gate_lead_s) // self.duration_s * self.duration_s + self.duration_s

    def energy_wh(self, power_w: int) -> int:
        """Energy of a constant power over one slot, rounded down."""
        return power_w * self.duration_s // 3600

    def plausible_wh(self, power_w: int) -> int:
        """The most that a register may count in one slot: 1.05 x nameplate, and one more because it counts whole Wh."""
        return power_w * self.duration_s * 105 // 360_000 + 1


def day_of(time_s: int) -> int:
    """Start of the UTC day."""
    return time_s - time_s % DAY_S
