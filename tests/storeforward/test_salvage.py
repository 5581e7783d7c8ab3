"""What comes back out of a damaged journal: all of its sound pages, and nothing that was never in it."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeforward.changes import Changes
from storeforward.findings import Findings
from storeforward.items import Item, ItemState, Mark, Priority
from storeforward.options import JournalOptions
from storeforward.records import Record, SalvagedRecord, Stream
from storeforward.salvage import Salvage, opened
from storeforward.signatures import verifier
from storeforward.sqlitefile import PAGE_BYTES, SqliteFile
from tests.storeforward.kit import DEVICE, KEY, energy, item, marks, power_cut, record, run
from tests.storeforward.kit import opened as open_journal
from tools.society.keys import seeded_key
from tools.society.virtualclock import VirtualClock

VERIFY = verifier(KEY.public_key())
SECTOR = 512
LONG = 9_000  # bytes of a body that takes three pages
TABLES = JournalOptions(checkpoint_pages=16)  # so that much of the journal is in the file, and the rest in its log


@dataclass(frozen=True)
class Lost:
    """A journal as a power cut leaves it: file and log, and what was in it."""

    file: bytes
    log: bytes
    records: dict[int, bytes]
    items: dict[int, Item]

    def salvage(self, file: bytes | None = None, log: bytes | None = None) -> tuple[list[SalvagedRecord], list[Item], Findings]:
        file = self.file if file is None else file
        log = self.log if log is None else log

        def reader(content: bytes):  # type: ignore[no-untyped-def]
            return lambda offset, length: content[offset : offset + length]

        salvage = Salvage(SqliteFile(reader(file), len(file), reader(log), len(log)), DEVICE, VERIFY, "journal.db")
        return list(salvage.records()), salvage.items, salvage.findings


@pytest.fixture(scope="module", name="lost")
def make_lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    folder = tmp_path_factory.mktemp("lost")

    async def main(clock: VirtualClock) -> tuple[dict[int, bytes], dict[int, Item]]:
        async with open_journal(folder / "journal.db", clock, TABLES) as journal:
            for number in range(120):
                await journal.apply(energy(number))
                samples = tuple(record(Stream.SAMPLE, b"sample %d.%d" % (number, part)) for part in range(3))
                await journal.apply(Changes(samples, values=(("meter", b"m%d" % number),)))
                if number % 10 == 0:
                    long = record(Stream.EVENT, bytes(LONG) + b"%d" % number)
                    await journal.apply(Changes((long,), (item(number),)))
            await journal.apply(marks((await journal.outbox.open_items())[:20], ItemState.PROVEN, 7))
            await journal.apply(marks((await journal.outbox.open_items())[:5], ItemState.SENT))
            await journal.apply(marks((await journal.outbox.open_items())[5:7], ItemState.REFUSED, 9))
            power_cut(journal.path, folder / "cut")
            stored = [s for stream in Stream for s in await journal.read_records(stream, limit=10_000)]
            items = [*await journal.outbox.open_items(), *await journal.outbox.dead_letters()]
            return {s.record.seq: s.data for s in stored}, {i.id: i for i in items}

    records, items = run(main)
    file, log = (folder / "cut" / name for name in ("journal.db", "journal.db-wal"))
    return Lost(file.read_bytes(), log.read_bytes(), records, items)


def seqs(records: list[SalvagedRecord]) -> list[int]:
    return [salvaged.record.seq for salvaged in records]


def test_the_log_and_the_file_both_hold_a_part(lost: Lost) -> None:
    assert len(lost.file) > 20 * PAGE_BYTES
    assert len(lost.log) > 10 * PAGE_BYTES


def test_of_a_sound_file_all_comes_back_in_order(lost: Lost) -> None:
    records, items, findings = lost.salvage()
    newest = max(seq for seq, data in lost.records.items() if Record.decode(data).stream is Stream.SAMPLE)
    expected = [seq for seq in sorted(lost.records) if seq != newest]  # no later record names the newest sample
    assert seqs(records) == expected
    assert all(salvaged.data == lost.records[salvaged.record.seq] for salvaged in records)
    assert {i.id: (i.state, i.reference, i.tx, i.attempts, i.record_seq) for i in items} == {
        i.id: (i.state, i.reference, i.tx, i.attempts, i.record_seq) for i in lost.items.values()
    }
    assert (findings.missing, findings.unreadable_pages, findings.doubtful) == (0, 0, 1)
    assert findings.records[Stream.ENERGY] == 120
    assert {salvaged.proven_height for salvaged in records} == {None, 7}


def test_the_log_counts_as_far_as_it_was_committed(tmp_path: Path) -> None:
    """An item is stored in the file; its marks as sent and as proven are in the log."""

    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        async with open_journal(path, clock) as journal:
            await journal.apply(Changes(enqueue=(item(1),)))
        async with open_journal(path, clock) as journal:
            for state in (ItemState.SENT, ItemState.PROVEN):
                await journal.apply(Changes(marks=(Mark(1, state, 7),)))
            power_cut(path, tmp_path / "cut")

    run(main)
    file, log = ((tmp_path / "cut" / name).read_bytes() for name in ("journal.db", "journal.db-wal"))
    lost = Lost(file, log, {}, {})

    def states(log: bytes) -> list[ItemState]:
        return [found.state for found in lost.salvage(log=log)[1]]

    assert states(log) == []
    assert states(log[:-1] + bytes((log[-1] ^ 1,))) == [ItemState.SENT]
    assert states(log[:-PAGE_BYTES]) == [ItemState.SENT]
    assert states(b"\0" + log[1:]) == states(log[:31]) == states(b"") == [ItemState.QUEUED]


def test_another_devices_records_and_other_keys_are_left_out(lost: Lost, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(lost.file)
    with opened(path, bytes(20), VERIFY) as salvage:
        assert list(salvage.records()) == []
    with opened(path, DEVICE, verifier(seeded_key(2, "thief").public_key())) as salvage:
        assert {found.record.stream for found in salvage.records()} <= {Stream.SAMPLE}
        assert salvage.findings.doubtful > 100


def test_a_damaged_file_stays_as_it_is(lost: Lost, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(lost.file)
    path.with_name("journal.db-wal").write_bytes(lost.log)
    with opened(path, DEVICE, VERIFY) as salvage:
        assert sum(1 for _ in salvage.records()) == len(lost.records) - 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["journal.db", "journal.db-wal"]
    assert (path.read_bytes(), path.with_name("journal.db-wal").read_bytes()) == (lost.file, lost.log)


def test_records_of_a_page_without_a_head_come_back(lost: Lost) -> None:
    """Its first bytes, with the places of its rows, are gone: what is left still begins like a record."""
    content = bytearray(lost.file)
    for start in range(PAGE_BYTES, len(content), PAGE_BYTES):
        content[start : start + 8] = b"\xff" * 8
    records, _, findings = lost.salvage(bytes(content), b"")
    whole, _, _ = lost.salvage(log=b"")
    short = {s.record.seq for s in whole if len(s.data) < LONG and s.record.stream is not Stream.SAMPLE}
    assert short <= set(seqs(records))
    assert findings.unreadable_pages == len(content) // PAGE_BYTES - 1


def test_holes_are_named(lost: Lost) -> None:
    content = bytearray(lost.file)
    content[20 * PAGE_BYTES : 24 * PAGE_BYTES] = bytes(4 * PAGE_BYTES)
    records, _, findings = lost.salvage(bytes(content), b"")
    found = set(seqs(records))
    missing = [seq for seq in range(findings.first_seq, findings.last_seq + 1) if seq not in found]
    assert missing == [seq for first, last in findings.holes for seq in range(first, last + 1)]
    assert findings.missing == len(missing) > 0
    assert findings.unreadable_pages == 4


Damage = tuple[str, str, float, int, int]
damages = st.lists(
    st.tuples(
        st.sampled_from(("file", "log")),
        st.sampled_from(("garble", "zero", "truncate", "shift")),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 12),
        st.integers(0, 2**32),
    ),
    min_size=1,
    max_size=8,
)


def damaged(content: bytes, kind: str, where: float, sectors: int, seed: int) -> tuple[bytes, set[int]]:
    """The content after a damage, and which sectors it hit."""
    first = int(where * (len(content) // SECTOR))
    hit = set(range(first, min(first + sectors, len(content) // SECTOR)))
    start, end = first * SECTOR, min((first + sectors) * SECTOR, len(content))
    if kind == "truncate":
        return content[:start], set(range(first, len(content) // SECTOR + 1))
    if kind == "zero":
        return content[:start] + bytes(end - start) + content[end:], hit
    if kind == "shift":  # an older write that went to the wrong place
        return content[:start] + content[: end - start] + content[end:], hit
    return content[:start] + random.Random(seed).randbytes(end - start) + content[end:], hit


@settings(max_examples=60, deadline=None)
@given(damages=damages)
def test_whatever_happens_to_it_sound_pages_come_back_and_nothing_is_invented(
    lost: Lost, damages: list[tuple[str, str, float, int, int]]
) -> None:
    contents = {"file": lost.file, "log": lost.log}
    hit: set[int] = set()
    for which, kind, where, sectors, seed in damages:
        contents[which], touched = damaged(contents[which], kind, where, sectors, seed)
        if which == "file":
            hit |= touched
    records, items, _ = lost.salvage(contents["file"], contents["log"])
    assert seqs(records) == sorted(set(seqs(records)))
    assert all(salvaged.data == lost.records[salvaged.record.seq] for salvaged in records)
    assert all(isinstance(found.state, ItemState) and isinstance(found.priority, Priority) for found in items)
    sound = {place for place in range(len(lost.file) // PAGE_BYTES) if not hit & set(range(8 * place, 8 * place + 8))}
    pages = [lost.file[place * PAGE_BYTES : (place + 1) * PAGE_BYTES] for place in sound]
    signed = {seq: data for seq, data in lost.records.items() if Record.decode(data).stream is not Stream.SAMPLE}
    expected = {seq for seq, data in signed.items() if any(data in page for page in pages)}
    assert expected <= set(seqs(records))


def test_what_sqlite_cannot_open_any_more(lost: Lost, tmp_path: Path) -> None:
    content = bytearray(lost.file)
    content[:PAGE_BYTES] = bytes(PAGE_BYTES)
    path = tmp_path / "journal.db"
    path.write_bytes(content)
    shutil.copy(path, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection, pytest.raises(sqlite3.DatabaseError):
        connection.execute("SELECT COUNT(*) FROM records").fetchone()
    with opened(path, DEVICE, VERIFY) as salvage:
        assert sum(1 for _ in salvage.records()) > 300


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), opened(tmp_path / "none.db", DEVICE, VERIFY):
        pass
    (tmp_path / "empty.db").touch()
    with opened(tmp_path / "empty.db", DEVICE, VERIFY) as salvage:
        assert (list(salvage.records()), salvage.items) == ([], [])
