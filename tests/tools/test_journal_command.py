"""`homewatt journal` as its users meet it: a journal on the disk, and what is printed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sqlite3
from base64 import b64decode
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.clock import NS_PER_S, SystemClock
from agent.config import AgentConfig, DeviceConfig, DriverConfig, JournalConfig, KeyConfig, LedgerConfig
from agent.journaling import entries
from agent.journaling.entries import ReceiptKind
from agent.journaling.opening import open_journal
from agent.journaling.summaries import MeansOfSamples
from agent.keystore import FileKeyStore
from agent.line.sealing import NEVER, Sealer
from agent.vocabulary import Kind, Reading, SlotEnergy
from lightclient.messages import CancelOrder, Notice, OpenReading
from lightclient.refusals import Refusal
from lightclient.wire import device_id
from storeforward.changes import Changes
from storeforward.database import save_own
from storeforward.gaps import Gap, Kept, Why
from storeforward.items import ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.records import NewRecord, Record, Stream
from storeforward.reserve import Reserve
from storeforward.scrub import Part, Progress
from storeforward.signatures import verifier
from storeforward.sqlitefile import PAGE_BYTES
from storeforward.timekeeping import Anchor, Source
from tools import cli
from tools.configfile import agent_toml
from tools.console import ExitCode

START_S = 1_613_343_600
START_NS = START_S * NS_PER_S
REFUSED, TOO_LATE = 1, 2


def slot(number: int) -> SlotEnergy:
    return SlotEnergy(START_S + 900 * number, 100 * number, 0, 100 * number + 100, 7)


@dataclass
class Home:
    """A freezer's files, and the command line."""

    config: AgentConfig
    path: Path
    keystore: FileKeyStore
    capsys: pytest.CaptureFixture[str]

    @property
    def sealer(self) -> Sealer:
        chain_id = self.config.device.chain_id
        return Sealer(chain_id, device_id(chain_id, self.keystore.public_key()), self.keystore.sign)

    def reading(self, number: int) -> Changes:
        def make(record_hash: bytes) -> bytes:
            return self.sealer.seal_reading(slot(number), record_hash)

        about = NewItem(Priority.BILLING, OpenReading.KIND, slot(number).slot_s, 0, None, make, NEVER, 0)
        sample = entries.sample(Reading(START_S + 900 * number, 400, 100 * number, 7), START_NS)
        return Changes((entries.energy(slot(number), START_NS + 900 * number * NS_PER_S), sample), (about,))

    def order(self, seq: int) -> Changes:
        sealed = self.sealer.seal(CancelOrder(bytes(20), 5), seq, 1_000)
        item = NewItem(Priority.TRADE, sealed.kind, slot(9).slot_s, seq, sealed.order_id, sealed.tx, 1_000)
        return Changes((entries.order(sealed.payload, START_NS),), (item,))

    async def live(self, changes: Sequence[Changes]) -> None:
        """Store changes as an agent does."""
        async with self.opened() as journal:
            for change in changes:
                await journal.apply(change)

    def opened(self) -> AbstractAsyncContextManager[Journal]:
        return open_journal(self.config, self.keystore, SystemClock(), os.urandom(16))

    def journal(self, *arguments: object, code: int = ExitCode.OK) -> tuple[str, str]:
        """What one call says on stdout and on stderr."""
        verb, *rest = map(str, arguments)
        found = cli.main(["journal", verb, "--config", str(self.path), *rest])
        out, err = self.capsys.readouterr()
        assert found == code, out + err
        assert not err or code in (ExitCode.OK, ExitCode.PARTIAL) or "\n  next: " in err
        return out, err

    def answers(self, *arguments: object, code: int = ExitCode.OK) -> list[dict[str, Any]]:
        """The answers in JSON, one a line."""
        lines = [json.loads(line) for line in self.journal(*arguments, "--json", code=code)[0].splitlines()]
        assert all(line["schema_version"] == 1 for line in lines)
        return lines

    def alter(self, statement: str) -> None:
        with closing(sqlite3.connect(self.config.journal.path)) as connection, connection:
            connection.execute(statement)

    def wound(self) -> None:
        """SQLite does not open what has no first page."""
        path = self.config.journal.path
        path.write_bytes(bytes(PAGE_BYTES) + path.read_bytes()[PAGE_BYTES:])


@pytest.fixture(name="empty")
def make_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Home:
    config = AgentConfig(
        device=DeviceConfig("freezer", Kind.FREEZER, "society-1"),
        ledger=LedgerConfig(("ws://127.0.0.1:9/websocket",), anchor_height=1, anchor_hash=bytes(32), single_operator=True),
        key=KeyConfig(tmp_path / "freezer.key"),
        journal=JournalConfig(tmp_path / "journal.db"),
        drivers={"device": DriverConfig("simulated.freezer")},
    )
    path = tmp_path / "freezer.toml"
    path.write_text(agent_toml(config))
    return Home(config, path, FileKeyStore.create(tmp_path / "freezer.key"), capsys)


@pytest.fixture(name="home")
def make_home(empty: Home) -> Home:
    """Readings of five slots: the first refused, the third proven; an order; an event; a receipt."""
    refused = Changes(marks=(Mark(REFUSED, ItemState.REFUSED, 12, 40, "The ledger has another reading."),))
    proven = Changes(marks=(Mark(3, ItemState.PROVEN, 13, 0),))
    others = (
        entries.event("bid", "It is warm.", START_NS),
        entries.receipt(ReceiptKind.SETTLED, slot(0).slot_s, 11, b"\x90", START_NS),
    )
    changes = [*(empty.reading(number) for number in range(5)), empty.order(17), Changes(others), refused, proven]
    asyncio.run(empty.live(changes))
    return empty


def test_status_says_what_is_there(home: Home) -> None:
    (answer,) = home.answers("status")
    assert {name: span["records"] for name, span in answer["streams"].items()} == {
        "energy": 5,
        "order": 1,
        "receipt": 1,
        "event": 1,
        "sample": 5,
    }
    assert answer["open_items"] == {"trade": 1, "billing": 3}
    assert (answer["dead_letters"], answer["agent_runs"], answer["disk_full"]) == (1, False, False)
    assert answer["oldest_unsent"] == {"seq": 3, "time_ns": START_NS + 900 * NS_PER_S}
    assert answer["wear"]["flushes"] > 0
    text, _ = home.journal("status")
    assert "energy               5 records, 2021-02-14T23:00:00Z to 2021-02-15T00:00:00Z" in text
    assert "waits        1 trade, 3 billing (4 queued); the oldest is about record 3 of 2021-02-14T23:15:00Z" in text
    assert "dead letters 1 (homewatt journal show --dead-letters)" in text


@pytest.mark.parametrize(
    ("progress", "answer", "sentence"),
    [
        (Progress(), (None, 0), "no whole pass has ended yet; the present one has read 0 % of the records"),
        (Progress(number=6), (None, 461), "no whole pass has ended yet; the present one has read 46 % of the records"),
        (Progress(done_ns=START_NS), (START_NS, 1000), "the last whole pass ended at 2021-02-14T23:00:00Z"),
        (
            Progress(Part.RECORDS, 6, done_ns=START_NS),
            (START_NS, 461),
            "the last whole pass ended at 2021-02-14T23:00:00Z; the present one has read 46 % of the records",
        ),
        (Progress(Part.ITEMS, 3), (None, 1000), "no whole pass has ended yet"),
    ],
)
def test_status_says_how_far_the_scrub_has_come(
    home: Home, progress: Progress, answer: tuple[int | None, int], sentence: str
) -> None:
    with closing(sqlite3.connect(home.config.journal.path)) as connection, connection:
        progress.save(connection)
    (told,) = home.answers("status")
    assert (told["scrub"]["ended_ns"], told["scrub"]["permille"]) == answer
    assert f"  scrub        {sentence}, as last saved\n" in home.journal("status")[0]


def test_status_of_a_scrub_that_nobody_wrote(home: Home) -> None:
    with closing(sqlite3.connect(home.config.journal.path)) as connection, connection:
        save_own(connection, "scrub", b"\x93")
    assert "next: start the agent: it sets the file aside" in home.journal("status", code=ExitCode.PRECONDITION)[1]


def test_status_while_the_agent_runs_and_the_disk_is_full(home: Home) -> None:
    async def main() -> None:
        async with home.opened() as journal:
            await journal.apply(home.reading(7))
            assert Reserve(journal.path, 1).give_up()
            (answer,) = await asyncio.to_thread(home.answers, "status")
            assert answer["agent_runs"] is answer["disk_full"] is True
            assert answer["streams"]["energy"]["records"] == 6

    asyncio.run(main())


def test_status_of_a_journal_whose_agent_was_killed_before_it_saved_a_count(empty: Home, tmp_path: Path) -> None:
    async def main() -> None:
        async with empty.opened() as journal:
            await journal.apply(empty.reading(0))
            copy = tmp_path / "killed.db"
            for suffix in ("", "-wal"):
                copy.with_name(copy.name + suffix).write_bytes(journal.path.with_name(journal.path.name + suffix).read_bytes())
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).replace(empty.config.journal.path.with_name(journal.path.name + suffix))

    asyncio.run(main())
    assert "wear         nothing was saved yet of what was counted" in empty.journal("status")[0]


def test_show_tells_records_in_words(home: Home) -> None:
    lines = home.journal("show")[0].splitlines()
    assert len(lines) == 13
    assert lines[2].split(maxsplit=3) == [
        "3",
        "2021-02-14T23:15:00Z",
        "energy",
        "slot 2021-02-14T23:15:00Z: 100 Wh in, 7 Wh out",
    ]
    assert lines[3].endswith("400 W, registers 100 and 7 Wh")
    assert lines[10].endswith("CancelOrder, number 17, until height 1000")
    assert lines[11].endswith("bid: It is warm.")
    assert lines[12].endswith("slot 2021-02-14T23:00:00Z settled, proven at height 11")
    assert home.journal("show", "--stream", "energy", "--since", 5, "--limit", 2)[0].splitlines() == [lines[6], lines[8]]
    (entry,) = home.answers("show", "--stream", "event")
    assert entry["content"] == {"what": "bid", "text": "It is warm."}
    assert (entry["seq"], entry["time_ns"]) == (12, START_NS)


def test_show_tells_of_means_gaps_and_anchors_and_of_what_nobody_knows(empty: Home) -> None:
    samples = [Record(bytes(20), bytes(16), 1, 0, START_NS + n, Stream.SAMPLE, b"", bytes(32), b"") for n in range(2)]
    bodies = [entries.sample(Reading(START_S, 100 * n, n, 0), START_NS).body for n in range(2)]
    means = MeansOfSamples(900).slots([replace(sample, body=body) for sample, body in zip(samples, bodies, strict=True)])
    gap = Gap(0, {Stream.SAMPLE: ((1, 4),)}, 0, 0, bytes(32), Kept.SLOT_MEANS, Why.SIZE)
    anchor = Anchor(Source.LEDGER, bytes(16), 1, 2, START_NS, 5 * NS_PER_S, 12, bytes(32))
    told = [
        *means,
        NewRecord(Stream.GAP, None, gap.encode()),
        entries.anchor(anchor, None),
        NewRecord(Stream.ENERGY, None, b"?"),
    ]
    asyncio.run(empty.live([Changes(tuple(told))]))
    said = [line.split(maxsplit=2)[2] for line in empty.journal("show")[0].splitlines()]
    assert [text.rsplit("  ", 1)[-1] for text in said] == [
        "1 means over 2 samples",
        "evicted for size: 4 sample; kept: slot means",
        "it is 2021-02-14T23:00:00Z give or take 5000 ms, says ledger, block 12",
        "1 bytes",
    ]
    contents = [entry["content"] for entry in empty.answers("show")]
    assert contents[0]["means"][0]["sum_w"] == 100
    assert (contents[1]["evicted"], contents[1]["runs"]) == ({"sample": 4}, {"sample": [[1, 4]]})
    assert (contents[2]["source"], contents[2]["height"]) == ("ledger", 12)
    assert contents[3] == {"unknown": "3f"}


def test_show_tells_what_was_refused_and_why(home: Home) -> None:
    text, _ = home.journal("show", "--dead-letters")
    assert text == (
        "item 1: OpenReading for slot 2021-02-14T23:00:00Z, refused at height 12 with code 40:"
        " The ledger has another reading.\n"
    )
    (letter,) = home.answers("show", "--dead-letters")
    assert (letter["item"], letter["record_seq"], letter["code"]) == (1, 1, 40)


def test_verify_walks_through_a_whole_journal(home: Home) -> None:
    (answer,) = home.answers("verify")
    assert (answer["whole"], answer["records"], answer["last_seq"], answer["unsigned"]) == (True, 13, 13, 0)
    assert home.journal("verify", "--public-key", home.keystore.public_key().hex())[0].startswith("whole: 13 records")


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("DELETE FROM samples WHERE seq = 4", 4, "missing"),
        ("UPDATE records SET signature = zeroblob(64) WHERE seq = 5", 5, "not signed"),
        ("UPDATE samples SET data = CAST(data || x'00' AS BLOB) WHERE seq = 6", 6, "altered"),
        ("UPDATE records SET stream = 2 WHERE seq = 5", 5, "altered"),
    ],
)
def test_verify_finds_what_was_done_to_it(home: Home, statement: str, seq: int, reason: str) -> None:
    home.alter(statement)
    (answer,) = home.answers("verify", code=ExitCode.IDENTITY)
    assert (answer["whole"], answer["seq"]) == (False, seq)
    assert reason in answer["reason"]
    assert f"BROKEN: record {seq} " in home.journal("verify", code=ExitCode.IDENTITY)[0]


def test_verify_with_another_key(home: Home, tmp_path: Path) -> None:
    other = FileKeyStore.create(tmp_path / "other.key").public_key()
    (answer,) = home.answers("verify", "--public-key", other.hex(), code=ExitCode.IDENTITY)
    assert answer["seq"] == 1
    _, err = home.journal("verify", "--public-key", "05" * 33, code=ExitCode.USAGE)
    assert "--public-key" in err


def test_an_export_can_be_verified_by_anyone(home: Home, tmp_path: Path) -> None:
    """With nothing but the page about the format: this follows docs/journal.md."""
    out = tmp_path / "journal.jsonl"
    home.journal("export", "--out", out)
    head, *lines = map(json.loads, out.read_text().splitlines())
    assert (head["format"], head["chain_id"]) == ("homewatt-journal", "society-1")
    verify = verifier(bytes.fromhex(head["public_key"]))
    assert [line["seq"] for line in lines] == list(range(1, 14))
    for line in lines:
        assert (line["stream"] == "sample") is (line["signature"] is None)
        if line["signature"]:
            assert verify(b64decode(line["data"]), b64decode(line["signature"]))
    hashes = {hashlib.sha256(b64decode(line["data"])).digest() for line in lines if line["stream"] == "energy"}
    assert len(hashes) == 5
    assert [line["proven_height"] for line in lines if line["stream"] == "energy"] == [None, None, 13, None, None]
    assert len(home.journal("export", "--since-seq", 12)[0].splitlines()) == 3
    _, err = home.journal("export", "--out", out, code=ExitCode.USAGE)
    assert "is there already" in err
    home.journal("export", "--out", tmp_path / "missing" / "x", code=ExitCode.PRECONDITION)


def test_a_refused_reading_is_sent_again_by_hand(home: Home) -> None:
    (answer,) = home.answers("requeue", REFUSED)
    assert answer["requeued"] == [REFUSED]
    (status,) = home.answers("status")
    assert (status["dead_letters"], status["open_items"]) == (0, {"trade": 1, "billing": 4})
    assert "repair: Refused readings are sent again by hand: items 1." in home.journal("show", "--stream", "event")[0]
    home.answers("verify")

    async def first() -> bytes:
        async with home.opened() as journal:
            items = await journal.outbox.open_items()
            return next(item.tx for item in items if item.id == REFUSED)

    with closing(sqlite3.connect(home.config.journal.path)) as connection:
        (data,) = connection.execute("SELECT data FROM records WHERE seq = 1").fetchone()
    assert asyncio.run(first()) == home.sealer.seal_reading(slot(0), hashlib.sha256(data).digest())


@pytest.mark.parametrize(("item", "why"), [(3, "is no dead letter"), (4, "is no dead letter"), (99, "is no dead letter")])
def test_what_is_proven_or_waits_is_not_sent_again(home: Home, item: int, why: str) -> None:
    _, err = home.journal("requeue", REFUSED, item, code=ExitCode.PRECONDITION)
    assert f"item {item} {why}" in err
    assert home.answers("status")[0]["dead_letters"] == 1, "all or none"


def test_an_order_is_not_sent_again(home: Home) -> None:
    asyncio.run(home.live([Changes(marks=(Mark(6, ItemState.REFUSED, 12, 3, "gone"),))]))
    _, err = home.journal("requeue", 6, code=ExitCode.PRECONDITION)
    assert "is no reading" in err


def test_a_notice_is_not_sent_again_because_the_next_one_vouches_for_the_same(home: Home) -> None:
    tx = home.sealer.seal_notice(Notice(slot(9).slot_s, 1, 0, 0, 0, 0, b"n" * 32))
    notice = NewItem(Priority.TELEMETRY, Notice.KIND, slot(9).slot_s, 0, b"n" * 32, tx, NEVER)
    refused = Mark(7, ItemState.REFUSED, 12, Refusal.NOTICE_STANDS, "another one counts")
    asyncio.run(home.live([Changes(enqueue=(notice,)), Changes(marks=(refused,))]))
    assert "item 7: Notice for slot" in home.journal("show", "--dead-letters")[0]
    _, err = home.journal("requeue", 7, code=ExitCode.PRECONDITION)
    assert "item 7 is a notice" in err
    assert "the next notice vouches for the same records" in err


def test_salvage_takes_back_what_a_damaged_journal_holds(home: Home) -> None:
    home.wound()
    text, _ = home.journal("salvage", code=ExitCode.PARTIAL)
    assert "1 of them unreadable" in text
    assert "sent again       3 readings, 0 notices; 0 were known" in text
    assert "not sent again   1 orders, 1 dead letters" in text
    (answer,) = home.answers("salvage", "--samples", code=ExitCode.PARTIAL)
    assert answer["found"] == {"energy": 5, "order": 1, "receipt": 1, "event": 1, "sample": 5}
    assert (answer["kept"], answer["known"], answer["missing"]) == (13, 3, 0)
    (status,) = home.answers("status")
    assert status["open_items"] == {"billing": 3}
    assert status["salvaged"]["records"] == 13
    assert status["damaged"][0]["told"].startswith("records taken back: 13")
    assert home.journal("show", "--salvaged")[0].count("(journal.db.damaged-1)") == 13
    assert "; 13 salvaged records, 0 of them not signed" in home.journal("verify")[0]
    assert home.journal("export")[0].count('"origin": "journal.db.damaged-1"') == 13


def test_salvage_of_a_file_by_name(home: Home, tmp_path: Path) -> None:
    copy = tmp_path / "old card.db"
    home.config.journal.path.rename(copy)
    (answer,) = home.answers("salvage", copy)
    assert (answer["requeued"], answer["unreadable_pages"], answer["missing"]) == (3, 0, 0)
    home.journal("salvage", tmp_path / "none.db", code=ExitCode.USAGE)


def test_nothing_is_damaged(home: Home) -> None:
    assert "no damaged file stands beside" in home.journal("salvage", code=ExitCode.PRECONDITION)[1]


@pytest.mark.parametrize("arguments", [("salvage",), ("requeue", REFUSED)])
def test_repairs_need_the_agent_stopped(home: Home, arguments: tuple[object, ...]) -> None:
    async def main() -> None:
        async with home.opened() as journal:
            assert journal.set_aside is None
            _, err = await asyncio.to_thread(home.journal, *arguments, code=ExitCode.PRECONDITION)
            assert "next: stop the agent" in err

    asyncio.run(main())


def test_no_journal_no_key_and_a_journal_that_is_damaged(empty: Home, tmp_path: Path) -> None:
    assert "no such file" in empty.journal("status", code=ExitCode.PRECONDITION)[1]
    asyncio.run(empty.live([empty.reading(0)]))
    empty.wound()
    assert "next: start the agent: it sets the file aside" in empty.journal("show", code=ExitCode.PRECONDITION)[1]
    (tmp_path / "freezer.key").unlink()
    assert "no such key file" in empty.journal("salvage", code=ExitCode.PRECONDITION)[1]
