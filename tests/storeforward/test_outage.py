"""The outage campaign in its short form: minutes for days, the same agent. Long form: make soak-storeforward."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.line.pacing import Pace
from tools.fullnode.engine.blockstore import CommittedBlock
from tools.soak import outage
from tools.soak.campaign import Violation


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
    take = outage.Ledgerside.take

    def forgets_one(self: outage.Ledgerside, block: CommittedBlock) -> None:
        take(self, block)
        self.taken = [(slot_s, at_s) for slot_s, at_s in self.taken if slot_s != outage.SHORT.at_s(20)]

    monkeypatch.setattr(outage.Ledgerside, "take", forgets_one)
    with pytest.raises(Violation, match=rf"1 slots missing \(first: \[{outage.SHORT.at_s(20)}\]\)"):
        outage.run(tmp_path, 1, outage.SHORT, silent)
