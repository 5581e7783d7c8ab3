"""Judges a journal that was found after a power cut: is exactly the acknowledged part of a workload in it, and is it well?

What was acknowledged before the cut must be there to the last byte; of what was under way, a first part in whole changes may be
there; nothing else. Some of the journals found must also take the next change and have it after one more start.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from storeforward.errors import JournalError
from storeforward.items import Item
from storeforward.journal import Journal
from storeforward.records import StoredRecord
from tools.soak.campaign import KEY
from tools.soak.chain import ChainCheck
from tools.soak.recorded import all_records, opened, reached
from tools.soak.workload import Expectation, Expected, Workload

GO_ON_EVERY: Final = 8
"""One in so many journals found is also written to and opened again."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a workload left in the end, and what must be there after each of its changes."""

    seed: int
    records: list[StoredRecord]
    expected: list[Expectation]
    """By the number of changes that there have been."""


def read_truth(path: Path, seed: int, changes: int) -> Truth:
    """Take the journal at the end of a life as the truth, once its chain holds. Raises ValueError where that is broken."""
    records = asyncio.run(_read(path))
    problem = ChainCheck(KEY.public_key()).take(records)
    if problem is not None:
        raise ValueError(problem)
    workload, state = Workload(seed), Expectation()
    expected = [state.copy()]
    for _ in range(changes):
        made = workload.next()
        state.take(made, [stored.ref.record_hash for stored in records[state.records :][: len(made.records)]])
        expected.append(state.copy())
    return Truth(seed, records, expected)


class Judge(Protocol):
    """Looks at journals that were found, in the order of the cuts, and counts what they were like."""

    beyond: int
    """Journals with more than what was acknowledged."""
    continued: int
    """Journals that were written to and opened again."""

    async def problem(self, path: Path, acknowledged: int) -> str | None:
        """Open a journal that was found after so many changes were acknowledged; what is wrong with it, or None."""


class WholeJudge:
    """Compares everything in a journal that never evicts with the truth."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._looked = 0
        self.beyond = 0
        self.continued = 0

    async def problem(self, path: Path, acknowledged: int) -> str | None:
        """See Judge."""
        truth = self._truth
        self._looked += 1
        try:
            async with opened(path) as journal:
                records = await all_records(journal)
                number = reached(journal, records)
                problem = await self._compare(journal, records, number, acknowledged)
                self.beyond += number > acknowledged
                if problem is not None or self._looked % GO_ON_EVERY or number + 1 == len(truth.expected):
                    return problem
                expected = truth.expected[number].copy()
                workload = Workload(truth.seed)
                changes = [workload.next() for _ in range(number + 1)][-1]
                applied = await journal.apply(changes)
                expected.take(changes, [ref.record_hash for ref in applied.records])
            async with opened(path) as journal:
                self.continued += 1
                return await _compare_state(journal, expected)
        except JournalError as error:
            return f"the journal does not open or read: {error}"

    async def _compare(self, journal: Journal, records: list[StoredRecord], number: int, acknowledged: int) -> str | None:
        truth = self._truth
        if journal.set_aside is not None:
            return f"taken for damaged with {acknowledged} changes acknowledged"
        if number < acknowledged:
            return f"{acknowledged} changes were acknowledged, the journal has {number}"
        if number >= len(truth.expected):
            return f"change {number} was never made"
        expected = truth.expected[number]
        if len(records) != expected.records:
            return f"{len(records)} records after change {number}, {expected.records} belong to it"
        for stored, original in zip(records, truth.records, strict=False):
            if (stored.data, stored.signature) != (original.data, original.signature):
                return f"record {original.record.seq} is not the one that was written"
            if stored.proven_height != expected.proven.get(stored.record.seq):
                return f"record {original.record.seq} is proven at {stored.proven_height}"
        return await _compare_state(journal, expected)


async def _compare_state(journal: Journal, expected: Expectation) -> str | None:
    items = [*await journal.outbox.open_items(), *await journal.outbox.dead_letters(limit=1_000_000)]
    there = {item.id: _as_expected(item) for item in items}
    if there != expected.items:
        wrong = [item for item in there.keys() | expected.items.keys() if there.get(item) != expected.items.get(item)]
        return f"items {sorted(wrong)} are not as change {expected.number} left them"
    if dict(journal.values) != expected.values:
        return f"the named values are not those of change {expected.number}"
    if journal.next_seq() <= expected.highest_seq:
        return f"ledger sequence number {expected.highest_seq} would be used twice"
    return None


def _as_expected(item: Item) -> Expected:
    return Expected(item.state, item.reference, item.tx, item.attempts, item.height, item.code, item.detail, item.record_seq)


async def _read(path: Path) -> list[StoredRecord]:
    async with opened(path) as journal:
        return await all_records(journal)
