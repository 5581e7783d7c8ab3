"""The outage campaign in its short form: minutes for days, the same agent. Long form: make soak-storeforward."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.line.pacing import Pace
from agent.time.redating import NeverDated, Redating
from storeforward.database import read_all
from storeforward.records import StoredRecord, Stream
from storeforward.timekeeping import Dated, Dating
from tools.fullnode.engine.blockstore import CommittedBlock
from tools.soak import clockless, outage
from tools.soak.campaign import Violation
from tools.soak.offline import REBOOT_S, Ledgerside

SHORTER = replace(clockless.SHORT, slots=16)
"""For campaigns that find something."""


def silent(line: str) -> None:
    """Progress is for people."""


@pytest.mark.parametrize("restarts", [0, 3])
def test_what_was_measured_without_a_network_is_delivered_once_in_order_at_a_pace(tmp_path: Path, restarts: int) -> None:
    plan = replace(outage.SHORT, restarts=restarts)
    figures = outage.run(tmp_path, 1, plan, silent).figures
    assert figures["readings on the ledger, each slot once and in order"] == plan.all_slots - 1
    assert figures["transactions that waited when the network was back"] >= plan.slots
    assert figures["samples in the journal, one per second"] > (plan.slots - 1) * plan.slot_s


def test_a_drain_without_a_pace_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.lifecycle.Pace", lambda per_s: Pace(1_000))
    with pytest.raises(Violation, match=r"drain: 41 readings in . s, not less than 24 s"):
        outage.run(tmp_path, 1, outage.SHORT, silent)


def test_a_reading_that_the_ledger_did_not_get_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Ledgerside.take

    def forgets_one(self: Ledgerside, block: CommittedBlock) -> None:
        take(self, block)
        self.taken = [(slot_s, at_s) for slot_s, at_s in self.taken if slot_s != outage.SHORT.at_s(20)]

    monkeypatch.setattr(Ledgerside, "take", forgets_one)
    with pytest.raises(Violation, match=rf"1 slots missing \(first: \[{outage.SHORT.at_s(20)}\]\)"):
        outage.run(tmp_path, 1, outage.SHORT, silent)


def test_without_a_clock_all_is_delivered_that_can_be_dated_and_the_rest_is_kept_with_its_reason(tmp_path: Path) -> None:
    plan = clockless.SHORT
    figures = clockless.run(tmp_path, 1, plan, silent).figures
    assert figures["readings on the ledger, each slot once and in order"] == plan.all_slots - 1 - len(clockless.unsettled(plan))
    part_s = plan.slots * plan.slot_s // 4 - REBOOT_S - clockless.AGAIN_S
    never_dated, undated = (
        figures[f"of them {what}"] for what in ("never dated, kept as evidence", "without a date of their own")
    )
    assert 2 * part_s / 7 < never_dated < 2 * part_s / 4
    assert never_dated + part_s / 7 < undated


def test_an_acknowledged_record_that_is_gone_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_the_newest(
        connection: sqlite3.Connection, after_seq: int, stream: Stream | None = None
    ) -> Iterator[StoredRecord]:
        yield from list(read_all(connection, after_seq, stream))[:-1]

    monkeypatch.setattr("tools.soak.evidence.read_all", without_the_newest)
    with pytest.raises(Violation, match="1 records were acknowledged and are not there"):
        clockless.run(tmp_path, 1, SHORTER, silent)


def test_a_boot_without_a_date_that_nobody_tells_of_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never_dated = Redating._never_dated

    def forgets_one(self: Redating) -> list[NeverDated]:
        return never_dated(self)[:-1]

    monkeypatch.setattr(Redating, "_never_dated", forgets_one)
    with pytest.raises(Violation, match=r"none says: .* samples are of a boot that never learnt"):
        clockless.run(tmp_path, 1, SHORTER, silent)


def test_slots_that_were_dated_wrongly_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(Dating):
        def date(self, monotonic_ns: int) -> Dated | None:
            dated = super().date(monotonic_ns)
            return None if dated is None else replace(dated, utc_ns=dated.utc_ns + 20 * 10**9)

    monkeypatch.setattr(Redating, "_datings", lambda self: {self._time.boot_id: Late(self._time.dating.anchors)})
    with pytest.raises(Violation, match="Wh off: it was not measured then"):
        clockless.run(tmp_path, 1, SHORTER, silent)
