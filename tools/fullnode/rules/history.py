"""The price history: one key per UTC day, a line per slot, written when the book closes and completed at settlement."""

from __future__ import annotations

from dataclasses import replace

from agent.vocabulary import SlotPrice
from lightclient import keys
from lightclient.values import decode_history, encode_history
from tools.fullnode.rules.slottimes import day_of
from tools.fullnode.rules.state import State


class History:
    """Writes the day histories. The last two days are kept decoded; what they hold is what the state holds."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._days: dict[int, dict[int, SlotPrice]] = {}

    def write(self, line: SlotPrice) -> None:
        self._day(line.slot_s)[line.slot_s] = line
        self._store(line.slot_s)

    def complete(self, slot_s: int, net_load_wh: int) -> None:
        """Add what the building's meters showed once the slot has settled."""
        lines = self._day(slot_s)
        lines[slot_s] = replace(lines[slot_s], net_load_wh=net_load_wh)
        self._store(slot_s)

    def _day(self, slot_s: int) -> dict[int, SlotPrice]:
        day_s = day_of(slot_s)
        if day_s not in self._days:
            value = self._state.get(keys.day_history(day_s))
            self._days[day_s] = {line.slot_s: line for line in decode_history(value)} if value else {}
            if len(self._days) > 2:
                del self._days[min(day for day in self._days if day != day_s)]
        return self._days[day_s]

    def _store(self, slot_s: int) -> None:
        lines = self._day(slot_s)
        in_order = tuple(lines[slot] for slot in sorted(lines))
        self._state.put(keys.day_history(day_of(slot_s)), encode_history(in_order))
