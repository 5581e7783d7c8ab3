"""The market as this device sees it: which keys to prove at a wake, and the `MarketView` that they make. No I/O.

Tariffs and past days are proven once and kept; the running day's history is looked at every few slots; books always.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final

from agent.trade.orders import OwnOrders
from agent.trade.timetable import Timetable
from agent.vocabulary import Position, SlotPrice, Tariff
from lightclient import keys
from lightclient.proving import Proven
from lightclient.values import BookRecord, BookStatus, PositionRecord, TariffRecord, decode_history
from strategies.view import MarketView, Quote

DAY_S: Final = 86_400
UTILITYS_OWN: Final = 1
"""`source` of a tariff that the utility posted."""
HISTORY_DAYS: Final = 8
TARIFF_HORIZON_S: Final = 24 * 3600
"""New tariffs are looked for once less than this is known ahead; the utility posts a day at a time."""
MOST_AHEAD_S: Final = 36 * 3600
TARIFFS_PER_WAKE: Final = 160
"""Tariffs asked for in one wake, at most: one day of 15-minute slots and what was missed of the day before."""
PROBE_EVERY_S: Final = 1_800
"""How often one tariff is asked for that was not posted yet; once it stands, all those after it are asked for."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a strategy wants to see of the market.

    quotes: how many gates ahead it trades in. history_every: look at the day's prices every so many slots; 0: not needed.
    tariffs: whether it plans with tariffs beyond those of its books.
    """

    quotes: int = 1
    history_every: int = 0
    tariffs: bool = False


NO_MARKET: Final = Wants(quotes=0)
"""Of a device that does not trade."""


class MarketDesk:
    """Knows what was proven of the market so far, and what is worth asking for next."""

    def __init__(self, device_id: bytes, timetable: Timetable) -> None:
        self._device_id = device_id
        self._timetable = timetable
        self._tariffs: dict[int, Tariff] = {}
        self._days: dict[int, tuple[SlotPrice, ...]] = {}
        self._history: tuple[SlotPrice, ...] | None = None
        self._history_slot_s = -1
        self._probe_at_s = 0
        self._posted = False

    def keys(self, wants: Wants, own: OwnOrders, now_s: int) -> list[bytes]:
        """What to prove for the next decision: books first, then positions where others may have accepted, then the rest."""
        asked = [keys.book(slot_s) for slot_s in self._quoted(wants, now_s)]
        asked += [keys.position(self._device_id, s) for s in self._quoted(wants, now_s) if own.may_be_matched(s)]
        if wants.history_every and now_s - self._history_slot_s >= wants.history_every * self._timetable.duration_s:
            asked += [keys.day_history(day_s) for day_s in self._days_to_ask(now_s)]
        if wants.tariffs:
            asked += self.tariff_keys(now_s)
        return asked

    def tariff_keys(self, now_s: int) -> list[bytes]:
        """Tariffs worth asking for: one that may have been posted by now; after it proved to be, those behind it."""
        duration_s = self._timetable.duration_s
        slot_s = self._row_end_s(now_s)
        if slot_s - now_s >= TARIFF_HORIZON_S or (now_s < self._probe_at_s and not self._posted):
            return []
        self._probe_at_s = now_s + PROBE_EVERY_S
        slots = range(slot_s, now_s + MOST_AHEAD_S, duration_s)[: TARIFFS_PER_WAKE if self._posted else 1]
        self._posted = False
        return [keys.tariff(slot) for slot in slots]

    def take(self, answers: Iterable[Proven], own: OwnOrders, now_s: int) -> tuple[Quote, ...]:
        """Remember what was proven; return the books that can still be traded in, ascending."""
        books: list[BookRecord] = []
        positions: dict[int, Position] = {}
        for answer in answers:
            tag, number = answer.key[:1], int.from_bytes(answer.key[-8:], "big")
            if tag == b"b" and answer.value is not None:
                record = BookRecord.decode(answer.value)
                self._tariffs[number] = record.book.tariff
                if record.status is BookStatus.OPEN:
                    books.append(record)
            elif tag == b"x" and answer.value is not None:
                positions[number] = PositionRecord.decode(answer.value).position()
            elif tag == b"h":
                self._take_day(number, answer.value, now_s)
            elif tag == b"t":
                self._take_tariff(number, answer.value)
        quotes = []
        for record in books:
            slot_s = record.book.slot_s
            own.seen_in_book(record.book.open_entries)
            position = positions.get(slot_s, Position(slot_s, 0, 0, ()))
            quotes.append(Quote(record.book, position, own.standing(slot_s)))
        return tuple(quotes)

    def view(self, now_s: int, quotes: tuple[Quote, ...] = ()) -> MarketView:
        """What is known, with no question asked; offline that is the last known tariff and history."""
        if self._history is None:
            oldest_s = now_s - HISTORY_DAYS * DAY_S
            lines = chain.from_iterable(self._days[day_s] for day_s in sorted(self._days))
            self._history = tuple(line for line in lines if line.slot_s >= oldest_s)
        duration_s, lead_s = self._timetable.duration_s, self._timetable.gate_lead_s
        return MarketView(now_s, duration_s, lead_s, quotes, self._tariffs_from(now_s), self._history)

    def _quoted(self, wants: Wants, now_s: int) -> range:
        first_s = self._timetable.first_tradable(now_s)
        return range(first_s, first_s + wants.quotes * self._timetable.duration_s, self._timetable.duration_s)

    def _days_to_ask(self, now_s: int) -> list[int]:
        """Days that are unknown, and those whose lines may still change: the running day and one that has not settled."""
        today_s = now_s - now_s % DAY_S
        days = range(today_s - (HISTORY_DAYS - 1) * DAY_S, today_s + 1, DAY_S)
        return [day_s for day_s in days if day_s == today_s or day_s not in self._days or self._is_unsettled(day_s, today_s)]

    def _is_unsettled(self, day_s: int, today_s: int) -> bool:
        """Whether the day before today had lines without a net load when it was last seen."""
        return day_s == today_s - DAY_S and any(line.net_load_wh is None for line in self._days[day_s][-8:])

    def _take_day(self, day_s: int, value: bytes | None, now_s: int) -> None:
        self._days[day_s] = () if value is None else decode_history(value)
        for old_s in [s for s in self._days if s < now_s - (HISTORY_DAYS + 1) * DAY_S]:
            del self._days[old_s]
        self._history = None
        self._history_slot_s = self._timetable.slot_of(now_s)

    def _row_end_s(self, now_s: int) -> int:
        slot_s = self._timetable.slot_of(now_s)
        while slot_s in self._tariffs:
            slot_s += self._timetable.duration_s
        return slot_s

    def _take_tariff(self, slot_s: int, value: bytes | None) -> None:
        """Keep a tariff. The fallback is not kept: the utility may still replace it."""
        if value is None:
            return
        record = TariffRecord.decode(value)
        if record.source == UTILITYS_OWN:
            self._tariffs[slot_s] = Tariff(slot_s, record.ask_ueur_kwh, record.bid_ueur_kwh)
            self._posted = True

    def _tariffs_from(self, now_s: int) -> tuple[Tariff, ...]:
        """From the running slot on without holes; if that slot's tariff is unknown, the last one known before it."""
        current_s = self._timetable.slot_of(now_s)
        for old_s in [s for s in self._tariffs if s < current_s and s != max(self._tariffs)]:
            del self._tariffs[old_s]
        row = [self._tariffs[s] for s in range(current_s, self._row_end_s(now_s), self._timetable.duration_s)]
        if not row and self._tariffs:
            row = [self._tariffs[max([s for s in self._tariffs if s < current_s] or [min(self._tariffs)])]]
        return tuple(row)
