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
from agent.line.sealing import NEVER, Sealer
from agent.metering import EdgesMissed, RegisterFell, TimeFell
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.trade.positions import Unsettled
from agent.vocabulary import Clock, SlotEnergy
from lightclient.messages import OpenReading
from storeforward.items import NewItem, Priority
from storeforward.records import NewRecord

METER_STATE: Final = "meter"
UNSETTLED: Final = "unsettled"
HISTORY_FROM: Final = "history from"
"""Named values of the journal: the slot meter's state, slots without settlement, the record before the history in use."""
TRY_AGAIN_S: Final = 60
"""A disk that takes nothing is tried again after this, and at every slot's edge."""
MOST_WAITING: Final = 4_096
"""Entries kept in memory while the disk takes none; after that the oldest reasons and samples go."""


class Recorder:
    """Turns what an observer found into journal entries and readings for the ledger.

    `may_report` says whether the clock can be trusted with naming slots: otherwise records are kept and not reported.
    `reported` is called when readings were stored that wait to be sent.
    """

    def __init__(
        self,
        observer: Observer,
        keeper: Keeper,
        sealer: Sealer,
        clock: Clock,
        status: Status,
        explanations: Explanations,
        unsettled: Unsettled | None,
        *,
        may_report: Callable[[], bool],
        reported: Callable[[], None],
        every_sample: bool,
    ) -> None:
        self._observer = observer
        self._keeper = keeper
        self._sealer = sealer
        self._clock = clock
        self._status = status
        self._explanations = explanations
        self._unsettled = unsettled
        self._may_report = may_report
        self._reported = reported
        self._every_sample = every_sample
        self._try_again_s = 0
        self._waiting: deque[NewRecord] = deque(maxlen=MOST_WAITING)
        self._history_seqs: deque[int] = deque(maxlen=observer.history.maxlen)

    def give_reason(self, deed: Deed, text: str, at_s: int) -> None:
        """Note why something is done; it is written down with the next slot where it is news."""
        if self._explanations.give(deed, text, at_s):
            self._waiting.append(entries.event(deed, text, at_s * NS_PER_S))

    async def write(self, *, is_edge: bool) -> None:
        """Store what there is to store: at every slot's edge, when a slot ended, and with every sample if so configured."""
        reading, taken_ns = self._observer.reading, self._observer.taken_ns()
        if reading is not None and (is_edge or self._every_sample):
            self._waiting.append(entries.sample(reading, taken_ns))
        if not (is_edge or ((self._observer.found or self._every_sample) and now_s(self._clock) >= self._try_again_s)):
            return
        slots, events = self._split()
        for event in events:
            self._note(event, taken_ns)
        records = [entries.energy(slot, taken_ns) for slot in slots]
        items = [self._reading(slot, place) for place, slot in enumerate(slots)] if self._may_report() else []
        waiting = () if self._keeper.only_needed else tuple(self._waiting)
        applied = await self._keeper.store([*records, *waiting], items, values=self._values(slots))
        if applied is None:
            self._observer.found[:0] = slots  # for the next time
            self._try_again_s = now_s(self._clock) + TRY_AGAIN_S
            return
        for _ in waiting[: len(self._waiting)]:
            self._waiting.popleft()
        self._history_seqs.extend(ref.seq for ref in applied.records[: len(slots)])
        if slots:
            self._status.clear(Trouble.REGISTER, now_s(self._clock))
            self._reported()

    async def close(self) -> None:
        """Write down what waits, when the agent stops."""
        if self._waiting or self._observer.found:
            await self.write(is_edge=True)

    def _split(self) -> tuple[list[SlotEnergy], list[RegisterFell | EdgesMissed | TimeFell]]:
        """Take what the observer found: slots, and what went wrong."""
        slots: list[SlotEnergy] = []
        events: list[RegisterFell | EdgesMissed | TimeFell] = []
        for found in self._observer.found:
            if isinstance(found, SlotEnergy):
                slots.append(found)
            else:
                events.append(found)
        self._observer.found.clear()
        return slots, events

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
        return values

    def _reading(self, slot: SlotEnergy, record: int) -> NewItem:
        """The reading of a slot for the ledger, made around the hash of its record."""
        make = partial(self._sealer.seal_reading, slot)
        return NewItem(Priority.BILLING, OpenReading.KIND, slot.slot_s, 0, None, make, NEVER, record)

    def _note(self, event: RegisterFell | EdgesMissed | TimeFell, taken_ns: int) -> None:
        text = _in_words(event)
        self._status.set(Trouble.REGISTER, text, now_s(self._clock))
        self.give_reason(Deed.METER, text, taken_ns // NS_PER_S)


def _in_words(event: RegisterFell | EdgesMissed | TimeFell) -> str:
    match event:
        case RegisterFell(_, imported_wh, exported_wh):
            return f"The meter's registers went back by {imported_wh} and {exported_wh} Wh: it was reset or swapped."
        case EdgesMissed(first_slot_s, end_s):
            return f"Nobody watched the meter: slots from {first_slot_s} to {end_s} were not measured; their energy is a jump."
        case TimeFell(before_s, at_s):
            return f"The clock was set back from {before_s} to {at_s}."
        case _:
            assert_never(event)
