"""Reading the journal through in the background: finds what the disk changed, and never takes an ordinary life for damage."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.journaling.summaries import MeansOfSamples
from agent.vocabulary import Reading
from storeforward.changes import Changes
from storeforward.errors import DiskFailed, JournalDamaged
from storeforward.items import ItemState, Mark
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import Stream
from storeforward.scrub import EVERY_S, FIRST_S, PAGE_ROWS, PAUSE_S, STEP_NS, Part, Progress, Scrub
from storeforward.signatures import verifier
from tests.storeforward.kit import BOOT_ID, DEVICE, KEY, START_S, energy, opened, power_cut, record, run, sample_of
from tools.society.virtualclock import VirtualClock

DAY_S = 86_400
RECORDS = 1_000
VERIFY = verifier(KEY.public_key())
MEANS = MeansOfSamples(900)


async def fill(path: Path, clock: VirtualClock) -> None:
    """A record of energy after every nine samples, each with its transaction."""
    async with opened(path, clock) as journal:
        for number in range(RECORDS // 10):
            samples = tuple(record(Stream.SAMPLE, b"sample %d of %d" % (place, number)) for place in range(9))
            change = energy(number)
            await journal.apply(Changes((*change.records, *samples), change.enqueue))


async def step(journal: Journal, clock: VirtualClock) -> bool:
    """One step at once; whether a pass has ended."""
    return await journal._read(lambda connection: journal._turns._upkeep.step_scrub(clock))


def test_a_sound_journal_is_read_through_once_a_day_and_the_figures_say_so(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        await fill(tmp_path / "journal.db", clock)
        async with opened(tmp_path / "journal.db", clock) as journal:
            new = await journal.metrics()
            assert (new.scrubbed_at_ns, new.scrubbed_permille) == (None, 0)
            await asyncio.sleep(FIRST_S + PAUSE_S / 2)
            assert (await journal.metrics()).scrubbed_permille == 1000 * PAGE_ROWS // RECORDS
            await asyncio.sleep(20 * PAUSE_S)
            done = await journal.metrics()
            assert done.scrubbed_permille == 1000
            assert done.scrubbed_at_ns is not None
            await asyncio.sleep(EVERY_S / 2)
            assert (await journal.metrics()).scrubbed_at_ns == done.scrubbed_at_ns
            await asyncio.sleep(EVERY_S / 2)
            again = await journal.metrics()
            assert again.scrubbed_at_ns is not None
            assert EVERY_S <= (again.scrubbed_at_ns - done.scrubbed_at_ns) / 10**9 <= EVERY_S + 20 * PAUSE_S

    run(main)


def test_a_pass_goes_on_where_the_last_start_left_it(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        async with opened(path, clock) as journal:
            await step(journal, clock)
            await step(journal, clock)
        async with opened(path, clock) as journal:
            assert journal._turns._upkeep.scrub.progress == Progress(Part.RECORDS, 2 * PAGE_ROWS, signed_seq=2 * PAGE_ROWS)
            assert journal.values == {}, "what the journal keeps for itself is nobody else's"
            while not await step(journal, clock):
                pass
        async with opened(path, clock) as journal:
            assert journal._turns._upkeep.scrub.progress == Progress(done_ns=clock.now_ns(), signed_seq=RECORDS)

    run(main)


def test_a_signature_is_verified_in_the_first_pass_that_meets_it(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        verified = 0

        def counting(data: bytes, signature: bytes) -> bool:
            nonlocal verified
            verified += 1
            return VERIFY(data, signature)

        scrub = Scrub(counting, Progress())
        with closing(sqlite3.connect(path)) as connection:
            (signed,) = connection.execute("SELECT COUNT(*) FROM records WHERE signature IS NOT NULL").fetchone()
            for _ in range(2):
                while not scrub.step(connection, 0, clock.monotonic_ns, 1):
                    pass
                assert verified == signed > 0

    run(main)


def test_how_long_to_wait_after_a_start() -> None:
    done_ns = START_S * 10**9
    assert Progress().wait_s(done_ns) == FIRST_S
    assert Progress(Part.ITEMS, 7, done_ns=done_ns).wait_s(done_ns) == FIRST_S
    assert Progress(done_ns=done_ns).wait_s(done_ns + 1_000 * 10**9) == EVERY_S - 1_000
    assert Progress(done_ns=done_ns).wait_s(done_ns + 3 * DAY_S * 10**9) == FIRST_S
    assert Progress(done_ns=done_ns).wait_s(0) == EVERY_S, "the clock is not set"


Damager = Callable[[sqlite3.Connection], object]


def forget_in_index(connection: sqlite3.Connection) -> None:
    """Let the index by streams lack record 301."""
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'records_by_stream'").fetchone()
    change = "UPDATE sqlite_master SET sql = ? WHERE name = 'records_by_stream'"
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(change, (f"{sql} WHERE seq <> 301",))
    connection.execute("PRAGMA writable_schema = RESET")
    connection.execute("REINDEX records_by_stream")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(change, (sql,))
    connection.execute("PRAGMA writable_schema = RESET")


def statement(sql: str) -> Damager:
    return lambda connection: connection.execute(sql)


def alter_body(connection: sqlite3.Connection) -> None:
    """Let record 300, a sample, say something else."""
    (data,) = connection.execute("SELECT data FROM samples WHERE seq = 300").fetchone()
    connection.execute("UPDATE samples SET data = ? WHERE seq = 300", (data.replace(b"sample", b"Sample"),))


@pytest.mark.parametrize(
    ("damage", "cause"),
    [
        (alter_body, "record 301 covers other samples than those before it"),
        (statement("UPDATE samples SET data = x'00' WHERE seq = 300"), "not a record"),
        (statement("UPDATE samples SET data = 7 WHERE seq = 300"), "."),
        (statement("UPDATE records SET stream = 2 WHERE seq = 301"), "record 301 says that it is record 301 of stream ENERGY"),
        (statement("UPDATE records SET signature = zeroblob(64) WHERE seq = 301"), "record 301 is not signed by the device"),
        (statement("UPDATE records SET signature = NULL WHERE seq = 301"), "record 301 is not signed by the device"),
        (statement("DELETE FROM samples WHERE seq = 300"), "record 300 is missing, and no gap names it"),
        (statement("UPDATE items SET state = 99 WHERE id = 40"), "99 is not a valid ItemState"),
        (forget_in_index, "the index has"),
    ],
)
def test_what_the_disk_changed_is_found_and_the_next_start_sets_the_file_aside(
    tmp_path: Path, damage: Damager, cause: str
) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            damage(connection)
        opening = Journal.open(
            path, device=DEVICE, sign=KEY.sign, clock=clock, boot_id=BOOT_ID, verify=verifier(KEY.public_key())
        )
        async with opening as journal:
            assert journal.set_aside is None
            with pytest.raises(JournalDamaged, match=cause):
                await asyncio.wait_for(journal.wait_broken(), DAY_S)
            await journal.apply(energy(RECORDS))
            (stored,) = await journal.read_records(Stream.ENERGY, after_seq=RECORDS)
            assert stored.record.body == b"slot-%d" % RECORDS, "what can be stored until the stop is stored"
        async with opened(path, clock) as journal:
            assert journal.set_aside == tmp_path / "journal.db.damaged-1"
        async with opened(path, clock) as journal:
            assert journal.set_aside is None

    run(main)


def test_who_reads_what_the_disk_changed_hears_of_it_and_so_does_who_waits_for_it(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("UPDATE samples SET data = x'00' WHERE seq = 300")
        async with opened(path, clock) as journal:
            waiting = asyncio.create_task(journal.wait_broken())
            for _ in range(2):
                with pytest.raises(JournalDamaged, match="not a record"):
                    await journal.read_records(Stream.SAMPLE, limit=10_000)
            with pytest.raises(JournalDamaged, match="not a record"):
                await asyncio.wait_for(waiting, 1)
            assert await journal.read_records(Stream.ENERGY), "the rest can be read"
        async with opened(path, clock) as journal:
            assert journal.set_aside == tmp_path / "journal.db.damaged-1"

    run(main)


def page_with(content: bytearray, text: bytes) -> int:
    return content.index(text) // 4096 * 4096


def test_a_page_that_sqlite_cannot_read_is_found_without_reading_it_at_the_start(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        content = bytearray(path.read_bytes())
        first = page_with(content, b"sample 5 of 50")
        content[first : first + 4096] = b"\xa5" * 4096
        path.write_bytes(content)
        async with opened(path, clock) as journal:
            assert journal.set_aside is None
            with pytest.raises(JournalDamaged, match="malformed"):
                await asyncio.wait_for(journal.wait_broken(), DAY_S)

    run(main)


@pytest.mark.parametrize("sql", ["UPDATE samples SET data = x'00' WHERE seq = 990", "DELETE FROM samples WHERE seq = 995"])
def test_what_is_wrong_with_the_newest_records_is_found_at_the_start(tmp_path: Path, sql: str) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(sql)
        async with opened(path, clock) as journal:
            assert journal.set_aside is not None

    run(main)


def test_a_step_ends_in_time(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        now_ns = 0

        def slow_disk() -> int:
            nonlocal now_ns
            now_ns += STEP_NS // 10
            return now_ns

        scrub = Scrub(VERIFY, Progress())
        with closing(sqlite3.connect(path)) as connection:
            assert not scrub.step(connection, 0, slow_disk, 0)
        assert 0 < scrub.progress.number <= 10

    run(main)


def test_a_disk_that_does_not_answer_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        await fill(path, clock)
        async with opened(path, clock) as journal:
            tries = 0
            answers = journal._turns._upkeep.step_scrub

            def fails_at_first(clock: VirtualClock) -> bool:
                nonlocal tries
                tries += 1
                if tries < 3:
                    raise DiskFailed(path, "I/O error")
                return answers(clock)

            monkeypatch.setattr(journal._turns._upkeep, "step_scrub", fails_at_first)
            await asyncio.sleep(FIRST_S + 20 * PAUSE_S)
            assert (await journal.metrics()).scrubbed_at_ns is not None

    run(main)


LIVES = st.lists(
    st.one_of(
        st.tuples(st.just("samples"), st.integers(1, 600)),
        st.tuples(st.just("energies"), st.integers(1, 30)),
        st.tuples(st.just("events"), st.integers(1, 60)),
        st.tuples(st.just("prove"), st.integers(1, 30)),
        st.tuples(st.just("scrub"), st.integers(1, 12)),
        st.tuples(st.sampled_from(("restart", "cut")), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=25)
@given(life=LIVES)
@example(life=[("samples", 600), ("events", 60), ("energies", 20), ("scrub", 3)] * 25 + [("cut", 0), ("scrub", 12)] * 3)
@example(life=[("samples", 600), ("scrub", 1), ("restart", 0), ("events", 60), ("scrub", 1), ("cut", 0)] * 20)
def test_an_ordinary_life_is_no_damage_and_every_record_is_counted(life: list[tuple[str, int]]) -> None:
    """With eviction before, at and behind the place of the scrub, with starts and power cuts anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        run(lambda clock: live(Path(folder), clock, life))


async def live(folder: Path, clock: VirtualClock, life: list[tuple[str, int]]) -> None:
    path, number, cuts = folder / "journal.db", 0, 0
    rest = iter([*life, ("scrub", 1_000)])
    ended = False
    while not ended:
        opening = Journal.open(
            path,
            device=DEVICE,
            sign=KEY.sign,
            clock=clock,
            boot_id=BOOT_ID,
            options=JournalOptions(max_mib=1),
            summaries=MEANS,
            verify=VERIFY,
        )
        async with opening as journal:
            assert journal.set_aside is None
            ended = True
            for deed, count in rest:
                if deed in ("restart", "cut"):
                    ended = False
                    if deed == "cut":
                        cuts += 1
                        path = power_cut(path, folder / f"cut-{cuts}")
                    break
                number += count
                match deed:
                    case "samples":
                        readings = (Reading(START_S + number + place, 9, number + place, 0) for place in range(count))
                        await journal.apply(Changes(tuple(map(sample_of, readings))))
                    case "events":
                        await journal.apply(Changes(tuple(record(Stream.EVENT, bytes(1_000)) for _ in range(count))))
                    case "energies":
                        for place in range(count):
                            await journal.apply(energy(number + 10_000 * place))
                    case "prove":
                        items = (await journal.outbox.open_items())[:count]
                        await journal.apply(Changes(marks=tuple(Mark(item.id, ItemState.PROVEN, 5, 0) for item in items)))
                    case _:
                        for _ in range(count):
                            if await step(journal, clock):
                                break
                await asyncio.sleep(0.01)
            metrics = await journal.metrics()
            rows = await journal._read(
                lambda connection: connection.execute("SELECT stream, COUNT(*) FROM all_records GROUP BY stream").fetchall()
            )
            assert {stream: count for stream, count in metrics.kept.items() if count} == {Stream(s): count for s, count in rows}
