"""`homewatt time` as a technician meets it: what is believed and why, what waits, and how a person tells the time."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.clock import NS_PER_S, SystemClock
from agent.config import AgentConfig, DeviceConfig, DriverConfig, JournalConfig, KeyConfig, LedgerConfig, TimeConfig
from agent.journaling import entries
from agent.journaling.opening import open_journal
from agent.keystore import FileKeyStore
from agent.time import system
from agent.time.operator import read_request, request_path
from agent.time.redating import UNDATED_AFTER
from agent.time.system import Synchronisation, boot_id_of_machine
from agent.vocabulary import Kind, Reading
from lightclient.rfc3339 import format_ns
from storeforward.changes import Changes
from storeforward.records import NewRecord, Stream
from storeforward.timekeeping import Anchor, Source
from tools import cli
from tools.configfile import agent_toml
from tools.console import ExitCode

UNSYNCHRONISED = Synchronisation(False, 0, "the kernel says that its clock is not synchronised")
EARLIER = bytes(range(16))


class Home:
    """The files of a device that is not running."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], time: TimeConfig) -> None:
        self.config = AgentConfig(
            device=DeviceConfig("freezer", Kind.FREEZER, "society-1"),
            ledger=LedgerConfig(("ws://127.0.0.1:9/websocket",), anchor_height=1, anchor_hash=bytes(32), single_operator=True),
            key=KeyConfig(folder / "freezer.key"),
            journal=JournalConfig(folder / "journal.db"),
            drivers={"device": DriverConfig("simulated.freezer")},
            time=time,
        )
        self.path = folder / "freezer.toml"
        self.path.write_text(agent_toml(self.config))
        self.keystore = FileKeyStore.create(folder / "freezer.key")
        self.capsys = capsys

    def store(self, boot_id: bytes, changes: Changes) -> None:
        async def main() -> None:
            async with open_journal(self.config, self.keystore, SystemClock(), boot_id) as journal:
                await journal.apply(changes)

        asyncio.run(main())

    def time(self, *arguments: str, code: int = ExitCode.OK) -> str:
        verb, *rest = arguments
        found = cli.main(["time", verb, "--config", str(self.path), *rest])
        out, err = self.capsys.readouterr()
        assert found == code, out + err
        return err or out

    def status(self, code: int = ExitCode.OK) -> dict[str, Any]:
        answer = json.loads(self.time("status", "--json", code=code))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture(name="home")
def make_home(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Home:
    """A device on a machine whose kernel does not call its clock synchronised, with an empty journal."""
    monkeypatch.setattr(system, "ask_kernel", lambda: UNSYNCHRONISED)
    home = Home(tmp_path, capsys, TimeConfig())
    home.store(boot_id_of_machine(), Changes(values=(("kit", b""),)))
    return home


def told(source: Source, off_s: float = 0, uncertainty_s: int = 1) -> Anchor:
    """What a source says now, in this boot."""
    clock = SystemClock()
    at_ns, utc_ns = clock.monotonic_ns(), clock.now_ns() + round(off_s * NS_PER_S)
    return Anchor(
        source, boot_id_of_machine(), at_ns, at_ns, utc_ns, uncertainty_s * NS_PER_S, 7 if source is Source.LEDGER else 0
    )


def test_a_device_that_nobody_told_the_time_says_why_and_what_to_do(home: Home) -> None:
    said = home.time("status", code=ExitCode.PRECONDITION)
    assert said.startswith(
        "the time is unknown\n  why:       the kernel says that its clock is not synchronised, and no two blocks"
    )
    assert "\n  next:      see to the network and the time service" in said
    assert "2026-01-01T00:00:00Z has certainly passed" in said
    answer = home.status(code=ExitCode.PRECONDITION)
    assert answer["state"] == "unknown"
    assert answer["utc"] is None
    assert answer["system"]["synchronised"] is False


def test_an_anchor_of_this_boot_is_believed_and_shown(home: Home) -> None:
    home.store(boot_id_of_machine(), Changes((entries.anchor(told(Source.OPERATOR), None),)))
    said = home.time("status")
    assert said.startswith("the time is anchored\n  now:       20")
    assert "give or take 1000 ms; says operator" in said
    (anchor,) = home.status()["anchors"]
    assert anchor["source"] == "operator"
    assert anchor["this_boot"] is True


def test_sources_that_contradict_each_other_are_named(home: Home) -> None:
    anchors = [entries.anchor(told(Source.OPERATOR, 3_600), None), entries.anchor(told(Source.LEDGER), None)]
    home.store(boot_id_of_machine(), Changes(tuple(anchors)))
    answer = home.status(code=ExitCode.PRECONDITION)
    assert answer["state"] == "floor"
    assert answer["conflict"] == "the ledger and the operator are 3598 s apart"
    assert "conflict:  the ledger and the operator are" in home.time("status", code=ExitCode.PRECONDITION)


def test_what_waits_for_a_date_and_what_did_not_settle_is_shown(home: Home) -> None:
    samples = [entries.undated_sample(Reading(0, 5, 6, 7), place * NS_PER_S) for place in range(1, 11)]
    event = entries.event("meter", "The time was known to 14 s only: slots from 900 to 2700 are kept as evidence.", None)
    home.store(EARLIER, Changes((*samples, event), values=((UNDATED_AFTER, b"0"),)))
    home.store(boot_id_of_machine(), Changes((entries.anchor(told(Source.OPERATOR), None), *samples)))
    answer = home.status()
    earlier, this_boot = answer["waiting"]
    assert (earlier["boot_id"], earlier["samples"], earlier["not_before"]) == (EARLIER.hex(), 10, None)
    assert (this_boot["boot_id"], this_boot["samples"]) == (boot_id_of_machine().hex(), 10)
    assert earlier["not_after"] < this_boot["not_after"]
    assert answer["not_settled"] == ["The time was known to 14 s only: slots from 900 to 2700 are kept as evidence."]
    said = home.time("status")
    assert "waiting:   10 samples of boot 000102 for a date; first one between nobody knows when and 2" in said
    assert "unsettled: The time was known to 14 s only" in said


def test_what_another_version_wrote_is_left_out_and_what_the_disk_changed_is_named(home: Home) -> None:
    unknown = [NewRecord(stream, None, b"\x91\x02") for stream in (Stream.ANCHOR, Stream.EVENT)]
    home.store(boot_id_of_machine(), Changes((*unknown, entries.anchor(told(Source.OPERATOR), None))))
    (anchor,) = home.status()["anchors"]
    assert anchor["source"] == "operator"
    with closing(sqlite3.connect(home.config.journal.path)) as connection, connection:
        connection.execute("UPDATE records SET data = x'00' WHERE seq = 1")
    said = home.time("status", code=ExitCode.IDENTITY)
    assert "not a record" in said
    assert "homewatt journal verify says what is wrong" in said


def test_an_owner_may_vouch_for_the_machines_clock(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "ask_kernel", lambda: UNSYNCHRONISED)
    home = Home(tmp_path, capsys, TimeConfig("always"))
    home.store(boot_id_of_machine(), Changes(values=(("kit", b""),)))
    answer = home.status()
    assert answer["state"] == "anchored"
    assert answer["uncertainty_ns"] == 5 * NS_PER_S
    assert answer["system"]["cause"].startswith("believed by configuration; the kernel says")


def test_a_person_sets_the_time_for_the_next_agent(home: Home) -> None:
    now_ns = SystemClock().now_ns() // NS_PER_S * NS_PER_S
    said = home.time("set", format_ns(now_ns), "--uncertainty", "3")
    assert "give or take 3 s; the next agent takes it up" in said
    assert "nobody signs this but the device itself" in said
    anchor = read_request(request_path(home.config.journal.path))
    assert anchor is not None
    assert (anchor.source, anchor.utc_ns, anchor.uncertainty_ns) == (Source.OPERATOR, now_ns, 3 * NS_PER_S)
    assert anchor.boot_id == boot_id_of_machine()
    assert abs(anchor.before_ns - SystemClock().monotonic_ns()) < 60 * NS_PER_S


@pytest.mark.parametrize("utc", ["2026-11-21 13:05", "now", "2026-11-21T13:05:00+01:00"])
def test_a_time_that_is_none_is_refused(home: Home, utc: str) -> None:
    with pytest.raises(SystemExit):
        cli.main(["time", "set", "--config", str(home.path), utc])
    assert "expected a time in UTC such as" in home.capsys.readouterr().err


def test_a_time_before_the_software_is_refused(home: Home) -> None:
    assert "no controller with this software is older" in home.time("set", "1999-01-01T00:00:00Z", code=ExitCode.USAGE)


def test_without_a_journal_there_is_nothing_to_show(home: Home) -> None:
    home.config.journal.path.unlink()
    assert "an agent makes the file when it starts" in home.time("status", code=ExitCode.PRECONDITION)
    home.config.journal.path.parent.joinpath("gone").mkdir()
    home.path.write_text(home.path.read_text().replace("journal.db", "missing/journal.db"))
    assert "see to [journal] path" in home.time("set", "2026-11-21T13:05:00Z", code=ExitCode.PRECONDITION)
