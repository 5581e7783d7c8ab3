"""What the journal may use, and how patient the outbox is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalOptions:
    """Defaults suit one agent on a controller; a process with many journals gives each less cache.

    `max_mib` bounds the database file, 0: the disk does. Nearly there, the journal evicts in its written order: eviction.py.
    `max_days` bounds the age of what is kept, 0: nothing goes for its age.
    `reserve_kib` is put by for a full disk (reserve.py), 0: nothing is.
    `checkpoint_pages` (4 KiB each) bounds the write-ahead log.
    Samples wait for company up to `group_wait_s` or until `group_records` of them wait.
    `window_items` is how many open items per priority are kept in memory, and so how many can be in flight; as many again are
    those that were sent before without a result (parking.py).
    An item is sent again `resend_first_s` after it was sent, then after twice that, at most every `resend_most_s`.
    """

    cache_kib: int = 256
    max_mib: int = 0
    max_days: int = 0
    reserve_kib: int = 1024
    checkpoint_pages: int = 256
    group_wait_s: float = 0.2
    group_records: int = 100
    window_items: int = 256
    resend_first_s: int = 30
    resend_most_s: int = 600
