"""The file operations of a store, each with what it promises after a power cut. What the files hold is not known here.

A name is durable once `sync` returned; content is durable before its name is, so that no name ever shows half a file.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Final, Protocol

DAMAGED_SUFFIX: Final = ".damaged"
NEW_SUFFIX: Final = ".new"
"""Ends the name of a file that is being written; one that a crash has left behind means nothing."""


class Disk(Protocol):
    """A folder's files, as a store needs them. All of it raises OSError."""

    def make(self, folder: Path) -> None:
        """Make the folder if it is not there."""

    def names(self, folder: Path) -> list[str]:
        """The files in it; none where there is no folder."""

    def read(self, path: Path) -> bytes:
        """The content. Raises FileNotFoundError."""

    def write(self, path: Path, data: bytes) -> None:
        """Replace the file as a whole."""

    def set_aside(self, path: Path) -> str:
        """Give a damaged file a name of its own that ends in `.damaged`, and return it."""

    def remove(self, path: Path) -> None:
        """Remove the file if it is there."""

    def sync(self, folder: Path) -> None:
        """Make durable which names the folder has."""


class LocalDisk:
    """The operating system's files."""

    def make(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            self.sync(folder.parent)

    def names(self, folder: Path) -> list[str]:
        try:
            return os.listdir(folder)
        except FileNotFoundError:
            return []

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def write(self, path: Path, data: bytes) -> None:
        new = path.with_name(path.name + NEW_SUFFIX)
        try:
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, path)
        except OSError:
            with suppress(OSError):  # a full disk needs the room; why it failed matters more than that this fails too
                new.unlink()
            raise

    def set_aside(self, path: Path) -> str:
        target = next(name for name in _damaged_names(path) if not name.exists())
        path.rename(target)
        self.sync(path.parent)
        return target.name

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)

    def sync(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class ReadOnlyDisk(LocalDisk):
    """For those who look into somebody else's store: damaged files stay where they are, and writing fails."""

    def make(self, folder: Path) -> None:
        raise _refusal(folder)

    def write(self, path: Path, data: bytes) -> None:
        raise _refusal(path)

    def set_aside(self, path: Path) -> str:
        return path.name

    def remove(self, path: Path) -> None:
        raise _refusal(path)


def _damaged_names(path: Path) -> Iterator[Path]:
    """NAME.damaged, then NAME.2.damaged and so on: what was set aside earlier is not replaced."""
    numbers = chain([""], (f".{number}" for number in count(2)))
    return (path.with_name(f"{path.name}{number}{DAMAGED_SUFFIX}") for number in numbers)


def _refusal(path: Path) -> PermissionError:
    return PermissionError(errno.EPERM, "opened for reading only", str(path))
