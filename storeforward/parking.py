"""What was sent several times and has no result: parked, so that it takes no room from what was never sent. No I/O, no clock.

What the ledger refuses without a trace has no proven result before its time is over. Until then it is sent again now and then,
and its result is asked for, but beside the others: some parked items are kept in memory, the rest stays on the disk. While
all fit, each comes back after its back-off. With more than fit they take turns in the order of their ids: one that was sent
makes room for the next, whose back-off begins when it is read.
"""

from __future__ import annotations

from typing import Final

from storeforward.items import Item, ItemState, Priority

TRIES: Final = 2
"""An item that was sent so often and has no result is parked. The first time it, or the answer, may have got lost."""


def is_parked(item: Item) -> bool:
    """Whether an item's place is here. Orders are not parked: their last height decides them soon."""
    return item.priority is not Priority.TRADE and item.state is not ItemState.QUEUED and item.attempts >= TRIES


class Parked:
    """The parked items of one priority, at most `room` of them in memory."""

    def __init__(self, room: int) -> None:
        self.items: dict[int, Item] = {}
        """Those in memory, by id."""
        self.last_id = 0
        """No item above this one is known to be parked, 0: none is."""
        self.asked_id = 0
        """The one whose result was asked for last."""
        self._room = room
        self._read_id = 0
        self._away = False
        """Whether some may be on the disk alone."""
        self._left = False
        """Whether some went to the disk since it was last read from the beginning."""

    def take(self, item: Item) -> None:
        """An item was sent once too often, was parked and sent again, or was met as parked on the disk."""
        self.last_id = max(self.last_id, item.id)
        if self._away or (item.id not in self.items and len(self.items) >= self._room):
            self.items.pop(item.id, None)
            self._away = self._left = True
        else:
            self.items[item.id] = item

    def wants(self) -> tuple[int, int] | None:
        """(after_id, limit) of the open items that should be read from the disk, None while nothing is missing."""
        if not self._away or len(self.items) > self._room // 2:
            return None
        return self._read_id, self._room - len(self.items)

    def fill(self, limit: int, items: list[Item]) -> None:
        """Take in what was read for `wants`, with the times at which it is due."""
        for item in items:
            if is_parked(item):
                self.items.setdefault(item.id, item)
        if len(items) == limit and items[-1].id < self.last_id:
            self._read_id = items[-1].id
        else:
            self._read_id = 0
            self._away, self._left = self._left, False
