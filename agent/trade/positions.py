"""What was traded: proven positions by slot, and the slots whose settlement is still awaited. No I/O."""

from __future__ import annotations

from agent.vocabulary import Order, Position
from lightclient.values import PositionRecord
from lightclient.wire import pack, unpack

KEPT_SLOTS = 8
"""Positions are needed for the slot that runs and those ahead; a few older ones help to explain."""


class Positions:
    """Positions of slots whose gate is over, as proven. A slot that is not in here has no proven position."""

    def __init__(self) -> None:
        self._records: dict[int, PositionRecord] = {}

    def proven(self, slot_s: int, record: PositionRecord | None) -> None:
        """The ledger's record of a slot after its call; None where it proved that there is none: nothing was traded."""
        self._records[slot_s] = record if record is not None else PositionRecord(slot_s, (), (), None)
        while len(self._records) > KEPT_SLOTS:
            del self._records[min(self._records)]

    def position(self, slot_s: int) -> Position | None:
        record = self._records.get(slot_s)
        return None if record is None else record.position()

    def leftover(self, slot_s: int) -> tuple[Order, ...]:
        """What the call left of the own orders."""
        record = self._records.get(slot_s)
        if record is None:
            return ()
        return tuple(Order(slot_s, left.side, left.energy_wh, left.limit_ueur_kwh) for left in record.leftovers)


class Unsettled:
    """Slots whose settlement line is still to come, each with the time from which it pays to look again."""

    def __init__(self, duration_s: int) -> None:
        self._duration_s = duration_s
        self._look_at_s: dict[int, int] = {}

    def add(self, slot_s: int) -> None:
        """A slot was measured: once all have reported, it settles."""
        self._look_at_s.setdefault(slot_s, slot_s + self._duration_s)

    def due(self, now_s: int, limit: int, give_up_s: int) -> list[int]:
        """Slots to look at now, oldest first. Those that are older than `give_up_s` are dropped: nothing will come any more."""
        for slot_s in [s for s in self._look_at_s if now_s - s > give_up_s]:
            del self._look_at_s[slot_s]
        return sorted(s for s, at_s in self._look_at_s.items() if at_s <= now_s)[:limit]

    def not_yet(self, slot_s: int, now_s: int) -> None:
        """It had not settled. The longer it takes, the longer the next wait: somebody's meter is silent."""
        if slot_s in self._look_at_s:
            self._look_at_s[slot_s] = now_s + max(self._duration_s, (now_s - slot_s) // 2)

    def settled(self, slot_s: int) -> None:
        self._look_at_s.pop(slot_s, None)

    def encode(self) -> bytes:
        return pack(sorted(self._look_at_s))

    def restore(self, data: bytes) -> None:
        """Take over the slots that `encode` wrote before the restart."""
        for slot_s in unpack(data):
            self.add(slot_s)
