"""Errors of the journal.

JournalError
├── JournalInUse       another process has the journal open; two writers would break its promises
├── JournalTooNew      the file was written by newer code, which this code must not touch
├── JournalUnreadable  the file cannot be opened, for a reason that a fresh file would not cure (rights, missing folder)
├── JournalClosed      the journal was used after its `async with` ended
├── JournalBusy        no copy of one moment could be taken for somebody who looks into it
├── StorageFailed      the disk did not do it; of a change nothing was stored
│   ├── JournalFull    the disk or the configured size is used up; on a full disk, samples and events are refused first
│   ├── JournalDamaged the file broke while in use; the next start sets it aside and begins a fresh one
│   └── DiskFailed     any other error of the disk
└── BadChange          the change itself is wrong; others that shared its transaction are not concerned
    ├── DuplicateItem  a transaction with this reference is in the outbox already
    ├── UnknownItem    the outbox has no item with this id
    └── AlreadyDecided the item has left the outbox with another result
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class JournalError(Exception):
    """Base of all journal errors. `retry` says whether the same call can succeed later."""

    retry: ClassVar[bool] = False


class JournalInUse(JournalError):
    """Another process, or another part of this one, has the journal open."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is in use by another process")
        self.path = path


class JournalTooNew(JournalError):
    """The file's schema is newer than this code."""

    def __init__(self, path: Path, version: int, known: int) -> None:
        super().__init__(f"{path} has schema {version}, this version of homewatt knows schemas up to {known}")
        self.path = path
        self.version = version
        self.known = known


class JournalUnreadable(JournalError):
    """The file or its folder cannot be opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class JournalClosed(JournalError):
    """The journal was closed before the call."""


class JournalBusy(JournalError):
    """The journal was written to so busily that no copy of one moment came about."""

    retry = True

    def __init__(self, path: Path, tries: int) -> None:
        super().__init__(f"{path}: checkpoints came faster than the file could be copied, {tries} times")
        self.path = path
        self.tries = tries


class StorageFailed(JournalError):
    """The disk did not do it; of a change nothing was stored."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class JournalFull(StorageFailed):
    """The disk, or the size that the options allow, is used up."""

    retry = True


class JournalDamaged(StorageFailed):
    """The file broke while in use."""


class DiskFailed(StorageFailed):
    """The disk reported an error."""

    retry = True


class BadChange(JournalError):
    """The change is wrong in itself and changed nothing."""


class DuplicateItem(BadChange):
    """A transaction with this reference is in the outbox already."""

    def __init__(self, reference: bytes) -> None:
        super().__init__(f"the outbox has an item with reference {reference.hex()} already")
        self.reference = reference


class UnknownItem(BadChange):
    """The outbox has no item with this id."""

    def __init__(self, item_id: int) -> None:
        super().__init__(f"the outbox has no item {item_id}")
        self.item_id = item_id


class AlreadyDecided(BadChange):
    """An item that left the outbox cannot change its result. `state` is "GONE" for one decided and dropped long ago."""

    def __init__(self, item_id: int, state: str, wanted: str) -> None:
        super().__init__(f"item {item_id} is {state} and cannot become {wanted}")
        self.item_id = item_id
        self.state = state
        self.wanted = wanted
