"""What an agent knows again after a start: from its journal, and where that had to be begun afresh, from the ledger.

A fresh journal counts sequence numbers from 1 and knows no registers. The ledger would refuse the one as replayed and, where
the meter was reset in the past, the other as not continuing what was reported. So before its first transaction the agent
proves the highest number that the ledger has seen of it, and as long as no slot was measured, its newest reading.
"""

from __future__ import annotations

from typing import Final

from agent.clock import NS_PER_S
from agent.journaling import entries
from agent.journaling.keeping import Keeper
from agent.journaling.recording import HISTORY_FROM, UNSETTLED
from agent.line.damage import Damage
from agent.line.link import Link
from agent.observing import Observer
from agent.trade.market import MOST_AHEAD_S
from agent.trade.orders import OwnOrders
from agent.trade.positions import Unsettled
from agent.trade.timetable import Timetable
from lightclient import keys
from lightclient.blocks import Header
from lightclient.proving import Proven
from lightclient.values import ReadingRecord, Sequence
from storeforward.journal import Journal
from storeforward.records import Stream

STANDING: Final = "standing"
"""Named value of the journal: the own orders that stand."""
IN_FLIGHT: Final = 128
"""Numbers left free above the highest proven one: a lost journal may have sent more, which no block holds yet. The ledger takes
about so many orders of one device in an hour, and jumps of up to 1,024."""
LOOK_BACK_S: Final = 86_400
"""How far back the newest own reading is looked for."""
SLOTS_PER_LOOK: Final = 16


async def restore(keeper: Keeper, observer: Observer, own: OwnOrders, unsettled: Unsettled) -> None:
    """What the journal knows: the own orders, the slots that wait for settlement, the own history. Raises StorageFailed."""
    journal = keeper.journal
    with journal.must_make_sense():
        own.restore(journal.values.get(STANDING, b"\x90"))
        unsettled.restore(journal.values.get(UNSETTLED, b"\x90"))
        after_seq = int(journal.values.get(HISTORY_FROM, b"0"))
    async for stored in journal.all_records(Stream.ENERGY, after_seq):
        slot = keeper.understood(stored, entries.decode_energy)
        if slot is not None:
            observer.history.append(slot)


class Recovery:
    """Asks the ledger once per start. `observer` is None for a sender without a meter; `is_fresh` says that the journal never
    held an order. Nothing is asked before `damage` was repaired as far as it can be."""

    def __init__(
        self,
        sender: bytes,
        timetable: Timetable,
        link: Link,
        journal: Journal,
        observer: Observer | None,
        damage: Damage,
        *,
        is_fresh: bool,
    ) -> None:
        self._sender = sender
        self._timetable = timetable
        self._link = link
        self._journal = journal
        self._observer = observer
        self._damage = damage
        self._is_fresh = is_fresh
        self._forgotten_until_s = 0
        self._done = False

    async def check(self, header: Header) -> bool:
        """Whether all is proven that must be known before the first transaction."""
        if not self._done and self._damage.is_repaired:
            self._done = await self._number(header) and await self._continue_registers(header)
            if self._done:
                self._damage.complete_history()
        return self._done

    def may_have_traded(self, slot_s: int) -> bool:
        """Whether orders of a lost journal may stand for a slot."""
        return slot_s < self._forgotten_until_s

    async def _number(self, header: Header) -> bool:
        """Go on above the highest sequence number that the ledger has seen; it may be ahead of an old copy of a journal too."""
        answers = await self._link.prove([keys.sequence(self._sender)], header)
        if answers is None:
            return False
        if answers[0].value is None:
            return True  # nothing was ever sent
        highest = Sequence.decode(answers[0].value).highest
        if self._is_fresh:
            highest += IN_FLIGHT
            self._forgotten_until_s = header.time_ns // NS_PER_S + MOST_AHEAD_S
        self._journal.skip_seq(highest)
        return True

    async def _continue_registers(self, header: Header) -> bool:
        """Let the registers go on from the newest reading on the ledger. Once a slot was measured it is too late: what is
        measured is signed and stays, and a leap between two slots would be billed as energy that nobody took."""
        observer = self._observer
        if observer is None:
            return True
        newest_s = self._timetable.slot_of(header.time_ns // NS_PER_S) - self._timetable.duration_s
        step_s = SLOTS_PER_LOOK * self._timetable.duration_s
        for last_s in range(newest_s, newest_s - LOOK_BACK_S, -step_s):
            if observer.history:
                break
            slots = range(last_s, last_s - step_s, -self._timetable.duration_s)
            asked = [keys.reading(self._sender, slot_s) for slot_s in slots]
            answers = await self._link.prove([*asked, keys.book(slots[-1])], header)
            if answers is None:
                return False
            newest, book = _newest(answers[:-1]), answers[-1]
            if newest is not None and not observer.history:
                observer.meter.continue_from(newest.import_end_wh, newest.export_end_wh)
            if newest is not None or book.value is None:  # without a book it knows no reading so old either
                break
        return True


def _newest(answers: list[Proven]) -> ReadingRecord | None:
    """The first reading among answers that come newest first."""
    found = (answer.value for answer in answers if answer.value is not None)
    value = next(found, None)
    return None if value is None else ReadingRecord.decode(value)
