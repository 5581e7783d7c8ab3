"""The bound of the journal: what goes first, what stays, and that the rest is told by means and gaps."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journaling.summaries import Mean, MeansOfSamples, decode_means
from agent.vocabulary import Reading
from storeforward.bounds import HIGH_PERMILLE
from storeforward.chain import Whole
from storeforward.changes import Changes
from storeforward.errors import JournalDamaged, JournalFull
from storeforward.eviction import LEAST_MEANS, LEAST_SAMPLES
from storeforward.gaps import Gap, Kept, Why
from storeforward.items import ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import StoredRecord, Stream
from tests.storeforward.kit import START_S, all_records, energy, marks, opened, power_cut, record, run, sample_of, walked
from tools.society.virtualclock import VirtualClock

SMALL = JournalOptions(max_mib=1)
MIB = 1024 * 1024
MEANS = MeansOfSamples(900)
DAY_NS = 86_400 * 10**9


def samples(first_s: int, count: int, import_wh: int = 0) -> Changes:
    """Readings of so many seconds; each takes one Wh."""
    readings = (Reading(first_s + place, 3_600, import_wh + place, 0) for place in range(count))
    return Changes(tuple(map(sample_of, readings)))


async def settled(journal: Journal) -> None:
    """Wait until nothing is evicted any more."""
    for _ in range(1_000):
        await asyncio.sleep(0.01)
        if not journal._writer.bounds.due:
            return
    raise AssertionError("eviction does not end")


def gaps_in(records: Sequence[StoredRecord]) -> list[Gap]:
    return [Gap.decode(stored.record.body) for stored in records if stored.record.stream is Stream.GAP]


def means_in(records: Sequence[StoredRecord], stream: Stream) -> list[Mean]:
    return [mean for stored in records if stored.record.stream is stream for mean in decode_means(stored.record.body)]


def of(records: Sequence[StoredRecord], stream: Stream) -> list[StoredRecord]:
    return [stored for stored in records if stored.record.stream is stream]


def test_samples_become_means_over_minutes_and_no_energy_is_lost(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, summaries=MEANS) as journal:
            for page in range(20):
                await journal.apply(samples(START_S + 500 * page, 500, 500 * page))
            await settled(journal)
            records = await all_records(journal)
            metrics = await journal.metrics()
        kept, means = of(records, Stream.SAMPLE), means_in(records, Stream.MINUTE_MEAN)
        assert isinstance(walked(records), Whole)
        assert metrics.size_bytes <= MIB * HIGH_PERMILLE // 1000
        assert sum(mean.count for mean in means) + len(kept) == 10_000
        assert {gap.kept for gap in gaps_in(records)} == {Kept.MINUTE_MEANS}
        assert sum(gap.count(Stream.SAMPLE) for gap in gaps_in(records)) == metrics.evicted[Stream.SAMPLE]
        assert means[0].import_start_wh == 0
        assert means[0].from_ns == START_S * 10**9
        for mean, later in pairwise(means):
            assert later.from_ns == mean.until_ns + 10**9
            assert later.import_start_wh == mean.import_end_wh + 1
            assert (mean.least_w, mean.mean_w, mean.most_w) == (3_600, 3_600, 3_600)
        assert max(mean.count for mean in means) == 60, "a minute has sixty samples, or is split at the edge of a step"

    run(main)


def test_means_over_minutes_become_means_over_slots_which_go_in_the_end(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, summaries=MEANS) as journal:
            seen: set[tuple[Stream, Kept]] = set()
            fill = tuple(record(Stream.EVENT, bytes(1_000)) for _ in range(60))
            for page in range(24):
                for part in range(3_000 * page, 3_000 * page + 3_000, 500):
                    await journal.apply(samples(START_S + part, 500, part))
                if page > 4:  # something that goes later than all means
                    await journal.apply(Changes(fill))
                await settled(journal)
                records = await all_records(journal)
                seen |= {(stream, gap.kept) for gap in gaps_in(records) for stream in gap.evicted}
        assert isinstance(walked(records), Whole)
        assert {
            (Stream.SAMPLE, Kept.MINUTE_MEANS),
            (Stream.MINUTE_MEAN, Kept.SLOT_MEANS),
            (Stream.SLOT_MEAN, Kept.NOTHING),
        } <= seen | {(stream, Kept.NOTHING) for gap in gaps_in(records) if gap.level for stream in gap.evicted}

    run(main)


def test_one_sample_in_a_slot_is_not_worth_a_signed_mean_of_its_own(tmp_path: Path) -> None:
    """Means come many to a record; where that still saves nothing, nothing is kept."""

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, summaries=MEANS) as journal:
            for page in range(20):
                readings = (Reading(START_S + 900 * (500 * page + place), 7, place, 0) for place in range(500))
                await journal.apply(Changes(tuple(map(sample_of, readings))))
            await settled(journal)
            records = await all_records(journal)
        assert sum(mean.count for mean in means_in(records, Stream.MINUTE_MEAN)) + len(of(records, Stream.SAMPLE)) == 10_000
        assert len(of(records, Stream.MINUTE_MEAN)) < 40

    run(main)


def test_samples_without_a_known_time_keep_their_boot_and_its_clock(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, boot_id=b"b" * 16, summaries=MEANS) as journal:
            for _ in range(90):
                new = [sample_of(Reading(0, 60, 0, 0)) for _ in range(100)]
                await journal.apply(Changes(tuple(record(each.stream, each.body, None) for each in new)))
                await asyncio.sleep(20)
            await settled(journal)
            records = await all_records(journal)
        means = means_in(records, Stream.MINUTE_MEAN)
        assert {mean.boot_id for mean in means} == {b"b" * 16}
        assert {mean.from_ns % (20 * 10**9) for mean in means} == {0}
        assert sum(mean.count for mean in means) + len(of(records, Stream.SAMPLE)) == 9_000
        assert of(records, Stream.MINUTE_MEAN)[0].record.wall_ns == 0

    run(main)


CLASSES = (Stream.SAMPLE, Stream.EVENT, Stream.RECEIPT, Stream.ORDER, Stream.ENERGY)
LEAST = {Stream.SAMPLE: LEAST_SAMPLES, Stream.MINUTE_MEAN: LEAST_MEANS}


def single_gaps(records: Sequence[StoredRecord]) -> list[tuple[int, Gap]]:
    """Gaps that have not become one with others, with their sequence numbers."""
    gaps = zip(of(records, Stream.GAP), gaps_in(records), strict=True)
    return [(stored.record.seq, gap) for stored, gap in gaps if not gap.level]


def there_when(seq: int, stream: Stream, records: Sequence[StoredRecord]) -> int:
    """How many records of a stream there were when the record `seq` was written: those there are, and those that went since."""
    still = sum(stored.record.seq < seq for stored in of(records, stream))
    runs = [run for later, gap in single_gaps(records) if later > seq for run in gap.evicted.get(stream, ())]
    return still + sum(min(last, seq - 1) - first + 1 for first, last in runs if first < seq)


def test_what_matters_less_goes_first(tmp_path: Path) -> None:
    """Fill the journal with everything at once, and see what was left of the lesser streams whenever one's turn came."""

    async def main(clock: VirtualClock) -> None:
        went, seen = set(), 0
        async with opened(tmp_path / "journal.db", clock, SMALL) as journal:
            for _ in range(40):
                await journal.apply(Changes(tuple(record(stream, bytes(400)) for stream in CLASSES for _ in range(40))))
                await settled(journal)
                records = await all_records(journal)
                for seq, gap in single_gaps(records):
                    (stream,) = gap.evicted
                    went.add(stream)
                    for lesser in CLASSES[: CLASSES.index(stream)] if seq > seen else ():
                        assert 1 <= there_when(seq, lesser, records) <= LEAST.get(lesser, 1)
                seen = records[-1].record.seq
        assert went == set(CLASSES)
        assert isinstance(walked(records), Whole)

    run(main)


def test_what_is_proven_goes_before_what_is_not_and_what_waits_goes_last(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(max_mib=1, window_items=4_096)) as journal:
            whys: set[Why] = set()
            for number in range(900):
                about = NewItem(Priority.BILLING, 7, number, 0, b"%d" % number, b"tx", 0, record=0)
                applied = await journal.apply(Changes((record(body=bytes(1_500)),), (about,)))
                if number % 3 == 0:
                    proven_at = applied.records[0].seq
                    await journal.apply(marks((await journal.outbox.open_items())[-1:], ItemState.PROVEN, proven_at))
                if number % 50 == 49:
                    await settled(journal)
                    records = await all_records(journal)
                    whys |= {gap.why for gap in gaps_in(records)}
                    energies = of(records, Stream.ENERGY)
                    last = max((seq for seq, gap in single_gaps(records) if gap.why is Why.SIZE_UNSENT), default=0)
                    assert not [stored for stored in energies[:-1] if stored.proven_height and stored.proven_height < last]
            assert whys >= {Why.SIZE, Why.SIZE_UNSENT}
            assert isinstance(walked(records), Whole)
            assert journal.outbox.count() == 600, "what waits is sent all the same"
            assert energies[-1].record.body == bytes(1_500)

    run(main)


def test_what_is_too_old_goes_but_for_what_waits_and_dead_letters(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        options = JournalOptions(max_days=3)
        async with opened(tmp_path / "journal.db", clock, options) as journal:
            for day in range(10):
                taken_ns = START_S * 10**9 + day * DAY_NS
                abouts = [NewItem(Priority.BILLING, 7, day, 0, b"%d-%d" % (day, of), b"tx", 0, record=of) for of in range(3)]
                new = [*(record(Stream.ENERGY, b"%d" % day, taken_ns) for _ in range(3))]
                new += [record(stream, b"%d" % day, taken_ns) for stream in (Stream.SAMPLE, Stream.EVENT, Stream.RECEIPT)]
                applied = await journal.apply(Changes((*new,), (*abouts,)))
                proven, refused, _ = applied.items
                news = Mark(proven, ItemState.PROVEN, day + 1, 0), Mark(refused, ItemState.REFUSED, day + 1, 5, "no")
                await journal.apply(Changes(marks=news))
                await settled(journal)
            records = await all_records(journal)
            assert isinstance(walked(records), Whole)
            assert {gap.why for gap in gaps_in(records)} == {Why.AGE}
            for stream in (Stream.SAMPLE, Stream.EVENT, Stream.RECEIPT):
                assert [stored.record.body for stored in of(records, stream)] == [b"6", b"7", b"8", b"9"]
            by_day = [sum(stored.record.body == b"%d" % day for stored in of(records, Stream.ENERGY)) for day in range(10)]
            assert by_day == [2, 2, 2, 2, 2, 2, 3, 3, 3, 3]

    run(main)


def test_records_whose_time_is_not_known_go_by_their_boots_clock_or_with_younger_ones(tmp_path: Path) -> None:
    path, options = tmp_path / "journal.db", JournalOptions(max_days=1)

    async def main(clock: VirtualClock) -> None:
        async with opened(path, clock, options, boot_id=b"a" * 16) as journal:
            await journal.apply(Changes((record(Stream.EVENT, b"boot a, no time", None),)))
        async with opened(path, clock, options, boot_id=b"b" * 16) as journal:
            await journal.apply(Changes((record(Stream.EVENT, b"boot b, no time", None),)))
            await asyncio.sleep(2 * 86_400)
            await journal.apply(Changes((record(Stream.EVENT, b"now", clock.now_ns()),)))
            await settled(journal)
            assert [stored.record.body for stored in of(await all_records(journal), Stream.EVENT)] == [b"now"]

    run(main)


def test_a_clock_that_was_far_ahead_makes_nothing_older_than_its_records_say(tmp_path: Path) -> None:
    """Only records dated by it count as `now`; one that lies ahead of now has no age."""

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, JournalOptions(max_days=1)) as journal:
            for days in (0, 9_000, 2):
                await journal.apply(Changes((record(Stream.EVENT, b"%d" % days, START_S * 10**9 + days * DAY_NS),) * 2))
            bodies = [stored.record.body for stored in of(await all_records(journal), Stream.EVENT)]
        assert bodies[-2:] == [b"2", b"2"]

    run(main)


def test_many_gaps_become_one_and_still_explain_everything(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, summaries=MEANS) as journal:
            for page in range(110):
                await journal.apply(samples(START_S + 500 * page, 500, 500 * page))
                await journal.apply(energy(page))
                await settled(journal)
            records = await all_records(journal)
            metrics = await journal.metrics()
        found, gaps = walked(records), gaps_in(records)
        assert isinstance(found, Whole)
        assert {gap.level for gap in gaps} >= {0, 1}
        assert len(gaps) < 70
        for stream, count in metrics.evicted.items():
            assert sum(gap.count(stream) for gap in gaps) == count
        assert {stored.record.stream for stored in records} >= {Stream.ENERGY}
        assert len(of(records, Stream.ENERGY)) == 110
        async with opened(tmp_path / "journal.db", clock, SMALL) as journal:
            again = await journal.metrics()
            assert (again.kept, again.evicted) == (metrics.kept, metrics.evicted)

    run(main)


def test_a_gap_that_the_disk_changed_breaks_the_journal_when_it_is_to_become_one_with_others(tmp_path: Path) -> None:
    """And not the eviction alone, again and again."""

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL, summaries=MEANS) as journal:
            waiting = asyncio.create_task(journal.wait_broken())
            for page in range(20):
                await journal.apply(samples(START_S + 500 * page, 500, 500 * page))
                await settled(journal)
            (oldest, *_) = await journal.read_records(Stream.GAP)
            alter = f"UPDATE records SET data = x'00' WHERE seq = {oldest.record.seq}"
            await journal._read(lambda connection: connection.execute(alter).rowcount)
            for page in range(20, 110):
                try:
                    await journal.apply(samples(START_S + 500 * page, 500, 500 * page))
                except JournalDamaged:  # at the bound nothing is stored any more without eviction
                    break
                await asyncio.sleep(1)
            with pytest.raises(JournalDamaged, match="not a record"):
                await asyncio.wait_for(waiting, 1)
        async with opened(tmp_path / "journal.db", clock, SMALL) as journal:
            assert journal.set_aside is not None

    run(main)


def test_a_full_journal_makes_room_for_a_change_that_does_not_fit(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock, SMALL) as journal:
            await journal.apply(samples(START_S, 3_500))
            applied = await journal.apply(Changes((record(body=bytes(200_000)),)))
            assert applied.records[0].seq > 3_500
            records = await all_records(journal)
            assert of(records, Stream.ENERGY)[-1].record.body == bytes(200_000)
            assert isinstance(walked(records), Whole)

    run(main)


operations = st.lists(
    st.one_of(
        st.tuples(st.just("samples"), st.integers(1, 900)),
        st.tuples(st.just("slot"), st.integers(1, 30)),
        st.tuples(st.just("events"), st.integers(1, 60)),
        st.tuples(st.just("prove"), st.integers(1, 40)),
        st.tuples(st.just("reopen"), st.just(0)),
        st.tuples(st.just("cut"), st.just(0)),
    ),
    min_size=5,
    max_size=40,
)


@settings(max_examples=15, deadline=None)
@given(steps=operations)
def test_after_any_life_the_journal_is_whole_and_no_energy_is_missing(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run(lambda clock: live(Path(folder), clock, [("samples", 900)] * 5 + steps))


async def live(folder: Path, clock: VirtualClock, steps: Sequence[tuple[str, int]]) -> None:
    path = folder / "journal.db"
    at_s, slots, acknowledged = START_S, 0, 0
    place = 0
    while place < len(steps):
        async with opened(path, clock, SMALL, summaries=MEANS) as journal:
            while place < len(steps):
                what, count = steps[place]
                place += 1
                try:
                    if what == "samples":
                        await journal.apply(samples(at_s, count, at_s - START_S))
                        at_s += count
                        acknowledged += count
                    elif what == "slot":
                        for _ in range(count):
                            slots += 1
                            await journal.apply(energy(slots))
                            acknowledged += 1
                    elif what == "events":
                        await journal.apply(Changes((record(Stream.EVENT, bytes(1_500)),) * count))
                        acknowledged += count
                    elif what == "prove":
                        await journal.apply(marks((await journal.outbox.open_items())[:count], ItemState.PROVEN, 7))
                    else:
                        break
                except JournalFull:
                    continue
            if what == "cut":
                path = power_cut(path, folder / f"cut-{place}")
    async with opened(path, clock, SMALL, summaries=MEANS) as journal:
        await settled(journal)
        records = await all_records(journal)
        metrics = await journal.metrics()
    assert isinstance(walked(records), Whole)
    assert path.stat().st_size <= MIB
    assert len(of(records, Stream.ENERGY)) == slots, "events and samples go first, and that was enough"
    told = {stream for gap in gaps_in(records) for stream in gap.evicted}
    if Stream.EVENT in told:
        assert len(of(records, Stream.SAMPLE)) <= 900 + LEAST_SAMPLES, "at most those that came after the last event went"
    held = Stream.SAMPLE, Stream.ENERGY, Stream.EVENT
    assert sum(metrics.kept.get(stream, 0) + metrics.evicted.get(stream, 0) for stream in held) == acknowledged
    if not metrics.evicted.get(Stream.SLOT_MEAN) and not any(
        gap.kept is Kept.NOTHING and gap.count(Stream.SAMPLE) + gap.count(Stream.MINUTE_MEAN) for gap in gaps_in(records)
    ):
        means = [*means_in(records, Stream.SLOT_MEAN), *means_in(records, Stream.MINUTE_MEAN)]
        assert sum(mean.count for mean in means) + len(of(records, Stream.SAMPLE)) == at_s - START_S
        taken_wh = sum(mean.import_end_wh - mean.import_start_wh + 1 for mean in means)
        assert taken_wh + len(of(records, Stream.SAMPLE)) == at_s - START_S, "one Wh each"
