"""What is kept of samples when the journal has no room for them any more: means over minutes, then over slots.

    body = msgpack([1, [mean, mean, ...]]),  mean = [boot_id, from_ns, until_ns, count, sum_w, least_w, most_w,
                                                     import_start_wh, export_start_wh, import_end_wh, export_end_wh]

One record holds the means of all that went in one step. `from_ns` and `until_ns` are the first and the last sample's time: Unix
ns where `boot_id` is empty, else, for samples whose time was not known, monotonic ns of that boot. Power is kept as its sum, so
that means of means are exact, and the registers at both ends, so that no energy is lost. A minute or slot at the edge of
a step may be split in two means. Pure; a body that is no sample or mean counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import reduce
from typing import Final

import msgpack

from agent.clock import NS_PER_S
from agent.journaling.entries import decode_sample
from storeforward.records import NewRecord, Record, Stream

MINUTE_S: Final = 60
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Mean:
    """Power and registers over a stretch of time."""

    boot_id: bytes
    from_ns: int
    until_ns: int
    count: int
    sum_w: int
    least_w: int
    most_w: int
    import_start_wh: int
    export_start_wh: int
    import_end_wh: int
    export_end_wh: int

    @property
    def mean_w(self) -> int:
        """Mean power of the samples, rounded down."""
        return self.sum_w // self.count

    def and_then(self, later: Mean) -> Mean:
        """One mean for this and a later one of the same boot."""
        return Mean(
            self.boot_id,
            self.from_ns,
            later.until_ns,
            self.count + later.count,
            self.sum_w + later.sum_w,
            min(self.least_w, later.least_w),
            max(self.most_w, later.most_w),
            self.import_start_wh,
            self.export_start_wh,
            later.import_end_wh,
            later.export_end_wh,
        )


class MeansOfSamples:
    """The journal's `Summaries` of an agent whose slots have the given length."""

    def __init__(self, duration_s: int) -> None:
        self._duration_s = duration_s

    def minutes(self, samples: Sequence[Record]) -> list[NewRecord]:
        """Means over minutes of samples."""
        return _means(samples, Stream.MINUTE_MEAN, MINUTE_S)

    def slots(self, records: Sequence[Record]) -> list[NewRecord]:
        """Means over slots of samples, or of means over minutes."""
        return _means(records, Stream.SLOT_MEAN, self._duration_s)


def decode_means(body: bytes) -> list[Mean]:
    """The means in the body of a record of the streams MINUTE_MEAN and SLOT_MEAN. Raises ValueError for other bytes."""
    try:
        form, means = msgpack.unpackb(body)
        if form != _FORMAT:
            raise ValueError(f"means of format {form}, known is {_FORMAT}")
        return [Mean(*mean) for mean in means]
    except (TypeError, msgpack.exceptions.UnpackException) as error:
        raise ValueError(f"no means: {error}") from error


def _means(records: Sequence[Record], stream: Stream, duration_s: int) -> list[NewRecord]:
    means = _grouped(_parts(records), duration_s)
    if not means:
        return []
    known_ns = [mean.until_ns for mean in means if not mean.boot_id]
    body = bytes(msgpack.packb([_FORMAT, [astuple(mean) for mean in means]]))
    return [NewRecord(stream, known_ns[-1] if known_ns else None, body)]


def _parts(records: Iterable[Record]) -> Iterator[Mean]:
    for record in records:
        decode: Callable[[Record], list[Mean]] = _of_sample if record.stream is Stream.SAMPLE else _of_means
        try:
            yield from decode(record)
        except ValueError:
            continue


def _of_means(record: Record) -> list[Mean]:
    return decode_means(record.body)


def _of_sample(record: Record) -> list[Mean]:
    reading = decode_sample(record.body)
    boot_id, at_ns = (b"", reading.taken_at_s * NS_PER_S) if record.wall_ns else (record.boot_id, record.monotonic_ns)
    power_w, registers = reading.power_w, (reading.import_wh, reading.export_wh)
    return [Mean(boot_id, at_ns, at_ns, 1, power_w, power_w, power_w, *registers, *registers)]


def _grouped(parts: Iterable[Mean], duration_s: int) -> list[Mean]:
    """Neighbours that lie in the same stretch of time become one; where a clock was set back, a new one begins."""
    groups: list[list[Mean]] = []
    for part in parts:
        last = groups[-1][-1] if groups else None
        if last is not None and _same(last, part, duration_s * NS_PER_S):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [reduce(Mean.and_then, group) for group in groups]


def _same(last: Mean, part: Mean, stretch_ns: int) -> bool:
    is_later = last.boot_id == part.boot_id and last.until_ns <= part.from_ns
    return is_later and last.from_ns // stretch_ns == part.until_ns // stretch_ns
