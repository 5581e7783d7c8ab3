"""What a power cut may leave of a folder, given what was done to its files until then. No I/O, chance is an argument.

What was there when a sync of its file returned is there. Every later write to the file was, by itself, carried out, or lost,
or broke off, or left zeros or rubbish in some of its sectors; every later truncation was carried out or not. Names are durable
once their folder was synced; of later creations, renames and removals a first part was carried out, as file systems keep their
order. A torn sector damages nothing outside of the bytes that were being written, which disks promise and SQLite relies on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tools.soak.recording import Entry, Operation

SECTOR: Final = 512


@dataclass(slots=True)
class _File:
    """Content at the last sync, and what was done since."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Entry] = field(default_factory=list)

    def sync(self) -> None:
        for entry in self.pending:
            _carry_out(entry, self.durable)
        self.pending.clear()


@dataclass(frozen=True, slots=True)
class _Naming:
    """A change of names: `name` now leads to `file`, or to none."""

    name: str
    file: _File | None


class Disk:
    """One folder, fed with the recorder's log entry by entry."""

    def __init__(self, folder_inode: int) -> None:
        self._folder_inode = folder_inode
        self._files: dict[int, _File] = {}
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._pending_names: list[tuple[_Naming, ...]] = []
        """A rename is one of them: it is carried out whole or not at all."""

    def take(self, entry: Entry) -> None:
        """One more operation has returned."""
        match entry.operation:
            case Operation.NAME:
                self._opened(entry)
            case Operation.MOVE:
                old, new = entry.name.split("\0")
                file = self._names[old]
                self._rename(_Naming(new, file), _Naming(old, None))
            case Operation.UNLINK:
                self._rename(_Naming(entry.name, None))
            case Operation.SYNC if entry.inode == self._folder_inode:
                for changes in self._pending_names:
                    _carry_out_names(changes, self._durable_names)
                self._pending_names.clear()
            case Operation.SYNC:
                self._files[entry.inode].sync()
            case Operation.WRITE | Operation.TRUNCATE:
                self._files[entry.inode].pending.append(entry)

    def _opened(self, entry: Entry) -> None:
        known = self._files.get(entry.inode)
        if known is None or self._names.get(entry.name) is not known:  # a new file, maybe with the inode of one that is gone
            self._files[entry.inode] = _File()
            self._rename(_Naming(entry.name, self._files[entry.inode]))

    def _rename(self, *changes: _Naming) -> None:
        _carry_out_names(changes, self._names)
        self._pending_names.append(changes)

    def running(self) -> dict[str, bytes]:
        """The folder as the running system sees it."""
        contents = {}
        for name, file in self._names.items():
            now = bytearray(file.durable)
            for entry in file.pending:
                _carry_out(entry, now)
            contents[name] = bytes(now)
        return contents

    def cut(self, chance: Random) -> dict[str, bytes]:
        """The folder as it may be found after a power cut at this moment."""
        names = dict(self._durable_names)
        for changes in self._pending_names[: chance.randint(0, len(self._pending_names))]:
            _carry_out_names(changes, names)
        luck = chance.choice((0.0, 0.3, 0.7, 0.95, 1.0))  # so that almost nothing, and almost everything, come up too
        return {name: _survivor(file, luck, chance) for name, file in sorted(names.items())}


def _carry_out_names(changes: Iterable[_Naming], names: dict[str, _File]) -> None:
    for change in changes:
        if change.file is None:
            names.pop(change.name, None)
        else:
            names[change.name] = change.file


def _survivor(file: _File, luck: float, chance: Random) -> bytes:
    content = bytearray(file.durable)
    for entry in file.pending:
        if chance.random() < luck:
            _carry_out(entry, content)
        elif entry.operation is Operation.WRITE:
            for at, part in _torn(entry, chance):
                _put(content, at, part)
    return bytes(content)


def _torn(entry: Entry, chance: Random) -> list[tuple[int, bytes]]:
    """What is left of a write that was not carried out whole: (offset, bytes) by sector."""
    sectors = list(_sectors(entry.number, entry.data))
    match chance.choice(("lost", "broken off", "mixed")):
        case "broken off":
            return sectors[: chance.randrange(len(sectors))]
        case "mixed":
            return [(at, left) for at, part in sectors if (left := _left(part, chance)) is not None]
        case _:
            return []


def _left(part: bytes, chance: Random) -> bytes | None:
    match chance.choice(("new", "old", "zeros", "rubbish")):
        case "new":
            return part
        case "zeros":
            return bytes(len(part))
        case "rubbish":
            return chance.randbytes(len(part))
        case _:
            return None


def _sectors(offset: int, data: bytes) -> Iterable[tuple[int, bytes]]:
    start = 0
    while start < len(data):
        end = min(len(data), start + SECTOR - (offset + start) % SECTOR)
        yield offset + start, data[start:end]
        start = end


def _carry_out(entry: Entry, content: bytearray) -> None:
    if entry.operation is Operation.WRITE:
        _put(content, entry.number, entry.data)
    elif entry.number <= len(content):
        del content[entry.number :]
    else:
        content.extend(bytes(entry.number - len(content)))


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if offset > len(content):
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data


def differences(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    """Names of files that are not the same in both."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
