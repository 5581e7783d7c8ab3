"""A disk that can be cut off before any change: then it has kept what it promised, and any part of the rest."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

Change = Callable[[dict[str, bytes]], None]


class PowerCut(BaseException):
    """The process ends here; no code of its own sees it."""


class FakeDisk:
    """One folder in memory. `cut_after` changes the power fails; `is_full` lets writing fail."""

    def __init__(self, files: Mapping[str, bytes] | None = None, cut_after: int | None = None) -> None:
        self.files = dict(files or {})
        self.durable = dict(self.files)
        self.pending: list[Change] = []
        self.changes = 0
        self.cut_after = cut_after
        self.is_full = False
        self.written: list[tuple[str, int]] = []

    def after_power_cut(self, survivors: Collection[int]) -> FakeDisk:
        """What lies there afterwards: all that was synced, and of what was not the changes with these numbers."""
        files = dict(self.durable)
        for number, change in enumerate(self.pending):
            if number in survivors:
                change(files)
        return FakeDisk(files)

    def make(self, folder: Path) -> None:
        pass

    def names(self, folder: Path) -> list[str]:
        return list(self.files)

    def read(self, path: Path) -> bytes:
        try:
            return self.files[path.name]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory") from None

    def write(self, path: Path, data: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.written.append((path.name, len(data)))
        self._change(lambda files: files.update({path.name: data}))

    def set_aside(self, path: Path) -> str:
        name = f"{path.name}.damaged"
        self._change(lambda files: files.update({name: files.pop(path.name, b"")}))
        return name

    def remove(self, path: Path) -> None:
        def change(files: dict[str, bytes]) -> None:
            files.pop(path.name, None)

        self._change(change)

    def sync(self, folder: Path) -> None:
        self._cut()
        self.durable = dict(self.files)
        self.pending.clear()

    def _change(self, change: Change) -> None:
        self._cut()
        change(self.files)
        self.pending.append(change)

    def _cut(self) -> None:
        if self.changes == self.cut_after:
            raise PowerCut
        self.changes += 1
