"""The trading cycle: before each gate look, decide, send; after it prove what came of it. Twice per slot, more where needed.

Everything here relies on one verified header per wake. Without one the appliance is steered as if there were no market, and
nothing is sent; what was sent is proven when a node is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from agent.appliances.base import Appliance, Seen
from agent.clock import NS_PER_S, now_s
from agent.journaling import entries
from agent.journaling.entries import ReceiptKind
from agent.journaling.explaining import Deed
from agent.journaling.keeping import Keeper
from agent.journaling.recording import UNSETTLED, Recorder
from agent.line.forwarding import Forwarder
from agent.line.link import Link
from agent.line.proving import News, Prover
from agent.line.recovering import STANDING, Recovery
from agent.line.sealing import VALID_BLOCKS, Sealed, Sealer
from agent.observing import Observer
from agent.trade.market import NO_MARKET, MarketDesk
from agent.trade.orders import Change, OwnOrders, changes, within_bounds
from agent.trade.positions import Positions, Unsettled
from agent.trade.registry import Registration
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock
from lightclient import keys
from lightclient.blocks import Header
from lightclient.values import BookRecord, BookStatus, PositionRecord
from storeforward.items import NewItem, Priority
from storeforward.records import NewRecord
from strategies.view import Quote

LEAST_BETWEEN_S: Final = 60
"""An event wakes trading at most this often; so do open orders, whose book may have changed."""
ASK_AGAIN_S: Final = 5
"""When a call has not run at the time it should have, and while a backlog is on its way to the ledger."""


class Trader:
    """Trades for one appliance."""

    def __init__(
        self,
        appliance: Appliance[Any],
        observer: Observer,
        recorder: Recorder,
        link: Link,
        registration: Registration,
        recovery: Recovery,
        desk: MarketDesk,
        prover: Prover,
        forwarder: Forwarder,
        keeper: Keeper,
        sealer: Sealer,
        timetable: Timetable,
        clock: Clock,
        own: OwnOrders,
        positions: Positions,
        unsettled: Unsettled,
        *,
        news: Callable[[], None],
    ) -> None:
        self._appliance = appliance
        self._observer = observer
        self._recorder = recorder
        self._link = link
        self._registration = registration
        self._recovery = recovery
        self._desk = desk
        self._prover = prover
        self._forwarder = forwarder
        self._keeper = keeper
        self._sealer = sealer
        self._timetable = timetable
        self._clock = clock
        self._own = own
        self._positions = positions
        self._unsettled = unsettled
        self._tell = news
        self._wake = asyncio.Event()
        self._bid_slot_s = 0
        self._prove_slot_s = 0
        self._last_bid_s = 0
        self._extra_bid_s: int | None = None
        self._reached: set[int] = set()
        self._unproven: dict[int, bool] = {}
        self._prove_again_s: int | None = None
        self._time_moved = False
        self.messages_sent = 0
        """Orders, replacements, cancels and accepts, since the start."""

    def seen(self, at_s: int, quotes: tuple[Quote, ...] = ()) -> Seen:
        """What is known beside the appliance's own state, without asking anybody."""
        slot_s = self._timetable.slot_of(at_s)
        position, leftover = self._positions.position(slot_s), self._positions.leftover(slot_s)
        return Seen(self._desk.view(at_s, quotes), position, leftover, tuple(self._observer.history))

    def poke(self) -> None:
        """Something happened that may change the mind. Heard where the regular bid for the next gate does not come anyway."""
        at_s = now_s(self._clock)
        if self._appliance.trades and self._missed_bid(at_s):
            self._extra_bid_s = max(at_s, self._last_bid_s + LEAST_BETWEEN_S)
            self._wake.set()

    def catch_up(self) -> None:
        """A node is back: prove what could not be proven, and trade where a gate is still ahead."""
        self._prove_again_s = now_s(self._clock) + 1
        self.poke()
        self._wake.set()

    def time_moved(self) -> None:
        """The time became known, or leapt: what was to be done at instants that lie elsewhere now begins anew."""
        self._time_moved = True
        self._wake.set()

    async def run(self) -> None:
        """Trade until cancelled."""
        timetable = self._timetable
        self._begin()
        while True:
            await self._sleep()
            if self._time_moved:
                self._begin()
            at_s = now_s(self._clock)
            await self._after_gates(at_s)
            if at_s >= timetable.bid_s(self._bid_slot_s) or self._extra_bid_is_due(at_s):
                self._bid_slot_s = timetable.next_bid_slot(at_s)
                self._last_bid_s, self._extra_bid_s = at_s, self._next_extra_bid_s(at_s)
                await self._bid(at_s)

    def _begin(self) -> None:
        """Look ahead from now on, and back at what may have been traded."""
        timetable, at_s = self._timetable, now_s(self._clock)
        self._time_moved, self._last_bid_s, self._extra_bid_s = False, 0, None
        self._bid_slot_s = timetable.next_bid_slot(at_s - 1)
        self._prove_slot_s = timetable.next_prove_slot(at_s - 1)
        self._unproven.update({s: True for s in self._running_slots(at_s) if self._own.involved(s)})
        if self._unproven:
            self.catch_up()
        self.poke()

    def _extra_bid_is_due(self, at_s: int) -> bool:
        """Whether a bid beside the regular ones is due, and still for a gate whose regular bid is over."""
        if self._extra_bid_s is None or at_s < self._extra_bid_s:
            return False
        self._extra_bid_s = None
        return self._missed_bid(at_s)

    def _missed_bid(self, at_s: int) -> bool:
        """Whether waiting for the next regular bid would miss a gate, or a minute of an open book."""
        return self._appliance.bids_openly or self._timetable.first_tradable(at_s) < self._bid_slot_s

    async def _sleep(self) -> None:
        """Until the next wake, or until somebody moves it."""
        loop = asyncio.get_running_loop()
        while not (self._wake.is_set() or self._time_moved) and (left_ns := self._left_ns()) > 0:
            timer = loop.call_later(left_ns / NS_PER_S, self._wake.set)
            await self._wake.wait()
            timer.cancel()
            self._wake.clear()
        self._wake.clear()

    def _left_ns(self) -> int:
        return self._next_wake_s() * NS_PER_S - self._clock.now_ns()

    def _next_wake_s(self) -> int:
        wakes = [self._timetable.bid_s(self._bid_slot_s), self._timetable.prove_s(self._prove_slot_s)]
        wakes += [at_s for at_s in (self._extra_bid_s, self._prove_again_s) if at_s is not None]
        return min(wakes)

    def _next_extra_bid_s(self, at_s: int) -> int | None:
        """Open orders are looked after once a minute, in step with the regular bid."""
        if not self._appliance.bids_openly:
            return None
        left_s = self._timetable.bid_s(self._bid_slot_s) - at_s
        return at_s + (left_s % LEAST_BETWEEN_S or LEAST_BETWEEN_S)

    def _running_slots(self, at_s: int) -> range:
        """The slot that runs and those whose gate is over."""
        duration_s = self._timetable.duration_s
        return range(self._timetable.slot_of(at_s), self._timetable.first_tradable(at_s), duration_s)

    async def _after_gates(self, at_s: int) -> None:
        """Take stock of slots whose proof is due, and prove the positions that are still unknown."""
        first_s, self._prove_slot_s = self._prove_slot_s, self._timetable.next_prove_slot(at_s)
        for slot_s in range(first_s, self._prove_slot_s, self._timetable.duration_s):
            forgotten = self._recovery.may_have_traded(slot_s)
            if forgotten or self._own.involved(slot_s):
                self._unproven[slot_s] = forgotten or self._own.may_be_matched(slot_s)
            elif slot_s in self._reached:
                self._positions.proven(slot_s, None)  # nothing was ever sent for it, so nothing can have been traded
            self._own.close(slot_s)
        newly_due = self._prove_slot_s > first_s and bool(self._unproven)
        if newly_due or (self._prove_again_s is not None and at_s >= self._prove_again_s):
            self._prove_again_s = None
            await self._prove(at_s)

    async def _prove(self, at_s: int) -> None:
        """Prove results, and the positions of slots that still matter."""
        running_s = self._timetable.slot_of(at_s)
        self._unproven = {slot_s: early for slot_s, early in self._unproven.items() if slot_s >= running_s}
        slots = sorted(self._unproven)
        header = await self._header()
        if header is None:
            return
        news = await self._prover.ask(header, at_s, [keys.position(self._sealer.sender, slot_s) for slot_s in slots])
        if news is None:
            return
        for slot_s, answer in zip(slots, news.answers, strict=True):
            if (answer.value is None or self._unproven[slot_s]) and not await self._is_called(slot_s, header):
                self._prove_again_s = at_s + ASK_AGAIN_S
                continue
            del self._unproven[slot_s]
            self._positions.proven(slot_s, None if answer.value is None else PositionRecord.decode(answer.value))
            if answer.value is not None:
                taken_ns = answer.header_time_ns
                news.records.append(entries.receipt(ReceiptKind.TRADED, slot_s, answer.height, answer.value, taken_ns))
        await self._store(news, [])
        self._tell()

    async def _is_called(self, slot_s: int, header: Header) -> bool:
        """Whether the book is proven closed; no position, or one with earlier trades, does not say so."""
        answers = await self._link.prove([keys.book(slot_s)], header)
        if not answers or answers[0].value is None:
            return False
        return BookRecord.decode(answers[0].value).status is not BookStatus.OPEN

    async def _header(self) -> Header | None:
        """A verified header to act upon, once the ledger's registry is known to agree with the configuration, and the journal
        with what the ledger has seen."""
        header = await self._link.update()
        if header is None or not await self._registration.check(header) or not await self._recovery.check(header):
            return None
        return header

    async def _bid(self, at_s: int) -> None:
        """Look, decide, send."""
        state = await self._observer.look()
        header = await self._header()
        if header is None:
            self._explain_without_market(state, at_s)
            return
        wants = NO_MARKET if state is None else self._appliance.wants(state)
        news = await self._prover.ask(header, at_s, self._desk.keys(wants, self._own, at_s))
        if news is None:
            self._explain_without_market(state, at_s)
            return
        quotes = self._desk.take(news.answers, self._own, at_s)
        if wants.tariffs and (more := self._desk.tariff_keys(at_s)):
            self._desk.take(await self._link.prove(more, header) or (), self._own, at_s)
        wanted: list[Change] = []
        if state is not None and wants.quotes:
            self._reached.update(quote.slot_s for quote in quotes)
            self._reached = {slot_s for slot_s in self._reached if slot_s > at_s - self._timetable.duration_s}
            seen = self.seen(at_s, quotes)
            decision = self._appliance.bid(state, seen)
            self._recorder.give_reason(Deed.BID, decision.reason, at_s)
            wanted = changes(self._own.standing(), within_bounds(decision, self._registration.room_wh(quotes)))
        await self._store(news, wanted)

    def _explain_without_market(self, state: Any | None, at_s: int) -> None:
        if state is not None:
            self._recorder.give_reason(Deed.BID, self._appliance.bid(state, self.seen(at_s)).reason, at_s)

    async def _store(self, news: News, wanted: list[Change]) -> None:
        """Store results, receipts and new orders as one change, and let what is new be sent."""
        expires = self._link.height + VALID_BLOCKS
        sealed = [self._sealer.seal(c.message, self._keeper.journal.next_seq(), expires) for c in wanted]
        after = self._own.copy()
        for change, tx in zip(wanted, sealed, strict=True):
            after.sent(change, tx.order_id, tx.seq)
        taken_ns = self._clock.now_ns()
        orders = [entries.order(tx.payload, taken_ns) for tx in sealed]
        items = [_item(change, tx, place) for place, (change, tx) in enumerate(zip(wanted, sealed, strict=True))]
        records: list[NewRecord] = [*orders, *news.records]
        if records or items or news.marks:
            values = [(STANDING, after.encode()), (UNSETTLED, self._unsettled.encode())]
            if await self._keeper.store(records, items, news.marks, values) is None:
                return
            self._own.become(after)
            self.messages_sent += len(wanted)
        if news.more and self._prove_again_s is None:
            self._prove_again_s = now_s(self._clock) + ASK_AGAIN_S
        self._forwarder.kick()


def _item(change: Change, tx: Sealed, record: int) -> NewItem:
    return NewItem(
        priority=Priority.TRADE,
        kind=tx.kind,
        slot_s=change.slot_s,
        seq=tx.seq,
        reference=tx.order_id,
        tx=tx.tx,
        expires_height=tx.expires_height,
        record=record,
    )
