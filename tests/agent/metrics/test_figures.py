"""What stands in the figures, and what does not while it is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.clock import NS_PER_S
from agent.line.proving import Counters
from agent.metrics.exposition import Family, render
from agent.metrics.figures import AgentFigures, Instant, agent_families, journal_families
from agent.status import Trouble
from agent.time.states import TimeState
from storeforward.items import Priority
from storeforward.metrics import Captured, Metrics
from storeforward.records import Stream
from tests.agent.metrics.parser import Read, parse

T0_NS = 1_772_323_200 * NS_PER_S
NOW = Instant(monotonic_ns=500 * NS_PER_S, wall_ns=T0_NS)
JOURNAL = Metrics(
    depth={Priority.BILLING: 7},
    dead_letters=1,
    oldest_unsent=Captured(4, T0_NS - 90 * NS_PER_S, 90 * NS_PER_S),
    last_fsync_ns=NOW.monotonic_ns - 1_250_000_001,
    flush_count=30,
    flushes_today=25,
    bytes_written_today=123_456,
    groups=28,
    grouped_changes=40,
    largest_group=5,
    size_bytes=4_096,
    bound_bytes=2**30,
    kept={Stream.ENERGY: 3, Stream.SLOT_MEAN: 2},
    evicted={Stream.SAMPLE: 90},
    scrubbed_at_ns=T0_NS - 1,
    scrubbed_permille=125,
)
AGENT = AgentFigures({Trouble.OFFLINE, Trouble.NODE}, TimeState.ANCHORED, 30_000_000, 812, Counters(5, 2, 1))


def read(families: list[Family]) -> dict[str, Read]:
    return parse(render(families, {"device": "freezer"}))


def test_the_journals_figures() -> None:
    found = read(journal_families(JOURNAL, NOW))
    assert found["homewatt_journal_open_items"].by("priority") == {"trade": 0, "billing": 7, "telemetry": 0}
    assert found["homewatt_journal_records"].by("stream") == {
        **dict.fromkeys(("order", "receipt", "event", "sample", "minute-mean", "gap", "anchor"), 0),
        "energy": 3,
        "slot-mean": 2,
    }
    assert found["homewatt_journal_evicted_records_total"].by("stream")["sample"] == 90
    assert {name.removeprefix("homewatt_journal_"): one.only for name, one in found.items() if len(one.samples) == 1} == {
        "dead_letters": 1,
        "oldest_unsent_age_seconds": 90,
        "last_fsync_age_seconds": 1.25,
        "flushes_total": 30,
        "flushes_today": 25,
        "written_bytes_today": 123_456,
        "commits_total": 28,
        "changes_total": 40,
        "size_bytes": 4_096,
        "bound_bytes": 2**30,
        "scrub_progress_ratio": 0.125,
        "scrub_end_timestamp_seconds": T0_NS // NS_PER_S - 1,
    }


def test_the_agents_figures() -> None:
    found = read(agent_families(AGENT))
    troubles = found["homewatt_trouble"].by("name")
    assert list(troubles) == list(Trouble)
    assert [name for name, stands in troubles.items() if stands] == ["offline", "a node lied"]
    assert found["homewatt_time_state"].by("state") == {"unknown": 0, "floor": 0, "anchored": 1}
    assert found["homewatt_time_uncertainty_seconds"].only == 0.03
    assert found["homewatt_ledger_verified_height"].only == 812
    assert found["homewatt_transactions_total"].by("outcome") == {"proven": 5, "refused": 2, "expired": 1}


def test_all_follow_the_conventions() -> None:
    found = read(agent_families(AGENT) + journal_families(JOURNAL, NOW))
    for name, one in found.items():
        assert name.startswith("homewatt_")
        assert (one.type == "counter") == name.endswith("_total")
        assert one.help.endswith(".")
        assert set(one.by("device")) == {"freezer"}


@pytest.mark.parametrize(
    ("oldest", "wall_ns", "age_s"),
    [
        (None, T0_NS, 0),
        (Captured(1, None, 7 * NS_PER_S), None, 7),
        (Captured(1, T0_NS - 60 * NS_PER_S, None), T0_NS, 60),
        (Captured(1, T0_NS + NS_PER_S, None), T0_NS, 0),
        (Captured(1, T0_NS, None), None, None),
        (Captured(1, None, None), T0_NS, None),
    ],
    ids=["nothing waits", "this boot", "an earlier boot", "a clock that was set back", "no time now", "no time then"],
)
def test_how_long_the_oldest_waits(oldest: Captured | None, wall_ns: int | None, age_s: int | None) -> None:
    found = read(journal_families(replace(JOURNAL, oldest_unsent=oldest), Instant(NOW.monotonic_ns, wall_ns)))
    age = found.get("homewatt_journal_oldest_unsent_age_seconds")
    assert (None if age is None else age.only) == age_s


def test_the_manual_names_each() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "journal.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(homewatt_\w+)(?:\{\w+\})?`", manual))
    assert named == {family.name for family in agent_families(AGENT) + journal_families(JOURNAL, NOW)}


def test_what_is_not_known_is_not_told() -> None:
    new = replace(JOURNAL, last_fsync_ns=None, scrubbed_at_ns=None)
    lost = replace(AGENT, time_state=TimeState.FLOOR, uncertainty_ns=None)
    all_names = read(agent_families(AGENT) + journal_families(JOURNAL, NOW)).keys()
    assert all_names - read(agent_families(lost) + journal_families(new, NOW)).keys() == {
        "homewatt_journal_last_fsync_age_seconds",
        "homewatt_journal_scrub_end_timestamp_seconds",
        "homewatt_time_uncertainty_seconds",
    }
