"""Troubles: named, dated, and said once."""

from __future__ import annotations

import logging

import pytest

from agent.status import Since, Status, Trouble


def test_a_trouble_keeps_its_start_while_its_cause_changes(caplog: pytest.LogCaptureFixture) -> None:
    status = Status("washer")
    with caplog.at_level(logging.WARNING):
        status.set(Trouble.OFFLINE, "no answer", 100)
        status.set(Trouble.OFFLINE, "connection refused", 160)
        assert status.snapshot() == {Trouble.OFFLINE: Since("connection refused", 100)}
        assert Trouble.OFFLINE in status
        status.clear(Trouble.OFFLINE, 400)
        status.clear(Trouble.OFFLINE, 500)
    assert status.snapshot() == {}
    assert [record.getMessage() for record in caplog.records] == [
        "washer: offline: no answer",
        "washer: no longer offline, after 300 s",
    ]


def test_how_long_a_trouble_stood_is_not_told_by_a_clock_that_was_set_back(caplog: pytest.LogCaptureFixture) -> None:
    status = Status("washer")
    with caplog.at_level(logging.WARNING):
        status.set(Trouble.BEHIND, "an old header", 4_000)
        status.clear(Trouble.BEHIND, 400)
    assert caplog.records[-1].getMessage() == "washer: no longer behind, and the clock was set back meanwhile"
