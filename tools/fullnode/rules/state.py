"""The ledger's state: short keys to encoded values, the tree over them, and the trees of the last heights.

A block works on an overlay. `seal` gives the app_hash of the overlay, `commit` makes it the state that `committed` and
`tree_at` show, durably when there is a storage. Nothing here knows what a key means.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from tools.fullnode.rules.smt import Tree
from tools.fullnode.rules.storage import Storage

KEPT_TREES: Final = 1_000


class State:
    """Keys and values of one chain. Height 0: nothing is committed yet."""

    def __init__(self, storage: Storage | None = None) -> None:
        self._storage = storage
        self._values: dict[bytes, bytes] = storage.load() if storage else {}
        self._pending: dict[bytes, bytes | None] = {}
        self._archived: list[tuple[bytes, bytes]] = []
        self._sealed = Tree().update_many(self._values.items())
        self._trees: OrderedDict[int, Tree] = OrderedDict()
        self.height = storage.height if storage else 0
        self.chain_id = storage.chain_id if storage else ""
        self._restore_trees()

    def _restore_trees(self) -> None:
        """Bring back the trees of the last heights from what the storage remembers of them."""
        if self.height:
            self._trees[self.height] = self._sealed
        if self._storage:
            for height, before in self._storage.undo():
                self._trees[height - 1] = self._trees[height].update_many(before)
                self._trees.move_to_end(height - 1, last=False)

    @property
    def root(self) -> bytes:
        """Root of the last sealed overlay."""
        return self._sealed.root

    def get(self, key: bytes) -> bytes | None:
        """The value as the block under way sees it."""
        if key in self._pending:
            return self._pending[key]
        return self._values.get(key)

    def __contains__(self, key: bytes) -> bool:
        return self.get(key) is not None

    def committed(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def items_of(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys that begin with `prefix`, ascending. A scan of the whole state: for the start only."""
        for key in sorted(key for key in self._values | self._pending if key.startswith(prefix)):
            value = self.get(key)
            if value is not None:
                yield key, value

    def put(self, key: bytes, value: bytes) -> None:
        self._pending[key] = value

    def delete(self, key: bytes) -> None:
        self._pending[key] = None

    def retire(self, key: bytes) -> bytes | None:
        """Delete a key that an archive keeps outside the tree, and return its value."""
        value = self.get(key)
        if value is not None:
            self._pending[key] = None
            self._archived.append((key, value))
        return value

    def seal(self) -> bytes:
        """Close the block's overlay and return the root over it."""
        unchanged = [key for key, value in self._pending.items() if value == self._values.get(key)]
        for key in unchanged:
            del self._pending[key]
        self._sealed = self._sealed.update_many(self._pending.items())
        return self._sealed.root

    def commit(self, height: int) -> None:
        """Make the sealed overlay the state of `height`."""
        if self._storage:
            before = [(key, self._values.get(key)) for key in self._pending]
            self._storage.commit(self.chain_id, height, self._pending, before, self._archived)
        for key, value in self._pending.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        self._pending.clear()
        self._archived.clear()
        self.height = height
        self._trees[height] = self._sealed
        while len(self._trees) > KEPT_TREES:
            self._trees.popitem(last=False)

    def tree_at(self, height: int) -> Tree | None:
        """The tree of a committed height, or None when it is not kept."""
        return self._trees.get(height)

    def archived(self, key: bytes) -> bytes | None:
        """The last value of a retired key, when the storage is an archive."""
        return self._storage.archived(key) if self._storage else None
