"""What must be true once an outage is over and drained, told from the ledger's blocks and state and the journal's records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise
from typing import NoReturn

from agent.clock import NS_PER_S
from agent.journaling import entries
from lightclient import keys
from lightclient.values import ReadingRecord
from storeforward.journal import Journal
from storeforward.records import StoredRecord, Stream
from tools.soak.campaign import Violation
from tools.soak.chain import ChainCheck


@dataclass(frozen=True, slots=True)
class Check:
    """Compares one device's journal with what the ledger has. Every method raises Violation."""

    campaign: str
    seed: int
    journal: Journal
    device_id: bytes
    read: Callable[[bytes], bytes | None]
    slot_s: int

    async def on_ledger(self, slots: Sequence[int], taken: Sequence[tuple[int, int]]) -> None:
        """Every one of these slots is on the ledger, once, in order, with the hash of its record; the journal knows it."""
        took = [slot_s for slot_s, _ in taken]
        if took != list(slots):
            missing, doubled = sorted(set(slots) - set(took)), len(took) - len(set(took))
            self._fail("ledger", f"{len(missing)} slots missing (first: {missing[:3]}), {doubled} twice, or out of order")
        letters = await self.journal.outbox.dead_letters()
        if letters:
            self._fail("dead letters", f"{len(letters)}, first: {letters[0].detail}")
        records = {entries.decode_energy(s.record.body).slot_s: s async for s in self.journal.all_records(Stream.ENERGY)}
        for slot_s in slots:
            value, record = self.read(keys.reading(self.device_id, slot_s)), records.get(slot_s)
            if value is None or record is None:
                self._fail(f"slot {slot_s}", "no record of it in the journal or on the ledger")
            elif ReadingRecord.decode(value).record_hash != record.ref.record_hash:
                self._fail(f"slot {slot_s}", "the ledger has another record than the journal")
            elif record.proven_height is None and slot_s != slots[-1]:
                self._fail(f"slot {slot_s}", "the journal does not know that the ledger has it")
        energies = [entries.decode_energy(records[slot_s].record.body) for slot_s in slots]
        for before, after in pairwise(energies):
            ended, began = (before.import_end_wh, before.export_end_wh), (after.import_start_wh, after.export_start_wh)
            if ended != began and after.slot_s == before.slot_s + self.slot_s:
                self._fail(f"slot {after.slot_s}", "does not begin where the slot before it ended")
            if began[0] < ended[0] or began[1] < ended[1]:
                self._fail(f"slot {after.slot_s}", "begins below where an earlier slot ended")

    async def journal_whole(self, public_key: bytes, most_missing_s: int) -> int:
        """All records are signed and chained, and there is a sample for every second but so many; how many there are."""
        check = ChainCheck(public_key)
        samples = seconds = first_s = last_s = 0
        streams = [
            [stored async for stored in self.journal.all_records(stream)] for stream in Stream if stream is not Stream.SAMPLE
        ]
        others = merge(*streams, key=lambda stored: stored.record.seq)
        waiting = next(others, None)
        async for sample in self.journal.all_records(Stream.SAMPLE):
            while waiting is not None and waiting.record.seq < sample.record.seq:
                self._follow(check, waiting)
                waiting = next(others, None)
            self._follow(check, sample)
            at_s = sample.record.wall_ns // NS_PER_S
            if at_s < last_s:
                self._fail(f"record {sample.record.seq}", f"{last_s - at_s} s before the sample before it")
            samples, seconds = samples + 1, seconds + (at_s != last_s)
            first_s, last_s = first_s or at_s, at_s
        missing_s = last_s - first_s + 1 - seconds
        if missing_s > most_missing_s:
            self._fail("samples", f"{missing_s} s have none, {most_missing_s} s at most are without")
        return samples

    def _follow(self, check: ChainCheck, stored: StoredRecord) -> None:
        problem = check.take([stored])
        if problem is not None:
            self._fail("journal", problem)

    def _fail(self, where: str, what: str) -> NoReturn:
        raise Violation(self.campaign, self.seed, where, what)
