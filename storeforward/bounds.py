"""When the journal evicts: for its size, for its age, and when a disk is full. No I/O and no clock in here."""

from __future__ import annotations

from typing import Final

from storeforward.eviction import GAPS_TO_ONE, NS_PER_DAY
from storeforward.options import JournalOptions
from storeforward.sqlitefile import PAGE_BYTES

HIGH_PERMILLE: Final = 900
LOW_PERMILLE: Final = 850
"""Eviction begins above the one and ends below the other, so that it comes seldom and leaves room for a burst."""
STEP_RECORDS: Final = 256
"""Records that one step looks at, at least: some milliseconds, for which an acknowledgement may have to wait."""
MOST_STEP_RECORDS: Final = 4_000
LOOK_EVERY: Final = 16
"""Records after which the size is looked at again."""


class Bounds:
    """Keeps watch over one journal. `size_due` and `age_due` say that eviction has something to do."""

    def __init__(self, options: JournalOptions) -> None:
        self._pages = options.max_mib * 1024 * 1024 // PAGE_BYTES
        self._full_pages = 0
        self._max_days = options.max_days
        self._day = 0
        self._unseen = LOOK_EVERY
        self._since_step = 0
        self._gaps = 0
        self.size_due = False
        self.age_due = False

    @property
    def bytes(self) -> int:
        """The most that the file may have, 0: no bound."""
        return self._pages * PAGE_BYTES

    @property
    def joining_due(self) -> bool:
        """Whether there are so many new gaps that some may become one."""
        return self._gaps >= GAPS_TO_ONE

    @property
    def due(self) -> bool:
        """Whether a step of eviction is due."""
        return self.size_due or self.age_due or self.joining_due

    @property
    def wants_a_look(self) -> bool:
        """Whether enough was written for the size to be worth a question."""
        return bool(self._pages or self._full_pages) and self._unseen >= LOOK_EVERY

    def stored(self, records: int, wall_ns: int | None) -> None:
        """Records were stored, the newest captured at `wall_ns`. Age is looked at once a day of that time: no clock is
        believed further than the records that were dated by it."""
        self._unseen += max(1, records)
        self._since_step = records + (self._since_step if self.due else 0)
        day = 0 if wall_ns is None else wall_ns // NS_PER_DAY
        if day > self._day and self._max_days:
            self._day, self.age_due = day, True

    def look(self, used_pages: int) -> None:
        """Take in how many pages of the file are in use."""
        self._unseen = 0
        most = min(filter(None, (self._pages, self._full_pages)), default=0)
        if used_pages * 1000 > most * HIGH_PERMILLE:
            self.size_due = most > 0
        elif used_pages * 1000 <= most * LOW_PERMILLE:
            self.size_due, self._full_pages = False, 0

    def full(self, used_pages: int) -> None:
        """The disk or the bound refused a change: what is in use now is all that may be, until some of it was evicted."""
        self._full_pages = used_pages
        self.size_due = True

    def rows(self) -> int:
        """How many records the next step looks at: more than came since the one before it, so that eviction keeps up."""
        rows = min(max(STEP_RECORDS, 2 * self._since_step), MOST_STEP_RECORDS)
        self._since_step = 0
        return rows

    def gaps(self, count: int) -> None:
        """So many gaps may be waiting to become one; after joining, or trying to, 0."""
        self._gaps = count

    def gap_added(self) -> None:
        self._gaps += 1

    def spent(self) -> None:
        """Nothing is left that may go for want of room."""
        self.size_due, self._full_pages = False, 0

    def aged(self) -> None:
        """Nothing is left that is too old."""
        self.age_due = False
