"""Why the agent did what it did: the last reason of each kind, and the last changes of reasons, for pages and reports."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

KEPT_CHANGES: Final = 256


class Deed(StrEnum):
    """What a reason is given for."""

    BID = "bid"
    STEER = "steer"
    POST = "post"
    METER = "meter"
    REFUSED = "refused"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, from when on it held (Unix seconds)."""

    at_s: int
    deed: Deed
    text: str


class Explanations:
    """The reasons of one agent."""

    def __init__(self) -> None:
        self._last: dict[Deed, Reason] = {}
        self.changes: deque[Reason] = deque(maxlen=KEPT_CHANGES)
        """Changes of reasons, oldest first."""

    def last(self, deed: Deed) -> Reason | None:
        return self._last.get(deed)

    def give(self, deed: Deed, text: str, at_s: int) -> bool:
        """Note a reason; True where it differs from the last one of its kind, so that it is worth an entry in the journal."""
        last = self._last.get(deed)
        if last is not None and last.text == text:
            return False
        reason = self._last[deed] = Reason(at_s, deed, text)
        self.changes.append(reason)
        return True
