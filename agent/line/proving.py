"""What every wake asks the ledger beside the market: results of what was sent, and settlement lines. One round of proofs each.

An answer changes the agent's knowledge at once; what is to be written down is handed back, to be stored in one change with
whatever the wake brings about itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from agent.journaling import entries
from agent.journaling.entries import ReceiptKind
from agent.journaling.explaining import Deed
from agent.line.forwarding import Forwarder, Outcome
from agent.line.link import Link
from agent.line.unnumbered import UNNUMBERED
from agent.trade.orders import OwnOrders
from agent.trade.positions import Unsettled
from lightclient import keys
from lightclient.blocks import Header
from lightclient.messages import AcceptOrder, BlockProgram, Notice
from lightclient.proving import Proven
from lightclient.refusals import Refusal
from lightclient.values import PositionRecord
from storeforward.items import Item, Mark
from storeforward.records import NewRecord

LINES_PER_WAKE: Final = 4
"""Settlement lines asked for in one wake, at most."""


@dataclass(slots=True)
class Counters:
    """What became of this agent's transactions, since the start."""

    proven: int = 0
    refused: int = 0
    expired: int = 0
    races_lost: int = 0
    """Accepts that came too late: somebody else was first."""


@dataclass(frozen=True, slots=True)
class News:
    """What a round of proofs brought: marks and records to store, and the answers to the keys that were asked along. `more`
    says that a backlog is on its way, about which there is soon more to hear."""

    marks: list[Mark]
    answers: list[Proven]
    records: list[NewRecord] = field(default_factory=list)
    more: bool = False


class Prover:
    """Asks for proofs in the name of one sender."""

    def __init__(
        self,
        sender: bytes,
        link: Link,
        forwarder: Forwarder,
        own: OwnOrders,
        unsettled: Unsettled,
        counters: Counters,
        explain: Callable[[Deed, str, int], object],
    ) -> None:
        self._sender = sender
        self._link = link
        self._forwarder = forwarder
        self._own = own
        self._unsettled = unsettled
        self._counters = counters
        self._explain = explain

    async def ask(self, header: Header, at_s: int, along: Sequence[bytes]) -> News | None:
        """Prove what is under way, what has settled, and the keys asked along; None where a node failed or lied."""
        items = await self._forwarder.under_way()
        slots = self._unsettled.due(at_s, LINES_PER_WAKE, self._forwarder.dispute_s)
        asked = [self._forwarder.proof_key(item) for item in items]
        asked += [keys.position(self._sender, slot_s) for slot_s in slots]
        answers = await self._link.prove([*asked, *along], header) if asked or along else []
        if answers is None:
            return None
        outcomes = self._forwarder.judge(items, answers[: len(items)], header)
        outcomes += await self._settle_doubts(self._forwarder.doubtful(items, outcomes), header)
        marks = [outcome.mark for outcome in outcomes]
        news = News(marks, answers[len(asked) :], more=self._forwarder.is_draining(items))
        for outcome in outcomes:
            self._take(outcome, at_s)
        for slot_s, answer in zip(slots, answers[len(items) : len(asked)], strict=True):
            self._take_line(slot_s, answer, at_s, news)
        return news

    async def _settle_doubts(self, doubtful: list[Item], header: Header) -> list[Outcome]:
        """Look for the slots of readings and notices that the ledger does not take."""
        books = await self._link.prove([keys.book(item.slot_s) for item in doubtful], header) if doubtful else None
        judged = [self._forwarder.judge_slot(item, book) for item, book in zip(doubtful, books or (), strict=False)]
        return [outcome for outcome in judged if outcome is not None]

    def _take(self, outcome: Outcome, at_s: int) -> None:
        """Learn from what became of an item."""
        item, refusal = outcome.item, outcome.refusal
        if item.kind not in UNNUMBERED:
            # What expired does not stand either: the ledger can never take it any more.
            self._own.result(item.seq, Refusal.EXPIRED if refusal is None else refusal)
        if refusal is None:
            self._counters.expired += 1
        elif refusal == Refusal.OK:
            self._counters.proven += 1
            return
        else:
            self._counters.refused += 1
            self._counters.races_lost += refusal == Refusal.GONE and item.kind in (AcceptOrder.KIND, BlockProgram.KIND)
        if item.kind == Notice.KIND:
            return  # an event about it would be told by the next notice, which may be refused too, and so on for ever
        self._explain(Deed.REFUSED, f"Transaction {item.seq} for slot {item.slot_s}: {outcome.mark.detail}.", at_s)

    def _take_line(self, slot_s: int, answer: Proven, at_s: int, news: News) -> None:
        """Keep the receipt of a slot that has settled."""
        if answer.value is None or PositionRecord.decode(answer.value).line is None:
            self._unsettled.not_yet(slot_s, at_s)
            return
        self._unsettled.settled(slot_s)
        taken_ns = answer.header_time_ns
        news.records.append(entries.receipt(ReceiptKind.SETTLED, slot_s, answer.height, answer.value, taken_ns))
