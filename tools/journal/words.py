"""Records of a journal in words and as JSON: what is in their bodies, decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final, assert_never, get_args

import msgpack

from agent.clock import NS_PER_S
from agent.journaling.entries import ReceiptKind, decode_energy, decode_sample
from agent.journaling.summaries import decode_means
from lightclient.messages import Message
from lightclient.rfc3339 import format_ns
from storeforward.gaps import Gap
from storeforward.records import Record, Stream
from storeforward.timekeeping import Anchor

KINDS: Final[Mapping[int, str]] = {message.KIND: message.__name__ for message in get_args(Message)}
UNKNOWN: Final = "unknown"
NS_PER_MS: Final = 1_000_000


def stream_name(stream: Stream) -> str:
    """As people write it."""
    return stream.name.lower().replace("_", "-")


def to_the_second(time_ns: int) -> str:
    return format_ns(time_ns // NS_PER_S * NS_PER_S)


def time_of(record: Record) -> str:
    """When a record was captured; without a date, how long after its boot."""
    if record.wall_ns:
        return to_the_second(record.wall_ns)
    return f"boot {record.boot_id.hex()[:6]} + {record.monotonic_ns // NS_PER_S} s"


def slot_time(slot_s: int) -> str:
    return format_ns(slot_s * NS_PER_S)


def content(record: Record) -> dict[str, Any]:
    """What a body says, by name; of one that nobody knows, its bytes."""
    try:
        return _content(record)
    except (ValueError, TypeError, KeyError, msgpack.exceptions.UnpackException):
        return {UNKNOWN: record.body.hex()}


def _content(record: Record) -> dict[str, Any]:
    match record.stream:
        case Stream.ENERGY:
            return asdict(decode_energy(record.body))
        case Stream.SAMPLE:
            return asdict(decode_sample(record.body))
        case Stream.ORDER:
            _, _, kind, _, seq, expires_height, *_ = msgpack.unpackb(record.body)
            return {"message": KINDS.get(kind, str(kind)), "number": seq, "expires_height": expires_height}
        case Stream.RECEIPT:
            kind, slot_s, height, value = msgpack.unpackb(record.body)
            return {"receipt": ReceiptKind(kind).name.lower(), "slot_s": slot_s, "height": height, "value": value.hex()}
        case Stream.EVENT:
            what, text = msgpack.unpackb(record.body)
            return {"what": what, "text": text}
        case Stream.MINUTE_MEAN | Stream.SLOT_MEAN:
            return {"means": [asdict(mean) | {"boot_id": mean.boot_id.hex()} for mean in decode_means(record.body)]}
        case Stream.GAP:
            gap = Gap.decode(record.body)
            evicted = {stream_name(stream): gap.count(stream) for stream in gap.evicted}
            return {
                "evicted": evicted,
                "runs": {stream_name(stream): [list(run) for run in runs] for stream, runs in gap.evicted.items()},
                "first_ns": gap.first_ns or None,
                "last_ns": gap.last_ns or None,
                "kept": gap.kept.value,
                "why": gap.why.value,
                "digest": gap.digest.hex(),
            }
        case Stream.ANCHOR:
            anchor = Anchor.decode(record.body)
            return {
                "source": anchor.source.name.lower(),
                "utc_ns": anchor.utc_ns,
                "uncertainty_ns": anchor.uncertainty_ns,
                "before_ns": anchor.before_ns,
                "after_ns": anchor.after_ns,
                "height": anchor.height or None,
                "hash": anchor.hash.hex(),
            }
        case _:
            assert_never(record.stream)


def in_words(record: Record) -> str:
    """What a record says, on one line."""
    found = content(record)
    if UNKNOWN in found:
        return f"{len(record.body)} bytes"
    match record.stream:
        case Stream.ENERGY:
            imported = found["import_end_wh"] - found["import_start_wh"]
            exported = found["export_end_wh"] - found["export_start_wh"]
            return f"slot {slot_time(found['slot_s'])}: {imported} Wh in, {exported} Wh out"
        case Stream.SAMPLE:
            return f"{found['power_w']} W, registers {found['import_wh']} and {found['export_wh']} Wh"
        case Stream.ORDER:
            return f"{found['message']}, number {found['number']}, until height {found['expires_height']}"
        case Stream.RECEIPT:
            return f"slot {slot_time(found['slot_s'])} {found['receipt']}, proven at height {found['height']}"
        case Stream.EVENT:
            return f"{found['what']}: {found['text']}"
        case Stream.MINUTE_MEAN | Stream.SLOT_MEAN:
            return f"{len(found['means'])} means over {sum(mean['count'] for mean in found['means'])} samples"
        case Stream.ANCHOR:
            known_ms = found["uncertainty_ns"] // NS_PER_MS
            block = f", block {found['height']}" if found["height"] else ""
            return f"it is {format_ns(found['utc_ns'])} give or take {known_ms} ms, says {found['source']}{block}"
        case Stream.GAP:
            gone = ", ".join(f"{count} {name}" for name, count in found["evicted"].items())
            return f"evicted for {found['why']}: {gone}; kept: {found['kept']}"
        case _:
            assert_never(record.stream)
