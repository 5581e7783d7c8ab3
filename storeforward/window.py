"""What the outbox keeps in memory: which items are open, which are due. No I/O and no clock in here.

A window of open items per priority is kept in memory, the oldest first; what lies beyond it stays on the disk until there is
room. Items leave it when the ledger's answer is proven, or when they were sent several times and there is none: then they are
parked (parking.py). How often each was sent stands on the disk, so all this is the same after a restart.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from storeforward.items import LAST_OPEN, Item, ItemState, Mark, Priority
from storeforward.options import JournalOptions
from storeforward.parking import Parked, is_parked

NS_PER_S: Final = 1_000_000_000
_JITTER_STEPS: Final = 2**16
_TURNS: Final = 4
"""Of so many sent in a row one was sent before, as long as there are both. Orders are no part of that."""
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

    parked: Parked
    items: dict[int, Item] = field(default_factory=dict)
    last_id: int = 0
    more: bool = True


@dataclass(frozen=True, slots=True)
class Want:
    """Open items that should be read from the disk: at most `limit` above `after_id`, for the parked ones or for the others."""

    priority: Priority
    after_id: int
    limit: int
    for_parked: bool


class Window:
    """What the outbox keeps in memory."""

    def __init__(self, seed: bytes, options: JournalOptions, counts: Mapping[ItemState, int]) -> None:
        self._seed = seed
        self._options = options
        self._windows = {priority: _Window(Parked(options.window_items)) for priority in Priority}
        self._counts = {state: counts.get(state, 0) for state in (*_OPEN, ItemState.REFUSED)}
        self._sent = 0

    @property
    def counts(self) -> Mapping[ItemState, int]:
        """How many items are in each open state, and how many dead letters there are."""
        return MappingProxyType(self._counts)

    def count(self) -> int:
        """How many items are open."""
        return sum(self._counts[state] for state in _OPEN)

    def wants(self) -> list[Want]:
        """What should be read from the disk: where less than half the room is filled and there is more."""
        size = self._options.window_items
        wants = []
        for priority, window in self._windows.items():
            if window.more and len(window.items) <= size // 2:
                wants.append(Want(priority, window.last_id, size - len(window.items), for_parked=False))
            missing = window.parked.wants()
            if missing is not None:
                wants.append(Want(priority, *missing, for_parked=True))
        return wants

    def fill(self, want: Want, items: list[Item], now_ns: int) -> None:
        """Take in what was read at the monotonic time `now_ns`. Parked items wait for their back-off from then on; at the start
        it is 0, and they are due like all others."""
        window = self._windows[want.priority]
        items = [self._backed_off(item, now_ns) if is_parked(item) else item for item in items]
        if want.for_parked:
            window.parked.fill(want.limit, items)
            return
        window.more = len(items) == want.limit
        for item in items:
            if item.id in window.parked.items:
                pass
            elif is_parked(item):
                window.parked.take(item)
            elif item.id not in window.items and len(window.items) == self._options.window_items:
                window.more = True
                return
            else:
                window.items.setdefault(item.id, item)
            window.last_id = item.id

    def queued(self, items: Iterable[Item]) -> None:
        """Take in items that were stored just now: new ones, and renewed ones, which come back wherever they were."""
        for item in items:
            window = self._windows[item.priority]
            self._counts[ItemState.QUEUED] += 1
            has_room = len(window.items) < self._options.window_items
            if has_room and (item.id <= window.last_id or not window.more):
                window.items[item.id] = item
                window.last_id = max(window.last_id, item.id)
            else:
                window.more = True
                window.last_id = min(window.last_id, item.id - 1)

    def renewed(self, item: Item, was: ItemState) -> None:
        """Take in an item that was put back into the queue as a new transaction."""
        self._left(was)
        window = self._windows[item.priority]
        window.items.pop(item.id, None)
        window.parked.items.pop(item.id, None)
        self.queued((item,))

    def marked(self, mark: Mark, was: ItemState, now_ns: int) -> None:
        """Take in news of an item, heard at the monotonic time `now_ns`."""
        self._left(was)
        if mark.state in self._counts:
            self._counts[mark.state] += 1
        for window in self._windows.values():
            for items in (window.items, window.parked.items):
                item = items.get(mark.item_id)
                if item is not None:
                    self._take(window, items, item, mark, now_ns)
                    return

    def _take(self, window: _Window, items: dict[int, Item], item: Item, mark: Mark, now_ns: int) -> None:
        """Take in news of an item that is in memory, in `items`."""
        if mark.state > LAST_OPEN:
            del items[item.id]
            return
        moved = self._moved(item, mark, now_ns)
        is_sent = mark.state is ItemState.SENT
        self._sent += is_sent and item.priority is not Priority.TRADE
        if is_parked(moved) and (is_sent or items is window.items):
            window.items.pop(item.id, None)
            window.parked.take(moved)
        else:
            items[item.id] = moved

    def _left(self, state: ItemState) -> None:
        if state in self._counts:
            self._counts[state] -= 1

    def _moved(self, item: Item, mark: Mark, now_ns: int) -> Item:
        moved = replace(
            item,
            state=mark.state,
            attempts=item.attempts + (mark.state is ItemState.SENT),
            height=item.height if mark.height is None else mark.height,
            code=item.code if mark.code is None else mark.code,
            detail=item.detail if mark.detail is None else mark.detail,
        )
        return self._backed_off(moved, now_ns) if mark.state is ItemState.SENT else moved

    def _backed_off(self, item: Item, now_ns: int) -> Item:
        return replace(item, due_ns=now_ns + back_off_ns(item.attempts, item.id, self._seed, self._options))

    def _in_memory(self, priority: Priority) -> list[Item]:
        window = self._windows[priority]
        items = window.items | window.parked.items
        return [items[item_id] for item_id in sorted(items)]

    def open_items(self) -> list[Item]:
        """What is in memory, by priority, oldest first."""
        return [item for priority in Priority for item in self._in_memory(priority)]

    def parked(self) -> list[tuple[Priority, Parked]]:
        """The priorities in which items are parked."""
        return [(priority, window.parked) for priority, window in self._windows.items() if window.parked.last_id]

    def due(self, limit: int, now_ns: int) -> list[Item]:
        """What is to be sent now: orders; then what was never sent, by priority, oldest first. What was sent before takes every
        fourth turn, and all turns that are left; of it comes first what is due for longest."""
        due = [item for item in self._in_memory(Priority.TRADE) if item.due_ns <= now_ns][:limit]
        others = [item for priority in (Priority.BILLING, Priority.TELEMETRY) for item in self._in_memory(priority)]
        fresh = deque(item for item in others if item.state is ItemState.QUEUED)
        waited = [item for item in others if item.state is not ItemState.QUEUED and item.due_ns <= now_ns]
        again = deque(sorted(waited, key=lambda item: (item.due_ns, item.priority, item.id)))
        for turn in range(self._sent, self._sent + min(limit - len(due), len(fresh) + len(again))):
            is_its_turn = turn % _TURNS == _TURNS - 1
            first, second = (again, fresh) if is_its_turn else (fresh, again)
            due.append((first or second).popleft())
        return due

    def next_due_ns(self) -> int | None:
        """The monotonic time at which something is to be sent, None while nothing is open. A time gone by means now."""
        if not self.count():
            return None
        return 0 if self.wants() else min((item.due_ns for item in self.open_items()), default=None)
