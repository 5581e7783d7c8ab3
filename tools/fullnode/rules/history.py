"""The price history: one key per UTC day, a line per slot, written when the book closes and completed at settlement."""

from __future__ import annotations

from dataclasses import replace

from agent.vocabulary import SlotPrice
from lightclient import keys
from lightclient.values import decode_history, encode_history
from tools.fullnode.rules.slottimes import day_of
from tools.fullnode.rules.state import State


class History:
    """Writes the day histories, each once per block. The last two days are kept decoded, and hold what the state holds."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._days: dict[int, dict[int, SlotPrice]] = {}
        self._touched: set[int] = set()

    def write(self, line: SlotPrice) -> None:
        self._touch(line.slot_s)[line.slot_s] = line

    def complete(self, slot_s: int, net_load_wh: int) -> None:
        """Add what the building's meters showed once the slot has settled."""
        lines = self._touch(slot_s)
        lines[slot_s] = replace(lines[slot_s], net_load_wh=net_load_wh)

    def flush(self) -> None:
        """Write the block's changes into the state. A block after a long pause closes many slots of a day."""
        for day_s in sorted(self._touched):
            lines = self._days[day_s]
            self._state.put(keys.day_history(day_s), encode_history(tuple(lines[slot_s] for slot_s in sorted(lines))))
        self._touched.clear()
        for day_s in sorted(self._days)[:-2]:
            del self._days[day_s]

    def _touch(self, slot_s: int) -> dict[int, SlotPrice]:
        """The lines of the slot's day, which the block is about to change."""
        day_s = day_of(slot_s)
        if day_s not in self._days:
            value = self._state.get(keys.day_history(day_s))
            self._days[day_s] = {line.slot_s: line for line in decode_history(value)} if value else {}
        self._touched.add(day_s)
        return self._days[day_s]
