"""Notices: every event and every gap is told once, an hour at a time, whatever comes between."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS_PER_S
from agent.journaling import entries
from agent.journaling.explaining import Deed
from agent.journaling.keeping import Keeper
from agent.line.noticing import NOTICE_EVERY_S, NOTICED, Noticer, Told, find_news
from agent.line.sealing import Sealer
from agent.status import Status, Trouble
from agent.time.deviceclock import DeviceClock
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock
from lightclient import keys
from lightclient.messages import Notice, OpenReading, decode_body
from lightclient.refusals import Refusal
from lightclient.values import NoticeRecord, TariffRecord
from lightclient.wire import decode_tx
from storeforward.changes import Changes
from storeforward.errors import DiskFailed, JournalDamaged
from storeforward.gaps import Gap, Kept, Why, digest_of, merged, runs_of
from storeforward.items import Item, Mark, Priority
from storeforward.items import ItemState as State
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import NO_HASH, NewRecord, Record, StoredRecord, Stream
from tests.agent.kit import SLOT_S, START_S, Society, play
from tests.agent.line.test_forwarding import BadFront, said
from tests.agent.line.test_recovering import HOME, enough_for_all, run_until
from tests.agent.timekit import FakeSystem, HandClock, time_keeper
from tests.storeforward.kit import DEVICE, KEY, opened, run
from tools.fullnode.rpc.local import Front
from tools.society.virtualclock import VirtualClock

MANY = 10**6
HOUR = NOTICE_EVERY_S // SLOT_S
"""Slots of an hour."""
UTILITY, GRID_METER = "utility", "grid-meter"
NOON = 48
"""The slot of the simulated day that begins at 12:00, when the utility's next prices are known."""


def events(count: int, taken_ns: int | None = None) -> Changes:
    return Changes(tuple(entries.event("kit", f"event {number}", taken_ns) for number in range(count)))


async def every(journal: Journal, stream: Stream) -> list[StoredRecord]:
    return await journal.read_records(stream, limit=MANY)


# A journal and a noticer alone, with the time in hand


class Bench:
    """Asks a noticer at instants, and reads what it put into the outbox."""

    def __init__(self, journal: Journal, clock: Clock | None = None) -> None:
        self.hand, self.status, self.journal, self.kicks = HandClock(START_S * NS_PER_S), Status("kit"), journal, 0
        self.clock = clock or self.hand
        sealer, self.time = Sealer("society-1", DEVICE, KEY.sign), time_keeper(self.clock, self.status)
        keeper = Keeper(journal, self.clock, self.status)
        self.noticer = Noticer(keeper, sealer, Timetable(SLOT_S, 300), self.clock, self.time, self._kick)

    def _kick(self) -> None:
        self.kicks += 1

    async def tell_at(self, slot: float) -> bool:
        """Set the time to the start of a slot (a fraction: within it), and ask; whether a notice was made."""
        self.hand.ns = (START_S + round(slot * SLOT_S)) * NS_PER_S
        return await self.noticer.tell()

    async def items(self) -> list[Item]:
        return await self.journal.outbox.open_items()

    async def notices(self) -> list[Notice]:
        """What waits in the outbox, decoded as the ledger does."""
        return [_decoded(item) for item in await self.items()]


def _decoded(item: Item) -> Notice:
    tx = decode_tx(item.tx)
    assert (tx.envelope.seq, tx.envelope.expires_height, item.priority) == (0, 0, Priority.TELEMETRY)
    notice = decode_body(tx.envelope.kind, tx.body)
    assert isinstance(notice, Notice)
    assert (notice.slot_s, notice.record_hash, item.seq) == (item.slot_s, item.reference, 0)
    return notice


def on_bench(folder: Path, test: Callable[[Bench], Any], options: JournalOptions | None = None) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(folder / "journal.db", clock, options) as journal:
            await test(Bench(journal))

    run(main)


def test_once_an_hour_at_the_first_edge_with_news_the_slot_that_just_ended_is_told(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await b.journal.apply(events(3))
        assert not await b.tell_at(1), "a slot that began before this journal may be none of the ledger's"
        assert not any([await b.tell_at(slot) for slot in (1.5, 2, 3)])
        assert await b.tell_at(4.01)
        assert b.kicks == 1
        assert not any([await b.tell_at(slot) for slot in (4.5, 5, 8, 9)]), "nothing new"
        await b.journal.apply(events(2))
        assert await b.tell_at(10), "the hour has had no notice yet"
        await b.journal.apply(events(1))
        assert not any([await b.tell_at(slot) for slot in (11, 11.9)])
        assert await b.tell_at(30), "it slept"
        told = [(notice.slot_s, notice.events, notice.gaps, notice.evicted) for notice in await b.notices()]
        slots = [START_S + slot * SLOT_S for slot in (3, 9, 29)]
        assert told == [(slot_s, count, 0, 0) for slot_s, count in zip(slots, (3, 2, 1), strict=True)]
        records = await every(b.journal, Stream.EVENT)
        assert [item.record_seq for item in await b.items()] == [records[place].record.seq for place in (2, 4, 5)]
        assert [notice.record_hash for notice in await b.notices()] == [records[place].ref.record_hash for place in (2, 4, 5)]

    on_bench(tmp_path, test)


def test_proven_it_vouches_for_its_record(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await b.tell_at(0)
        await b.journal.apply(events(2))
        await b.tell_at(4)
        (item,) = await b.items()
        await b.journal.apply(Changes(marks=(Mark(item.id, State.PROVEN, 7, Refusal.OK),)))
        assert [stored.proven_height for stored in await every(b.journal, Stream.EVENT)] == [None, 7]

    on_bench(tmp_path, test)


def test_nothing_is_told_while_nobody_knows_the_time(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            system = FakeSystem(clock, is_synchronised=False)
            b = Bench(journal, DeviceClock(system))
            await journal.apply(events(1))
            assert not await b.noticer.tell()
            assert NOTICED not in journal.values

    run(main)


def test_a_clock_that_was_set_back_tells_no_slot_twice(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await b.tell_at(0)
        for slot in (4, 8, 400):
            await b.journal.apply(events(1))
            assert await b.tell_at(slot)
        await b.journal.apply(events(1))
        assert not any([await b.tell_at(slot) for slot in (8.5, 9, 11)]), "the hour that may have been told passes"
        assert await b.tell_at(12)
        slots = [(item.slot_s - START_S) // SLOT_S for item in await b.items()]
        assert slots == [3, 7, 399, 11]
        assert sum(notice.events for notice in await b.notices()) == 4

    on_bench(tmp_path, test)


def test_what_the_disk_does_not_take_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(b: Bench) -> None:
        await b.tell_at(0)
        await b.journal.apply(events(5))

        async def fails(*_: object, **__: object) -> None:
            raise DiskFailed(tmp_path, "input/output error")

        for name in ("apply", "read_records"):
            with monkeypatch.context() as patch:
                patch.setattr(b.journal, name, fails)
                assert not await b.tell_at(4)
            assert "input/output error" in b.status.snapshot()[Trouble.JOURNAL].cause

        with monkeypatch.context() as patch:
            patch.setattr(Journal, "disk_is_full", property(lambda _: True))
            assert not await b.tell_at(4)
        assert await b.items() == []
        assert await b.tell_at(4)
        assert [notice.events for notice in await b.notices()] == [5]

    on_bench(tmp_path, test)


def test_a_gap_that_the_disk_changed_breaks_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All gaps made sense when the journal was opened, or were written since."""

    async def test(b: Bench) -> None:
        await b.tell_at(0)
        await b.journal.apply(events(1))
        (stored,) = await every(b.journal, Stream.EVENT)
        garbled = replace(stored, record=replace(stored.record, stream=Stream.GAP, body=b"\xc1"))

        async def is_garbled(stream: Stream, *_: int, **__: int) -> list[StoredRecord]:
            return [garbled] if stream is Stream.GAP else []

        monkeypatch.setattr(b.journal, "read_records", is_garbled)
        with pytest.raises(JournalDamaged):
            await b.tell_at(4)

    on_bench(tmp_path, test)


def test_a_long_backlog_is_read_in_pages_and_told_in_one(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await b.tell_at(0)
        for _ in range(5):
            await b.journal.apply(events(700))
        assert await b.tell_at(4)
        assert [notice.events for notice in await b.notices()] == [3_500]

    on_bench(tmp_path, test)


def test_what_went_is_told_once_also_what_went_untold(tmp_path: Path) -> None:
    """A journal of a megabyte, through which many more events run."""

    async def test(b: Bench) -> None:
        await b.tell_at(0)
        stored, edges = 0, 0
        for turn in range(200):
            await b.journal.apply(events(100, (START_S + turn) * NS_PER_S))
            stored += 100
            if turn % 20 == 19:
                edges += await b.tell_at(HOUR * (1 + turn // 20))
        await asyncio.sleep(60)  # until nothing more goes: while something does, nothing is told
        edges += await b.tell_at(HOUR * 11)
        gaps = await every(b.journal, Stream.GAP)
        bodies = [Gap.decode(gap.record.body) for gap in gaps]
        assert sum(gap.count(Stream.EVENT) for gap in bodies) > stored // 2
        assert any(gap.level for gap in bodies), "many became one"
        notices = await b.notices()
        assert len(notices) == edges > 1
        assert sum(notice.events for notice in notices) == stored
        assert sum(notice.gaps for notice in notices) == len(gaps) + sum(gap.count(Stream.GAP) for gap in bodies)
        assert sum(notice.evicted for notice in notices) == sum(gap.count(Stream.EVENT) for gap in bodies)
        assert all(START_S <= notice.first_s <= notice.last_s < START_S + 200 for notice in notices if notice.evicted)

    on_bench(tmp_path, test, JournalOptions(max_mib=1))


def test_while_something_goes_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(b: Bench) -> None:
        await b.tell_at(0)
        await b.journal.apply(events(1))
        read = b.journal.read_records

        async def with_another_gap(stream: Stream, *args: int, **named: int) -> list[StoredRecord]:
            if stream is Stream.GAP:
                gap = Gap(0, MappingProxyType({}), 0, 0, NO_HASH, Kept.NOTHING, Why.SIZE)
                await b.journal.apply(Changes((NewRecord(Stream.GAP, None, gap.encode()),)))
            return await read(stream, *args, **named)

        with monkeypatch.context() as patch:
            patch.setattr(b.journal, "read_records", with_another_gap)
            assert not await b.tell_at(4)
        assert await b.tell_at(5)
        assert [(notice.events, notice.gaps) for notice in await b.notices()] == [(1, 2)]

    on_bench(tmp_path, test)


# The rule of counting, over all that may happen to a journal


class Model:
    """Records that come and go, as numbers; and what notices have told of them."""

    def __init__(self) -> None:
        self.kept: dict[int, StoredRecord] = {}
        self.ever: dict[Stream, int] = {Stream.EVENT: 0, Stream.GAP: 0, Stream.ENERGY: 0}
        self.went = 0
        self.told, self.sums = Told(0), [0, 0, 0]

    def add(self, stream: Stream, body: bytes = b"") -> None:
        seq = 1 + sum(self.ever.values())
        record = Record(DEVICE, bytes(16), seq, 0, 0, stream, body, NO_HASH, NO_HASH)
        self.kept[seq] = StoredRecord(record, record.encode(), None, None)
        self.ever[stream] += 1

    def of(self, stream: Stream) -> list[StoredRecord]:
        return [stored for stored in self.kept.values() if stored.record.stream is stream]

    def evict(self, stream: Stream) -> None:
        """The older half goes, and a gap comes."""
        goes = self.of(stream)[: len(self.of(stream)) // 2]
        if goes:
            runs = MappingProxyType({stream: runs_of(stored.record.seq for stored in goes)})
            self._drop(goes)
            self.went += len(goes)
            digest = digest_of(stored.ref.record_hash for stored in goes)
            self.add(Stream.GAP, Gap(0, runs, 5 * NS_PER_S, 9 * NS_PER_S, digest, Kept.NOTHING, Why.SIZE).encode())

    def join(self) -> None:
        gaps = self.of(Stream.GAP)[:3]
        if len(gaps) > 1:
            self._drop(gaps)
            named = [(old.record.seq, old.ref.record_hash, Gap.decode(old.record.body)) for old in gaps]
            self.add(Stream.GAP, merged(named).encode())

    def _drop(self, goes: Iterable[StoredRecord]) -> None:
        for stored in goes:
            del self.kept[stored.record.seq]

    def tell(self) -> None:
        behind = [stored for stored in self.of(Stream.EVENT) if stored.record.seq > self.told.seq]
        news = find_news(self.told, len(behind), behind[-1] if behind else None, self.of(Stream.GAP))
        if news is None:
            return
        counts = news.events, news.gaps, news.evicted
        body = Notice(0, *counts, news.first_s, news.last_s, news.newest.record_hash).body()
        assert decode_body(Notice.KIND, body), "the ledger takes it for a notice"
        self.sums = [before + new for before, new in zip(self.sums, counts, strict=True)]
        self.told = Told(0, news.newest.seq, self.told.evicted + news.evicted)


DEEDS: Sequence[Callable[[Model], None]] = (
    lambda model: model.add(Stream.EVENT),
    lambda model: model.add(Stream.ENERGY),
    lambda model: model.evict(Stream.EVENT),
    lambda model: model.evict(Stream.ENERGY),
    Model.join,
    Model.tell,
)


@given(st.lists(st.sampled_from(range(len(DEEDS))), max_size=60))
def test_whatever_happens_each_is_told_once(deeds: list[int]) -> None:
    model = Model()
    for deed in deeds:
        DEEDS[deed](model)
    model.tell()
    assert model.sums == [model.ever[Stream.EVENT], model.ever[Stream.GAP], model.went]
    before = model.told
    model.tell()
    assert model.told == before, "and then there is no more to tell"


# With the ledger


def notices_of(society: Society, name: str, slots: int) -> dict[int, NoticeRecord]:
    """Those that count, by slot."""
    found = {slot: society.notice(name, slot) for slot in range(slots)}
    return {slot: notice for slot, notice in found.items() if notice is not None}


async def assert_told(journal: Journal, notices: Iterable[NoticeRecord]) -> None:
    """All events up to where notices have told are counted once, and the journal knows where the ledger vouches."""
    told, notices = Told.decode(journal.values[NOTICED]), list(notices)
    stored = await every(journal, Stream.EVENT)
    assert sum(notice.events for notice in notices) == sum(one.record.seq <= told.seq for one in stored) > 0
    heights = {one.ref.record_hash: one.proven_height for one in (*stored, *await every(journal, Stream.GAP))}
    assert [heights[notice.record_hash] for notice in notices] == [notice.height for notice in notices]


def test_all_kinds_of_devices_tell_and_the_ledger_vouches(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        await society.until(NOON + 5)
        for name in (HOME, GRID_METER, UTILITY):
            notices = notices_of(society, name, NOON + 5)
            assert len({(slot + 1) // HOUR for slot in notices}) == len(notices), "once an hour at most"
            await assert_told(agents[name].journal, notices.values())
        assert list(notices_of(society, UTILITY, NOON + 5)) == [NOON - 1], "it does not wake for it"
        assert all(agent.status.snapshot() == {} and agent.counters.refused == 0 for agent in agents.values())

    play(enough_for_all(64), tmp_path, test)


@asynccontextmanager
async def noting(society: Society, name: str, stack: AsyncExitStack) -> AsyncIterator[Journal]:
    """The journal of an agent that runs within the block."""
    agent = await stack.enter_async_context(society.agent(name))
    running = society.start(agent)
    yield agent.journal
    running.cancel()


def test_a_day_offline_is_told_hour_by_hour_and_readings_go_first(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        async with noting(society, HOME, stack) as journal:
            await society.until(5, 20)
            society.wires[HOME].cut = True
            for slot in range(6, 101):
                await journal.apply(events(slot % 3))
                await society.until(slot, 20)
            waiting = await journal.outbox.open_items()
            assert sum(item.kind == Notice.KIND for item in waiting) == 24
            kinds = [item.kind for item in await journal.outbox.due(MANY) if item.priority is not Priority.TRADE]
            assert set(kinds) == {OpenReading.KIND, Notice.KIND}
            assert kinds == sorted(kinds), "billing before telemetry"
            society.wires[HOME].cut = False
            await society.until(106)
            notices = notices_of(society, HOME, 106)
            assert list(notices) == list(range(3, 106, HOUR))
            await assert_told(journal, notices.values())

    play(enough_for_all(112), tmp_path, test)


def test_a_restart_in_the_middle_tells_nothing_twice(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        for until in (4.02, 4.1, 6.5, 8.02):  # twice within the slot after a notice
            await run_until(society, society.agent(HOME), until)
        async with noting(society, HOME, stack) as journal:
            await society.until(13.5)
            notices = notices_of(society, HOME, 14)
            assert list(notices) == [3, 7, 11]
            await assert_told(journal, notices.values())

    play(enough_for_all(), tmp_path, test)


def test_what_went_reaches_the_ledger(tmp_path: Path) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        config = society.config(HOME)
        small = replace(config, journal=replace(config.journal, max_mib=1))
        agent = await stack.enter_async_context(society.agent(HOME, small))
        society.start(agent)
        await society.until(1)
        samples = tuple(NewRecord(Stream.SAMPLE, society.slot_s(1) * NS_PER_S, bytes(200)) for _ in range(500))
        for _ in range(8):
            await agent.journal.apply(Changes(samples))
        await society.until(5.9)
        notice = society.notice(HOME, 3)
        assert notice is not None
        gaps = [Gap.decode(gap.record.body) for gap in await every(agent.journal, Stream.GAP)]
        assert notice.evicted == sum(gap.count(Stream.SAMPLE) for gap in gaps) > 500
        assert notice.gaps == len(gaps) + sum(gap.count(Stream.GAP) for gap in gaps) > 0
        assert START_S - SLOT_S <= notice.first_s <= notice.last_s <= society.slot_s(1)
        await assert_told(agent.journal, [notice])

    play(enough_for_all(), tmp_path, test)


async def swallows_notices(front: Front, body: bytes) -> bytes:
    """A node that says yes to a notice, and loses it."""
    tx = decode_tx(b64decode(json.loads(body)["params"]["tx"]))
    return said(body, 0) if tx.envelope.kind == Notice.KIND else bytes(await front.handle(body))


@pytest.mark.parametrize("is_refused", [True, False])
def test_a_notice_that_the_ledger_does_not_take_keeps_the_utility_neither_awake_nor_from_posting(
    tmp_path: Path, is_refused: bool
) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        agents = await society.start_all(stack)
        agent, device, wire = agents[UTILITY], society.device(UTILITY), society.wires[UTILITY]
        await society.until(NOON - 0.5)
        if is_refused:  # somebody with the same key was first
            sealer = Sealer(society.cast.chain_id, device.device_id, device.key.sign)
            other = Notice(society.slot_s(NOON - 1), 1, 0, 0, 0, 0, bytes(32))
            await agents[HOME].client.broadcast(sealer.seal_notice(other))
        else:
            wire.fronts.update({name: BadFront(front, swallows_notices) for name, front in wire.fronts.items()})
        await society.until(NOON + 4)
        calls = wire.calls
        await society.until(NOON + 12)
        assert wire.calls == calls, "it sleeps until the next prices are known"
        letters = await agent.journal.outbox.dead_letters()
        assert [(letter.kind, letter.code) for letter in letters] == [(Notice.KIND, Refusal.NOTICE_STANDS)] * is_refused
        assert agent.explanations.last(Deed.REFUSED) is None, "or the next notice would tell of this one"
        await society.until(2 * NOON + NOON + 1)
        assert wire.calls > calls
        tariff = society.node.read(keys.tariff(society.slot_s(3 * NOON + 4)))
        assert tariff is not None
        assert TariffRecord.decode(tariff).source == 1, "posted, and no fallback"

    play(enough_for_all(3 * NOON + 16), tmp_path, test)
