"""The outbox: everything that goes in comes out proven, refused or expired, in order, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeforward.changes import Changes
from storeforward.errors import AlreadyDecided, DuplicateItem, UnknownItem
from storeforward.items import NEXT, ItemState, Mark, NewItem, Priority, Renewal
from storeforward.options import JournalOptions
from storeforward.records import RecordRef, Stream
from storeforward.window import NS_PER_S, back_off_ns
from tests.storeforward.kit import energy, item, marks, opened, record, run
from tools.society.virtualclock import VirtualClock

OPTIONS = JournalOptions(window_items=4)


def test_orders_then_billing_then_telemetry_oldest_first(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            priorities = (Priority.TELEMETRY, Priority.BILLING, Priority.TRADE, Priority.BILLING, Priority.TRADE)
            await journal.apply(Changes(enqueue=tuple(item(number, p) for number, p in enumerate(priorities, 1))))
            assert [found.id for found in await journal.outbox.due(10)] == [3, 5, 2, 4, 1]
            assert [found.id for found in await journal.outbox.due(3)] == [3, 5, 2]

    run(main)


def test_an_item_may_be_about_a_record_stored_before_and_outlive_it(tmp_path: Path) -> None:
    def about(ref: RecordRef) -> NewItem:
        return NewItem(Priority.TELEMETRY, 10, 0, 0, None, lambda record_hash: b"tx of " + record_hash, 0, ref)

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            (ref,) = (await journal.apply(Changes((record(Stream.EVENT),)))).records
            gone = RecordRef(ref.seq + 99, bytes(32))
            await journal.apply(Changes(enqueue=(about(ref), about(gone))))
            items = await journal.outbox.open_items()
            assert [(found.record_seq, found.reference) for found in items] == [(r.seq, r.record_hash) for r in (ref, gone)]
            assert items[0].tx == b"tx of " + ref.record_hash
            await journal.apply(marks(items, ItemState.PROVEN, 7))
            assert [stored.proven_height for stored in await journal.read_records(Stream.EVENT)] == [7]

    run(main)


def test_what_was_sent_comes_back_after_its_back_off(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(energy(1))
            waits_s = []
            for _ in range(8):
                items = await journal.outbox.due(10)
                assert len(items) == 1
                await journal.apply(marks(items, ItemState.SENT))
                assert await journal.outbox.due(10) == []
                due_ns = journal.outbox.next_due_ns()
                assert due_ns is not None
                waits_s.append((due_ns - clock.monotonic_ns()) / NS_PER_S)
                await asyncio.sleep(waits_s[-1] + 1e-6)  # the clock counts whole microseconds
            for wait_s, base_s in zip(waits_s, (30, 60, 120, 240, 480, 600, 600, 600), strict=True):
                assert 0.75 * base_s <= wait_s <= 1.25 * base_s
            (open_item,) = await journal.outbox.open_items()
            assert open_item.attempts == 8

    run(main)


def test_what_a_node_has_seen_is_still_sent_again(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(energy(1))
            items = await journal.outbox.due(1)
            await journal.apply(marks(items, ItemState.SENT))
            await journal.apply(marks(items, ItemState.SEEN))
            assert await journal.outbox.due(1) == []
            await asyncio.sleep(60)
            assert [found.state for found in await journal.outbox.due(1)] == [ItemState.SEEN]

    run(main)


@given(attempts=st.integers(1, 60), item_id=st.integers(1, 2**40), seed=st.binary(min_size=20, max_size=20))
def test_the_back_off_stays_within_a_quarter_of_its_base_and_repeats(attempts: int, item_id: int, seed: bytes) -> None:
    options = JournalOptions(resend_first_s=20, resend_most_s=300)
    base_ns = min(20 * 2 ** (attempts - 1), 300) * NS_PER_S
    wait_ns = back_off_ns(attempts, item_id, seed, options)
    assert 3 * base_ns // 4 <= wait_ns < 5 * base_ns // 4
    assert wait_ns == back_off_ns(attempts, item_id, seed, options)


def test_devices_do_not_come_back_together() -> None:
    waits = {back_off_ns(1, 1, bytes([device]) * 20, JournalOptions()) for device in range(50)}
    assert len(waits) == 50


def test_a_proven_item_marks_its_record_and_gives_its_bytes_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            await journal.apply(energy(1))
            await journal.apply(energy(2))
            first, _ = await journal.outbox.due(10)
            await journal.apply(marks([first], ItemState.PROVEN, height=42))
            assert journal.outbox.count() == 1
        async with opened(path, clock) as journal:
            assert [entry.proven_height for entry in await journal.read_records(Stream.ENERGY)] == [42, None]
            assert [found.id for found in await journal.outbox.due(10)] == [2]

    run(main)


def test_a_dead_letter_blocks_nobody_and_can_be_sent_again_when_repaired(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            await journal.apply(energy(1))
            await journal.apply(energy(2))
            await journal.apply(Changes(marks=(Mark(1, ItemState.REFUSED, 7, 23, "registers do not meet"),)))
            assert [found.id for found in await journal.outbox.due(10)] == [2]
            assert (journal.outbox.count(), journal.outbox.counts[ItemState.REFUSED]) == (1, 1)
        async with opened(path, clock) as journal:
            (dead,) = await journal.outbox.dead_letters()
            assert (dead.id, dead.height, dead.code, dead.detail) == (1, 7, 23, "registers do not meet")
            assert dead.tx.startswith(b"tx"), "kept, to be looked at"
            assert await journal.outbox.dead_letters(after_id=1) == []
            with pytest.raises(DuplicateItem):
                await journal.apply(Changes(renewals=(Renewal(1, (await journal.outbox.due(1))[0].reference, b"new", 9),)))
            await journal.apply(Changes(renewals=(Renewal(1, b"repaired", b"new tx", 9),)))
            renewed, _ = await journal.outbox.due(10)
            assert (renewed.id, renewed.tx, renewed.reference, renewed.expires_height) == (1, b"new tx", b"repaired", 9)
            assert (renewed.code, renewed.detail, renewed.attempts) == (None, None, 0)
            assert dict(journal.outbox.counts) == {
                ItemState.QUEUED: 2,
                ItemState.SENT: 0,
                ItemState.SEEN: 0,
                ItemState.REFUSED: 0,
            }

    run(main)


FINAL = (ItemState.PROVEN, ItemState.REFUSED, ItemState.EXPIRED)


@pytest.mark.parametrize("state", FINAL)
def test_a_result_is_final_and_hearing_it_again_changes_nothing(tmp_path: Path, state: ItemState) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(energy(1))
            once_and_again = Mark(1, state, 5, 0)
            await journal.apply(Changes(marks=(once_and_again, once_and_again)))
            await journal.apply(Changes(marks=(once_and_again,)))
            assert journal.outbox.count() == 0
            assert journal.outbox.counts[ItemState.REFUSED] == (state is ItemState.REFUSED)
            for other in set(ItemState) - {state, ItemState.QUEUED}:
                with pytest.raises(AlreadyDecided, match=f"item 1 is {state.name} and cannot become {other.name}"):
                    await journal.apply(Changes(marks=(Mark(1, other),)))

    run(main)


def test_what_is_proven_is_never_sent_again(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(energy(1))
            await journal.apply(Changes(marks=(Mark(1, ItemState.PROVEN, 5, 0),)))
            with pytest.raises(AlreadyDecided):
                await journal.apply(Changes(renewals=(Renewal(1, b"again", b"tx", 9),)))
            with pytest.raises(UnknownItem):
                await journal.apply(Changes(renewals=(Renewal(2, b"again", b"tx", 9),)))

    run(main)


def test_the_table_of_states_is_complete_and_only_results_are_final() -> None:
    assert set(NEXT) == set(ItemState)
    assert all(ItemState.QUEUED not in following for following in NEXT.values())
    assert [state for state in ItemState if NEXT[state] == {state}] == list(FINAL)


def test_an_item_must_be_complete() -> None:
    with pytest.raises(ValueError, match="without a record"):
        NewItem(Priority.TRADE, 1, 0, 1, None, b"tx", 10)
    with pytest.raises(ValueError, match="without a record"):
        NewItem(Priority.TRADE, 1, 0, 1, b"reference", lambda record_hash: record_hash, 10)
    with pytest.raises(ValueError, match="only a renewal"):
        Mark(1, ItemState.QUEUED)


def test_a_backlog_longer_than_the_window_drains_completely_once_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, OPTIONS) as journal:
            for number in range(50):
                await journal.apply(energy(number))
        delivered: list[int] = []
        async with opened(path, clock, OPTIONS) as journal:
            assert journal.outbox.count() == 50
            number = 50
            while items := await journal.outbox.due(3):
                await journal.apply(marks(items, ItemState.SENT))
                if number < 60:  # new ones keep coming
                    await journal.apply(energy(number))
                    number += 1
                await journal.apply(marks(items, ItemState.PROVEN, height=1))
                delivered += [found.id for found in items]
            assert journal.outbox.count() == 0
        assert delivered == list(range(1, 61))

    run(main)


def test_a_fresh_order_does_not_queue_behind_a_backlog(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, OPTIONS) as journal:
            for number in range(20):
                await journal.apply(energy(number))
            await journal.apply(marks(await journal.outbox.due(10), ItemState.SENT))
            await journal.apply(Changes(enqueue=(item(100, Priority.TRADE, seq=journal.next_seq()),)))
            assert [found.slot_s for found in await journal.outbox.due(10)] == [90_000]

    run(main)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.sampled_from(Priority)),
        st.tuples(st.just("send"), st.integers(1, 6)),
        st.tuples(st.sampled_from(("prove", "refuse", "expire", "renew")), st.integers(0, 5)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 700)),
    ),
    max_size=60,
)


@settings(max_examples=40)
@given(steps=operations)
def test_no_mix_of_operations_loses_or_reorders_anything(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    """Against a model: a dictionary of what is open, and a list of dead letters."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"

    async def main(clock: VirtualClock) -> None:
        is_open: dict[int, Priority] = {}
        dead: list[int] = []
        left: set[int] = set()
        remaining = list(steps)
        while remaining:
            async with opened(path, clock, OPTIONS) as journal:
                while remaining:
                    what, argument = remaining.pop(0)
                    if what == "reopen":
                        break
                    if what == "wait":
                        await asyncio.sleep(argument)
                    elif what == "enqueue":
                        number = len(is_open) + len(dead) + len(left) + 1
                        applied = await journal.apply(Changes(enqueue=(item(number, Priority(argument)),)))
                        is_open[applied.items[0]] = Priority(argument)
                    elif what == "send":
                        items = await journal.outbox.due(argument)
                        fresh = [(found.priority, found.id) for found in items if found.state is ItemState.QUEUED]
                        assert fresh == sorted(fresh)
                        await journal.apply(marks(items, ItemState.SENT))
                    elif what == "renew":
                        if dead:
                            renewed = dead.pop(argument % len(dead))
                            row = next(found for found in await journal.outbox.dead_letters() if found.id == renewed)
                            reference = row.reference + b"'"
                            await journal.apply(Changes(renewals=(Renewal(renewed, reference, b"tx", 9),)))
                            is_open[renewed] = row.priority
                    elif items := await journal.outbox.open_items():
                        chosen = items[argument % len(items)]
                        state = {"prove": ItemState.PROVEN, "refuse": ItemState.REFUSED, "expire": ItemState.EXPIRED}[what]
                        await journal.apply(Changes(marks=(Mark(chosen.id, state, 1, 0),)))
                        del is_open[chosen.id]
                        if state is ItemState.REFUSED:
                            dead.append(chosen.id)
                        else:
                            left.add(chosen.id)
                    assert journal.outbox.count() == len(is_open)
                    assert [found.id for found in await journal.outbox.dead_letters()] == sorted(dead)
                    in_memory = Counter(found.priority for found in await journal.outbox.open_items())
                    assert all(count <= 2 * OPTIONS.window_items for count in in_memory.values())
        async with opened(path, clock) as journal:
            found = await journal.outbox.open_items()
            assert {entry.id: entry.priority for entry in found} == is_open
        async with opened(path, clock, OPTIONS) as journal:
            came: set[int] = set()
            for _ in is_open:
                due = await journal.outbox.due(len(is_open))
                came.update(entry.id for entry in due)
                await journal.apply(marks(due, ItemState.SENT))
                await asyncio.sleep(1.25 * OPTIONS.resend_most_s)
            assert came == set(is_open), "all of it comes to be sent through a small window, too"

    run(main)
