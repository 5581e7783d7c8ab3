"""`homewatt time status`: what a device believes of the time, who says so, what waits for a date, and what did not settle."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.clock import NS_PER_S
from agent.config import AgentConfig
from agent.journaling.entries import decode_event
from agent.journaling.explaining import Deed
from agent.lifecycle import BUILT_AFTER_NS
from agent.status import Status
from agent.time.deviceclock import DeviceClock
from agent.time.keeping import TIME_FLOOR, TimeKeeper
from agent.time.ledger import LedgerTime
from agent.time.redating import UNDATED_AFTER
from agent.time.system import KernelTime, boot_id_of_machine
from lightclient.rfc3339 import format_ns
from storeforward.boots import Between, Boot, starts
from storeforward.database import read_all, read_values
from storeforward.files import is_locked
from storeforward.records import Record, Stream
from storeforward.timekeeping import Anchor, Dating
from tools.console import CommandError, ExitCode, emit
from tools.journal.words import to_the_second

Found = TypeVar("Found")

SHOWN: Final = 5
"""Anchors and mishaps that are shown, the newest."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Samples of one boot that wait for a date: how many, and between which times the first of them was taken."""

    boot_id: bytes
    samples: int
    first_seq: int
    last_seq: int
    began: Between


@dataclass(frozen=True, slots=True)
class Report:
    """All that is shown."""

    time: TimeKeeper
    anchors: tuple[Anchor, ...]
    waiting: tuple[Waiting, ...]
    mishaps: tuple[str, ...]
    agent_runs: bool


def show_status(config: AgentConfig, connection: sqlite3.Connection, as_json: bool) -> int:
    """Print it; the exit code tells whether the time is known. Raises CommandError for a journal that was altered."""
    try:
        report = _report(config, connection)
    except ValueError as error:
        cause = f"{config.journal.path}: {error}"
        raise CommandError(ExitCode.IDENTITY, cause, "homewatt journal verify says what is wrong") from error
    emit(_as_data(report), "\n".join(_as_lines(report)), as_json)
    return ExitCode.OK if report.time.is_anchored else ExitCode.PRECONDITION


def _report(config: AgentConfig, connection: sqlite3.Connection) -> Report:
    """What an agent on this machine believes now, from what the journal knows and what the kernel says."""
    values, boot_id = read_values(connection), boot_id_of_machine()
    anchors = tuple(_understood(Anchor.decode, _records(connection, Stream.ANCHOR)))
    clock = DeviceClock(KernelTime(is_trusted=config.time.system_clock == "always"))
    ledger = LedgerTime(boot_id, config.ledger.heartbeat_s, config.ledger.drift_s)
    time = TimeKeeper(clock, Status(config.device.name), boot_id, ledger, BUILT_AFTER_NS)
    time.restore(int(values.get(TIME_FLOOR, b"0")), anchors)
    events = _understood(decode_event, _records(connection, Stream.EVENT))
    mishaps = [text for what, text in events if what == Deed.METER]
    return Report(
        time,
        anchors,
        tuple(_waiting(connection, values, time, anchors)),
        tuple(mishaps[-SHOWN:]),
        is_locked(config.journal.path),
    )


def _waiting(
    connection: sqlite3.Connection, values: Mapping[str, bytes], time: TimeKeeper, anchors: Sequence[Anchor]
) -> Iterator[Waiting]:
    after = values.get(UNDATED_AFTER)
    if after is None:
        return
    boots: dict[bytes, Boot] = {}
    counts: dict[bytes, int] = {}
    for record in _records(connection, Stream.SAMPLE, int(after)):
        if record.wall_ns:
            continue
        first = boots.get(
            record.boot_id, Boot(record.boot_id, record.seq, record.seq, record.monotonic_ns, record.monotonic_ns)
        )
        boots[record.boot_id] = Boot(record.boot_id, first.first_seq, record.seq, first.first_ns, record.monotonic_ns)
        counts[record.boot_id] = counts.get(record.boot_id, 0) + 1
    datings = {boot_id: Dating(a for a in anchors if a.boot_id == boot_id) for boot_id in boots}
    datings[time.boot_id] = time.dating
    for boot, began in zip(boots.values(), starts(tuple(boots.values()), datings), strict=True):
        yield Waiting(boot.boot_id, counts[boot.boot_id], boot.first_seq, boot.last_seq, began)


def _records(connection: sqlite3.Connection, stream: Stream, after_seq: int = 0) -> Iterator[Record]:
    return (stored.record for stored in read_all(connection, after_seq, stream))


def _understood(decode: Callable[[bytes], Found], records: Iterable[Record]) -> Iterator[Found]:
    """What records say; those of a form that only another version knows are left out, as the agent does."""
    for record in records:
        with suppress(ValueError):
            yield decode(record.body)


def _as_data(report: Report) -> dict[str, object]:
    time = report.time
    now, found = time.now(), time.synchronisation
    conflict = time.dating.conflict
    return {
        "state": time.state,
        "why": time.why,
        "utc": None if now is None else format_ns(now.utc_ns),
        "uncertainty_ns": None if now is None else now.uncertainty_ns,
        "sources": sorted(source.name.lower() for source in time.dating.sources),
        "conflict": None if conflict is None else str(conflict),
        "floor": format_ns(time.floor_ns),
        "boot_id": time.boot_id.hex(),
        "up_ns": time.clock.monotonic_ns(),
        "system": {
            "utc": format_ns(time.clock.system.now_ns()),
            "synchronised": found.is_synchronised,
            "uncertainty_ns": found.uncertainty_ns if found.is_synchronised else None,
            "cause": found.cause,
        },
        "anchors": [_anchor_data(anchor, time.boot_id) for anchor in report.anchors[-SHOWN:]],
        "waiting": [_waiting_data(waiting) for waiting in report.waiting],
        "not_settled": list(report.mishaps),
        "agent_runs": report.agent_runs,
    }


def _anchor_data(anchor: Anchor, boot_id: bytes) -> dict[str, object]:
    return {
        "source": anchor.source.name.lower(),
        "utc": format_ns(anchor.utc_ns),
        "uncertainty_ns": anchor.uncertainty_ns,
        "this_boot": anchor.boot_id == boot_id,
        "monotonic_ns": anchor.after_ns,
        "height": anchor.height or None,
    }


def _waiting_data(waiting: Waiting) -> dict[str, object]:
    bounds = waiting.began.not_before_ns, waiting.began.not_after_ns
    not_before, not_after = (None if bound_ns is None else format_ns(bound_ns) for bound_ns in bounds)
    return {
        "boot_id": waiting.boot_id.hex(),
        "samples": waiting.samples,
        "first_seq": waiting.first_seq,
        "last_seq": waiting.last_seq,
        "not_before": not_before,
        "not_after": not_after,
    }


def _as_lines(report: Report) -> Iterator[str]:
    time = report.time
    now, found = time.now(), time.synchronisation
    yield f"the time is {time.state}"
    if now is not None:
        told = ", ".join(sorted(source.name.lower() for source in time.dating.sources))
        yield f"  now:       {to_the_second(now.utc_ns)}, give or take {_span(now.uncertainty_ns)}; says {told}"
    else:
        yield f"  why:       {time.why}"
        yield "  next:      see to the network and the time service (NTP, NTS); without them: homewatt time set"
    if time.dating.conflict is not None:
        yield f"  conflict:  {time.dating.conflict}"
    yield f"  system:    {to_the_second(time.clock.system.now_ns())}; {found.cause}"
    yield f"  floor:     {to_the_second(time.floor_ns)} has certainly passed"
    yield f"  boot:      {time.boot_id.hex()[:6]}, {_span(time.clock.monotonic_ns())} ago"
    for anchor in report.anchors[-SHOWN:]:
        block = f", block {anchor.height}" if anchor.height else ""
        boot = "" if anchor.boot_id == time.boot_id else ", an earlier boot"
        told = f"{to_the_second(anchor.utc_ns)}, give or take {_span(anchor.uncertainty_ns)}"
        yield f"  anchor:    {told}; {anchor.source.name.lower()}{block}{boot}"
    for waiting in report.waiting:
        data = _waiting_data(waiting)
        bounds = f"first one between {data['not_before'] or 'nobody knows when'} and {data['not_after'] or 'now'}"
        yield f"  waiting:   {waiting.samples} samples of boot {waiting.boot_id.hex()[:6]} for a date; {bounds}"
    for mishap in report.mishaps:
        yield f"  unsettled: {mishap}"
    if not report.agent_runs:
        yield "  note:      no agent runs: this is what one would believe"


def _span(span_ns: int) -> str:
    """A span in a unit that suits it."""
    for unit, size in (("d", 86_400 * NS_PER_S), ("h", 3_600 * NS_PER_S), ("s", NS_PER_S), ("ms", NS_PER_S // 1_000)):
        if span_ns >= 2 * size:
            return f"{span_ns // size} {unit}"
    return f"{span_ns // 1_000} us"
