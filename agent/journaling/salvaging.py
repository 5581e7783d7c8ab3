"""Takes back what a damaged journal held: its records, the readings and notices that waited to be sent, the numbers used.

What goes back into trade must prove itself. A record is the device's own if its signature is; a reading goes to the ledger
again if its transaction is signed by this device, or is made anew from its record, which gives the very same bytes. A notice
goes if it is signed: what it vouches for was taken back with its bytes, or is in the damaged file. The ledger counts both
once for a slot, so nothing is doubled. Orders are not sent again: whether they stand is for the ledger to say,
and a late one would bring what nobody wants any more. Named values are not taken back: nothing vouches for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Self

from agent.config import JournalConfig
from agent.journaling import entries
from agent.line.damage import NUMBERS_USED
from agent.line.sealing import NEVER, Sealer
from agent.line.unnumbered import UNNUMBERED
from agent.vocabulary import SlotEnergy
from lightclient.messages import Notice, OpenReading
from lightclient.wire import Malformed, decode_tx
from storeforward.changes import Changes
from storeforward.errors import DuplicateItem
from storeforward.findings import Findings
from storeforward.items import Item, ItemState, NewItem
from storeforward.journal import Journal
from storeforward.records import SalvagedRecord, Stream, record_hash
from storeforward.salvage import opened
from storeforward.signatures import Verify

PAGE: Final = 200
"""Records stored at a time, so that the agent's own do not wait long."""
HISTORY_SLOTS: Final = 10_000
SHARE: Final = 4
"""Records of damaged files may take one part in so many of the journal's bound."""
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept: bytes of records, and whether samples are kept too. None: no bound."""

    bytes: int | None = None
    samples: bool = False

    @classmethod
    def of(cls, config: JournalConfig, *, samples: bool = False, used_bytes: int = 0) -> Self:
        """What a journal may keep of damaged files, beyond what it keeps of them already."""
        most = config.max_mib * MIB // SHARE
        return cls(max(0, most - used_bytes) if most else None, samples)


@dataclass(slots=True)
class TakenBack:
    """What became of a damaged journal's contents."""

    findings: Findings = field(default_factory=Findings)
    kept: int = 0
    """Records that are in the present journal now."""
    left: int = 0
    """Records that verify, and stay in the damaged file: samples that were not asked for, and what found no room."""
    requeued: int = 0
    """Readings that are sent again."""
    notices: int = 0
    """Notices that are sent again."""
    known: int = 0
    """Readings and notices that the present journal has already."""
    orders: int = 0
    """Orders that were open; they are not sent again."""
    dead_letters: int = 0
    doubtful: int = 0
    """Open items whose transaction is not signed by this device."""
    unknown: int = 0
    """Slot energies of a form that this version does not know. Their records are kept; they are not reported again."""
    highest_number: int = 0
    energies: deque[SlotEnergy] = field(default_factory=lambda: deque(maxlen=HISTORY_SLOTS))
    """The newest slots, ascending."""

    @property
    def text(self) -> str:
        """All of it in a line."""
        found = self.findings
        parts = [f"records taken back: {self.kept}, readings sent again: {self.requeued}"]
        if found.missing:
            parts.append(f"missing between the first and the last: {found.missing}")
        if self.left:
            parts.append(f"left in that file: {self.left}")
        if self.notices:
            parts.append(f"notices sent again: {self.notices}")
        if self.orders:
            parts.append(f"orders that waited, not sent again: {self.orders}")
        if self.doubtful or found.doubtful:
            parts.append(f"unproven: {self.doubtful + found.doubtful}")
        if self.unknown:
            parts.append(f"slot energies that this version does not understand: {self.unknown}")
        return ", ".join(parts)


async def take_back(journal: Journal, damaged: Path, sealer: Sealer, verify: Verify, limits: Limits) -> TakenBack:
    """Go through a damaged file and store what can be used; again and again with the same result.

    Raises OSError where the file is not there, StorageFailed where the journal does not take it.
    """
    taken = TakenBack()
    waiting: dict[bytes, NewItem] = {}
    with ExitStack() as stack:
        salvage = await asyncio.to_thread(stack.enter_context, opened(damaged, sealer.sender, verify))
        for item in salvage.items:
            _take_item(item, sealer, verify, waiting, taken)
        records = salvage.records()
        room = limits.bytes
        while page := await asyncio.to_thread(list, islice(records, PAGE)):
            for old in page:
                if old.record.stream is Stream.ENERGY:
                    _take_energy(old, sealer, waiting, taken, is_new=old.record.seq not in salvage.items_about)
            keep = [old for old in page if limits.samples or old.record.stream is not Stream.SAMPLE]
            if room is not None:
                room -= sum(len(old.data) for old in keep)
                keep = keep if room >= 0 else []
            await journal.apply(Changes(salvaged=tuple(keep)))
            taken.kept += len(keep)
            taken.left += len(page) - len(keep)
        taken.findings = salvage.findings
    await _requeue(journal, sorted(waiting.values(), key=lambda item: item.slot_s), taken)
    if taken.highest_number > int(journal.values.get(NUMBERS_USED, b"0")):
        await journal.apply(Changes(values=((NUMBERS_USED, str(taken.highest_number).encode()),)))
        journal.skip_seq(taken.highest_number)
    return taken


def _take_item(item: Item, sealer: Sealer, verify: Verify, waiting: dict[bytes, NewItem], taken: TakenBack) -> None:
    """Judge an item that was open or refused."""
    try:
        tx = decode_tx(item.tx)
    except Malformed:
        taken.doubtful += 1
        return
    envelope = tx.envelope
    is_own = (envelope.chain_id, envelope.sender) == (sealer.chain_id, sealer.sender) and verify(tx.payload, tx.signature)
    if not is_own or (envelope.kind, envelope.seq) != (item.kind, item.seq):
        taken.doubtful += 1
        return
    taken.highest_number = max(taken.highest_number, envelope.seq)
    if item.state is ItemState.REFUSED:
        taken.dead_letters += 1
    elif item.kind not in UNNUMBERED:
        taken.orders += 1
    elif tx.body[0] == item.slot_s and tx.body[-1] == item.reference:
        waiting[item.reference] = _again(item.kind, item.slot_s, item.reference, item.tx)
    else:
        taken.doubtful += 1


def _take_energy(old: SalvagedRecord, sealer: Sealer, waiting: dict[bytes, NewItem], taken: TakenBack, *, is_new: bool) -> None:
    """A slot goes into the history; where its item is gone with its page, and nothing says that the slot was proven, it is
    reported again. A record without a date was never reported."""
    try:
        slot = entries.decode_energy(old.record.body)
    except ValueError:
        taken.unknown += 1
        return
    taken.energies.append(slot)
    if is_new and old.proven_height is None and old.record.wall_ns:
        reference = record_hash(old.data)
        waiting[reference] = _again(OpenReading.KIND, slot.slot_s, reference, sealer.seal_reading(slot, reference))


def _again(kind: int, slot_s: int, reference: bytes, tx: bytes) -> NewItem:
    return NewItem(UNNUMBERED[kind].priority, kind, slot_s, 0, reference, tx, NEVER)


async def _requeue(journal: Journal, items: Sequence[NewItem], taken: TakenBack) -> None:
    """Put items into the outbox, each by itself, so that those that are there already fail alone."""
    for start in range(0, len(items), PAGE):
        page = items[start : start + PAGE]
        stored = (journal.apply(Changes(enqueue=(item,))) for item in page)
        for item, outcome in zip(page, await asyncio.gather(*stored, return_exceptions=True), strict=True):
            if isinstance(outcome, DuplicateItem):
                taken.known += 1
            elif isinstance(outcome, BaseException):
                raise outcome
            elif item.kind == Notice.KIND:
                taken.notices += 1
            else:
                taken.requeued += 1
