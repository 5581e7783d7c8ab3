"""Dating: from anchors of time to the date of any instant of a boot, with its uncertainty. No I/O, no clock.

Within a boot the monotonic clock orders and spaces everything exactly; what it does not know is UTC. An anchor says what time
it was at an instant of that clock, and who says so. Anchors are journal records like others, signed at capture, never
rewritten; they date what came before them as well as what came after.

    anchor body = msgpack([1, source, boot_id, before_ns, after_ns, utc_ns, uncertainty_ns, height, hash])

The offset between UTC and the monotonic clock is constant but for the drift of the crystal, so each anchor bounds it, the
closer in time the better. How much drift to reckon with, the anchors themselves show. Of one source the bounds are met;
another source may narrow them further, never widen them. Sources that are further apart than TOLERANCE_NS contradict each
other: then the account that more sources tell is believed, and with none ahead, nobody: no date is better than a wrong one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import msgpack

NS_PER_S: Final = 1_000_000_000
TOLERANCE_NS: Final = 30 * NS_PER_S
"""Further apart than this, two sources do not speak of the same time."""
DRIFT_PPM: Final = 50
"""What a crystal may be off. Where the anchors of one source show more, more is assumed."""
MOST_DRIFT_PPM: Final = 800
STEADY_DRIFT_PPM: Final = 15
"""What a clock may stray whose rate was set right before: the frequency tolerance PHI of NTP (RFC 5905, section 7.2)."""
STEADY_RATE_PPM: Final = 5
STEADY_OVER_NS: Final = 6 * 3600 * NS_PER_S
"""A rate was set right where two anchors, at least so far apart, show that it was off by no more than that."""
_PPM: Final = 1_000_000
_FORMAT: Final = 1


class Source(IntEnum):
    """Who says what time it is. The numbers stand in signed records."""

    LEDGER = 1
    """A verified block: its time has passed, and not long ago. Bounds, some ten seconds apart."""
    SYSTEM = 2
    """The operating system's clock, while the kernel says that it is synchronised (NTP, NTS, PTP)."""
    OPERATOR = 3
    """A person with a watch."""


_BY_RANK: Final = (Source.SYSTEM, Source.OPERATOR, Source.LEDGER)
"""Whose word is narrowed by whose."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """It was `utc_ns`, give or take `uncertainty_ns`, at some instant between `before_ns` and `after_ns` of the boot's
    monotonic clock. `height` and `hash` name the block where a ledger says so, else 0 and empty."""

    source: Source
    boot_id: bytes
    before_ns: int
    after_ns: int
    utc_ns: int
    uncertainty_ns: int
    height: int = 0
    hash: bytes = b""

    def __post_init__(self) -> None:
        if self.after_ns < self.before_ns or self.uncertainty_ns < 0:
            raise ValueError("an anchor lies between two instants and has an uncertainty from 0 up")

    def encode(self) -> bytes:
        """The body of a record of Stream.ANCHOR."""
        bounds = self.before_ns, self.after_ns, self.utc_ns, self.uncertainty_ns
        return bytes(msgpack.packb([_FORMAT, int(self.source), self.boot_id, *bounds, self.height, self.hash]))

    @classmethod
    def decode(cls, body: bytes) -> Anchor:
        """Raises ValueError for bytes that `encode` did not make."""
        try:
            form, source, *rest = msgpack.unpackb(body)
            if form != _FORMAT:
                raise ValueError(f"format {form}, known is {_FORMAT}")
            return cls(Source(source), *rest)
        except (TypeError, ValueError, msgpack.exceptions.UnpackException) as error:
            raise ValueError(f"not an anchor: {error}") from error


@dataclass(frozen=True, slots=True)
class Dated:
    """An instant: UTC, and how far it may be off either way."""

    utc_ns: int
    uncertainty_ns: int

    @property
    def earliest_ns(self) -> int:
        return self.utc_ns - self.uncertainty_ns

    @property
    def latest_ns(self) -> int:
        return self.utc_ns + self.uncertainty_ns

    def spans_edge(self, duration_s: int) -> bool:
        """Whether it cannot be told on which side of an edge between two slots it lies. Times count in whole seconds, so an
        uncertainty below one is none."""
        if self.uncertainty_ns < NS_PER_S:
            return False
        duration_ns = duration_s * NS_PER_S
        return self.earliest_ns // duration_ns != self.latest_ns // duration_ns


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two accounts of the time that cannot both be right: who tells them, and how far they are apart at the latest anchor."""

    one: frozenset[Source]
    other: frozenset[Source]
    apart_ns: int

    def __str__(self) -> str:
        apart_s = round(self.apart_ns / NS_PER_S)
        if self.one == self.other:
            return f"{_names(self.one)} contradicts itself by {apart_s} s"
        one, other = sorted(map(_names, (self.one, self.other)))
        return f"{one} and {other} are {apart_s} s apart"


def _names(sources: Iterable[Source]) -> str:
    return " with ".join(f"the {source.name.lower()}" for source in sorted(sources))


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Bounds of UTC minus monotonic time, at an instant of the monotonic clock."""

    at_ns: int
    low_ns: int
    high_ns: int

    @classmethod
    def of(cls, anchor: Anchor) -> _Bounds:
        middle_ns = (anchor.before_ns + anchor.after_ns) // 2
        width_ns = anchor.uncertainty_ns + (anchor.after_ns - anchor.before_ns + 1) // 2
        offset_ns = anchor.utc_ns - middle_ns
        return cls(middle_ns, offset_ns - width_ns, offset_ns + width_ns)

    def seen_from(self, at_ns: int, drift_ppm: int) -> _Bounds:
        """The same, widened by what the clock may drift until another instant."""
        drift_ns = abs(at_ns - self.at_ns) * drift_ppm // _PPM
        return _Bounds(at_ns, self.low_ns - drift_ns, self.high_ns + drift_ns)

    def met_by(self, other: _Bounds) -> _Bounds:
        return _Bounds(self.at_ns, max(self.low_ns, other.low_ns), min(self.high_ns, other.high_ns))

    @property
    def is_empty(self) -> bool:
        return self.low_ns > self.high_ns


def _gap_ns(one: _Bounds, other: _Bounds) -> int:
    """How far two bounds of the same instant are apart, 0 where they overlap."""
    return max(0, other.low_ns - one.high_ns, one.low_ns - other.high_ns)


class _Track:
    """What one source says over time. Every bound is met with all others, so the bounds are continuous over time."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        points = sorted(map(_Bounds.of, anchors), key=lambda point: point.at_ns)
        self._drift_ppm = STEADY_DRIFT_PPM if _are_steady(points) else DRIFT_PPM
        met = _all_met(points, self._drift_ppm)
        while met is None and self._drift_ppm < MOST_DRIFT_PPM:
            self._drift_ppm = max(DRIFT_PPM, 2 * self._drift_ppm)
            met = _all_met(points, self._drift_ppm)
        slack_ns = NS_PER_S
        while met is None:  # no drift explains it: the source is less exact than it says
            if _all_met(_wider(points, slack_ns), self._drift_ppm) is not None:
                met = _all_met(_wider(points, 2 * slack_ns), self._drift_ppm)  # so that each reaches to where the others are
            slack_ns *= 2
        self._points = met
        self._times = [point.at_ns for point in met]

    def at(self, at_ns: int) -> _Bounds:
        """The bounds at an instant, also before the first anchor and after the last."""
        after = bisect_right(self._times, at_ns)
        seen = [point.seen_from(at_ns, self._drift_ppm) for point in self._points[max(0, after - 1) : after + 1]]
        return seen[0] if len(seen) == 1 else seen[0].met_by(seen[1])


def _are_steady(points: Sequence[_Bounds]) -> bool:
    """Whether the anchors show a clock at the right rate: the kernel slews the monotonic one too, while a time service runs."""
    exact = min(points, key=lambda point: point.high_ns - point.low_ns)
    for other in points:
        apart_ns = abs(other.at_ns - exact.at_ns)
        most_ns = max(other.high_ns - exact.low_ns, exact.high_ns - other.low_ns)
        if apart_ns >= STEADY_OVER_NS and most_ns * _PPM <= STEADY_RATE_PPM * apart_ns:
            return True
    return False


def _wider(points: Sequence[_Bounds], slack_ns: int) -> list[_Bounds]:
    return [_Bounds(point.at_ns, point.low_ns - slack_ns, point.high_ns + slack_ns) for point in points]


def _all_met(points: Sequence[_Bounds], drift_ppm: int) -> list[_Bounds] | None:
    """Each bound met with all others; None where two contradict each other. Forth and back is enough: drift adds up."""
    met = list(points)
    for order in (range(1, len(met)), range(len(met) - 2, -1, -1)):
        step = order.step
        for index in order:
            met[index] = met[index].met_by(met[index - step].seen_from(met[index].at_ns, drift_ppm))
            if met[index].is_empty:
                return None
    return met


@dataclass(slots=True)
class _Account:
    """Anchors that do not contradict each other."""

    anchors: list[Anchor] = field(default_factory=list)
    newest: dict[Source, _Bounds] = field(default_factory=dict)

    def gap_ns(self, bounds: _Bounds) -> int:
        """How far an anchor lies from what each source said last."""
        return max(_gap_ns(last.seen_from(bounds.at_ns, DRIFT_PPM), bounds) for last in self.newest.values())

    def add(self, anchor: Anchor, bounds: _Bounds) -> None:
        self.anchors.append(anchor)
        self.newest[anchor.source] = bounds


class Dating:
    """Dates the instants of one boot from its anchors. `conflict` names the account that is not believed, if there is one."""

    def __init__(self, anchors: Iterable[Anchor] = ()) -> None:
        self.anchors = tuple(sorted(anchors, key=lambda anchor: (anchor.after_ns, anchor.source)))
        self._accounts = _accounts(self.anchors)
        ranked = sorted(self._accounts, key=lambda account: len(account.newest), reverse=True)
        self.conflict = _conflict(ranked)
        is_tied = len(ranked) > 1 and len(ranked[0].newest) == len(ranked[1].newest)
        believed = _Account() if is_tied or not ranked else ranked[0]
        self.sources = frozenset(believed.newest)
        """Who tells the account that is believed; empty where none is."""
        told = [[anchor for anchor in believed.anchors if anchor.source is source] for source in _BY_RANK]
        self._tracks = [_Track(anchors) for anchors in told if anchors]

    def date(self, monotonic_ns: int) -> Dated | None:
        """When an instant was, before or after any anchor; None without anchors, or where they contradict each other.

        Monotone: of two instants the later one has the later date.
        """
        if not self._tracks:
            return None
        first, *others = (track.at(monotonic_ns) for track in self._tracks)
        low_ns, high_ns, is_exact = first.low_ns, first.high_ns, True
        for other in others:  # narrowed, never moved beyond: so the date does not leap where sources begin to disagree
            is_exact = is_exact and max(low_ns, other.low_ns) <= min(high_ns, other.high_ns)
            low_ns, high_ns = (min(max(bound, other.low_ns), other.high_ns) for bound in (low_ns, high_ns))
            low_ns, high_ns = (min(max(bound, first.low_ns), first.high_ns) for bound in (low_ns, high_ns))
        middle_ns = (low_ns + high_ns) // 2
        uncertainty_ns = high_ns - middle_ns if is_exact else max(first.high_ns - middle_ns, middle_ns - first.low_ns)
        return Dated(monotonic_ns + middle_ns, uncertainty_ns)

    def contradicts(self, anchor: Anchor) -> bool:
        """Whether an anchor fits none of the accounts."""
        bounds = _Bounds.of(anchor)
        return all(account.gap_ns(bounds) > TOLERANCE_NS for account in self._accounts)


def _accounts(anchors: Sequence[Anchor]) -> list[_Account]:
    """Sort anchors into accounts. One that fits several (wide bounds) supports each of them."""
    accounts: list[_Account] = []
    for anchor in anchors:
        bounds = _Bounds.of(anchor)
        fitting = [account for account in accounts if account.gap_ns(bounds) <= TOLERANCE_NS]
        if not fitting:
            fitting = [_Account()]
            accounts += fitting
        for account in fitting:
            account.add(anchor, bounds)
    return accounts


def _conflict(ranked: Sequence[_Account]) -> Conflict | None:
    if len(ranked) < 2:
        return None
    one, other = ranked[:2]
    apart_ns = max(other.gap_ns(bounds) for bounds in one.newest.values())
    return Conflict(frozenset(one.newest), frozenset(other.newest), apart_ns)
