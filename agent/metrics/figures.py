"""Which figures of an agent are told, under which names. No I/O, no clock.

Names follow prometheus.io/docs/practices/naming: base units (seconds, bytes), `_total` for counters. What is not known now has
no sample: a missing value is no value, and a made-up one would be believed. docs/journal.md explains them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from agent.clock import NS_PER_S
from agent.line.proving import Counters
from agent.metrics.exposition import Family, Sample, Type
from agent.status import Trouble
from agent.time.states import TimeState
from storeforward.items import Priority
from storeforward.metrics import Metrics
from storeforward.records import Stream

Member = TypeVar("Member", bound=Enum)
_MS_PER_S: Final = 1_000


@dataclass(frozen=True, slots=True)
class Instant:
    """When the figures were read. `wall_ns` is Unix time, None where it is not known."""

    monotonic_ns: int
    wall_ns: int | None


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """What the agent knows of itself. `uncertainty_ns` of the time, None where it is not known; `verified_height` 0: none."""

    troubles: Collection[Trouble]
    time_state: TimeState
    uncertainty_ns: int | None
    verified_height: int
    counters: Counters


def agent_families(seen: AgentFigures) -> list[Family]:
    """The figures of the agent itself."""
    counters = seen.counters
    outcomes = {"proven": counters.proven, "refused": counters.refused, "expired": counters.expired}
    return [
        _gauge(
            "homewatt_trouble",
            "1 while this trouble stands, else 0.",
            *(Sample(int(trouble in seen.troubles), {"name": trouble}) for trouble in Trouble),
        ),
        _gauge(
            "homewatt_time_state",
            "1 for the state that the time is in, else 0.",
            *(Sample(int(state is seen.time_state), {"state": state}) for state in TimeState),
        ),
        _gauge(
            "homewatt_time_uncertainty_seconds",
            "How far the time may be off either way; only while it is anchored.",
            *_known(_seconds(seen.uncertainty_ns)),
        ),
        _gauge(
            "homewatt_ledger_verified_height",
            "Height of the newest verified header; 0 before the first.",
            Sample(seen.verified_height),
        ),
        Family(
            "homewatt_transactions_total",
            Type.COUNTER,
            "Own transactions whose outcome was proven, since the start.",
            tuple(Sample(count, {"outcome": outcome}) for outcome, count in outcomes.items()),
        ),
    ]


def journal_families(journal: Metrics, at: Instant) -> list[Family]:
    """The figures of the journal."""
    scrubbed_ns = journal.scrubbed_at_ns
    return [
        _gauge(
            "homewatt_journal_open_items",
            "Transactions whose outcome is not proven yet.",
            *_by(Priority, "priority", journal.depth),
        ),
        _gauge("homewatt_journal_dead_letters", "Transactions whose refusal is proven.", Sample(journal.dead_letters)),
        _gauge(
            "homewatt_journal_oldest_unsent_age_seconds",
            "Age of the oldest record that an open transaction is about; 0 where none is open.",
            *_known(_oldest_s(journal, at)),
        ),
        _gauge(
            "homewatt_journal_last_fsync_age_seconds",
            "How long ago the last change was on the disk; only after the first one since the start.",
            *_known(_seconds(None if journal.last_fsync_ns is None else at.monotonic_ns - journal.last_fsync_ns)),
        ),
        _counter("homewatt_journal_flushes_total", "Flushes of the disk since the start.", Sample(journal.flush_count)),
        _gauge("homewatt_journal_flushes_today", "Flushes of the disk on this day (UTC).", Sample(journal.flushes_today)),
        _gauge(
            "homewatt_journal_written_bytes_today",
            "Bytes written to the disk on this day (UTC).",
            Sample(journal.bytes_written_today),
        ),
        _counter("homewatt_journal_commits_total", "Transactions of the database since the start.", Sample(journal.groups)),
        _counter(
            "homewatt_journal_changes_total",
            "Changes stored since the start; those that came together shared a commit.",
            Sample(journal.grouped_changes),
        ),
        _gauge("homewatt_journal_size_bytes", "The part of the file that is in use.", Sample(journal.size_bytes)),
        _gauge("homewatt_journal_bound_bytes", "What the configuration allows it; 0: no bound.", Sample(journal.bound_bytes)),
        _gauge("homewatt_journal_records", "Records in the journal.", *_by(Stream, "stream", journal.kept)),
        _counter(
            "homewatt_journal_evicted_records_total",
            "Records that were evicted over the journal's whole life.",
            *_by(Stream, "stream", journal.evicted),
        ),
        _gauge(
            "homewatt_journal_scrub_progress_ratio",
            "How much of the records the pass under way has read; 1 between two passes.",
            Sample(journal.scrubbed_permille / 1_000),
        ),
        _gauge(
            "homewatt_journal_scrub_end_timestamp_seconds",
            "Unix time at which the journal was last read through to its end and found whole.",
            *_known(None if scrubbed_ns is None else scrubbed_ns // NS_PER_S),
        ),
    ]


def _oldest_s(journal: Metrics, at: Instant) -> float | None:
    """None where the record is of an earlier boot and one of the two times is not known."""
    oldest = journal.oldest_unsent
    if oldest is None:
        return 0
    if oldest.age_ns is not None:
        return _seconds(oldest.age_ns)
    if oldest.wall_ns is None or at.wall_ns is None:
        return None
    return _seconds(max(0, at.wall_ns - oldest.wall_ns))


def _by(members: type[Member], label: str, counts: Mapping[Member, int]) -> tuple[Sample, ...]:
    """One sample for each member, also where there are none: upon a series that comes and goes it is hard to alert."""
    return tuple(Sample(counts.get(member, 0), {label: member.name.lower().replace("_", "-")}) for member in members)


def _gauge(name: str, help_text: str, *samples: Sample) -> Family:
    return Family(name, Type.GAUGE, help_text, samples)


def _counter(name: str, help_text: str, *samples: Sample) -> Family:
    return Family(name, Type.COUNTER, help_text, samples)


def _seconds(ns: int | None) -> float | None:
    """To the millisecond."""
    return None if ns is None else ns * _MS_PER_S // NS_PER_S / _MS_PER_S


def _known(value: float | None) -> tuple[Sample, ...]:
    return () if value is None else (Sample(value),)
