"""The sequence window: which numbers a sender has used, and how many trading messages it has sent within the hour.

A number counts once. It may come out of order within the 1,023 below the highest seen and jump at most 1,024 ahead.
Source: docs/ledger.md, "Sequence numbers".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lightclient import keys
from lightclient.refusals import Refusal
from lightclient.values import Sequence
from tools.fullnode.rules.state import State

WINDOW: Final = 1024
_MASK: Final = (1 << WINDOW) - 1
HOUR_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Used:
    """What a sender has used. Bit i of `window` says that seq `highest - i` is used."""

    highest: int = 0
    window: int = 0
    hour_s: int = 0
    messages: int = 0

    def judge(self, seq: int) -> Refusal:
        """Whether `seq` (at least 1) may be used now."""
        below = self.highest - seq
        if below < -WINDOW:
            return Refusal.SEQ_TOO_FAR
        if below >= WINDOW:
            return Refusal.SEQ_TOO_OLD
        if below >= 0 and self.window >> below & 1:
            return Refusal.REPLAYED
        return Refusal.OK

    def after(self, seq: int, hour_s: int, messages: int) -> Used:
        """The state once `seq` is used by something that counts as `messages` trading messages."""
        ahead = seq - self.highest
        if ahead > 0:
            highest, window = seq, (self.window << ahead | 1) & _MASK
        else:
            highest, window = self.highest, self.window | 1 << -ahead
        if not messages:
            return Used(highest, window, self.hour_s, self.messages)
        return Used(highest, window, hour_s, messages + (self.messages if hour_s == self.hour_s else 0))


class Sequences:
    """The windows of all senders, decoded. A block's changes become visible to `committed` with `commit`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._committed: dict[bytes, Used] = {}
        self._block: dict[bytes, Used] = {}
        for key, value in state.items_of(keys.sequence(b"")):
            record = Sequence.decode(value)
            window = int.from_bytes(record.window, "big")
            self._committed[key[1:]] = Used(record.highest, window, record.hour_s, record.messages)

    def committed(self, sender: bytes) -> Used:
        return self._committed.get(sender, Used())

    def current(self, sender: bytes) -> Used:
        return self._block.get(sender) or self.committed(sender)

    def use(self, sender: bytes, used: Used) -> None:
        self._block[sender] = used

    def flush(self) -> None:
        """Write the block's changes into the state."""
        for sender, used in self._block.items():
            window = used.window.to_bytes(WINDOW // 8, "big")
            self._state.put(keys.sequence(sender), Sequence(used.highest, window, used.hour_s, used.messages).encode())

    def commit(self) -> None:
        self._committed.update(self._block)
        self._block.clear()
