"""Who of the configured nodes is asked, and who is left alone for a while. It counts and never asks: no I/O, no clock.

Blame of the primary makes the next usable node the primary. Nobody is thrown out for good: a chain with few nodes would run
out of them. CometBFT removes witnesses and ends when none is left (light/client.go, removeWitnesses); this does not.

All times are those of a monotonic clock, in nanoseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

SECOND_NS: Final = 10**9
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS

LIES_FORGOTTEN_NS: Final = 7 * 24 * HOUR_NS
"""After so long without another one, a lie is counted as the first again."""
MAX_CAUSE_CHARS: Final = 500
"""A cause may quote the node; it is kept until the node is in good standing again."""


class Fault(StrEnum):
    """What a node is blamed for."""

    SILENT = "silent"
    """No answer, or none that helps."""
    BEHIND = "behind"
    """Its newest block is older than what others have."""
    LIED = "lied"
    """It showed something that does not verify, or that was not asked."""
    DUPLICATE = "duplicate"
    """It has the id of the primary, and counts for nothing beside it. Noted, never blamed."""


class Condition(StrEnum):
    """Whether a node may be asked."""

    GOOD = "good"
    COOLING = "cooling"


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a node is left alone: `first_ns`, doubled with each further fault of that kind, up to `longest_ns`."""

    first_ns: int
    longest_ns: int

    def after(self, strikes: int) -> int:
        """The wait after the given number of faults in a row, from 1 up."""
        doublings = min(strikes - 1, (self.longest_ns // self.first_ns).bit_length())
        return min(self.first_ns << doublings, self.longest_ns)


BACK_OFFS: Final = {
    Fault.SILENT: BackOff(2 * SECOND_NS, 5 * MINUTE_NS),
    Fault.BEHIND: BackOff(10 * SECOND_NS, 5 * MINUTE_NS),
    Fault.LIED: BackOff(10 * MINUTE_NS, 24 * HOUR_NS),
}


@dataclass(frozen=True, slots=True)
class NodeView:
    """How a node stands. `fault` and `cause` are the last ones since it was praised; `again_at_ns` is set while it cools."""

    name: str
    is_primary: bool
    condition: Condition
    fault: Fault | None
    cause: str
    again_at_ns: int | None


@dataclass(slots=True)
class _Standing:
    """What one node has done since it was praised last, and its lies."""

    strikes: Counter[Fault] = field(default_factory=Counter)
    fault: Fault | None = None
    cause: str = ""
    again_at_ns: int | None = None
    lied_at_ns: int | None = None

    def is_cooling(self, now_ns: int) -> bool:
        return self.again_at_ns is not None and now_ns < self.again_at_ns


class Pool:
    """The nodes by index, in the order of their names; the first is the first primary."""

    def __init__(self, names: Sequence[str]) -> None:
        if not names:
            raise ValueError("a pool holds at least one node")
        self._names = tuple(names)
        self._standings = [_Standing() for _ in names]
        self._primary = 0

    @property
    def primary(self) -> int:
        """The node that is asked first. It may be cooling down where there is no other."""
        return self._primary

    def witnesses(self, now_ns: int) -> tuple[int, ...]:
        """All but the primary that may be asked now; where all are cooling down, the one that may be asked soonest.

        So it is empty only where the primary is alone.
        """
        others = self._others()
        usable = tuple(index for index in others if not self._standings[index].is_cooling(now_ns))
        return usable or self._soonest(others)

    def blame(self, index: int, fault: Fault, cause: str, now_ns: int) -> None:
        """Leave a node alone for as long as its faults of this kind in a row deserve; never for less than it is already."""
        standing = self._standings[index]
        if fault is Fault.LIED:
            if standing.lied_at_ns is not None and now_ns - standing.lied_at_ns > LIES_FORGOTTEN_NS:
                standing.strikes[fault] = 0
            standing.lied_at_ns = now_ns
        standing.strikes[fault] += 1
        again_at_ns = now_ns + BACK_OFFS[fault].after(standing.strikes[fault])
        if standing.again_at_ns is None or again_at_ns >= standing.again_at_ns:
            standing.fault, standing.cause, standing.again_at_ns = fault, cause[:MAX_CAUSE_CHARS], again_at_ns
        if index == self._primary:
            self._primary = next(iter(self.witnesses(now_ns)), index)

    def note(self, index: int, fault: Fault, cause: str) -> bool:
        """Let a fault be seen that the node is not left alone for, unless there is a graver one. Whether that is news."""
        standing = self._standings[index]
        if standing.fault is not None:
            return False
        standing.fault, standing.cause = fault, cause[:MAX_CAUSE_CHARS]
        return True

    def praise(self, index: int) -> None:
        """Back in good standing. Lies stay counted: the wait of a node that lies now and then grows all the same."""
        before = self._standings[index]
        self._standings[index] = _Standing(Counter({Fault.LIED: before.strikes[Fault.LIED]}), lied_at_ns=before.lied_at_ns)

    def view(self, now_ns: int) -> tuple[NodeView, ...]:
        """Every node, in order."""
        return tuple(self.seen(index, now_ns) for index in range(len(self._names)))

    def seen(self, index: int, now_ns: int) -> NodeView:
        """How one node stands."""
        standing = self._standings[index]
        cooling = standing.is_cooling(now_ns)
        return NodeView(
            name=self._names[index],
            is_primary=index == self._primary,
            condition=Condition.COOLING if cooling else Condition.GOOD,
            fault=standing.fault,
            cause=standing.cause,
            again_at_ns=standing.again_at_ns if cooling else None,
        )

    def _others(self) -> tuple[int, ...]:
        """All but the primary, beginning with the one after it: so each gets its turn."""
        count = len(self._names)
        return tuple((self._primary + step) % count for step in range(1, count))

    def _soonest(self, indices: Sequence[int]) -> tuple[int, ...]:
        return tuple(sorted(indices, key=lambda index: self._standings[index].again_at_ns or 0)[:1])
