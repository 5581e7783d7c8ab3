"""The journal's promises: acknowledged is on the disk, whole or not at all, in one chain, by one writer."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from pathlib import Path

import ecdsa
import pytest

from storeforward.changes import Applied, Changes
from storeforward.errors import (
    DuplicateItem,
    JournalClosed,
    JournalFull,
    JournalInUse,
    JournalUnreadable,
    UnknownItem,
)
from storeforward.files import locked
from storeforward.items import ItemState, Mark, NewItem, Priority
from storeforward.options import JournalOptions
from storeforward.records import NO_HASH, Record, RecordRef, Stream, record_hash
from tests.storeforward.kit import BOOT_ID, DEVICE, KEY, START_S, energy, item, opened, power_cut, record, run
from tools.society.virtualclock import VirtualClock

VERIFIER = ecdsa.VerifyingKey.from_string(KEY.public_key(), ecdsa.NIST256p, hashlib.sha256)
ALL_STREAMS = (Stream.ENERGY, Stream.SAMPLE, Stream.EVENT, Stream.SAMPLE, Stream.ORDER, Stream.RECEIPT)


def test_a_record_is_sealed_with_all_it_says(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await asyncio.sleep(5)
            applied = await journal.apply(Changes(records=(record(Stream.ORDER, b"an order"), record(taken_ns=None))))
            (order,) = await journal.read_records(Stream.ORDER)
            (reading,) = await journal.read_records(Stream.ENERGY)
        assert order.record == Record(
            DEVICE, BOOT_ID, 1, 5 * 10**9, START_S * 10**9, Stream.ORDER, b"an order", NO_HASH, NO_HASH
        )
        assert order.ref == applied.records[0] == RecordRef(1, hashlib.sha256(order.data).digest())
        assert reading.record.wall_ns == 0, "the time was not known"
        assert reading.record.previous == order.ref.record_hash

    run(main)


def test_both_chains_and_the_signatures_hold_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        for boot in range(3):
            async with opened(path, clock, boot_id=bytes([boot]) * 16) as journal:
                for stream in ALL_STREAMS:
                    await journal.apply(Changes(records=(record(stream),)))
        async with opened(path, clock) as journal:
            stored = [entry for stream in Stream for entry in await journal.read_records(stream)]
        stored.sort(key=lambda entry: entry.record.seq)
        assert [entry.record.seq for entry in stored] == list(range(1, 3 * len(ALL_STREAMS) + 1))
        head = samples = NO_HASH
        for entry in stored:
            if entry.record.stream is Stream.SAMPLE:
                assert (entry.record.previous, entry.record.samples, entry.signature) == (samples, b"", None)
                samples = record_hash(entry.data)
            else:
                assert (entry.record.previous, entry.record.samples) == (head, samples)
                assert entry.signature is not None
                assert VERIFIER.verify(entry.signature, entry.data)
                head = record_hash(entry.data)

    run(main)


def test_records_are_read_in_pages(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            for number in range(5):
                await journal.apply(energy(number))
            first = await journal.read_records(Stream.ENERGY, limit=3)
            rest = await journal.read_records(Stream.ENERGY, after_seq=first[-1].record.seq)
        assert [entry.record.body for entry in first + rest] == [b"slot-%d" % number for number in range(5)]

    run(main)


def test_what_is_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            for number in range(10):
                await journal.apply(energy(number))
                journal_after_cut = power_cut(path, tmp_path / f"cut-{number}")
                async with opened(journal_after_cut, clock) as found:
                    assert len(await found.read_records(Stream.ENERGY)) == number + 1
                    assert found.outbox.count() == number + 1

    run(main)


def test_a_transaction_is_made_from_the_hash_of_its_record(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            applied = await journal.apply(energy(4))
            (due,) = await journal.outbox.due(10)
        (ref,) = applied.records
        assert (due.id, due.reference, due.tx) == (applied.items[0], ref.record_hash, b"tx" + ref.record_hash)
        assert (due.record_seq, due.slot_s, due.kind) == (ref.seq, 3600, 7)

    run(main)


def test_energy_does_not_wait_and_samples_wait_for_company(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:

            async def acknowledged_at(changes: Changes) -> int:
                await journal.apply(changes)
                return clock.monotonic_ns()

            sample = Changes(records=(record(Stream.SAMPLE),))
            assert await acknowledged_at(energy(1)) == 0
            assert await acknowledged_at(sample) == 200_000_000, "a lone sample"
            start_ns = clock.monotonic_ns()
            hundred = await asyncio.gather(*(acknowledged_at(sample) for _ in range(100)))
            assert set(hundred) == {start_ns}, "a full group goes at once"
            both = await asyncio.gather(acknowledged_at(sample), acknowledged_at(energy(2)))
            assert set(both) == {start_ns}, "samples ride along with what cannot wait"

    run(main)


def test_leaving_writes_what_still_waits(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            waiting = asyncio.create_task(journal.apply(Changes(records=(record(Stream.SAMPLE),))))
            await asyncio.sleep(0)
        assert (await waiting).records[0].seq == 1
        async with opened(path, clock) as journal:
            assert len(await journal.read_records(Stream.SAMPLE)) == 1

    run(main)


def test_a_cancelled_callers_change_is_stored(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            task = asyncio.create_task(journal.apply(energy(1)))
            await asyncio.sleep(0)
            task.cancel()
            assert (await asyncio.gather(task, return_exceptions=True))[0].__class__ is asyncio.CancelledError
            assert len(await journal.read_records(Stream.ENERGY)) == 1
            assert journal.outbox.count() == 1

    run(main)


def test_a_bad_change_fails_alone_and_as_a_whole(tmp_path: Path) -> None:
    def broken(_: bytes) -> bytes:
        raise RuntimeError("the key store is gone")

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(Changes(enqueue=(item(1),)))
            outcomes = await asyncio.gather(
                journal.apply(energy(1)),
                journal.apply(Changes(records=(record(),), marks=(Mark(99, ItemState.SENT),))),
                journal.apply(Changes(records=(record(),), enqueue=(item(2), item(1)), values=(("name", b"value"),))),
                journal.apply(Changes((record(),), (NewItem(Priority.BILLING, 7, 0, 0, None, broken, 0, record=0),))),
                journal.apply(energy(2)),
                return_exceptions=True,
            )
            assert [type(outcome) for outcome in outcomes] == [Applied, UnknownItem, DuplicateItem, RuntimeError, Applied]
            stored = await journal.read_records(Stream.ENERGY)
            assert [entry.record.seq for entry in stored] == [1, 2], "what failed left no hole"
            assert stored[1].record.previous == stored[0].ref.record_hash
            assert dict(journal.values) == {}
            assert [found.slot_s for found in await journal.outbox.open_items()] == [900, 900, 1800]

    run(main)


def test_values_are_durable_and_can_be_removed(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock) as journal:
            await journal.apply(Changes(values=(("floor", b"1"), ("gone", b"2"))))
            await journal.apply(Changes(values=(("floor", b"3"), ("gone", None))))
            assert dict(journal.values) == {"floor": b"3"}
        async with opened(path, clock) as journal:
            assert journal.values.get("floor") == b"3"
            assert journal.values.get("gone") is None

    run(main)


def test_a_sequence_number_that_was_stored_is_never_handed_out_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        used: set[int] = set()
        for life in range(5):
            async with opened(path, clock) as journal:
                for number in range(40):
                    seq = journal.next_seq()
                    assert seq not in used
                    used.add(seq)
                    await journal.apply(Changes(enqueue=(item(100 * life + number, seq=seq),)))
                    if number % 13 == 0:
                        cut = power_cut(path, tmp_path / f"cut-{life}-{number}")
                        async with opened(cut, clock) as found:
                            assert found.next_seq() > max(used)
        assert max(used) <= 5 * (40 + 32), "a start skips at most a block"

    run(main)


def test_numbers_that_only_the_ledger_remembers_are_skipped(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            assert journal.next_seq() == 1
            journal.skip_seq(500)
            assert journal.next_seq() == 501
            journal.skip_seq(20)
            assert journal.next_seq() == 502

    run(main)


def test_a_full_journal_refuses_and_stays_whole(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(max_mib=1)) as journal:
            await journal.apply(energy(1))
            with pytest.raises(JournalFull) as refused:
                await journal.apply(Changes(records=(record(body=bytes(2**20)),)))
            assert refused.value.retry
            await journal.apply(energy(2))
            first, second = await journal.read_records(Stream.ENERGY)
            assert second.record.previous == first.ref.record_hash

    run(main)


def test_a_journal_has_one_user(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock):
            with pytest.raises(JournalInUse):
                async with opened(path, clock):
                    pass
        async with opened(path, clock) as journal:
            await journal.apply(energy(1))

    run(main)


def test_the_lock_holds_between_processes_and_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    holder = "import sys; from pathlib import Path; from storeforward.files import locked\n"
    holder += "with locked(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
    command = (sys.executable, "-c", holder, str(path))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(JournalInUse), locked(path):
            pass
        process.kill()
    with locked(path):
        pass


def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            pass
        with pytest.raises(JournalClosed):
            await journal.apply(energy(1))

    run(main)


def test_a_place_that_cannot_hold_a_journal(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()

    async def main(clock: VirtualClock) -> None:
        with pytest.raises(JournalUnreadable, match="No such file"):
            async with opened(tmp_path / "missing" / "journal.db", clock):
                pass
        with pytest.raises(JournalUnreadable, match="unable to open"):
            async with opened(tmp_path / "folder.db", clock):
                pass

    run(main)
