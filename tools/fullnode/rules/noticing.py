"""Notices: what devices make known of their journals. They change nothing but the state that holds them.

Source: docs/ledger.md, "Notices".
"""

from __future__ import annotations

from lightclient import keys
from lightclient.messages import Notice
from lightclient.refusals import Refusal
from lightclient.values import NoticeRecord
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.state import State
from tools.fullnode.rules.unnumbered import is_too_old, judge_repeat


class Noticing:
    """Takes notices."""

    def __init__(self, state: State, registry: Registry) -> None:
        self._state = state
        self._registry = registry

    def take(self, sender: bytes, message: Notice, height: int, time_s: int) -> Refusal:
        """Let a notice count."""
        refusal = self._check(sender, message, time_s)
        if refusal:
            return refusal
        record = NoticeRecord(
            message.events,
            message.gaps,
            message.evicted,
            message.first_s,
            message.last_s,
            message.record_hash,
            height,
        )
        self._state.put(keys.notice(sender, message.slot_s), record.encode())
        return Refusal.OK

    def _check(self, sender: bytes, message: Notice, time_s: int) -> Refusal:
        times, slot_s = self._registry.times, message.slot_s
        if not self._registry.is_active(sender):
            return Refusal.ROLE_MISSING
        if not times.is_start(slot_s):
            return Refusal.SLOT_UNALIGNED
        repeat = judge_repeat(self._state.get, sender, message)
        if repeat:
            return repeat
        if slot_s > time_s:
            return Refusal.NOTICE_EARLY
        return Refusal.NOTICE_TOO_OLD if is_too_old(self._state, times, slot_s, time_s) else Refusal.OK
