"""What the outbox keeps in memory: which items are open, which are due. No I/O and no clock in here.

A window of open items per priority is kept in memory, the oldest first; what lies beyond it stays on the disk until there is
room. What is sent comes out of the window, so everything in flight is in it, also after a restart. Items leave it when the
ledger's answer is proven.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from storeforward.items import LAST_OPEN, Item, ItemState, Mark, Priority
from storeforward.options import JournalOptions

NS_PER_S: Final = 1_000_000_000
_JITTER_STEPS: Final = 2**16
_OPEN: Final = (ItemState.QUEUED, ItemState.SENT, ItemState.SEEN)


def back_off_ns(attempts: int, item_id: int, seed: bytes, options: JournalOptions) -> int:
    """How long to wait after the given attempt (1 is the first): doubling, and off by up to a quarter either way.

    The jitter follows from the seed (the device's id), so that devices spread out and a run can be repeated.
    """
    base_s = min(options.resend_first_s << min(attempts - 1, 16), options.resend_most_s)
    digest = hashlib.sha256(seed + item_id.to_bytes(8, "big") + attempts.to_bytes(4, "big")).digest()
    step = int.from_bytes(digest[:2], "big")
    return base_s * NS_PER_S * (3 * _JITTER_STEPS + 2 * step) // (4 * _JITTER_STEPS)


@dataclass(slots=True)
class _Window:
    """Open items of one priority, by id. With `more`, there are others on the disk with ids above `last_id`."""

    items: dict[int, Item] = field(default_factory=dict)
    last_id: int = 0
    more: bool = True


class Window:
    """What the outbox keeps in memory."""

    def __init__(self, seed: bytes, options: JournalOptions, counts: Mapping[ItemState, int]) -> None:
        self._seed = seed
        self._options = options
        self._windows = {priority: _Window() for priority in Priority}
        self._counts = {state: counts.get(state, 0) for state in (*_OPEN, ItemState.REFUSED)}

    @property
    def counts(self) -> Mapping[ItemState, int]:
        """How many items are in each open state, and how many dead letters there are."""
        return MappingProxyType(self._counts)

    def count(self) -> int:
        """How many items are open."""
        return sum(self._counts[state] for state in _OPEN)

    def wants(self) -> list[tuple[Priority, int, int]]:
        """(priority, after_id, limit) of what should be read from the disk: where less than half the window is filled."""
        size = self._options.window_items
        return [
            (priority, window.last_id, size - len(window.items))
            for priority, window in self._windows.items()
            if window.more and len(window.items) <= size // 2
        ]

    def fill(self, priority: Priority, limit: int, items: list[Item]) -> None:
        """Take in what was read for one entry of `wants`."""
        window = self._windows[priority]
        window.more = len(items) == limit
        for item in items:
            window.last_id = item.id
            window.items.setdefault(item.id, item)

    def queued(self, items: Iterable[Item]) -> None:
        """Take in items that were stored just now: new ones, and renewed ones, which come back wherever they were."""
        for item in items:
            window = self._windows[item.priority]
            self._counts[ItemState.QUEUED] += 1
            if item.id <= window.last_id:
                window.items[item.id] = item
            elif not window.more and len(window.items) < self._options.window_items:
                window.items[item.id] = item
                window.last_id = item.id
            else:
                window.more = True

    def renewed(self, item: Item, was: ItemState) -> None:
        """Take in an item that was put back into the queue as a new transaction."""
        self._left(was)
        self._windows[item.priority].items.pop(item.id, None)
        self.queued((item,))

    def marked(self, mark: Mark, was: ItemState, now_ns: int) -> None:
        """Take in news of an item, heard at the monotonic time `now_ns`."""
        self._left(was)
        if mark.state in self._counts:
            self._counts[mark.state] += 1
        for window in self._windows.values():
            item = window.items.get(mark.item_id)
            if item is not None:
                if mark.state > LAST_OPEN:
                    del window.items[item.id]
                else:
                    window.items[item.id] = self._moved(item, mark, now_ns)

    def _left(self, state: ItemState) -> None:
        if state in self._counts:
            self._counts[state] -= 1

    def _moved(self, item: Item, mark: Mark, now_ns: int) -> Item:
        attempts, due_ns = item.attempts, item.due_ns
        if mark.state is ItemState.SENT:
            attempts += 1
            due_ns = now_ns + back_off_ns(attempts, item.id, self._seed, self._options)
        return replace(
            item,
            state=mark.state,
            attempts=attempts,
            due_ns=due_ns,
            height=item.height if mark.height is None else mark.height,
            code=item.code if mark.code is None else mark.code,
            detail=item.detail if mark.detail is None else mark.detail,
        )

    def open_items(self) -> list[Item]:
        """The window in the order of sending."""
        return [window.items[item_id] for window in self._windows.values() for item_id in sorted(window.items)]

    def due(self, limit: int, now_ns: int) -> list[Item]:
        """What is to be sent now: by priority, oldest first."""
        due: list[Item] = []
        for item in self.open_items():
            if item.due_ns <= now_ns:
                due.append(item)
                if len(due) == limit:
                    break
        return due

    def next_due_ns(self) -> int | None:
        """The monotonic time at which something is to be sent, None while nothing is open. A time gone by means now."""
        return min((item.due_ns for window in self._windows.values() for item in window.items.values()), default=None)
