"""When an agent does what for a slot: bid before the gate, prove after it. Pure arithmetic on Unix seconds.

    slot k-1          |gate of k|             slot k starts
    ... bid_s ........ gate_s .. prove_s ..... slot_s

With 15-minute slots the gate of slot k lies within slot k-1. With 1-minute slots and a gate lead of 60 s it is the very start
of slot k-1 and the bid falls into slot k-2; nothing below depends on which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST_PROOF_WAIT_S: Final = 15
"""Header time lags by a block, so a call may run up to 10 s after its gate, and its proof takes one block more."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """The instants of one society's slots as one agent keeps them.

    lead_s: how long before the gate the agent bids. delay_s: this agent's own share of the spread, so that not all agents
    of a society send within one second; it shifts the bid towards the gate and the proof away from it.
    """

    duration_s: int
    gate_lead_s: int
    lead_s: int = 30
    delay_s: int = 0

    def __post_init__(self) -> None:
        if self.duration_s <= 0 or self.gate_lead_s <= 0:
            raise ValueError("slot duration and gate lead are above 0")
        if not 0 <= self.delay_s < self.lead_s:
            raise ValueError(f"delay_s {self.delay_s} does not lie between 0 and lead_s {self.lead_s}")

    def slot_of(self, at_s: int) -> int:
        """The slot that runs at an instant."""
        return at_s - at_s % self.duration_s

    def next_slot(self, at_s: int) -> int:
        """The first slot that starts after an instant."""
        return self.slot_of(at_s) + self.duration_s

    def gate_s(self, slot_s: int) -> int:
        return slot_s - self.gate_lead_s

    def bid_s(self, slot_s: int) -> int:
        """When to decide and send orders for a slot."""
        return self.gate_s(slot_s) - self.lead_s + self.delay_s

    def prove_s(self, slot_s: int) -> int:
        """When to prove what the call of a slot brought: late enough for the call's block, well before the slot starts."""
        wait_s = min(LONGEST_PROOF_WAIT_S, self.gate_lead_s // 4)
        return self.gate_s(slot_s) + min(wait_s + self.delay_s, self.gate_lead_s // 2)

    def first_tradable(self, at_s: int) -> int:
        """The first slot whose gate lies after an instant."""
        return self.slot_of(at_s + self.gate_lead_s) + self.duration_s

    def next_bid_slot(self, at_s: int) -> int:
        """The first slot whose bid lies after an instant."""
        return self.slot_of(at_s + self.gate_lead_s + self.lead_s - self.delay_s) + self.duration_s

    def next_prove_slot(self, at_s: int) -> int:
        """The first slot whose proof lies after an instant."""
        before_s = self.slot_of(at_s) - self.duration_s
        while self.prove_s(before_s) <= at_s:
            before_s += self.duration_s
        return before_s
