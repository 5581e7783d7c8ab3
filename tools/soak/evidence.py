"""What must be true of a journal some of whose boots never learnt the time, told from its file alone: whole, with all that was
acknowledged; no pause in the samples; each slot that did not settle named, with the reason; the others with their own energy.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from agent.clock import NS_PER_S
from agent.journaling import entries
from agent.journaling.recording import SAMPLE_EVERY_S
from lightclient.rfc3339 import format_ns, parse_ns
from storeforward.chain import Break, Walk
from storeforward.changes import Applied, Changes
from storeforward.database import read_all
from storeforward.journal import Journal
from storeforward.records import Record, Stream
from storeforward.signatures import verifier
from tools.soak.campaign import Violation
from tools.soak.offline import START_S, Plan

LONGEST_PAUSE_S: Final = SAMPLE_EVERY_S + 2
"""Between two samples of a boot, by its own clock: also while samples are dated and readings are handed in."""


@dataclass(slots=True)
class Acknowledged:
    """The hash of each record that a journal said is on the disk, by its number, over several lives of the journal."""

    hashes: dict[int, bytes] = field(default_factory=dict)

    def listen(self, journal: Journal) -> None:
        """Hear what is acknowledged from now on."""
        apply = journal.apply

        async def heard(changes: Changes) -> Applied:
            applied = await apply(changes)
            self.hashes.update((ref.seq, ref.record_hash) for ref in applied.records)
            return applied

        journal.apply = heard  # type: ignore[method-assign]  # the agent opens its journal itself: nobody else can be put between


@dataclass(slots=True)
class Kept:
    """What was found in a journal: samples by what is known of their time, and by how much slots' energies are off."""

    samples: int = 0
    undated: int = 0
    never_dated: int = 0
    most_off_wh: float = 0.0


class Evidence:
    """Reads a journal that nobody has open."""

    def __init__(self, plan: Plan, seed: int, path: Path, public_key: bytes) -> None:
        self._plan = plan
        self._seed = seed
        self._path = path
        self._verify = verifier(public_key)
        self._kept = Kept()
        self._undated: Counter[bytes] = Counter()
        self._last_sample: Record | None = None
        self._events: list[str] = []

    def check(self, acknowledged: Acknowledged, unsettled: range, began: Sequence[float]) -> Kept:
        """Walk through the journal; `began`: when the boots began that never learnt the time. Raises Violation."""
        missing = dict(acknowledged.hashes)
        with closing(sqlite3.connect(self._path)) as connection:
            walk = Walk(self._verify, read_all(connection, 0, Stream.GAP))
            for stored in read_all(connection, 0):
                walk.take(stored)
                record = stored.record
                if missing.pop(record.seq, stored.ref.record_hash) != stored.ref.record_hash:
                    self._fail(f"record {record.seq}", "is not what was acknowledged")
                self._look_at(record)
            found = walk.end()
        if isinstance(found, Break):
            self._fail(f"record {found.seq}", found.reason)
        if missing or found.evicted:
            self._fail("journal", f"{len(missing)} records were acknowledged and are not there, {found.evicted} were evicted")
        self._reasons(unsettled, began)
        return self._kept

    def _look_at(self, record: Record) -> None:
        if record.stream is Stream.SAMPLE:
            self._sample(record)
        elif record.stream is Stream.EVENT:
            self._events.append(entries.decode_event(record.body)[1])
        elif record.stream is Stream.ENERGY:
            self._energy(record)

    def _sample(self, record: Record) -> None:
        self._kept.samples += 1
        if not record.wall_ns:
            self._kept.undated += 1
            self._undated[record.boot_id] += 1
        before, self._last_sample = self._last_sample, record
        if before is None or before.boot_id != record.boot_id:
            return
        pause_ns = record.monotonic_ns - before.monotonic_ns
        longest_s = LONGEST_PAUSE_S if not record.wall_ns or not before.wall_ns else 2
        if not 0 <= pause_ns <= longest_s * NS_PER_S:  # what was being written when the agent was stopped is written twice
            self._fail(f"record {record.seq}", f"{pause_ns / NS_PER_S} s after the sample before it, not {longest_s} at most")

    def _energy(self, record: Record) -> None:
        """An edge is found between two samples, so a slot's energy is off by a little. One with the time of another slot has
        that one's energy."""
        slot, plan = entries.decode_energy(record.body), self._plan
        taken_wh = slot.import_end_wh - slot.import_start_wh
        off_wh = abs(taken_wh - plan.load_mwh((slot.slot_s - START_S) // plan.slot_s) / 1_000)
        if off_wh >= plan.step_mwh / 1_000:
            self._fail(f"slot {slot.slot_s}", f"{taken_wh} Wh, {off_wh} Wh off: it was not measured then")
        self._kept.most_off_wh = max(self._kept.most_off_wh, round(off_wh, 1))

    def _reasons(self, unsettled: range, began: Sequence[float]) -> None:
        """Events tell of the slots between the last known one and the first known one, and of each boot without a date: how
        many samples it has, and between which times it began, rightly."""
        first, end = (format_ns(self._plan.at_s(slot) * NS_PER_S) for slot in (unsettled.start, unsettled.stop))
        self._told(re.compile(rf"slots from {first} to {end} "))
        for count, began_s in zip(self._undated.values(), began, strict=False):
            self._kept.never_dated += count
            told = self._told(re.compile(rf"{count} samples are of a boot that never learnt .* between (\S+) and (\S+): "))
            earliest_s, latest_s = (parse_ns(text) / NS_PER_S for text in told.groups())
            if not earliest_s <= began_s <= latest_s:
                self._fail("events", f"a boot began at {began_s}, not between {earliest_s} and {latest_s}")

    def _told(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = next(((place, match) for place, event in enumerate(self._events) if (match := pattern.search(event))), None)
        if found is None:
            self._fail("events", f"none says: {pattern.pattern}")
        place, match = found
        del self._events[place]  # two boots may have equally many samples
        return match

    def _fail(self, where: str, what: str) -> NoReturn:
        raise Violation(self._plan.campaign, self._seed, where, what)
