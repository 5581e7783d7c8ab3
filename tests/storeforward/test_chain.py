"""A walk over a journal finds every record that was altered, exchanged, moved or taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journaling.summaries import MeansOfSamples
from agent.vocabulary import Reading
from storeforward.chain import Break, Whole
from storeforward.changes import Changes
from storeforward.gaps import Gap, Kept, Why, runs_of
from storeforward.options import JournalOptions
from storeforward.records import NO_HASH, Chain, NewRecord, Record, StoredRecord, Stream
from tests.storeforward.kit import BOOT_ID, DEVICE, KEY, START_S, all_records, energy, opened, record, run, sample_of, walked
from tools.society.virtualclock import VirtualClock

Change = Callable[[StoredRecord], StoredRecord]


class Book:
    """A journal in memory, which evicts when told."""

    def __init__(self) -> None:
        self.chain = Chain(DEVICE, BOOT_ID)
        self.records: list[StoredRecord] = []

    def add(self, stream: Stream, body: bytes = b"body") -> None:
        data, _ = self.chain.append(NewRecord(stream, None, body), 0)
        signature = None if stream is Stream.SAMPLE else KEY.sign(data)
        self.records.append(StoredRecord(Record.decode(data), data, signature, None))

    def evict(self, *seqs: int) -> None:
        gone = [stored for stored in self.records if stored.record.seq in seqs]
        streams = {stored.record.stream for stored in gone}
        runs = {stream: runs_of(stored.record.seq for stored in gone if stored.record.stream is stream) for stream in streams}
        self.records = [stored for stored in self.records if stored.record.seq not in seqs]
        self.add(Stream.GAP, Gap(0, runs, 0, 0, bytes(32), Kept.NOTHING, Why.SIZE).encode())

    def take_away(self, seq: int) -> None:
        self.records = [stored for stored in self.records if stored.record.seq != seq]


def book() -> Book:
    """Records 1 to 12: sample, sample, energy, and again; four of the first went, the gap is 13; 14 is an energy."""
    kept = Book()
    for _ in range(4):
        for stream in (Stream.SAMPLE, Stream.SAMPLE, Stream.ENERGY):
            kept.add(stream)
    kept.evict(1, 2, 3, 5)
    kept.add(Stream.ENERGY)
    return kept


def test_a_journal_is_whole_where_gaps_name_what_is_missing() -> None:
    assert walked([]) == Whole(0, 0, 0, 0)
    assert walked(book().records) == Whole(records=10, evicted=4, last_seq=14, unsigned=0)
    tail = book()
    tail.add(Stream.SAMPLE)
    assert walked(tail.records) == Whole(records=11, evicted=4, last_seq=15, unsigned=1)


@pytest.mark.parametrize("seq", [4, 6, 7, 8, 9, 10, 11, 12, 13])
def test_a_record_that_was_taken_away_is_missed(seq: int) -> None:
    kept = book()
    kept.take_away(seq)
    found = walked(kept.records)
    assert isinstance(found, Break)
    assert found.seq == (1 if seq == 13 else seq), "without its gap, what it named is missing"


def altered(stored: StoredRecord) -> StoredRecord:
    changed = replace(stored.record, body=b"other")
    return StoredRecord(changed, changed.encode(), stored.signature, None)


def resigned(stored: StoredRecord) -> StoredRecord:
    """With a good signature of another record."""
    return replace(stored, signature=KEY.sign(b"something else"))


def unsigned(stored: StoredRecord) -> StoredRecord:
    return replace(stored, signature=None)


def anothers(stored: StoredRecord) -> StoredRecord:
    changed = replace(stored.record, device=b"x" * 20).encode()
    return StoredRecord(Record.decode(changed), changed, KEY.sign(changed), None)


@pytest.mark.parametrize(
    ("seq", "change", "at", "reason"),
    [
        (7, altered, 8, "the sample before it"),
        (8, altered, 9, "other samples"),
        (9, altered, 9, "not signed"),
        (9, resigned, 9, "not signed"),
        (9, unsigned, 9, "not signed"),
        (9, anothers, 9, "another device"),
    ],
)
def test_a_record_that_was_altered_is_found(
    seq: int, change: Callable[[StoredRecord], StoredRecord], at: int, reason: str
) -> None:
    records = [change(stored) if stored.record.seq == seq else stored for stored in book().records]
    found = walked(records)
    assert isinstance(found, Break)
    assert found.seq == at
    assert reason in found.reason


def test_an_older_twin_signed_by_the_device_itself_breaks_the_chain() -> None:
    """Somebody puts an old copy of the disk back and lets the device go on: the chain forks."""
    one, other = book(), book()
    one.add(Stream.EVENT, b"first life")
    other.add(Stream.EVENT, b"second life")
    other.add(Stream.EVENT)
    found = walked([*one.records, other.records[-1]])
    assert found == Break(16, "does not go on from the record before it")


@pytest.mark.parametrize(
    ("runs", "seq", "reason"),
    [
        (((2, 3),), 2, "two gaps"),
        (((6, 6),), 6, "is here"),
        (((90, 90),), 90, "beyond the newest"),
    ],
)
def test_a_gap_that_does_not_fit_is_found(runs: tuple[tuple[int, int], ...], seq: int, reason: str) -> None:
    kept = book()
    kept.add(Stream.GAP, Gap(0, {Stream.SAMPLE: runs}, 0, 0, bytes(32), Kept.NOTHING, Why.SIZE).encode())
    found = walked(kept.records)
    assert isinstance(found, Break)
    assert found.seq == seq
    assert reason in found.reason


def test_a_gap_explains_its_own_stream_only() -> None:
    """An energy cannot hide behind samples that went: its chain shows that it is missing."""
    kept = Book()
    for stream in (Stream.ENERGY, Stream.SAMPLE, Stream.ENERGY, Stream.SAMPLE, Stream.ENERGY):
        kept.add(stream)
    kept.take_away(3)
    kept.add(Stream.GAP, Gap(0, {Stream.SAMPLE: ((3, 3),)}, 0, 0, bytes(32), Kept.NOTHING, Why.SIZE).encode())
    found = walked(kept.records)
    assert isinstance(found, Break)
    assert found.seq == 5


def test_records_out_of_order_and_gaps_never_met_are_found() -> None:
    kept = book()
    swapped = [*kept.records]
    swapped[3], swapped[4] = swapped[4], swapped[3]
    assert isinstance(walked(swapped), Break)
    assert walked([*kept.records, kept.records[-1]]) == Break(14, "does not follow the one before it")


def test_the_first_record_begins_both_chains() -> None:
    first = book().chain.append(NewRecord(Stream.EVENT, None, b""), 0)[0]
    assert Record.decode(first).previous != NO_HASH
    alone = Book()
    alone.chain = replace(alone.chain, head=b"x" * 32)
    alone.add(Stream.EVENT)
    assert walked(alone.records) == Break(1, "does not go on from the record before it")


@pytest.fixture(scope="module")
def evicted(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRecord]:
    """All records of a journal that is too small for what it was given."""
    path = tmp_path_factory.mktemp("evicted") / "journal.db"

    async def main(clock: VirtualClock) -> list[StoredRecord]:
        async with opened(path, clock, JournalOptions(max_mib=1), summaries=MeansOfSamples(900)) as journal:
            for slot in range(12):
                first_s = START_S + 900 * slot
                readings = [Reading(first_s + second, 500, first_s + second, 0) for second in range(900)]
                await journal.apply(Changes(tuple(map(sample_of, readings))))
                await journal.apply(energy(slot))
                await journal.apply(Changes((record(Stream.EVENT),)))
            return await all_records(journal)

    return run(main)


def test_what_a_real_journal_evicted_is_explained(evicted: list[StoredRecord]) -> None:
    found = walked(evicted)
    assert isinstance(found, Whole)
    assert found.evicted > 3_000
    assert found.records + found.evicted == found.last_seq


@settings(deadline=None)
@given(data=st.data())
def test_in_an_evicted_journal_every_record_is_missed(evicted: list[StoredRecord], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(evicted) - 2))
    found = walked(evicted[:place] + evicted[place + 1 :])
    assert isinstance(found, Break)
    assert found.seq <= evicted[place].record.seq
