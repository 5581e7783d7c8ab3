"""What time it is by the ledger: two verified blocks whose times are as far apart as the monotonic clock says. No I/O.

One block says little: whoever shows it may have kept it for an hour. That a second, later one comes as much later as it is
younger shows that what a node sends is live. Its time has then passed, but for the validators' own error, and not long ago:
a block is the newest for one heartbeat, and its time is that of the votes for the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agent.clock import NS_PER_S
from agent.vocabulary import Clock
from storeforward.timekeeping import DRIFT_PPM, Anchor, Source

_PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class NewestBlock:
    """The newest verified header that nodes showed between two instants of the monotonic clock."""

    height: int
    hash: bytes
    time_ns: int
    before_ns: int
    after_ns: int


class LedgerTime:
    """Turns newest blocks into anchors. `drift_s` is how far validators' clocks may be ahead of the time."""

    def __init__(self, boot_id: bytes, heartbeat_s: int, drift_s: int) -> None:
        self._boot_id = boot_id
        self._heartbeat_ns = heartbeat_s * NS_PER_S
        self._drift_ns = drift_s * NS_PER_S
        self._last: NewestBlock | None = None

    def is_new(self, height: int) -> bool:
        """Whether a block of that height would say anything that was not heard before."""
        return self._last is None or height > self._last.height

    def hear(self, block: NewestBlock) -> tuple[Anchor, ...]:
        """The anchors of two blocks that confirm each other: the one heard before, and this one. Else none."""
        last = self._last
        if not self.is_new(block.height):
            return ()
        self._last = block
        if last is None:
            return ()
        spacing_ns = block.time_ns - last.time_ns
        # Blocks that come more slowly than once in a heartbeat are older when the next one comes.
        oldest_ns = 2 * max(self._heartbeat_ns, spacing_ns // (block.height - last.height))
        passed_ns = block.after_ns - last.before_ns
        most_ns = oldest_ns + self._drift_ns + passed_ns * DRIFT_PPM // _PPM + (last.after_ns - last.before_ns)
        if abs(spacing_ns - passed_ns) > most_ns:
            return ()
        return self._anchor(last, oldest_ns), self._anchor(block, oldest_ns)

    def _anchor(self, block: NewestBlock, oldest_ns: int) -> Anchor:
        utc_ns = block.time_ns + (oldest_ns - self._drift_ns) // 2
        uncertainty_ns = (oldest_ns + self._drift_ns + 1) // 2
        instants = block.before_ns, block.after_ns
        return Anchor(Source.LEDGER, self._boot_id, *instants, utc_ns, uncertainty_ns, block.height, block.hash)


class HeaderClock:
    """The clock of a light client, which judges the age of headers by it.

    Who does not know the time cannot say that a header is from the future, nor that what it trusts has expired. So in doubt
    this shows the latest time at which what is trusted still vouches for anything: all headers pass that could have followed
    within the trusting period, and none of them as fresh. They are heard for their time, and nothing is done upon them.
    """

    def __init__(self, clock: Clock, trusting_period_ns: int) -> None:
        self._clock = clock
        self._trusting_period_ns = trusting_period_ns
        self.trusted_ns: Callable[[], int | None] = lambda: None
        """Time of the newest header that is trusted."""
        self.is_in_doubt = False

    def now_ns(self) -> int:
        trusted_ns = self.trusted_ns() if self.is_in_doubt else None
        return self._clock.now_ns() if trusted_ns is None else trusted_ns + self._trusting_period_ns - 1

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()
