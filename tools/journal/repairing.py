"""`homewatt journal salvage` and `requeue`: changes to a journal whose agent is stopped."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from agent.config import AgentConfig
from agent.journaling import entries
from agent.journaling.opening import open_journal
from agent.journaling.salvaging import Limits, TakenBack, take_back
from agent.keystore import FileKeyStore
from agent.line.damage import UNDATED, remember
from agent.line.sealing import NEVER, Sealer
from agent.vocabulary import SlotEnergy
from lightclient.messages import Notice, OpenReading
from lightclient.wire import Malformed, decode_tx, device_id
from storeforward.changes import Changes
from storeforward.files import asides
from storeforward.items import Item, Renewal
from storeforward.journal import Journal
from storeforward.signatures import verifier
from tools.console import CommandError, ExitCode, emit
from tools.journal.words import stream_name

PAGE: Final = 500
REPAIR: Final = "repair"
"""What the event is about that tells of a dead letter sent again."""
MOST_RUNS: Final = 20


async def salvage(config: AgentConfig, damaged: Sequence[Path], samples: bool, as_json: bool) -> int:
    """Take back what damaged files hold, and print what came back and what did not. PARTIAL where records are lost.

    Raises CommandError, KeyStoreError, JournalError, FileNotFoundError.
    """
    keystore = FileKeyStore.open(config.key.file)
    sealer = _sealer(config, keystore)
    is_all_back = True
    async with open_journal(config, keystore, SystemClock(), os.urandom(16)) as journal:
        files = list(damaged) or asides(journal.path)
        if not files:
            raise CommandError(
                ExitCode.PRECONDITION, f"no damaged file stands beside {journal.path}", "nothing is to be done; or name a file"
            )
        for file in files:
            share = Limits.of(config.journal, samples=samples, used_bytes=await journal.salvaged_bytes())
            taken = await take_back(journal, file, sealer, verifier(keystore.public_key()), share)
            await remember(journal, file, taken.text)
            emit(_report(file, taken), _in_words(file, taken), as_json)
            is_all_back &= not (taken.findings.missing or taken.findings.unreadable_pages)
    return ExitCode.OK if is_all_back else ExitCode.PARTIAL


async def requeue(config: AgentConfig, items: Sequence[int], as_json: bool) -> int:
    """Seal refused readings anew with the device's key of today and put them back into the queue. All of them or none.

    Raises CommandError, KeyStoreError, JournalError.
    """
    keystore = FileKeyStore.open(config.key.file)
    sealer = _sealer(config, keystore)
    async with open_journal(config, keystore, SystemClock(), os.urandom(16)) as journal:
        letters = await _dead_letters(journal)
        renewals = [_renewal(letters.get(item_id), item_id, sealer) for item_id in dict.fromkeys(items)]
        told = ", ".join(str(renewal.item_id) for renewal in renewals)
        event = entries.event(REPAIR, f"Refused readings are sent again by hand: items {told}.", UNDATED)
        await journal.apply(Changes((event,), renewals=tuple(renewals)))
    data = {"requeued": [renewal.item_id for renewal in renewals]}
    emit(data, f"items {told} are in the queue again; the agent sends them when it is started", as_json)
    return ExitCode.OK


async def _dead_letters(journal: Journal) -> dict[int, Item]:
    letters: dict[int, Item] = {}
    while page := await journal.outbox.dead_letters(max(letters, default=0), PAGE):
        letters |= {item.id: item for item in page}
    return letters


def _renewal(item: Item | None, item_id: int, sealer: Sealer) -> Renewal:
    if item is None:
        raise CommandError(
            ExitCode.PRECONDITION,
            f"item {item_id} is no dead letter",
            "homewatt journal show --dead-letters lists them; what is proven, or waits, is not sent again",
        )
    if item.kind == Notice.KIND:
        cause = f"item {item_id} is a notice: it is not sent again"
        raise CommandError(ExitCode.PRECONDITION, cause, "leave it: the next notice vouches for the same records")
    if item.kind != OpenReading.KIND:
        cause = f"item {item_id} is no reading: an order is worth nothing after its gate, and its number is used"
        raise CommandError(ExitCode.PRECONDITION, cause, "leave it: the agent makes new orders by itself")
    try:
        told = OpenReading(*decode_tx(item.tx).body)
    except (Malformed, TypeError) as error:
        cause = f"item {item_id} holds no reading any more: {error}"
        raise CommandError(ExitCode.PRECONDITION, cause, "homewatt journal verify says whether its record is whole") from error
    registers = told.import_start_wh, told.export_start_wh, told.import_end_wh, told.export_end_wh
    tx = sealer.seal_reading(SlotEnergy(told.slot_s, *registers), told.record_hash)
    return Renewal(item.id, item.reference, tx, NEVER)


def _sealer(config: AgentConfig, keystore: FileKeyStore) -> Sealer:
    chain_id = config.device.chain_id
    return Sealer(chain_id, device_id(chain_id, keystore.public_key()), keystore.sign)


def _report(file: Path, taken: TakenBack) -> dict[str, object]:
    found = taken.findings
    return {
        "file": str(file),
        "pages": found.pages,
        "unreadable_pages": found.unreadable_pages,
        "found": {stream_name(stream): count for stream, count in sorted(found.records.items())},
        "first_seq": found.first_seq,
        "last_seq": found.last_seq,
        "missing": found.missing,
        "missing_runs": [list(run) for run in found.lost()],
        "unproven": found.doubtful + taken.doubtful,
        "kept": taken.kept,
        "left": taken.left,
        "requeued": taken.requeued,
        "notices_requeued": taken.notices,
        "known": taken.known,
        "orders_not_sent": taken.orders,
        "dead_letters": taken.dead_letters,
    }


def _in_words(file: Path, taken: TakenBack) -> str:
    found = taken.findings
    counts = ", ".join(f"{count} {stream_name(stream)}" for stream, count in sorted(found.records.items())) or "none"
    runs = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found.lost()[:MOST_RUNS])
    more = ", ..." if len(found.lost()) > MOST_RUNS else ""
    lines = [
        f"{file}: {found.pages} pages, {found.unreadable_pages} of them unreadable",
        f"  records found    {counts} (numbers {found.first_seq} to {found.last_seq})",
        f"  lost             {found.missing}" + (f": {runs}{more}" if runs else ""),
        f"  unproven         {found.doubtful + taken.doubtful}: not signed, or named by no later record; left where they are",
        f"  kept             {taken.kept}, left in the file {taken.left}",
        f"  sent again       {taken.requeued} readings, {taken.notices} notices; {taken.known} were known",
        f"  not sent again   {taken.orders} orders, {taken.dead_letters} dead letters",
    ]
    return "\n".join(lines)
