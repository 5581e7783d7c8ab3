"""Handing in against every kind of bad luck: nodes that refuse, swallow, double and forget, and readings that nobody takes.

Nothing is lost, nothing takes effect twice, and nothing that is stuck keeps anything else waiting.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS_PER_S
from agent.journaling import entries
from agent.journaling.explaining import Deed
from agent.journaling.keeping import Keeper
from agent.lifecycle import Agent
from agent.line.forwarding import MOST_DOUBTFUL, PAGE, Forwarder
from agent.line.link import Link
from agent.line.pacing import BURST, Pace
from agent.line.sealing import NEVER, Sealer
from agent.status import Status
from agent.vocabulary import Reading, SlotEnergy
from drivers.simulated.device import SimulatedDevice
from lightclient.errors import NodeSilent
from lightclient.messages import OpenReading, PlaceOrder
from lightclient.provider import CheckOutcome
from lightclient.proving import Proven
from lightclient.refusals import Refusal
from storeforward.changes import Changes
from storeforward.items import Item, ItemState, Mark, NewItem, Priority
from storeforward.options import JournalOptions
from storeforward.parking import TRIES
from tests.agent.kit import SLOT_S, Society, play, small_scenario
from tests.storeforward.kit import item, marks, opened, run
from tools.fullnode.rpc.local import Front
from tools.society.scenario import Scenario
from tools.society.virtualclock import VirtualClock

HOME = "home-01-base-load"
BAD_FROM, BAD_UNTIL = 3.5, 6.5
"""Slots between which the nodes misbehave."""
Misdeed = Callable[[Front, bytes], Any]


def enough_for_all(slots: int = 16) -> Scenario:
    """Two homes, and an array that covers just what they take; the first buys 100 Wh in every slot."""
    return small_scenario(slots, battery=None, pv_mwh=(300_000,) * slots)


def said(body: bytes, code: int, log: str = "") -> bytes:
    """What a node answers to a transaction."""
    request = json.loads(body)
    tx_hash = sha256(b64decode(request["params"]["tx"])).hexdigest().upper()
    result = {"code": code, "data": "", "log": log, "codespace": "", "hash": tx_hash}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


async def forgets_the_answer(front: Front, body: bytes) -> bytes:
    await front.handle(body)
    raise NodeSilent("the connection broke off")


async def swallows(front: Front, body: bytes) -> bytes:
    return said(body, 0)


async def refuses(front: Front, body: bytes) -> bytes:
    return said(body, Refusal.GONE, "no")


async def doubles(front: Front, body: bytes) -> bytes:
    answer = await front.handle(body)
    asyncio.get_running_loop().call_later(40, asyncio.ensure_future, front.handle(body))
    await front.handle(body)
    return answer


@dataclass(slots=True)
class BadFront:
    """A node that misbehaves with transactions while `is_bad`."""

    front: Front
    misdeed: Misdeed
    is_bad: bool = True
    met: list[bytes] = field(default_factory=list)

    async def handle(self, body: bytes) -> bytes:
        if self.is_bad and b"broadcast_tx_sync" in body:
            self.met.append(body)
            return cast(bytes, await self.misdeed(self.front, body))
        return await self.front.handle(body)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self.front.subscribe(wake)


def bought_wh(society: Society, slot: int) -> int:
    position = society.position(HOME, slot)
    return 0 if position is None else position.position().bought_wh


@pytest.mark.parametrize("misdeed", [forgets_the_answer, swallows, refuses, doubles])
def test_bad_nodes_cost_trades_at_most_and_never_a_reading(tmp_path: Path, misdeed: Misdeed) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        home = await stack.enter_async_context(society.agent(HOME))
        society.start(home)
        await society.until(BAD_FROM)
        fronts = society.wires[HOME].fronts
        bad = {name: BadFront(front, misdeed) for name, front in fronts.items()}
        fronts.update(bad)
        await society.until(BAD_UNTIL)
        assert sum(len(front.met) for front in bad.values()) >= 4
        for front in bad.values():
            front.is_bad = False
        await society.until(11.5)
        assert all(society.reading(HOME, slot) is not None for slot in range(11))
        assert all(bought_wh(society, slot) <= 100 for slot in range(11)), "no order took effect twice"
        assert [bought_wh(society, slot) for slot in (1, 2, 3, 8, 9, 10)] == [100] * 6, "before and after it trades as ever"
        letters = await home.journal.outbox.dead_letters()
        if misdeed in (forgets_the_answer, doubles):  # the ledger has heard all of it
            assert [bought_wh(society, slot) for slot in range(4, 8)] == [100] * 4
            assert letters == []
        assert all(letter.code == Refusal.BOOK_CLOSED and letter.kind == PlaceOrder.KIND for letter in letters)
        assert len(letters) == home.counters.refused
        assert await waits(home, before_s=society.slot_s(10)) == [], "nothing is stuck"
        assert home.status.snapshot() == {}

    play(enough_for_all(), tmp_path, test)


async def waits(agent: Agent, before_s: int) -> list[int]:
    """Slots before an instant about which something is still open."""
    return [open_item.slot_s for open_item in await agent.journal.outbox.open_items() if open_item.slot_s < before_s]


def test_an_order_that_never_arrives_expires_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.trade.trading.VALID_BLOCKS", 4)

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        home = await stack.enter_async_context(society.agent(HOME))
        society.start(home)
        await society.until(BAD_FROM)
        fronts = society.wires[HOME].fronts
        bad = {name: BadFront(front, swallows) for name, front in fronts.items()}
        fronts.update(bad)
        await society.until(4)
        for front in bad.values():
            front.is_bad = False
        await society.until(8.5)
        assert home.counters.expired >= 1
        assert await home.journal.outbox.dead_letters() == []
        assert await waits(home, before_s=society.slot_s(7)) == []
        told = home.explanations.last(Deed.REFUSED)
        assert told is not None
        assert "beyond its last height" in told.text
        assert bought_wh(society, 8) == 100

    play(enough_for_all(), tmp_path, test)


@dataclass(slots=True)
class Leaping:
    """A meter whose registers leap by a megawatt-hour at an instant: no fuse would have let that pass."""

    device: SimulatedDevice[Any]
    at_s: int

    async def read(self) -> Reading:
        reading = await self.device.read()
        return replace(reading, import_wh=reading.import_wh + 1_000_000) if reading.taken_at_s >= self.at_s else reading

    async def wait_change(self, until_s: int) -> bool:
        return await self.device.wait_change(until_s)


def test_a_reading_that_no_node_takes_is_a_dead_letter_in_the_end_and_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.society.cast.DISPUTE_S", 4 * SLOT_S)

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        drivers = {"device": Leaping(society.house.open(HOME), society.slot_s(3) + SLOT_S // 2)}
        home = await stack.enter_async_context(society.agent(HOME, drivers=drivers))
        society.start(home)
        await society.until(7.5)
        assert society.reading(HOME, 3) is None
        assert all(society.reading(HOME, slot) is not None for slot in (2, 4, 5, 6)), "it keeps no other waiting"
        (stuck,) = [found for found in await home.journal.outbox.open_items() if found.slot_s == society.slot_s(3)]
        assert stuck.attempts >= 2
        assert stuck.state is ItemState.SEEN, "nodes have it, blocks do not"
        await society.until(12.5)
        (letter,) = await home.journal.outbox.dead_letters()
        assert (letter.slot_s, letter.code) == (society.slot_s(3), Refusal.READING_TOO_OLD)
        assert society.reading(HOME, 11) is not None

    play(enough_for_all(), tmp_path, test)


@dataclass(slots=True)
class Taker:
    """A link to a node that takes everything at once."""

    clock: VirtualClock
    took: list[tuple[float, bytes]] = field(default_factory=list)
    """Seconds since the start, and the transaction."""

    async def broadcast(self, tx: bytes) -> CheckOutcome | None:
        self.took.append((self.clock.monotonic_ns() / NS_PER_S, tx))
        return CheckOutcome(0, "", sha256(tx).digest(), already_known=False)


def forwarder(keeper: Keeper, link: Taker, clock: VirtualClock, per_s: int) -> Forwarder:
    registration: Any = None  # it is not asked before something is judged
    return Forwarder(keeper, cast(Link, link), bytes(20), registration, clock, Pace(per_s), lambda: None)


def test_an_order_overtakes_a_backlog_and_billing_goes_before_telemetry(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            keeper, link = Keeper(journal, clock, Status("kit")), Taker(clock)
            await keeper.store(enqueue=[item(n, Priority.TELEMETRY if n < 10 else Priority.BILLING) for n in range(BURST + 20)])
            sender = forwarder(keeper, link, clock, per_s=1)
            running = asyncio.create_task(sender.run())
            started_s = clock.monotonic_ns() / NS_PER_S
            sender.kick()
            await asyncio.sleep(5.5)
            await keeper.store(enqueue=[item(99, Priority.TRADE)])
            sender.kick()
            await asyncio.sleep(60)
            running.cancel()
            late = [(at_s - started_s, tx) for at_s, tx in link.took if tx != b"tx of item-99"]
            assert [tx for _, tx in late] == [b"tx of item-%d" % n for n in (*range(10, BURST + 20), *range(10))]
            assert [round(at_s) for at_s, _ in late] == [0] * BURST + list(range(1, 21))
            (order_s,) = [at_s - started_s for at_s, tx in link.took if tx == b"tx of item-99"]
            assert order_s == pytest.approx(5.5, abs=0.01)
            assert sender.handed_in == BURST + 21
            await keeper.flush()
            assert {found.state for found in await keeper.open_items()} == {ItemState.SEEN}
            assert {found.attempts for found in await keeper.open_items()} == {1}

    run(main)


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        (CheckOutcome(Refusal.OK, "", b"", already_known=False), ItemState.SEEN, None),
        (CheckOutcome(Refusal.REPLAYED, "", b"", already_known=False), ItemState.SEEN, None),
        (
            CheckOutcome(Refusal.GONE, "gone", b"", already_known=False),
            ItemState.SENT,
            f"hint of a node: gone (code {Refusal.GONE})",
        ),
        (None, ItemState.SENT, "no node answered when it was handed in"),
    ],
)
def test_what_a_node_says_is_a_hint_and_shows_in_the_state(
    tmp_path: Path, answer: CheckOutcome | None, state: ItemState, detail: str | None
) -> None:
    class Answering(Taker):
        async def broadcast(self, tx: bytes) -> CheckOutcome | None:
            return answer

        async def update(self) -> object:
            return object()

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            keeper = Keeper(journal, clock, Status("kit"))
            await keeper.store(enqueue=[item(1, Priority.TRADE)])
            sender = forwarder(keeper, Answering(clock), clock, per_s=1)
            running = asyncio.create_task(sender.run())
            sender.kick()
            await asyncio.sleep(30)
            running.cancel()
            await keeper.flush()
            (found,) = await keeper.open_items()
            assert (found.state, found.detail, found.attempts) == (state, detail, 1)

    run(main)


def test_of_many_readings_under_way_each_has_its_turn_and_orders_always(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            keeper = Keeper(journal, clock, Status("kit"))
            await keeper.store(enqueue=[item(n) for n in range(2 * PAGE + 10)])
            await keeper.store(enqueue=[item(1_000, Priority.TRADE)])
            sender = forwarder(keeper, Taker(clock), clock, per_s=1)
            assert await sender.under_way() == []
            sent = await journal.outbox.due(1_000)
            await journal.apply(marks(sent, ItemState.SENT))
            pages = [await sender.under_way() for _ in range(3)]
            assert all(len(page) == PAGE and page[0].priority is Priority.TRADE for page in pages)
            assert {found.id for page in pages for found in page} == {found.id for found in sent}
            few = tuple(Mark(found.id, ItemState.PROVEN, 1, 0) for found in sent[5:])
            await journal.apply(Changes(marks=few))
            assert [found.id for found in await sender.under_way()] == [found.id for found in sent[:5]]

    run(main)


def test_only_what_was_just_handed_in_counts_as_a_backlog_on_its_way(tmp_path: Path) -> None:
    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            new = [NewItem(Priority.BILLING, OpenReading.KIND, n * 900, 0, b"%d" % n, b"tx", 0) for n in range(BURST)]
            await journal.apply(Changes(enqueue=tuple(new)))
            assert Forwarder.is_draining(await journal.outbox.open_items())
            assert not Forwarder.is_draining((await journal.outbox.open_items())[1:])
            for _ in range(2):
                await journal.apply(marks(await journal.outbox.open_items(), ItemState.SENT))
            assert not Forwarder.is_draining(await journal.outbox.open_items()), "the ledger has let it lie"

    run(main)


@dataclass(slots=True)
class Racing(Leaping):
    """A meter that leaps again in every slot until an instant: as if its nameplate were registered too small."""

    until_s: int

    async def read(self) -> Reading:
        reading = await self.device.read()
        leaps = max(0, min(reading.taken_at_s, self.until_s) - self.at_s + SLOT_S - 1) // SLOT_S
        return replace(reading, import_wh=reading.import_wh + 1_000_000 * leaps)


@pytest.mark.parametrize("restarts", [False, True])
def test_readings_that_the_ledger_refuses_in_blocks_do_not_fill_the_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: bool
) -> None:
    """More of them than the window holds, and none is decided before the dispute time is over, long after this test."""
    monkeypatch.setattr("agent.journaling.opening.JournalOptions", partial(JournalOptions, window_items=2))

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        leaps = (society.slot_s(2) + SLOT_S // 2, society.slot_s(8) + SLOT_S // 2)
        drivers = {"device": Racing(society.house.open(HOME), *leaps)}
        async with society.agent(HOME, drivers=drivers) as first:
            running = society.start(first)
            await society.until(7.5 if restarts else 14.5)
            running.cancel()
            await asyncio.wait((running,))
        if restarts:
            second = await stack.enter_async_context(society.agent(HOME, drivers=drivers, boot_id=bytes([1]) * 16))
            society.start(second)
            await society.until(14.5)
        refused = [slot for slot in range(14) if society.reading(HOME, slot) is None]
        assert len(refused) >= 6, "three times the window"
        assert set(refused) <= set(range(2, 9))
        assert all(society.reading(HOME, slot) is not None for slot in range(9, 13))

    play(enough_for_all(), tmp_path, test)


def test_what_the_ledger_lets_lie_takes_half_of_what_is_asked_for_and_a_quarter_of_what_is_handed_in(tmp_path: Path) -> None:
    old, new = 300, 60

    async def main(clock: VirtualClock) -> None:
        async with opened(tmp_path / "journal.db", clock) as journal:
            keeper, link = Keeper(journal, clock, Status("kit")), Taker(clock)
            await keeper.store(enqueue=[item(n) for n in range(old)])
            for _ in range(TRIES):
                while due := await journal.outbox.due(PAGE):
                    await journal.apply(marks(due, ItemState.SENT))
                await asyncio.sleep(600)
            await keeper.store(enqueue=[item(old + n) for n in range(new)])
            sender = forwarder(keeper, link, clock, per_s=1)
            running = asyncio.create_task(sender.run())
            sender.kick()
            await asyncio.sleep(4 * new // 3)
            running.cancel()
            took = [int(tx.removeprefix(b"tx of item-")) for _, tx in link.took]
            assert [number for number in took if number >= old] == list(range(old, old + new)), "soon, and in order"
            assert all(sum(number < old for number in took[:count]) <= count // 4 + 1 for count in range(4 * new // 3))
            assert sum(number < old for number in took[: 4 * new // 3]) >= new // 3 - 1, "it has its share"
            await keeper.flush()
            pages = [await sender.under_way() for _ in range(old // (PAGE // 2) + 1)]
            assert all(len(page) <= PAGE and len({found.id for found in page}) == len(page) for page in pages)
            assert all(sum(found.attempts >= TRIES for found in page) <= PAGE // 2 for page in pages)
            assert {found.id for page in pages for found in page} == set(range(1, old + new + 1)), "each is asked for"

    run(main)


def unknown_slot(society: Society, slot: int) -> Changes:
    """The home's reading of a slot that the ledger never knew, as its agent would store it."""
    device = society.device(HOME)
    energy = SlotEnergy(society.slot_s(slot), 0, 0, 0, 0)
    seal = partial(Sealer(society.cast.chain_id, device.device_id, device.key.sign).seal_reading, energy)
    new = NewItem(Priority.BILLING, OpenReading.KIND, energy.slot_s, 0, None, seal, NEVER, 0)
    return Changes((entries.energy(energy, society.slot_s(0) * NS_PER_S),), (new,))


def test_readings_of_slots_that_the_ledger_never_knew_are_found_behind_others_that_stay_stuck(tmp_path: Path) -> None:
    """All are refused without a trace. For the ones only time will tell; the others can be told at once."""

    async def test(society: Society, stack: AsyncExitStack) -> None:
        await society.start_all(stack, HOME)
        leaps = (society.slot_s(1) + SLOT_S // 2, society.slot_s(8) + SLOT_S // 2)
        drivers = {"device": Racing(society.house.open(HOME), *leaps)}
        home = await stack.enter_async_context(society.agent(HOME, drivers=drivers))
        society.start(home)
        await society.until(9.5)
        stuck = {found.slot_s for found in await home.journal.outbox.open_items() if found.attempts >= TRIES}
        assert len(stuck) > MOST_DOUBTFUL
        for slot in (-100, -99):
            await home.journal.apply(unknown_slot(society, slot))
        await society.until(15.5)
        letters = await home.journal.outbox.dead_letters()
        assert [letter.slot_s for letter in letters] == [society.slot_s(-100), society.slot_s(-99)]
        assert all("the ledger knows no slot" in (letter.detail or "") for letter in letters)
        assert stuck <= {found.slot_s for found in await home.journal.outbox.open_items()}

    play(enough_for_all(), tmp_path, test)


def stuck(number: int) -> Item:
    args = Priority.BILLING, ItemState.SEEN, OpenReading.KIND, number * SLOT_S, 0, b"%d" % number, b"tx", 0, number, TRIES
    return Item(number, *args, None, None, None)


@given(count=st.integers(1, 30), page=st.integers(1, 12), unknown=st.sets(st.integers(0, 29)))
def test_of_many_stuck_readings_each_is_looked_up_before_any_is_again(count: int, page: int, unknown: set[int]) -> None:
    """They come in pages, one in each round, as `under_way` brings them."""
    nothing: Any = None
    sender = Forwarder(nothing, nothing, bytes(20), nothing, nothing, Pace(1), lambda: None)
    items = [stuck(number) for number in range(count)]
    pages = [items[start : start + page] for start in range(0, count, page)]
    refused: set[int] = set()
    for _ in range(2):  # it begins anew
        looked_up: list[int] = []
        for _ in range(-(-page // MOST_DOUBTFUL)):
            for asked in pages:
                for doubtful in sender.doubtful([found for found in asked if found.id not in refused], []):
                    looked_up.append(doubtful.id)
                    outcome = sender.judge_slot(doubtful, Proven(b"", None if doubtful.id in unknown else b"book", 7, 0))
                    assert (outcome is not None) is (doubtful.id in unknown)
                    if outcome is not None:
                        refused.add(doubtful.id)
        assert set(looked_up) >= set(range(count)) - refused
    assert refused == {number for number in unknown if number < count}
