"""What readings and notices share: they carry no seq, a device and a slot count once, and only within the dispute time.

Source: docs/ledger.md, "Sequence numbers".
"""

from __future__ import annotations

from collections.abc import Callable

from lightclient import keys
from lightclient.messages import CommittedReading, Message, Notice, OpenReading
from lightclient.refusals import Refusal
from lightclient.wire import unpack
from tools.fullnode.rules.slottimes import SlotTimes
from tools.fullnode.rules.state import State

Counted = OpenReading | Notice
"""What can count for a device and a slot."""


def is_unnumbered(message: Message) -> bool:
    """Whether a transaction with this message carries seq 0."""
    return isinstance(message, OpenReading | CommittedReading | Notice)


def judge_repeat(read: Callable[[bytes], bytes | None], sender: bytes, message: Counted) -> Refusal:
    """Whether what counts already for device and slot is this very message (REPLAYED) or another one of its kind.

    `read` gives the committed state, or the state as a block sees it. A record holds what the message says after its slot,
    which stands in the key, and then a height, which makes no difference here.
    """
    is_notice = isinstance(message, Notice)
    stored = read(keys.notice(sender, message.slot_s) if is_notice else keys.reading(sender, message.slot_s))
    if stored is None:
        return Refusal.OK
    if unpack(stored)[:-1] == message.body()[1:]:
        return Refusal.REPLAYED
    return Refusal.NOTICE_STANDS if is_notice else Refusal.READING_STANDS


def is_too_old(state: State, times: SlotTimes, slot_s: int, time_s: int) -> bool:
    """Whether nothing counts for the slot any more: its dispute time is over, or the state has no book of it."""
    return times.dispute_end_s(slot_s) <= time_s or keys.book(slot_s) not in state
