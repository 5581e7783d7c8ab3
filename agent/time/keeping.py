"""Keeps the time of one device: hears all who tell it, decides what is believed, and lets the device's clock go by that.

No I/O but asking the system's clock. What it hears becomes anchors, which `running` writes into the journal; what it decides
is a state (states.py), a date with its uncertainty, and a sentence that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from agent.clock import NS_PER_S
from agent.status import Status, Trouble
from agent.time.deviceclock import JUMP_NS, DeviceClock
from agent.time.ledger import LedgerTime, NewestBlock
from agent.time.states import NEXT, TimeEvent, TimeState
from lightclient.rfc3339 import format_ns
from storeforward.timekeeping import TOLERANCE_NS, Anchor, Dated, Dating, Source

TIME_FLOOR: Final = "time floor"
"""Named value of the journal: a time, in ns, that has certainly passed."""
MOST_UNCERTAIN_NS: Final = 15 * NS_PER_S
"""A date that may be off by more is none to trade upon: the bridge over a slot's edge would be longer than the meter allows."""
ANCHOR_EVERY_NS: Final = 6 * 3600 * NS_PER_S
"""A source that says nothing new is written down this often: a crystal drifts by a second meanwhile."""


class TimeKeeper:
    """What one device knows of the time. `built_after_ns`: a time that has passed for whoever runs this code.

    The device's clock goes by it at once. Nobody is told anything before `restore`: what the journal knows may settle what the
    system's clock alone leaves open.
    """

    def __init__(self, clock: DeviceClock, status: Status, boot_id: bytes, ledger: LedgerTime, built_after_ns: int = 0) -> None:
        self.clock = clock
        self.boot_id = boot_id
        self.state = TimeState.UNKNOWN
        self.why = ""
        """What stands between this device and the time, in words; empty where it is anchored."""
        self.dating = Dating()
        self._status = status
        self._ledger = ledger
        self._floor_ns = built_after_ns
        self._floor_at_ns = clock.monotonic_ns()
        self._knows_floor = False
        self.synchronisation = clock.system.synchronisation()
        """What the system said of its clock when it was asked last."""
        self._refusal = ""
        self._follows_system = False
        self._is_in_doubt = False
        self.on_news: Callable[[], None] = _nobody
        """Called when there is something to write down."""
        self.on_move: Callable[[], None] = _nobody
        """Called when the state changed, or the time leapt."""
        self._told_state = TimeState.UNKNOWN
        """What others were told last."""
        self._lost_at_ns = clock.monotonic_ns()
        self._new_anchors: list[Anchor] = []
        self._new_events: list[str] = []
        self._ask_system()
        self._decide()

    @property
    def floor_ns(self) -> int:
        """A time that has certainly passed. It never falls."""
        return self._floor_ns

    @property
    def is_anchored(self) -> bool:
        """Whether the time is known well enough to trade, and to name slots."""
        return self.state is TimeState.ANCHORED

    @property
    def wants_ledger(self) -> bool:
        """Whether newer blocks should be looked at for their time alone."""
        return self._is_in_doubt or not self.is_anchored

    def date(self, monotonic_ns: int) -> Dated | None:
        """When an instant of this boot was; None while the device is not anchored."""
        return self.dating.date(monotonic_ns) if self.is_anchored else None

    def now(self) -> Dated | None:
        """What time it is; None while the device is not anchored."""
        dated = self.date(self.clock.monotonic_ns())
        if dated is None:
            return None
        shown_ns = self.clock.now_ns()
        if not self._follows_system:
            return Dated(shown_ns, dated.uncertainty_ns)
        # Once no server answers, the kernel's bound grows by 500 ppm, ten times what a crystal does: then the anchors say more.
        by_anchors_ns = dated.uncertainty_ns + abs(shown_ns - dated.utc_ns)
        return Dated(shown_ns, min(self.synchronisation.uncertainty_ns, by_anchors_ns))

    def wall_ns(self) -> int | None:
        """The time of capture for a record that is made now; None where it is not known."""
        return self.clock.now_ns() if self.is_anchored else None

    def restore(self, floor_ns: int, anchors: Iterable[Anchor]) -> None:
        """Go on from what the journal knows: the floor, and the anchors of this boot that an earlier process heard."""
        self.passed(floor_ns)
        kept = [anchor for anchor in anchors if anchor.boot_id == self.boot_id]
        if kept:
            self.dating = Dating((*kept, *self.dating.anchors))
        self.look()

    def passed(self, utc_ns: int) -> None:
        """A time has passed for certain: a verified header has it, or was there before a restart."""
        if utc_ns > self._floor_ns:
            self._floor_ns, self._floor_at_ns = utc_ns, self.clock.monotonic_ns()
            self._knows_floor = True

    def look(self) -> None:
        """Ask the system's clock and decide anew."""
        self._ask_system()
        self._assess()

    def _ask_system(self) -> None:
        system = self.clock.system
        self.synchronisation = found = system.synchronisation()
        before_ns, utc_ns, after_ns = system.monotonic_ns(), system.now_ns(), system.monotonic_ns()
        if not found.is_synchronised:
            self._refusal = found.cause
        elif utc_ns + found.uncertainty_ns + TOLERANCE_NS < self._floor_ns:
            passed, shown = format_ns(self._floor_ns), format_ns(utc_ns)
            self._refusal = f"the system's clock shows {shown}, and {passed} has passed for certain"
        else:
            self._refusal = ""
            self._hear(Anchor(Source.SYSTEM, self.boot_id, before_ns, after_ns, utc_ns, found.uncertainty_ns))

    def hear_block(self, block: NewestBlock) -> None:
        """The ledger's newest block, verified and confirmed by witnesses."""
        for anchor in self._ledger.hear(block):
            self._hear(anchor)
            self.passed(block.time_ns)
        self.look()

    def hear_operator(self, anchor: Anchor) -> None:
        """A person says what time it is."""
        self._new_events.append(f"A person set the time to {format_ns(anchor.utc_ns)}.")
        self._take(anchor)
        self._assess()

    def note(self, event: str) -> None:
        """Something to write down, in words."""
        self._new_events.append(event)

    def is_new(self, height: int) -> bool:
        """Whether a block of that height would say anything that was not heard before."""
        return self._ledger.is_new(height)

    def doubt(self) -> None:
        """A block of the ledger does not fit the clock: which of them is wrong shows when more are heard."""
        self._is_in_doubt = True
        self.on_news()

    def no_doubt(self) -> None:
        """A block fits the clock."""
        self._is_in_doubt = False

    def take_news(self) -> tuple[list[Anchor], list[str]]:
        """What is to be written down; `give_back` what the disk does not take."""
        news = self._new_anchors, self._new_events
        self._new_anchors, self._new_events = [], []
        return news

    def give_back(self, anchors: list[Anchor], events: list[str]) -> None:
        """Keep for later what could not be written down."""
        self._new_anchors[:0], self._new_events[:0] = anchors, events

    def _hear(self, anchor: Anchor) -> None:
        """Take an anchor that says something new."""
        own = [known for known in self.dating.anchors if known.source is anchor.source]
        if own and not self._is_news(anchor, own[-1]):
            return
        if own and anchor.source is Source.SYSTEM and (jump_ns := _jump_ns(own[-1], anchor)):
            self._new_events.append(f"The system's clock jumped by {jump_ns / NS_PER_S:+.1f} s.")
        self._take(anchor)

    def _is_news(self, anchor: Anchor, last: Anchor) -> bool:
        if anchor.after_ns - last.after_ns >= ANCHOR_EVERY_NS or self.dating.contradicts(anchor):
            return True
        if anchor.source is Source.SYSTEM and _jump_ns(last, anchor):
            return True
        known = self.dating.date(anchor.after_ns)
        if known is None or known.uncertainty_ns < NS_PER_S:
            return False
        better = Dating((*self.dating.anchors, anchor)).date(anchor.after_ns)
        return better is not None and better.uncertainty_ns + NS_PER_S <= known.uncertainty_ns

    def _take(self, anchor: Anchor) -> None:
        self.dating = Dating((*self.dating.anchors, anchor))
        self._new_anchors.append(anchor)

    def _assess(self) -> None:
        """Decide, and tell what changed."""
        shown_ns = self.clock.now_ns()
        self._decide()
        self._tell(has_moved=abs(self.clock.now_ns() - shown_ns) > JUMP_NS)

    def _decide(self) -> None:
        """Move to the state that follows from all that was heard, and let the clock go by it."""
        now_ns = self.clock.monotonic_ns()
        dated = self.dating.date(now_ns)
        event, self.why = self._judge(dated)
        self.state = NEXT[self.state, event]
        if self.is_anchored and dated is not None and Source.LEDGER in self.dating.sources:
            self.passed(dated.earliest_ns)
        self._set_clock(dated, now_ns)

    def _judge(self, dated: Dated | None) -> tuple[TimeEvent, str]:
        """What follows from all that was heard, and why not more."""
        if dated is None:
            if self.dating.conflict is not None:
                return TimeEvent.CONTRADICTED, f"{self.dating.conflict}, and neither is believed"
            event = TimeEvent.PASSED if self._knows_floor and self.state is TimeState.UNKNOWN else TimeEvent.FADED
            return event, f"{self._refusal}, and no two blocks of the ledger have told the time yet"
        if dated.latest_ns + TOLERANCE_NS < self._floor_ns:
            return TimeEvent.CONTRADICTED, f"{format_ns(self._floor_ns)} has passed for certain, and what is told lies before"
        if dated.uncertainty_ns > MOST_UNCERTAIN_NS:
            why = f"the time is known to {dated.uncertainty_ns // NS_PER_S} s, which is not exact enough"
            return TimeEvent.FADED, f"{why}, and {self._refusal}" if self._refusal else why
        return TimeEvent.DATED, ""

    def _set_clock(self, dated: Dated | None, monotonic_ns: int) -> None:
        self._follows_system = dated is not None and self._shows(dated)
        if self._follows_system:
            self.clock.follow_system()
        elif dated is not None:
            self.clock.count_from(dated.utc_ns, monotonic_ns)
        else:
            self.clock.count_from(self._floor_ns, self._floor_at_ns)

    def _shows(self, dated: Dated) -> bool:
        """Whether the system's clock is one of those who tell the time that is believed, and shows it now."""
        off_ns = abs(self.clock.system.now_ns() - dated.utc_ns)
        return Source.SYSTEM in self.dating.sources and not self._refusal and off_ns <= JUMP_NS + dated.uncertainty_ns

    def _tell(self, *, has_moved: bool) -> None:
        before, self._told_state = self._told_state, self.state
        at_s = self.clock.now_ns() // NS_PER_S
        if not self.is_anchored:
            self._status.set(Trouble.WRONG_TIME, self.why, at_s)
        if self.state is not before:
            if self.is_anchored:
                self._end_trouble()
            elif before is TimeState.ANCHORED:
                self._lost_at_ns = self.clock.monotonic_ns()
            self._new_events.append(f"The time is {self.state}{': ' if self.why else ''}{self.why}.")
        if self._new_anchors or self._new_events:
            self.on_news()
        if has_moved or self.state is not before:
            self.on_move()

    def _end_trouble(self) -> None:
        """It began at a time that was a guess: how long it stood, the monotonic clock knows."""
        standing = self._status.snapshot().get(Trouble.WRONG_TIME)
        if standing is not None:
            stood_s = (self.clock.monotonic_ns() - self._lost_at_ns) // NS_PER_S
            self._status.clear(Trouble.WRONG_TIME, standing.since_s + stood_s)


def _jump_ns(before: Anchor, after: Anchor) -> int:
    """By how much a source's time leapt against the monotonic clock; 0 for what a slew or its uncertainty explains."""
    leap_ns = (after.utc_ns - after.after_ns) - (before.utc_ns - before.after_ns)
    width_ns = before.uncertainty_ns + after.uncertainty_ns + (before.after_ns - before.before_ns)
    return leap_ns if abs(leap_ns) > JUMP_NS + width_ns else 0


def _nobody() -> None:
    """Nobody listens yet."""
