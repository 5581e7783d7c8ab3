"""`homewatt journal status`: how large the journal is, what is in it, what waits, what went, what stands damaged by it."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from agent.config import AgentConfig
from agent.line.damage import identity, remembered
from lightclient.rfc3339 import format_ns
from storeforward.database import count_items, count_salvaged, damage_if_meaningless, read_values
from storeforward.eviction import evicted_before
from storeforward.files import asides, is_locked
from storeforward.items import LAST_OPEN, ItemState
from storeforward.metrics import read_depth, read_oldest_unsent
from storeforward.records import Record, Stream
from storeforward.reserve import REFUSED, Reserve
from storeforward.scrub import Progress
from storeforward.sqlitefile import PAGE_BYTES
from storeforward.wear import DAY_NS, read_wear
from tools.console import ExitCode, emit
from tools.journal.words import stream_name, time_of, to_the_second

MIB: Final = 1024 * 1024
KIB: Final = 1024
OPEN: Final = tuple(state.name.lower() for state in ItemState if state <= LAST_OPEN)
NOT_YET: Final = "not gone through yet: an agent does so at its start"


def show_status(config: AgentConfig, connection: sqlite3.Connection, as_json: bool) -> int:
    """Print it. It is what the file says: figures of the running process alone are on its own pages."""
    path = config.journal.path
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    written_ns = max(part.stat().st_mtime_ns for part in (path, path.with_name(path.name + "-wal")) if part.exists())
    wear = read_wear(connection)
    salvaged, salvaged_bytes = count_salvaged(connection)
    told = remembered(read_values(connection))
    counts = count_items(connection)
    oldest = read_oldest_unsent(connection, b"", 0)
    is_full = bool(config.journal.reserve_kib) and not Reserve(path, config.journal.reserve_kib * KIB).path.exists()
    data: dict[str, Any] = {
        "path": str(path),
        "agent_runs": is_locked(path),
        "size_bytes": (pages - free) * PAGE_BYTES,
        "bound_bytes": config.journal.max_mib * MIB,
        "disk_full": is_full,
        "streams": {stream_name(stream): span for stream in Stream if (span := _span(connection, stream))},
        "evicted": {stream_name(stream): count for stream, count in evicted_before(connection).items()},
        "open_items": {priority.name.lower(): count for priority, count in read_depth(connection).items()},
        "states": {state.name.lower(): count for state, count in counts.items()},
        "oldest_unsent": None if oldest is None else {"seq": oldest.seq, "time_ns": oldest.wall_ns},
        "dead_letters": counts.get(ItemState.REFUSED, 0),
        "salvaged": {"records": salvaged, "bytes": salvaged_bytes},
        "damaged": [{"file": str(file), "told": told.get(identity(file))} for file in asides(path)],
        "last_write_ns": written_ns,
        "scrub": _scrub(connection),
        "wear": {"day_ns": wear.day * DAY_NS, "bytes": wear.bytes_today, "flushes": wear.flushes_today},
    }
    emit(data, "\n".join(_lines(data)), as_json)
    return ExitCode.OK


def _scrub(connection: sqlite3.Connection) -> dict[str, Any]:
    """When the last whole pass ended, and how much of the records the present one has read: 1000 between two passes."""
    with damage_if_meaningless():
        progress = Progress.read(connection)
    (last_seq,) = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM all_records").fetchone()
    return {"ended_ns": progress.done_ns or None, "permille": progress.permille(last_seq)}


def _span(connection: sqlite3.Connection, stream: Stream) -> dict[str, Any] | None:
    count, first, last = connection.execute(
        "SELECT COUNT(*), MIN(seq), MAX(seq) FROM all_records WHERE stream = ?", (stream,)
    ).fetchone()
    if not count:
        return None
    ends = [connection.execute("SELECT data FROM all_records WHERE seq = ?", (seq,)).fetchone()[0] for seq in (first, last)]
    times = []
    for data in ends:
        try:
            times.append(time_of(Record.decode(data)))
        except ValueError:
            times.append("altered")
    return {"records": count, "first_seq": first, "last_seq": last, "first": times[0], "last": times[1]}


def _lines(data: dict[str, Any]) -> list[str]:
    lines = [f"{data['path']}: {_size(data)}, last written {to_the_second(data['last_write_ns'])}"]
    lines.append("  the agent runs" if data["agent_runs"] else "  no agent runs")
    if data["disk_full"]:
        lines.append(f"  {REFUSED} (the reserve was given up, or no agent ran yet)")
    streams, evicted = data["streams"], data["evicted"]
    for name, span in streams.items():
        gone = f", {evicted[name]} evicted" if name in evicted else ""
        lines.append(f"  {name:<12} {span['records']:>9} records, {span['first']} to {span['last']}{gone}")
    lines += [f"  {name:<12} {count:>9} evicted, none left" for name, count in evicted.items() if name not in streams]
    lines.append(f"  waits        {_waiting(data)}")
    hint = " (homewatt journal show --dead-letters)" if data["dead_letters"] else ""
    lines.append(f"  dead letters {data['dead_letters']}{hint}")
    lines.append(f"  scrub        {_passes(data['scrub'])}")
    lines.append(f"  wear         {_wear(data['wear'])}")
    if data["salvaged"]["records"]:
        lines.append(f"  salvaged     {data['salvaged']['records']} records out of damaged files")
    lines += [f"  damaged      {damaged['file']}: {damaged['told'] or NOT_YET}" for damaged in data["damaged"]]
    return lines


def _size(data: dict[str, Any]) -> str:
    size, bound = data["size_bytes"], data["bound_bytes"]
    return f"{size / MIB:.1f} MiB" + (f" of {bound // MIB} MiB ({100 * size // bound} %)" if bound else "")


def _waiting(data: dict[str, Any]) -> str:
    waiting = _listed(data["open_items"])
    if not waiting:
        return "nothing"
    waiting += f" ({_listed({name: data['states'][name] for name in OPEN if name in data['states']})})"
    oldest = data["oldest_unsent"]
    if oldest is None:
        return waiting
    when = f" of {to_the_second(oldest['time_ns'])}" if oldest["time_ns"] else ""
    return f"{waiting}; the oldest is about record {oldest['seq']}{when}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _wear(wear: dict[str, int]) -> str:
    if not wear["flushes"]:
        return "nothing was saved yet of what was counted"
    return f"{wear['bytes'] / MIB:.1f} MiB in {wear['flushes']} flushes on {format_ns(wear['day_ns'])[:10]}, as last saved"


def _passes(scrub: dict[str, Any]) -> str:
    ended_ns, permille = scrub["ended_ns"], scrub["permille"]
    last = f"the last whole pass ended at {to_the_second(ended_ns)}" if ended_ns else "no whole pass has ended yet"
    present = "" if permille == 1000 else f"; the present one has read {permille // 10} % of the records"
    return f"{last}{present}, as last saved"
