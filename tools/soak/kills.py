"""kill -9 at random moments: a process writes and sends, is killed, and starts again on the same journal.

After every kill, on a copy: each record whose `apply` had returned is there with its hash, the chain and the signatures hold,
changes are there whole or not at all, and every slot and order waits in the outbox or is proven. At the end the process drains
its outbox; then every slot's energy and every order is on the ledger once, and nothing else is.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Final

import msgpack

from agent.journaling import entries
from storeforward.errors import JournalError
from storeforward.journal import Journal
from storeforward.records import StoredRecord, Stream, record_hash
from tools.fullnode.rules.sample import SampleKey
from tools.soak.campaign import Outcome, Violation, in_order
from tools.soak.chain import ChainCheck
from tools.soak.fastledger import BATTERY, FIRST_SLOT, SLOT_S, FastClock, FastLedger
from tools.soak.killed import NEXT_SLOT, OPTIONS, UP, Assignment, Profile, work

CAMPAIGN: Final = "kills"
_PROFILES: Final = (Profile.IDLE, Profile.STEADY, Profile.BURSTS)
_EARLY: Final = 0.2
"""Share of the kills that hit a process while it starts."""
_LONGEST_LIFE_S: Final = 0.6
_START_WITHIN_S: Final = 60.0
_DRAIN_WITHIN_S: Final = 120.0
_LINE_BYTES: Final = 1 << 20


@dataclass(slots=True)
class _Known:
    """What was found in the journal so far, and what was acknowledged since it was last looked at."""

    chain: ChainCheck
    hashes: list[bytes] = field(default_factory=list)
    slots: dict[int, bytes] = field(default_factory=dict)
    """Record hash by slot."""
    orders: list[bytes] = field(default_factory=list)
    """Payloads."""
    acknowledged: dict[int, bytes] = field(default_factory=dict)
    acknowledged_total: int = 0
    unacknowledged: int = 0
    """Records that are there although the process died before it heard of it."""


class _Broken(Exception):
    """What a journal broke, in words."""


class _Process:
    """A process that writes, and what it said."""

    def __init__(self, assignment: Assignment) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tools.soak.killed"])
        self._receive, send = context.Pipe(duplex=False)
        self._process: ForkServerProcess = context.Process(target=work, args=(assignment, send), daemon=True)
        self._process.start()
        send.close()
        self.up = asyncio.Event()

    async def listen(self, known: _Known) -> None:
        """Take in what it says until it is dead. A line that broke off acknowledges nothing."""
        reader = asyncio.StreamReader(limit=_LINE_BYTES)
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(os.dup(self._receive.fileno()), "rb", buffering=0)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        while (line := await reader.readline()).endswith(b"\n"):
            if line.decode().strip() == UP:
                self.up.set()
                continue
            for pair in line.decode().split():
                seq, hexed = pair.split(":")
                known.acknowledged[int(seq)] = bytes.fromhex(hexed)
        self._receive.close()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> int | None:
        """Its exit code, once what it said has come to an end."""
        self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code


def run(folder: Path, seed: int, kills: int, tell: Callable[[str], None]) -> Outcome:
    """Kill a process `kills` times. Raises Violation."""
    return asyncio.run(_run(folder, seed, kills, tell))


async def _run(folder: Path, seed: int, kills: int, tell: Callable[[str], None]) -> Outcome:
    clock = FastClock.start()
    ledger = FastLedger(clock)
    chance = Random(f"kills {seed}")
    known = _Known(ChainCheck(SampleKey.named(BATTERY).public))
    path = folder / "journal.db"
    early = 0
    per_profile: Counter[Profile] = Counter()
    async with ledger.running() as node:
        for number in range(kills):
            profile = _PROFILES[number % len(_PROFILES)]
            per_profile[profile] += 1
            assignment = Assignment(number, profile, path, node, ledger.anchor, clock)
            early += await _let_live(assignment, known, chance)
            try:
                await _look_at_copy(path, folder / "copy", ledger.device_id, known)
            except _Broken as broken:
                raise Violation(CAMPAIGN, seed, f"kill {number} ({profile})", str(broken)) from broken
            if (number + 1) % 50 == 0:
                tell(f"{number + 1} kills, {known.acknowledged_total:,} records acknowledged, ledger at {ledger.height:,}")
        tell("draining")
        try:
            await _drain(Assignment(kills, Profile.DRAIN, path, node, ledger.anchor, clock), known)
            await _look_at_copy(path, folder / "copy", ledger.device_id, known)
            refused = await _check_ledger(path, ledger, known)
        except _Broken as broken:
            raise Violation(CAMPAIGN, seed, "after the last kill", str(broken)) from broken
    figures = {
        **{f"kills, {profile}": count for profile, count in per_profile.items()},
        "of these while the process was starting": early,
        "records acknowledged": known.acknowledged_total,
        "acknowledged records lost": 0,
        "records in the journal that were not acknowledged any more": known.unacknowledged,
        "slots on the ledger, each once": len(known.slots),
        "orders on the ledger, each once": len(known.orders) - refused,
        "orders that the ledger refused, or that expired": refused,
        "transactions handed in again after they had taken effect": ledger.came_again,
        "doubled with effect": 0,
        "blocks": ledger.height,
    }
    return Outcome(CAMPAIGN, seed, figures)


async def _let_live(assignment: Assignment, known: _Known, chance: Random) -> bool:
    """Start a process, kill it after a while; whether that hit its start."""
    early, life_s = chance.random() < _EARLY, chance.uniform(0, _LONGEST_LIFE_S)
    process = _Process(assignment)
    listening = asyncio.create_task(process.listen(known))
    try:
        if early:
            await asyncio.sleep(life_s / 12)
        else:
            async with asyncio.timeout(_START_WITHIN_S):
                await process.up.wait()
            await asyncio.sleep(life_s)
    finally:
        was_up = process.up.is_set()
        process.kill()
        await listening
        process.end()
    return not was_up


async def _drain(assignment: Assignment, known: _Known) -> None:
    process = _Process(assignment)
    listening = asyncio.create_task(process.listen(known))
    try:
        async with asyncio.timeout(_DRAIN_WITHIN_S):
            await asyncio.shield(listening)
    except TimeoutError:
        raise _Broken(f"the outbox was not drained within {_DRAIN_WITHIN_S:.0f} s") from None
    finally:
        process.kill()
        await listening
        code = process.end()
    if code:
        raise _Broken(f"the process that drains the outbox ended with {code}")


async def _look_at_copy(path: Path, folder: Path, device: bytes, known: _Known) -> None:
    """Compare what a copy of the journal holds with what was acknowledged, and remember what is new. Raises _Broken."""
    if not _copy(path, folder):
        if known.acknowledged or known.hashes:
            raise _Broken("the journal is gone")
        return
    try:
        async with _open(folder / path.name, device) as journal:
            if journal.set_aside is not None:
                raise _Broken("the journal is taken for damaged")
            new = in_order([await journal.read_records(stream, len(known.hashes), 1_000_000) for stream in Stream])
            _take_records(new, known)
            await _check_outbox(journal, new)
            expected_slot = FIRST_SLOT + len(known.slots) * SLOT_S
            if known.slots and int(journal.values[NEXT_SLOT]) != expected_slot:
                raise _Broken(f"the next slot is {journal.values[NEXT_SLOT]!r}, but {expected_slot} has no energy record")
    except JournalError as error:
        raise _Broken(f"the journal does not open or read: {error}") from error


def _copy(path: Path, folder: Path) -> bool:
    """Copy a journal that no process has open into an empty folder; whether there was one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for suffix in ("", "-wal"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            shutil.copy(part, folder / part.name)
    return path.exists()


def _take_records(new: list[StoredRecord], known: _Known) -> None:
    problem = known.chain.take(new)
    if problem is not None:
        raise _Broken(problem)
    known.hashes.extend(record_hash(stored.data) for stored in new)
    lost = [seq for seq, wanted in known.acknowledged.items() if seq > len(known.hashes) or known.hashes[seq - 1] != wanted]
    if lost:
        raise _Broken(f"{len(lost)} acknowledged records are lost, the first is {min(lost)}")
    known.acknowledged_total += len(known.acknowledged)
    known.unacknowledged += len(new) - len(known.acknowledged)
    known.acknowledged.clear()
    parts: Counter[tuple[int, int, int]] = Counter()
    for stored in new:
        record = stored.record
        if record.stream is Stream.ENERGY:
            slot_s = entries.decode_energy(record.body).slot_s
            if slot_s in known.slots:
                raise _Broken(f"slot {slot_s} was stored twice")
            known.slots[slot_s] = stored.ref.record_hash
        elif record.stream is Stream.ORDER:
            known.orders.append(record.body)
        else:
            parts[tuple(msgpack.unpackb(record.body)[:3])] += 1
    torn = [part for part, count in parts.items() if count != part[2]]
    if torn:
        raise _Broken(f"a part of change {torn[0][1]} of process {torn[0][0]} is there")


async def _check_outbox(journal: Journal, new: list[StoredRecord]) -> None:
    """Each new energy or order record is proven, or its transaction waits or was refused."""
    items = [*await journal.outbox.open_items(), *await journal.outbox.dead_letters(limit=1_000_000)]
    waiting = {item.record_seq for item in items}
    for stored in new:
        needs_item = stored.record.stream in (Stream.ENERGY, Stream.ORDER)
        if needs_item and stored.proven_height is None and stored.record.seq not in waiting:
            raise _Broken(f"record {stored.record.seq} has no transaction in the outbox")


async def _check_ledger(path: Path, ledger: FastLedger, known: _Known) -> int:
    """Compare the ledger with the journal; how many orders the ledger did not take. Raises _Broken."""
    for slot_s, wanted in known.slots.items():
        if ledger.reading_hash(slot_s) != wanted:
            raise _Broken(f"the reading of slot {slot_s} is not on the ledger as recorded")
    twice = [slot_s for slot_s, count in ledger.readings.items() if count > 1]
    twice += [seq for seq, payload in enumerate(known.orders) if ledger.carried_out[payload] > 1]
    if twice:
        raise _Broken(f"{len(twice)} transactions took effect twice, the first is {twice[0]}")
    if len(ledger.readings) != len(known.slots):
        raise _Broken(f"{len(ledger.readings)} slots were reported, {len(known.slots)} recorded")
    orders = sum(ledger.carried_out.values()) - sum(ledger.readings.values())
    on_ledger = sum(ledger.carried_out[payload] for payload in known.orders)
    if orders != on_ledger:
        raise _Broken(f"{orders - on_ledger} orders took effect that the journal does not have")
    return len(known.orders) - on_ledger


def _open(path: Path, device: bytes) -> AbstractAsyncContextManager[Journal]:
    sign = SampleKey.named(BATTERY).sign
    return Journal.open(path, device=device, sign=sign, clock=FastClock.start(), boot_id=bytes(16), options=OPTIONS)
