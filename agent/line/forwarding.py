"""From the outbox to the ledger: hands transactions in, and finds out by proof what became of them.

What a node says when a transaction is handed in is a hint. Final is a proven result, a proven reading or notice, or a proven
height (for those two: a proven time) after which the ledger takes it no more. Without a node everything waits and is handed
in, in order, once there is one again: orders at once, what is late in any case at a pace, so that a street that comes back
after an outage does not bury the nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from agent.clock import NS_PER_S
from agent.journaling.keeping import Keeper
from agent.line.link import Link
from agent.line.pacing import Pace
from agent.line.unnumbered import UNNUMBERED, Unnumbered
from agent.trade.registry import Registration
from agent.vocabulary import Clock
from lightclient import keys
from lightclient.blocks import Header
from lightclient.provider import CheckOutcome
from lightclient.proving import Proven
from lightclient.refusals import SENTENCES, Refusal
from lightclient.values import TxResult
from storeforward.items import Item, ItemState, Mark, Priority
from storeforward.parking import is_parked

PAGE: Final = 64
"""Items handed in, and results asked for, at a time."""
MOST_DOUBTFUL: Final = 4
"""Readings and notices whose slot is looked up in one round of proofs, at most."""
FIRST_PROBE_S: Final = 5
LONGEST_PROBE_S: Final = 300
MOST_UNANSWERED: Final = 3
"""So often in a row a transaction is handed in to nodes that answer to everything else. Then it counts as sent: it may have
arrived, and others wait behind it."""
BACKLOG: Final = 16
"""So many items under way that were handed in once are a backlog on its way, and worth asking for soon again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an item: `refusal` is OK where it was carried out, None where its time passed without a result."""

    item: Item
    refusal: int | None
    mark: Mark


class Forwarder:
    """Sends for one sender. `back_online` is called when a node answers again after a loss. `pace` holds for all but orders."""

    def __init__(
        self,
        keeper: Keeper,
        link: Link,
        sender: bytes,
        registration: Registration,
        clock: Clock,
        pace: Pace,
        back_online: Callable[[], None],
    ) -> None:
        self._keeper = keeper
        self._link = link
        self._sender = sender
        self._registration = registration
        self._clock = clock
        self._pace = pace
        self._back_online = back_online
        self._kicked = asyncio.Event()
        self._unanswered: tuple[int, int] = (0, 0)
        self._asked = 0
        self._looked_up: set[int] = set()
        """Doubtful items that had their turn, while others still wait for theirs."""
        self.handed_in = 0
        """Transactions that a node took, re-sent ones counted again."""

    def kick(self) -> None:
        """Something may be due: a new item, or a node that is back."""
        self._kicked.set()

    async def run(self) -> None:
        """Hand in what is due whenever kicked; while no node answers, look for one ever more rarely."""
        wait_s = FIRST_PROBE_S
        while True:
            await self._kicked.wait()
            self._kicked.clear()
            while not await self._hand_in():
                await asyncio.sleep(FIRST_PROBE_S)
                await self._pause((wait_s - FIRST_PROBE_S) * NS_PER_S)
                wait_s = min(2 * wait_s, LONGEST_PROBE_S)
                if await self._link.update() is not None:
                    self._back_online()
                    wait_s = FIRST_PROBE_S
                else:
                    self._unanswered = (0, 0)  # it was not the transaction's fault
            wait_s = FIRST_PROBE_S

    async def _hand_in(self) -> bool:
        """Hand in all that is due, in order; False where a node failed in the middle of it."""
        while True:
            page = await self._keeper.due(PAGE)
            for item in page:
                if self._keeper.rides(item.id):
                    continue
                if item.priority is not Priority.TRADE:
                    wait_ns = self._pace.wait_ns(self._clock.monotonic_ns())
                    if wait_ns:
                        await self._pause(wait_ns)
                        break  # an order may have come meanwhile
                if not await self._hand_in_one(item):
                    return False
            else:
                if len(page) < PAGE:
                    return True
                await self._keeper.flush()  # or the same page would be due again

    async def _pause(self, wait_ns: int) -> None:
        """Wait, but no longer than until something is kicked in."""
        try:
            async with asyncio.timeout(wait_ns / NS_PER_S):
                await self._kicked.wait()
        except TimeoutError:
            return
        self._kicked.clear()

    async def _hand_in_one(self, item: Item) -> bool:
        outcome = await self._link.broadcast(item.tx)
        if outcome is None and not self._is_given_up(item):
            return False
        if item.priority is not Priority.TRADE:
            self._pace.passed(self._clock.monotonic_ns())
        takes = outcome is not None and outcome.code in (Refusal.OK, Refusal.REPLAYED)
        self.handed_in += takes
        self._keeper.ride_along(Mark(item.id, ItemState.SENT, detail=None if takes else _hint(outcome)))
        if takes:
            self._keeper.ride_along(Mark(item.id, ItemState.SEEN))
        return True

    def _is_given_up(self, item: Item) -> bool:
        """Whether an item that brought no answer again has had its tries, while nodes answered to everything else."""
        before, tries = self._unanswered
        tries = tries + 1 if before == item.id else 1
        self._unanswered = (item.id, tries)
        return tries >= MOST_UNANSWERED

    @property
    def dispute_s(self) -> int:
        """How long after a slot its readings and notices count and its settlement may change."""
        return self._registration.dispute_s

    async def under_way(self) -> list[Item]:
        """Items that were handed in and whose result is not proven yet, at most one page: orders first, oldest first. Of more
        others than a page holds other ones each time, and of those that the ledger has let lie never more than half a page, so
        that what it does not take keeps no others waiting."""
        parked = await self._keeper.parked(PAGE // 2)
        lately = [item for item in await self._keeper.open_items() if not is_parked(item)]
        items = [item for item in lately if item.attempts or self._keeper.rides(item.id)]
        room = PAGE - len(parked)
        if len(items) <= room:
            return items + parked
        orders = [item for item in items if item.priority is Priority.TRADE][:room]
        others = [item for item in items if item.priority is not Priority.TRADE]
        first = self._asked % len(others) if others else 0
        self._asked = first + room - len(orders)
        return orders + (others[first:] + others[:first])[: room - len(orders)] + parked

    @staticmethod
    def is_draining(items: Sequence[Item]) -> bool:
        """Whether what is under way is a backlog that was just handed in, and not what the ledger has let lie before."""
        return sum(item.attempts <= 1 for item in items) >= BACKLOG

    def proof_key(self, item: Item) -> bytes:
        """The one key that shows what became of an item."""
        unnumbered = UNNUMBERED.get(item.kind)
        if unnumbered is not None:
            return unnumbered.key(self._sender, item.slot_s)
        return keys.result(self._sender, item.seq)

    def doubtful(self, items: Sequence[Item], outcomes: Sequence[Outcome]) -> list[Item]:
        """Readings and notices that the ledger does not take though they were handed in more than once: does it know their slot
        at all? A few in each round, and each of them once before any of them again: most are of slots that it knows, and stay
        stuck until they are too old."""
        decided = {outcome.item.id for outcome in outcomes}
        self._looked_up -= decided
        stuck = [item for item in items if item.kind in UNNUMBERED and item.attempts > 1 and item.id not in decided]
        waiting = [item for item in stuck if item.id not in self._looked_up]
        if not waiting:
            self._looked_up.difference_update(item.id for item in stuck)
        chosen = (waiting or stuck)[:MOST_DOUBTFUL]
        self._looked_up.update(item.id for item in chosen)
        return chosen

    def judge_slot(self, item: Item, book: Proven) -> Outcome | None:
        """What the book of a doubtful item's slot says: a slot that is over and has none is never settled."""
        if book.value is not None:
            return None
        self._looked_up.discard(item.id)
        detail = f"the ledger knows no slot {item.slot_s} at height {book.height}: it was never traded, or is too old"
        code = UNNUMBERED[item.kind].too_old
        return Outcome(item, code, Mark(item.id, ItemState.REFUSED, book.height, code, detail))

    def judge(self, items: Sequence[Item], answers: Sequence[Proven], header: Header) -> list[Outcome]:
        """What the answers for `proof_key` of each item say; items that are still undecided are left out."""
        outcomes = []
        for item, answer in zip(items, answers, strict=True):
            unnumbered = UNNUMBERED.get(item.kind)
            if unnumbered is not None:
                outcome = self._judge_unnumbered(unnumbered, item, answer, header)
            else:
                outcome = _judge_result(item, answer)
            if outcome is not None:
                outcomes.append(outcome)
        return outcomes

    def _judge_unnumbered(self, kind: Unnumbered, item: Item, answer: Proven, header: Header) -> Outcome | None:
        if answer.value is not None:
            record = kind.decode(answer.value)
            if record.record_hash == item.reference:
                return Outcome(item, Refusal.OK, Mark(item.id, ItemState.PROVEN, record.height, Refusal.OK))
            return _refused(item, kind.stands, answer.height)
        # The state is one block older than the header: one slot more makes sure that it was too late for the item, too.
        too_old_s = item.slot_s + 2 * self._registration.duration_s + self._registration.dispute_s
        if header.time_ns > too_old_s * NS_PER_S:
            return _refused(item, kind.too_old, answer.height)
        return None


def _hint(outcome: CheckOutcome | None) -> str:
    """Why a node did not take a transaction, as far as anybody said."""
    if outcome is None:
        return "no node answered when it was handed in"
    return f"hint of a node: {outcome.log} (code {outcome.code})"


def _judge_result(item: Item, answer: Proven) -> Outcome | None:
    if answer.value is None:
        if answer.height <= item.expires_height:
            return None
        detail = f"not on the ledger at height {answer.height}, beyond its last height {item.expires_height}"
        return Outcome(item, None, Mark(item.id, ItemState.EXPIRED, answer.height, detail=detail))
    result = TxResult.decode(answer.value)
    if result.code == Refusal.OK:
        return Outcome(item, result.code, Mark(item.id, ItemState.PROVEN, result.height, result.code))
    return _refused(item, result.code, result.height)


def _refused(item: Item, code: int, height: int) -> Outcome:
    """A dead letter. Codes of a newer ledger have no sentence here."""
    sentence = SENTENCES[Refusal(code)] if code in set(Refusal) else f"refused with code {code}"
    return Outcome(item, code, Mark(item.id, ItemState.REFUSED, height, code, sentence))
