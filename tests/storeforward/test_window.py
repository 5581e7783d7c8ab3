"""The window with items that never get a result: they step aside, come back now and then, and keep nothing else waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeforward.changes import Changes
from storeforward.items import Item, ItemState, Mark, Priority, Renewal
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.parking import TRIES, is_parked
from storeforward.window import NS_PER_S
from tests.storeforward.kit import item, marks, opened, run
from tools.society.virtualclock import VirtualClock

ROUND_S = 40
"""Longer than the first back-off, which is 30 s and up to a quarter more."""
LATE = (Priority.BILLING, Priority.TELEMETRY)
NEVER = 1_000
ASKED = 3
"""Parked items asked for in a round."""


@dataclass(slots=True)
class Sender:
    """Sends what is due and asks for results, a round at a time. The ledger has an item once it was sent `needs` times."""

    needs: Sequence[int]
    window_items: int
    first_sent: dict[int, int] = field(default_factory=dict)
    """Round in which each item was sent first, in the order of sending."""
    sent: Counter[int] = field(default_factory=Counter)
    proven: list[int] = field(default_factory=list)
    rounds: int = 0

    async def round(self, journal: Journal) -> None:
        while due := await journal.outbox.due(5):
            for found in due:
                self.first_sent.setdefault(found.id, self.rounds)
                self.sent[found.id] += 1
            await journal.apply(marks(due, ItemState.SENT))
        in_memory = await journal.outbox.open_items()
        asked = {found.id: found for found in in_memory if not is_parked(found)}
        asked |= {found.id: found for found in await journal.outbox.parked(2 * ASKED)}
        for priority in LATE:
            ours = [found for found in in_memory if found.priority is priority]
            assert len(ours) <= 2 * self.window_items
            assert sum(is_parked(found) for found in ours) <= self.window_items
        has = [found for found in asked.values() if self.sent[found.id] >= self.needs[found.id - 1]]
        self.proven += [found.id for found in has]
        await journal.apply(marks(has, ItemState.PROVEN, 1))
        self.rounds += 1
        await asyncio.sleep(ROUND_S)


@settings(max_examples=25)
@given(
    fates=st.lists(st.tuples(st.sampled_from((1, 1, 2, 3, NEVER, NEVER)), st.sampled_from(LATE)), min_size=1, max_size=24),
    window_items=st.integers(1, 6),
    restarts=st.sets(st.integers(0, 30), max_size=3),
)
def test_whatever_is_refused_or_swallowed_all_else_is_proven_soon_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, fates: list[tuple[int, Priority]], window_items: int, restarts: set[int]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    needs, priorities = [need for need, _ in fates], [priority for _, priority in fates]
    options = JournalOptions(window_items=window_items, resend_most_s=60)
    sender = Sender(needs, window_items)
    refused = {number for number, need in enumerate(needs, 1) if need == NEVER}
    # A window is read on when half of it is free, and each of its items is gone after two rounds.
    most_rounds = TRIES * (len(needs) // (window_items - window_items // 2) + 1)

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, options) as journal:
            await journal.apply(Changes(enqueue=tuple(item(n, priority) for n, priority in enumerate(priorities, 1))))
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(opened(path, clock, options))
            for _ in range(most_rounds):
                if sender.rounds in restarts:
                    await stack.aclose()
                    journal = await stack.enter_async_context(opened(path, clock, options))
                await sender.round(journal)
            for priority in LATE:
                first = [item_id for item_id in sender.first_sent if priorities[item_id - 1] is priority]
                assert first == [item_id for item_id, p in enumerate(priorities, 1) if p is priority], "all, oldest first"
            sent = dict(sender.sent)
            for _ in range(4 * (len(needs) // window_items + 2)):
                await sender.round(journal)
            assert sorted(sender.proven) == sorted(set(range(1, len(needs) + 1)) - refused), "all, and once"
            assert journal.outbox.count() == len(refused)
            assert all(sender.sent[item_id] > sent[item_id] for item_id in refused), "each comes back"

    run(main)


async def stored(journal: Journal, count: int, attempts: int = 0, priority: Priority = Priority.BILLING) -> list[Item]:
    """New items that were sent so often."""
    first = journal.outbox.count() + 1
    new = tuple(item(number, priority) for number in range(first, first + count))
    applied = await journal.apply(Changes(enqueue=new))
    for _ in range(attempts):
        await journal.apply(Changes(marks=tuple(Mark(item_id, ItemState.SENT) for item_id in applied.items)))
    return [found for found in await journal.outbox.open_items() if found.id in applied.items]


@pytest.mark.parametrize("parked", [3, 10])
@pytest.mark.parametrize("reopened", [False, True])
def test_every_parked_item_has_its_turn_to_be_asked_for(tmp_path: Path, parked: int, reopened: bool) -> None:
    """As many as fit into memory, and more."""

    async def main(clock: VirtualClock) -> None:
        options = JournalOptions(window_items=4)
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(opened(tmp_path / "journal.db", clock, options))
            assert await journal.outbox.parked(3) == []
            for _ in range(parked):
                await stored(journal, 1, TRIES)
            await stored(journal, 20)
            if reopened:
                await stack.aclose()
                journal = await stack.enter_async_context(opened(tmp_path / "journal.db", clock, options))
            pages = [await journal.outbox.parked(3) for _ in range(4)]
            assert all(len(page) <= 3 and all(is_parked(found) for found in page) for page in pages)
            assert {found.id for page in pages for found in page} == set(range(1, parked + 1))
            assert sum(not is_parked(found) for found in await journal.outbox.open_items()) == 4

    run(main)


def test_while_all_fit_into_memory_each_comes_back_after_its_back_off(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(window_items=4)) as journal:
            await stored(journal, 4, 1)
            for base_s in (60, 120, 240, 480, 600, 600):
                await asyncio.sleep(1.25 * base_s)
                due = await journal.outbox.due(10)
                assert len(due) == 4
                await journal.apply(marks(due, ItemState.SENT))
                await asyncio.sleep(0.74 * base_s)
                assert await journal.outbox.due(10) == []

    run(main)


def test_what_was_sent_before_takes_every_fourth_turn_and_orders_go_first(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(window_items=8)) as journal:
            again = await stored(journal, 4, TRIES)
            await asyncio.sleep(600)
            fresh = await stored(journal, 2, priority=Priority.TELEMETRY) + await stored(journal, 6)
            (order,) = await stored(journal, 1, priority=Priority.TRADE)
            telemetry, billing = fresh[:2], fresh[2:]
            due = await journal.outbox.due(20)
            assert due[0] == order
            assert [found for found in due[1:] if found not in again] == billing + telemetry
            assert [place for place, found in enumerate(due[1:]) if found in again] == [3, 7, 10, 11]
            await journal.apply(Changes(marks=(Mark(order.id, ItemState.PROVEN, 1, 0),)))
            one_at_a_time = []
            for _ in range(12):
                (found,) = await journal.outbox.due(1)
                one_at_a_time.append(found)
                await journal.apply(marks([found], ItemState.SENT))
            assert [found.id for found in one_at_a_time] == [found.id for found in due[1:]], "the turns go on from mark to mark"

    run(main)


def test_a_decided_or_renewed_item_is_not_parked_any_more(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(window_items=4)) as journal:
            parked = await stored(journal, 3, TRIES)
            await journal.apply(marks(parked[:1], ItemState.PROVEN, 1))
            await journal.apply(Changes(renewals=(Renewal(parked[1].id, b"new", b"new tx", 9),)))
            assert [found.id for found in await journal.outbox.parked(10)] == [parked[2].id]
            assert [found.tx for found in await journal.outbox.due(10)] == [b"new tx"]
            assert journal.outbox.count() == 2

    run(main)


@pytest.mark.parametrize("reopened", [False, True])
def test_a_renewed_item_has_its_tries_again_before_it_is_parked(tmp_path: Path, reopened: bool) -> None:
    """It is a new transaction: that nobody took the one before says nothing about it."""

    async def main(clock: VirtualClock) -> None:
        async with AsyncExitStack() as stack:
            journal = await stack.enter_async_context(opened(tmp_path / "journal.db", clock))
            (found,) = await stored(journal, 1, TRIES + 3)
            await journal.apply(Changes(marks=(Mark(found.id, ItemState.REFUSED, 7, 9),)))
            await journal.apply(Changes(renewals=(Renewal(found.id, b"new", b"new tx", 9),)))
            for attempt in range(TRIES):
                if reopened:
                    await stack.aclose()
                    journal = await stack.enter_async_context(opened(tmp_path / "journal.db", clock))
                assert await journal.outbox.parked(10) == []
                due = await journal.outbox.due(10)
                assert [again.attempts for again in due] == [attempt]
                await journal.apply(marks(due, ItemState.SENT))
                if not reopened:
                    due_ns = journal.outbox.next_due_ns()
                    assert due_ns is not None
                    assert (due_ns - clock.monotonic_ns()) / NS_PER_S <= 1.25 * 30 * 2**attempt, "its back-off begins anew"
                    await asyncio.sleep(1.25 * 30 * 2**attempt)
            assert [again.id for again in await journal.outbox.parked(10)] == [found.id]

    run(main)


def test_many_renewed_items_do_not_all_come_into_memory(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(window_items=4)) as journal:
            await journal.apply(Changes(enqueue=tuple(item(number) for number in range(20))))
            await journal.apply(Changes(marks=tuple(Mark(item_id, ItemState.REFUSED, 1, 9) for item_id in range(1, 13))))
            assert [found.id for found in await journal.outbox.due(10)] == [13, 14, 15, 16]
            await journal.apply(
                Changes(renewals=tuple(Renewal(item_id, b"new %d" % item_id, b"tx", 9) for item_id in range(1, 13)))
            )
            order = []
            while due := await journal.outbox.due(10):
                assert len(await journal.outbox.open_items()) <= 4
                order += [found.id for found in due]
                await journal.apply(marks(due, ItemState.PROVEN, 1))
            assert order == [13, 14, 15, 16, *range(1, 13), 17, 18, 19, 20]

    run(main)


def test_the_outbox_says_when_something_is_due_that_is_not_in_memory(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(window_items=2)) as journal:
            assert journal.outbox.next_due_ns() is None
            items = await stored(journal, 2)
            await stored(journal, 2)
            await journal.apply(marks(items, ItemState.PROVEN, 1))
            due_ns = journal.outbox.next_due_ns()
            assert due_ns is not None
            assert due_ns <= clock.monotonic_ns()
            for _ in range(TRIES):
                await journal.apply(marks(await journal.outbox.due(10), ItemState.SENT))
                await asyncio.sleep(40)
            assert await journal.outbox.due(10) == []
            due_ns = journal.outbox.next_due_ns()
            assert due_ns is not None
            assert 45 - 40 <= (due_ns - clock.monotonic_ns()) / NS_PER_S <= 75 - 40, "the back-off of parked ones counts"

    run(main)
