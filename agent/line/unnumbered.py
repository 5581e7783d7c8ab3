"""Messages that carry no number: a device and a slot count once, and what counts stands in the ledger's state.

No result of theirs is kept, and a refusal leaves no trace: the one key of the device and the slot says what became of them.
Source: docs/ledger.md, "Sequence numbers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lightclient import keys
from lightclient.messages import Notice, OpenReading
from lightclient.refusals import Refusal
from lightclient.values import NoticeRecord, ReadingRecord
from storeforward.items import Priority


@dataclass(frozen=True, slots=True)
class Unnumbered:
    """How one kind is sent, and what the ledger says of it."""

    priority: Priority
    key: Callable[[bytes, int], bytes]
    """(device, slot_s) -> the key under which it stands."""
    decode: Callable[[bytes], ReadingRecord | NoticeRecord]
    stands: Refusal
    """Another one of this device and slot counts."""
    too_old: Refusal


UNNUMBERED: Final[Mapping[int, Unnumbered]] = MappingProxyType(
    {
        OpenReading.KIND: Unnumbered(
            Priority.BILLING, keys.reading, ReadingRecord.decode, Refusal.READING_STANDS, Refusal.READING_TOO_OLD
        ),
        Notice.KIND: Unnumbered(
            Priority.TELEMETRY, keys.notice, NoticeRecord.decode, Refusal.NOTICE_STANDS, Refusal.NOTICE_TOO_OLD
        ),
    }
)
"""By kind of message."""
