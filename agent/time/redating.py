"""Dates samples that were taken while nobody knew the time, once somebody does, and cuts the slots out of them.

While the device is not anchored, samples lie in the journal with their monotonic time alone. When an anchor comes they are
read again in their order, dated within their boot, and fed to the slot meter; then the meter is fed as always. A boot that
never learnt the time has no dates: its samples are evidence, and its slots do not settle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent.journaling.entries import decode_sample
from agent.journaling.keeping import Keeper
from agent.time.feeding import Fed, Feeder
from agent.time.keeping import TimeKeeper
from storeforward.boots import Between, Boot, starts
from storeforward.records import Record, StoredRecord, Stream
from storeforward.timekeeping import Anchor, Dating

UNDATED_AFTER: Final = "undated after"
"""Named value of the journal: the record after which undated samples wait. Absent where none does."""
PAGE: Final = 1_000
"""Samples dated at a time; control goes on in between."""


@dataclass(frozen=True, slots=True)
class NeverDated:
    """Samples of a boot that never learnt the time, and between which times it began."""

    boot_id: bytes
    samples: int
    began: Between


class Redating:
    """The samples of one device that wait for a date."""

    def __init__(self, feeder: Feeder, time: TimeKeeper) -> None:
        self._feeder = feeder
        self._time = time
        self._earlier: dict[bytes, Dating] = {}
        self._after_seq: int | None = None
        self._last_seq = 0
        self._known_ns: int | None = None
        self._boots: dict[bytes, Boot] = {}
        self._without: Counter[bytes] = Counter()

    @property
    def is_pending(self) -> bool:
        """Whether samples wait."""
        return self._after_seq is not None

    def restore(self, after: bytes | None, last_seq: int, anchors: Iterable[Anchor], passed_ns: int | None) -> None:
        """Go on from the journal: the named value, the newest record, the anchors of all boots, and a time that had passed
        when the newest record was made that does not wait."""
        self._after_seq = None if after is None else int(after)
        self._last_seq = last_seq
        self._known_ns = passed_ns
        by_boot: dict[bytes, list[Anchor]] = {}
        for anchor in anchors:
            by_boot.setdefault(anchor.boot_id, []).append(anchor)
        self._earlier = {boot_id: Dating(found) for boot_id, found in by_boot.items()}

    def stored(self, last_seq: int) -> None:
        """Records up to this one are on the disk."""
        self._last_seq = max(self._last_seq, last_seq)

    def begin(self) -> None:
        """An undated sample is about to be stored."""
        if self._after_seq is None:
            self._after_seq = self._last_seq

    def value(self) -> tuple[str, bytes | None]:
        """What to store of this, with whatever `step` found."""
        return UNDATED_AFTER, None if self._after_seq is None else str(self._after_seq).encode()

    async def step(self, keeper: Keeper) -> list[Fed | NeverDated]:
        """Date the next samples that wait; only while the boot that runs has a date. Raises StorageFailed.

        The caller feeds and stores nothing meanwhile, so that the samples stay in their order.
        """
        if self._after_seq is None:
            return []
        page = await keeper.journal.read_records(Stream.SAMPLE, self._after_seq, PAGE)
        datings = self._datings()
        found: list[Fed | NeverDated] = [event for stored in page for event in self._take(stored, datings, keeper)]
        if len(page) == PAGE:
            self._after_seq = page[-1].record.seq
            return found
        self._after_seq = None
        return [*found, *self._never_dated()]

    def _take(self, stored: StoredRecord, datings: Mapping[bytes, Dating], keeper: Keeper) -> list[Fed]:
        record = stored.record
        self._note_boot(record)
        if record.wall_ns:
            return []  # fed at once, when it was taken
        dating = datings.get(record.boot_id)
        dated = None if dating is None else dating.date(record.monotonic_ns)
        if dated is None:
            self._without[record.boot_id] += 1
            return []
        reading = keeper.understood(stored, decode_sample)
        return [] if reading is None else self._feeder.feed(reading, dated)

    def _datings(self) -> dict[bytes, Dating]:
        return {**self._earlier, self._time.boot_id: self._time.dating}

    def _passed_ns(self) -> int | None:
        """What is known to have passed before the boots whose samples waited, by an anchor or a measured slot."""
        before = [dating for boot_id, dating in self._earlier.items() if boot_id not in self._boots]
        dates = [dating.date(dating.anchors[-1].after_ns) for dating in before]
        known = [] if self._known_ns is None else [self._known_ns]
        return max((*known, *(date.earliest_ns for date in dates if date is not None)), default=None)

    def _note_boot(self, record: Record) -> None:
        seq, at_ns = record.seq, record.monotonic_ns
        known = self._boots.get(record.boot_id, Boot(record.boot_id, seq, seq, at_ns, at_ns))
        self._boots[record.boot_id] = replace(known, last_seq=seq, last_ns=at_ns)

    def _never_dated(self) -> list[NeverDated]:
        boots = tuple(self._boots.values())  # in the order of their first records
        began = dict(zip(self._boots, starts(boots, self._datings(), self._passed_ns()), strict=True))
        found = [NeverDated(boot_id, samples, began[boot_id]) for boot_id, samples in self._without.items()]
        self._without.clear()
        self._boots.clear()
        return found


async def read_anchors(keeper: Keeper) -> list[Anchor]:
    """All anchors of time in a journal, in order. Raises StorageFailed."""
    found = [keeper.understood(stored, Anchor.decode) async for stored in keeper.journal.all_records(Stream.ANCHOR)]
    return [anchor for anchor in found if anchor is not None]
