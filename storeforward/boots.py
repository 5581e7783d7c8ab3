"""Between which times a boot lay that never learnt the time: after the boot before it, and before the one after it.

Such records keep their order and their spacing. They are evidence; slots cannot be cut out of them. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from storeforward.timekeeping import Dating


@dataclass(frozen=True, slots=True)
class Boot:
    """The records of one boot in the journal: first and last sequence number, and their monotonic times."""

    boot_id: bytes
    first_seq: int
    last_seq: int
    first_ns: int
    last_ns: int

    @property
    def duration_ns(self) -> int:
        return self.last_ns - self.first_ns


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a UTC time; None where nothing bounds it."""

    not_before_ns: int | None
    not_after_ns: int | None

    @property
    def width_ns(self) -> int | None:
        if self.not_before_ns is None or self.not_after_ns is None:
            return None
        return self.not_after_ns - self.not_before_ns


def starts(boots: Sequence[Boot], datings: Mapping[bytes, Dating], passed_ns: int | None = None) -> list[Between]:
    """Between which times each boot's first record was made. `boots` in the order of their records; `passed_ns` is a time that
    had passed before the first of them.

    A boot with a date has it from its own anchors; the others lie behind the end of the one before, and end before the next
    begins.
    """
    found = [_dated(boot, datings) for boot in boots]
    earliest_ns = passed_ns
    for place, boot in enumerate(boots):
        own = found[place]
        if own.not_before_ns is None:
            own = found[place] = replace(own, not_before_ns=earliest_ns)
        if own.not_before_ns is not None:
            earliest_ns = own.not_before_ns + boot.duration_ns
    latest_ns = None
    for place in reversed(range(len(boots))):
        own = found[place]
        if own.not_after_ns is None and latest_ns is not None:
            own = found[place] = replace(own, not_after_ns=latest_ns - boots[place].duration_ns)
        latest_ns = own.not_after_ns
    return found


def _dated(boot: Boot, datings: Mapping[bytes, Dating]) -> Between:
    dating = datings.get(boot.boot_id)
    dated = None if dating is None else dating.date(boot.first_ns)
    return Between(None, None) if dated is None else Between(dated.earliest_ns, dated.latest_ns)
