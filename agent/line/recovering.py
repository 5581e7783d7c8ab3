"""What an agent knows again after a start: from its journal, and where that had to be begun afresh, from the ledger.

A fresh journal counts sequence numbers from 1 and knows no registers. The ledger would refuse the one as replayed and, where
the meter was reset in the past, the other as not continuing what was reported. So before its first transaction the agent
proves the highest number that the ledger has seen of it, and as long as no slot was measured, its newest reading.
"""

from __future__ import annotations

from typing import Final

from agent.clock import NS_PER_S, now_s
from agent.journaling import entries
from agent.journaling.keeping import Keeper
from agent.journaling.recording import HISTORY_FROM, UNSETTLED
from agent.line.link import Link
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.trade.market import MOST_AHEAD_S
from agent.trade.orders import OwnOrders
from agent.trade.positions import Unsettled
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock
from lightclient import keys
from lightclient.blocks import Header
from lightclient.proving import Proven
from lightclient.values import ReadingRecord, Sequence
from storeforward.journal import Journal
from storeforward.records import Stream

STANDING: Final = "standing"
"""Named value of the journal: the own orders that stand."""
SET_ASIDE: Final = "set aside"
"""Named value of the journal: the name of the damaged file that it replaced."""
IN_FLIGHT: Final = 128
"""Numbers left free above the highest proven one: a lost journal may have sent more, which no block holds yet. The ledger takes
about so many orders of one device in an hour, and jumps of up to 1,024."""
LOOK_BACK_S: Final = 86_400
"""How far back the newest own reading is looked for."""
SLOTS_PER_LOOK: Final = 16
HISTORY_PAGE: Final = 1_000


async def restore(journal: Journal, observer: Observer, own: OwnOrders, unsettled: Unsettled) -> None:
    """What the journal knows: the own orders, the slots that wait for settlement, the own history."""
    values = journal.values
    own.restore(values.get(STANDING, b"\x90"))
    unsettled.restore(values.get(UNSETTLED, b"\x90"))
    after_seq = int(values.get(HISTORY_FROM, b"0"))
    while page := await journal.read_records(Stream.ENERGY, after_seq, HISTORY_PAGE):
        observer.history.extend(entries.decode_energy(stored.record.body) for stored in page)
        after_seq = page[-1].record.seq


async def tell_of_damage(keeper: Keeper, status: Status, clock: Clock) -> None:
    """Let the status say that a damaged journal was set aside, at this start or an earlier one, while its file is there."""
    journal = keeper.journal
    if journal.set_aside is not None:
        await keeper.store(values=[(SET_ASIDE, journal.set_aside.name.encode())])
    name = journal.values.get(SET_ASIDE)
    if name is None:
        return
    aside = journal.path.with_name(name.decode())
    if aside.exists():
        cause = (
            f"{journal.path} was damaged (a power cut, a worn card) and stands aside as {aside.name}; a fresh one was begun,"
            f" and what waited there to be sent is not sent. Next: keep a copy of {aside} for whoever must prove what is in"
            " it, check the card, take the file away and restart the agent"
        )
        status.set(Trouble.JOURNAL_LOST, cause, now_s(clock))


class Recovery:
    """Asks the ledger once per start. `observer` is None for a sender without a meter; `is_fresh` says that the journal never
    held an order."""

    def __init__(
        self, sender: bytes, timetable: Timetable, link: Link, journal: Journal, observer: Observer | None, *, is_fresh: bool
    ) -> None:
        self._sender = sender
        self._timetable = timetable
        self._link = link
        self._journal = journal
        self._observer = observer
        self._is_fresh = is_fresh
        self._forgotten_until_s = 0
        self._done = False

    async def check(self, header: Header) -> bool:
        """Whether all is proven that must be known before the first transaction."""
        if not self._done:
            self._done = await self._number(header) and await self._continue_registers(header)
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
