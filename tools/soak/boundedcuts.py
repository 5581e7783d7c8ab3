"""Power cuts while the journal evicts: it has 1 MiB, and more than that is written to it.

Whatever the moment of the cut: each record that was acknowledged is there with its hash, or a gap names it; nothing is missing
that no gap names, nothing that a gap names is there; and the newest change that was acknowledged is there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from storeforward.changes import Changes
from storeforward.errors import JournalError
from storeforward.gaps import Gap
from storeforward.journal import Journal
from storeforward.records import NewRecord, StoredRecord, Stream
from tools.soak.campaign import Outcome
from tools.soak.judging import GO_ON_EVERY
from tools.soak.powercuts import Life, cut_life, record_life
from tools.soak.recorded import BOUNDED, all_records, opened, reached

CAMPAIGN: Final = "bounded-power-cuts"


class BoundedJudge:
    """Looks at journals of one life in the order of their cuts."""

    def __init__(self, life: Life) -> None:
        self._sealed = life.sealed
        self._acknowledged: dict[int, bytes] = {}
        self._number = 0
        self._looked = 0
        self.beyond = 0
        self.continued = 0
        self.evicted = 0
        """The most records that a journal had evicted."""

    async def problem(self, path: Path, acknowledged: int) -> str | None:
        """See judging.Judge."""
        for refs in self._sealed[self._number + 1 : acknowledged + 1]:
            self._acknowledged.update(refs)
        self._number = acknowledged
        self._looked += 1
        try:
            async with opened(path, BOUNDED) as journal:
                if journal.set_aside is not None:
                    return f"taken for damaged with {acknowledged} changes acknowledged"
                problem = self._compare(journal, await all_records(journal))
                if problem is not None or self._looked % GO_ON_EVERY:
                    return problem
                applied = await journal.apply(Changes((NewRecord(Stream.ENERGY, None, b"\x91\x00"),)))
            async with opened(path, BOUNDED) as journal:
                self.continued += 1
                newest = await journal.read_records(Stream.ENERGY, applied.records[0].seq - 1)
                return None if [stored.ref for stored in newest] == list(applied.records) else "the next change is not there"
        except JournalError as error:
            return f"the journal does not open or read: {error}"

    def _compare(self, journal: Journal, records: list[StoredRecord]) -> str | None:
        number = reached(journal, records)
        self.beyond += number > self._number
        if number < self._number:
            return f"{self._number} changes were acknowledged, the journal has {number}"
        there = {stored.record.seq: stored.ref.record_hash for stored in records}
        gaps = [Gap.decode(stored.record.body) for stored in records if stored.record.stream is Stream.GAP]
        named = {seq for gap in gaps for runs in gap.evicted.values() for first, last in runs for seq in range(first, last + 1)}
        self.evicted = max(self.evicted, len(named))
        if there.keys() & named:
            return f"record {min(there.keys() & named)} is there, and a gap says that it went"
        missing = set(range(1, max(there, default=0) + 1)) - there.keys() - named
        if missing:
            return f"{len(missing)} records are missing that no gap names, the first is {min(missing)}"
        for seq, record_hash in self._acknowledged.items():
            if seq not in named and there.get(seq) != record_hash:
                return f"record {seq} was acknowledged, and is not there as it was"
        return None


def run(folder: Path, seed: int, points: int, changes: int, tell: Callable[[str], None]) -> Outcome:
    """Cut the power at `points` moments of a life in little room. Raises Violation, Unavailable."""
    life = record_life(folder, seed, changes, "bounded")
    tell(f"{len(life.entries):,} operations recorded over {changes:,} changes")
    judge = BoundedJudge(life)
    figures = cut_life(life, judge, folder, points, tell)
    return Outcome(CAMPAIGN, seed, {**figures, "most records that a journal had evicted": judge.evicted})
