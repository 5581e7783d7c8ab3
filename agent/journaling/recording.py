"""Writes down what the appliance did: energy of its slots, samples, changed reasons. A slot's record and the transaction that
reports it to the ledger are one change: neither is ever there without the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

from agent.clock import NS_PER_S, now_s
from agent.journaling import entries
from agent.journaling.explaining import Deed, Explanations
from agent.journaling.keeping import Keeper
from agent.line.noticing import Noticer
from agent.line.sealing import NEVER, Sealer
from agent.metering import EdgesMissed, RegisterFell, TimeFell
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.time.feeding import EdgesUncertain
from agent.time.keeping import TIME_FLOOR, TimeKeeper
from agent.time.redating import NeverDated
from agent.trade.positions import Unsettled
from agent.vocabulary import Clock, SlotEnergy
from lightclient.messages import OpenReading
from lightclient.rfc3339 import format_ns
from storeforward.boots import Between
from storeforward.items import NewItem, Priority
from storeforward.records import NewRecord

METER_STATE: Final = "meter"
UNSETTLED: Final = "unsettled"
HISTORY_FROM: Final = "history from"
"""Named values of the journal: the slot meter's state, slots without settlement, the record before the history in use."""
TRY_AGAIN_S: Final = 60
"""A disk that takes nothing is tried again after this, and at every slot's edge."""
SAMPLE_EVERY_S: Final = 5
"""While nobody knows the time, a sample is kept this often: the registers at slots' edges are found in them later. With a date
that is 10 s off, as the ledger gives it, two samples certainly on either side of an edge lie within MAX_BRIDGE_S."""
SAMPLE_SLACK_S: Final = 0.5
"""A look may come so much early: else one that is a moment too soon would let a whole round pass."""
PAGES_AT_ONCE: Final = 5
"""Of samples that wait for a date; then control has its turn."""
MOST_WAITING: Final = 4_096
"""Entries kept in memory while the disk takes none; after that the oldest reasons and samples go."""

Mishap = RegisterFell | EdgesMissed | TimeFell | EdgesUncertain | NeverDated


class Recorder:
    """Turns what an observer found into journal entries and readings for the ledger.

    While nobody knows the time it keeps samples, and dates them when somebody does. `reported` is called when readings were
    stored that wait to be sent.
    """

    def __init__(
        self,
        observer: Observer,
        keeper: Keeper,
        sealer: Sealer,
        noticer: Noticer,
        clock: Clock,
        time: TimeKeeper,
        status: Status,
        explanations: Explanations,
        unsettled: Unsettled | None,
        *,
        reported: Callable[[], None],
        every_sample: bool,
    ) -> None:
        self._observer = observer
        self._keeper = keeper
        self._sealer = sealer
        self._noticer = noticer
        self._clock = clock
        self._time = time
        self._status = status
        self._explanations = explanations
        self._unsettled = unsettled
        self._reported = reported
        self._every_sample = every_sample
        self._try_again_ns = 0
        self._sampled_ns = -SAMPLE_EVERY_S * NS_PER_S
        self._has_begun = False
        self._waiting: deque[NewRecord] = deque(maxlen=MOST_WAITING)
        self._unstored: list[SlotEnergy] = []
        """Slots that the disk did not take."""
        self._history_seqs: deque[int] = deque(maxlen=observer.history.maxlen)

    def give_reason(self, deed: Deed, text: str, at_s: int) -> None:
        """Note why something is done; it is written down with the next slot where it is news."""
        if self._explanations.give(deed, text, at_s):
            self._waiting.append(entries.event(deed, text, at_s * NS_PER_S if self._time.is_anchored else None))

    async def begin(self) -> None:
        """Store the first reading of this start at once, before anything is done about it: whatever comes then, the registers
        at the start are on the disk."""
        if not self._has_begun and self._observer.reading is not None:
            self._has_begun = True
            if self._keep_dated() or self._keep_undated():
                await self._store()

    async def write(self, *, is_edge: bool) -> None:
        """Store what there is to store: at every slot's edge, when a slot ended, and with every sample if so configured."""
        is_undated = not self._observer.is_live and self._keep_undated()
        if is_edge or self._every_sample:
            self._keep_dated()
        is_due = is_undated or self._observer.found or self._unstored or self._every_sample
        if (is_edge or (is_due and self._clock.monotonic_ns() >= self._try_again_ns)) and not await self._store():
            return
        await self._date_samples()
        if is_edge:
            await self._noticer.tell()

    def _keep_dated(self) -> bool:
        """Keep the last reading with its time, where that is known and the reading is news; whether it was."""
        reading, taken_ns, read_at_ns = self._observer.reading, self._observer.taken_ns(), self._observer.read_at_ns
        if reading is None or taken_ns is None or read_at_ns == self._sampled_ns:
            return False
        self._sampled_ns = read_at_ns
        self._waiting.append(entries.sample(reading, taken_ns))
        return True

    def _keep_undated(self) -> bool:
        """Keep the last reading with its monotonic time, where one is due; whether it was."""
        reading, read_at_ns = self._observer.reading, self._observer.read_at_ns
        if reading is None or read_at_ns - self._sampled_ns < (SAMPLE_EVERY_S - SAMPLE_SLACK_S) * NS_PER_S:
            return False
        self._sampled_ns = read_at_ns
        self._observer.redating.begin()
        self._waiting.append(entries.undated_sample(reading, read_at_ns))
        return True

    async def _date_samples(self) -> None:
        """Once there is a date, find slots in the samples that wait; then the meter is fed at once again."""
        redating = self._observer.redating
        for _ in range(PAGES_AT_ONCE):
            if not (redating.is_pending and self._time.is_anchored) or self._waiting:
                return
            found = await self._keeper.read(redating.step(self._keeper))
            if found is None:
                return
            self._observer.take(found)
            if not await self._store():
                return

    async def _store(self) -> bool:
        """Store all that was found and waits, as one change; whether the disk took it."""
        slots = self._split()
        taken_ns = self._time.wall_ns()
        records = [entries.energy(slot, taken_ns) for slot in slots]
        items = [self._reading(slot, place) for place, slot in enumerate(slots)]
        waiting = () if self._keeper.only_needed else tuple(self._waiting)
        applied = await self._keeper.store([*records, *waiting], items, values=self._values(slots))
        if applied is None:
            self._unstored[:0] = slots  # for the next time
            self._try_again_ns = self._clock.monotonic_ns() + TRY_AGAIN_S * NS_PER_S
            return False
        for _ in waiting[: len(self._waiting)]:
            self._waiting.popleft()
        self._history_seqs.extend(ref.seq for ref in applied.records[: len(slots)])
        if applied.records:
            self._observer.redating.stored(applied.records[-1].seq)
        if slots:
            self._reported()
        return True

    async def close(self) -> None:
        """Write down what waits, when the agent stops."""
        if self._waiting or self._observer.found or self._unstored:
            await self.write(is_edge=True)

    def _split(self) -> list[SlotEnergy]:
        """Take what the observer found: note what went wrong, hand out the slots. What a whole slot has followed already is no
        trouble any more. Of a boot that never learnt the time it is told last, though it lies before all slots."""
        at_s = now_s(self._clock)
        slots: list[SlotEnergy] = []
        trouble = ""
        for found in self._observer.found:
            if isinstance(found, SlotEnergy):
                slots.append(found)
                trouble = ""
                continue
            text = _in_words(found)
            self.give_reason(Deed.METER, text, at_s)
            if not (slots and isinstance(found, NeverDated)):
                trouble = text
        self._observer.found.clear()
        if trouble:
            self._status.set(Trouble.REGISTER, trouble, at_s)
        elif slots:
            self._status.clear(Trouble.REGISTER, at_s)
        slots[:0], self._unstored = self._unstored, []
        return slots

    def _values(self, slots: list[SlotEnergy]) -> list[tuple[str, bytes | None]]:
        values: list[tuple[str, bytes | None]] = []
        state = self._observer.meter.state
        if state is not None:
            values.append((METER_STATE, state.encode()))
        if slots and self._unsettled is not None:
            for slot in slots:
                self._unsettled.add(slot.slot_s)
            values.append((UNSETTLED, self._unsettled.encode()))
        if len(self._history_seqs) == self._history_seqs.maxlen:
            values.append((HISTORY_FROM, str(self._history_seqs[0]).encode()))
        values += [(TIME_FLOOR, str(self._time.floor_ns).encode()), self._observer.redating.value()]
        kept = self._keeper.journal.values
        return [(name, value) for name, value in values if kept.get(name) != value]

    def _reading(self, slot: SlotEnergy, record: int) -> NewItem:
        """The reading of a slot for the ledger, made around the hash of its record."""
        make = partial(self._sealer.seal_reading, slot)
        return NewItem(Priority.BILLING, OpenReading.KIND, slot.slot_s, 0, None, make, NEVER, record)


def _in_words(event: Mishap) -> str:
    match event:
        case RegisterFell(_, imported_wh, exported_wh):
            return f"The meter's registers went back by {imported_wh} and {exported_wh} Wh: it was reset or swapped."
        case EdgesMissed(first_slot_s, end_s):
            slots = _slots_in_words(first_slot_s, end_s)
            return f"Nobody watched the meter: {slots} were not measured; their energy is a jump."
        case TimeFell(before_s, at_s):
            return f"The clock was set back from {format_ns(before_s * NS_PER_S)} to {format_ns(at_s * NS_PER_S)}."
        case EdgesUncertain(first_slot_s, end_s, uncertainty_s):
            return (
                f"The time was known to {uncertainty_s} s only: {_slots_in_words(first_slot_s, end_s)} are kept as evidence and"
                " do not settle; their energy is a jump."
            )
        case NeverDated(_, samples, began):
            return (
                f"{samples} samples are of a boot that never learnt the time and began {_bounds_in_words(began)}: they are kept"
                " as evidence, and its slots do not settle."
            )
        case _:
            assert_never(event)


def _slots_in_words(first_slot_s: int, end_s: int) -> str:
    return f"slots from {format_ns(first_slot_s * NS_PER_S)} to {format_ns(end_s * NS_PER_S)}"


def _bounds_in_words(began: Between) -> str:
    match began.not_before_ns, began.not_after_ns:
        case None, None:
            return "at an unknown time"
        case None, int(latest_ns):
            return f"before {format_ns(latest_ns)}"
        case int(earliest_ns), None:
            return f"after {format_ns(earliest_ns)}"
        case earliest_ns, latest_ns:
            return f"between {format_ns(earliest_ns or 0)} and {format_ns(latest_ns or 0)}"
