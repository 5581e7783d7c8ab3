"""From readings to energy per slot: cumulative registers that never go back, cut exactly at the slots' edges. No I/O.

A meter's own registers may start again (reset, swap). The registers that the agent reports are those plus an offset that
takes up every fall, so they continue where they were; energy that a meter lost is never invented. A slot counts only when
both of its edges were seen: by a reading in that very second, or between two readings close to each other. A slot that
nobody watched yields nothing; its energy lies in the jump of the registers, which the ledger bills in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import msgpack

from agent.vocabulary import Reading, SlotEnergy

MAX_BRIDGE_S: Final = 30
"""Longest distance between two readings that may be bridged in a straight line to find the registers at an edge."""
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Registers:
    """Cumulative registers at one instant, as the agent reports them."""

    at_s: int
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class MeterState:
    """What must survive a restart. `raw_*` are the meter's own registers at the time of `last`.

    `edge` are the registers at the start of the slot of `last`; None where that edge was missed.
    """

    raw_import_wh: int
    raw_export_wh: int
    last: Registers
    edge: Registers | None

    def encode(self) -> bytes:
        last, edge = self.last, self.edge
        flat_edge = [] if edge is None else [edge.at_s, edge.import_wh, edge.export_wh]
        raw = [self.raw_import_wh, self.raw_export_wh]
        return bytes(msgpack.packb([_FORMAT, *raw, last.at_s, last.import_wh, last.export_wh, flat_edge]))

    @classmethod
    def decode(cls, data: bytes) -> MeterState:
        """Raises ValueError for bytes that `encode` did not make."""
        form, raw_import_wh, raw_export_wh, at_s, import_wh, export_wh, edge = msgpack.unpackb(data)
        if form != _FORMAT:
            raise ValueError(f"meter state has format {form}, known is {_FORMAT}")
        return cls(raw_import_wh, raw_export_wh, Registers(at_s, import_wh, export_wh), Registers(*edge) if edge else None)


@dataclass(frozen=True, slots=True)
class RegisterFell:
    """The meter's own registers went back: it was reset or swapped. The reported registers go on."""

    at_s: int
    lost_import_wh: int
    lost_export_wh: int


@dataclass(frozen=True, slots=True)
class EdgesMissed:
    """No reading near one or more slot edges: the slots from `first_slot_s` to before `end_s` were not measured."""

    first_slot_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class TimeFell:
    """The clock was set back. By less than a slot: the reading was left out, time will catch up. By more: the meter starts
    again from this reading, with the registers as they were."""

    before_s: int
    at_s: int


Metered = SlotEnergy | RegisterFell | EdgesMissed | TimeFell


class SlotMeter:
    """Takes readings in the order in which they were made and yields the energy of each slot that has ended."""

    def __init__(self, duration_s: int, state: MeterState | None = None) -> None:
        self._duration_s = duration_s
        self._state = state
        self._first = None if state is None else state.edge or state.last
        self._floor = (0, 0)

    @property
    def state(self) -> MeterState | None:
        """What to keep for the next start; None before the first reading."""
        return self._state

    def continue_from(self, import_wh: int, export_wh: int) -> None:
        """Go on from registers reported before, known from elsewhere than the own state, where the own count is below them.

        Only while no slot was yielded: slots join, and those yielded stay as they are.
        """
        state, first = self._state, self._first
        if state is None or first is None:
            self._floor = (import_wh, export_wh)
            return
        lift_wh = max(0, import_wh - first.import_wh), max(0, export_wh - first.export_wh)
        edge = None if state.edge is None else _lifted(state.edge, *lift_wh)
        self._first = _lifted(first, *lift_wh)
        self._state = replace(state, last=_lifted(state.last, *lift_wh), edge=edge)

    def take(self, reading: Reading) -> list[Metered]:
        """What a reading brings to light: at most one event of each kind, and the slots that ended since the last reading."""
        before = self._state
        if before is None:
            import_floor_wh, export_floor_wh = self._floor
            import_wh, export_wh = max(reading.import_wh, import_floor_wh), max(reading.export_wh, export_floor_wh)
            now = self._first = Registers(reading.taken_at_s, import_wh, export_wh)
            self._keep(reading, now, now if self._is_edge(now.at_s) else None)
            return []
        fall_s = before.last.at_s - reading.taken_at_s
        if 0 < fall_s < self._duration_s:
            return [TimeFell(before.last.at_s, reading.taken_at_s)]
        found: list[Metered] = []
        counted_import_wh = reading.import_wh - before.raw_import_wh
        counted_export_wh = reading.export_wh - before.raw_export_wh
        if counted_import_wh < 0 or counted_export_wh < 0:
            found.append(RegisterFell(reading.taken_at_s, max(0, -counted_import_wh), max(0, -counted_export_wh)))
        last = before.last
        now = Registers(
            reading.taken_at_s, last.import_wh + max(0, counted_import_wh), last.export_wh + max(0, counted_export_wh)
        )
        if fall_s > 0:
            found.append(TimeFell(last.at_s, now.at_s))
            edge = now if self._is_edge(now.at_s) else None
        else:
            edge = self._cut(last, now, before.edge, found)
        self._keep(reading, now, edge)
        return found

    def _cut(self, last: Registers, now: Registers, edge: Registers | None, found: list[Metered]) -> Registers | None:
        """Add the slots that ended after `last` and until `now` to `found`; return the registers at the newest edge."""
        duration_s = self._duration_s
        first_edge_s = last.at_s - last.at_s % duration_s + duration_s
        if now.at_s < first_edge_s:
            return edge
        if now.at_s - last.at_s > MAX_BRIDGE_S and now.at_s != first_edge_s:
            newest_s = now.at_s - now.at_s % duration_s
            # The slot that ends now, if one does, misses its start; the running one misses its start unless it starts now.
            end_s = newest_s if newest_s == now.at_s else newest_s + duration_s
            found.append(EdgesMissed(first_edge_s - duration_s, end_s))
            return now if newest_s == now.at_s else None
        for edge_s in range(first_edge_s, now.at_s + 1, duration_s):
            at_edge = _between(last, now, edge_s)
            if edge is not None:
                wh = edge.import_wh, edge.export_wh, at_edge.import_wh, at_edge.export_wh
                found.append(SlotEnergy(edge.at_s, *wh))
            edge = at_edge
        return edge

    def _is_edge(self, at_s: int) -> bool:
        return at_s % self._duration_s == 0

    def _keep(self, reading: Reading, now: Registers, edge: Registers | None) -> None:
        self._state = MeterState(reading.import_wh, reading.export_wh, now, edge)


def _lifted(registers: Registers, import_wh: int, export_wh: int) -> Registers:
    return Registers(registers.at_s, registers.import_wh + import_wh, registers.export_wh + export_wh)


def _between(last: Registers, now: Registers, at_s: int) -> Registers:
    """The registers at an instant between two readings, in a straight line."""
    if at_s == now.at_s:
        return now
    part, whole = at_s - last.at_s, now.at_s - last.at_s
    import_wh = last.import_wh + (now.import_wh - last.import_wh) * part // whole
    return Registers(at_s, import_wh, last.export_wh + (now.export_wh - last.export_wh) * part // whole)
