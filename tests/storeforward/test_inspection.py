"""A look into a journal: complete up to a moment, while an agent writes to it, and nothing of it changes."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storeforward import inspection
from storeforward.errors import JournalBusy, JournalDamaged, JournalError, JournalTooNew, JournalUnreadable
from storeforward.inspection import MOST_TRIES, inspect
from storeforward.migrations import migrate
from tests.storeforward.kit import energy, opened, run
from tools.society.virtualclock import VirtualClock


def no_pause(seconds: float) -> None:
    """Nobody writes meanwhile."""


def count(path: Path, scratch: Path) -> int:
    with inspect(path, scratch, no_pause) as connection:
        (found,) = connection.execute("SELECT COUNT(*) FROM records").fetchone()
        return int(found)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture(name="scratch")
def make_scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_an_open_journal_is_seen_up_to_its_last_commit_and_not_touched(tmp_path: Path, scratch: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        path = tmp_path / "journal.db"
        async with opened(path, clock) as journal:
            for number in range(30):
                await journal.apply(energy(number))
                if number % 7 == 0:
                    before = files(tmp_path)
                    assert count(path, scratch) == number + 1
                    assert files(tmp_path) == before
        before = files(tmp_path)
        assert count(path, scratch) == 30
        assert files(tmp_path) == before

    run(main)
    assert list(scratch.iterdir()) == []


def test_a_copy_cannot_be_written_to(tmp_path: Path, scratch: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            await journal.apply(energy(1))

    run(main)
    with pytest.raises(JournalError, match="readonly"), inspect(tmp_path / "journal.db", scratch, no_pause) as connection:
        connection.execute("DELETE FROM records")


ACTIONS = ("nothing", "write", "checkpoint", "begin the log anew", "many writes")


@settings(max_examples=25, deadline=None)
@given(actions=st.lists(st.sampled_from(ACTIONS), max_size=12))
def test_whatever_happens_between_the_parts_of_a_copy_it_is_of_one_moment(actions: list[str]) -> None:
    """Rows are written while file and log are copied; each says how many there are."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        path = Path(name) / "journal.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            writer.execute("PRAGMA locking_mode = EXCLUSIVE")
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("PRAGMA wal_autocheckpoint = 0")
            migrate(writer, path)
            upcoming = iter(actions)
            rows = [0]

            def write(count: int) -> None:
                for _ in range(count):
                    rows[0] += 1
                    with_body = (rows[0], bytes(1_500))
                    writer.execute("BEGIN")
                    writer.execute("INSERT INTO records (seq, stream, data) VALUES (?, 1, ?)", with_body)
                    writer.execute("INSERT OR REPLACE INTO named_values VALUES ('rows', ?)", (str(rows[0]),))
                    writer.execute("COMMIT")

            def copy(source: Path, target: Path) -> None:
                shutil.copyfile(source, target)
                match next(upcoming, "nothing"):
                    case "write":
                        write(1)
                    case "many writes":
                        write(20)
                    case "checkpoint":
                        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    case "begin the log anew":
                        writer.execute("PRAGMA wal_checkpoint(PASSIVE)")
                        write(2)

            patch.setattr(inspection, "copyfile", copy)
            write(5)
            with inspect(path, Path(name), time.sleep) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                seen, last = connection.execute("SELECT COUNT(*), MAX(seq) FROM records").fetchone()
                (said,) = connection.execute("SELECT value FROM named_values WHERE name = 'rows'").fetchone()
    assert seen == last == int(said)
    assert 5 <= seen <= rows[0]


def test_a_journal_that_is_written_to_without_end(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"")
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        path.write_bytes(bytes(len(pauses)))

    with pytest.raises(JournalBusy), inspect(path, scratch, pause):
        pass
    assert pauses == [inspection.SETTLE_S] * MOST_TRIES


def test_an_older_schema_is_read_and_stays_older(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path)) as connection:
        script = Path(inspection.__file__).parent / "schema" / "001_journal.sql"
        connection.executescript(f"{script.read_text()} PRAGMA user_version = 1;")
    before = files(tmp_path)
    assert count(path, scratch) == 0
    assert files(tmp_path) == before


def test_what_cannot_be_looked_into(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "journal.db"
    with pytest.raises(JournalUnreadable, match="no such file"):
        count(path, scratch)
    path.write_bytes(b"not a database, and long enough to be none")
    with pytest.raises(JournalDamaged):
        count(path, scratch)
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalTooNew):
        count(path, scratch)
    with pytest.raises(JournalUnreadable):
        count(path, tmp_path / "no scratch")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("error", [BrokenPipeError(), FileNotFoundError("another file"), PermissionError()])
def test_what_fails_while_a_copy_is_looked_at_is_not_the_journals_fault(tmp_path: Path, scratch: Path, error: OSError) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock):
            pass

    run(main)
    with pytest.raises(type(error)) as raised, inspect(tmp_path / "journal.db", scratch, no_pause):
        raise error
    assert raised.value is error
    assert list(scratch.iterdir()) == []
