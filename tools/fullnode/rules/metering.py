"""Readings: which one counts, and which slots have all of theirs.

Source: docs/ledger.md, "Readings".
"""

from __future__ import annotations

from collections import Counter

from lightclient import keys
from lightclient.messages import OpenReading
from lightclient.refusals import Refusal
from lightclient.values import ReadingRecord
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.state import State
from tools.fullnode.rules.unnumbered import is_too_old, judge_repeat


class Metering:
    """Takes readings and counts them per slot."""

    def __init__(self, state: State, registry: Registry) -> None:
        self._state = state
        self._registry = registry
        self.count: Counter[int] = Counter(
            int.from_bytes(key[-8:], "big") for key, _ in state.items_of(keys.reading(b"", 0)[:1])
        )
        """Readings per slot, the grid meter's included."""

    def take(self, sender: bytes, message: OpenReading, height: int, time_s: int) -> Refusal:
        """Let a reading count."""
        refusal = self._check(sender, message, time_s)
        if refusal:
            return refusal
        record = ReadingRecord(
            message.import_start_wh,
            message.export_start_wh,
            message.import_end_wh,
            message.export_end_wh,
            message.record_hash,
            height,
        )
        self._state.put(keys.reading(sender, message.slot_s), record.encode())
        self.count[message.slot_s] += 1
        return Refusal.OK

    def _check(self, sender: bytes, message: OpenReading, time_s: int) -> Refusal:
        times, slot_s = self._registry.times, message.slot_s
        if not self._registry.meters_energy(sender):
            return Refusal.ROLE_MISSING
        if not times.is_start(slot_s):
            return Refusal.SLOT_UNALIGNED
        repeat = judge_repeat(self._state.get, sender, message)
        if repeat:
            return repeat
        if times.end_s(slot_s) > time_s:
            return Refusal.READING_EARLY
        if is_too_old(self._state, times, slot_s, time_s):
            return Refusal.READING_TOO_OLD
        device = self._registry.devices[sender]
        if message.import_end_wh - message.import_start_wh > times.plausible_wh(
            device.nameplate_import_w
        ) or message.export_end_wh - message.export_start_wh > times.plausible_wh(device.nameplate_export_w):
            return Refusal.READING_IMPLAUSIBLE
        return Refusal.OK if self._continues(sender, message) else Refusal.READING_GAP

    def _continues(self, sender: bytes, message: OpenReading) -> bool:
        """Whether the registers meet those of the slots before and after, where these are there."""
        duration_s = self._registry.times.duration_s
        before = self.reading(sender, message.slot_s - duration_s) if message.slot_s >= duration_s else None
        if before and (before.import_end_wh, before.export_end_wh) != (message.import_start_wh, message.export_start_wh):
            return False
        after = self.reading(sender, message.slot_s + duration_s)
        return not after or (after.import_start_wh, after.export_start_wh) == (message.import_end_wh, message.export_end_wh)

    def reading(self, device: bytes, slot_s: int) -> ReadingRecord | None:
        """The reading that counts. Settlement gets every number through here, whatever form readings come to have."""
        value = self._state.get(keys.reading(device, slot_s))
        return None if value is None else ReadingRecord.decode(value)

    def metered_wh(self, device: bytes, slot_s: int) -> int | None:
        """Imported minus exported energy of a slot; None: no reading."""
        record = self.reading(device, slot_s)
        if record is None:
            return None
        return (record.import_end_wh - record.import_start_wh) - (record.export_end_wh - record.export_start_wh)

    def forget(self, slot_s: int) -> None:
        """The slot's readings are out of the state."""
        self.count.pop(slot_s, None)
