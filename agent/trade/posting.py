"""The utility's agent: posts its prices as tariffs as soon as they are public, and makes sure that they stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from agent.clock import NS_PER_S, now_s, sleep_until
from agent.journaling import entries
from agent.journaling.explaining import Deed, Explanations
from agent.journaling.keeping import Keeper
from agent.line.forwarding import Forwarder
from agent.line.link import Link
from agent.line.noticing import Noticer
from agent.line.proving import Prover
from agent.line.recovering import Recovery
from agent.line.sealing import VALID_BLOCKS, Sealer
from agent.status import Status, Trouble
from agent.trade.registry import Registration
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock, Tariff
from drivers.errors import DriverError
from lightclient import keys
from lightclient.blocks import Header
from lightclient.messages import PostTariff
from lightclient.values import TariffRecord
from storeforward.items import ItemState, NewItem, Priority
from strategies import utility
from strategies.utility import UtilityRules, UtilitySnapshot

LOOK_AGAIN_S: Final = 10
"""How long to wait for the proof of a posting, or for a node."""
KEYS_PER_LOOK: Final = 160
_UTILITYS_OWN: Final = 1


@runtime_checkable
class PriceSource(Protocol):
    """Knows the utility's asks and bids, as a price list or a subscription does. The driver in the role "prices"."""

    async def tariffs(self, from_s: int, until_s: int) -> Sequence[Tariff]:
        """The tariffs of the slots that start from `from_s` to before `until_s`, ascending, without holes, as far as known.

        Raises DriverError.
        """


class Poster:
    """Posts tariffs in the name of the utility's device."""

    def __init__(
        self,
        source: PriceSource,
        rules: UtilityRules,
        link: Link,
        registration: Registration,
        recovery: Recovery,
        prover: Prover,
        forwarder: Forwarder,
        keeper: Keeper,
        sealer: Sealer,
        noticer: Noticer,
        timetable: Timetable,
        clock: Clock,
        status: Status,
        explanations: Explanations,
    ) -> None:
        self._source = source
        self._rules = rules
        self._link = link
        self._registration = registration
        self._recovery = recovery
        self._prover = prover
        self._forwarder = forwarder
        self._keeper = keeper
        self._sealer = sealer
        self._noticer = noticer
        self._timetable = timetable
        self._clock = clock
        self._status = status
        self._explanations = explanations
        self._posted_until_s: int | None = None

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            await sleep_until(self._clock, await self._round())

    async def _round(self) -> int:
        """Prove what was posted, post what is due; returns when to come again."""
        at_s = now_s(self._clock)
        header = await self._link.update()
        if header is None or not await self._registration.check(header) or not await self._recovery.check(header):
            return at_s + LOOK_AGAIN_S
        news = await self._prover.ask(header, at_s, [])
        if news is None:
            return at_s + LOOK_AGAIN_S
        if news.marks:
            await self._keeper.store(marks=news.marks)
            if any(mark.state is not ItemState.PROVEN for mark in news.marks):
                self._posted_until_s = None  # what stands is what counts
        under_way = await self._forwarder.under_way()
        if under_way:
            self._forwarder.kick()
        if any(item.priority is Priority.TRADE for item in under_way):
            return at_s + LOOK_AGAIN_S
        if self._posted_until_s is None:
            self._posted_until_s = await self._find_end(header, at_s)
        return await self._post(self._posted_until_s, at_s)

    async def _find_end(self, header: Header, at_s: int) -> int | None:
        """The end of the last slot that has the utility's own tariff, or the first slot that can get one; None where a node
        failed. Slots before the first price may stand with the fallback."""
        end_s, duration_s = self._timetable.first_tradable(at_s), self._timetable.duration_s
        while True:
            slots = range(end_s, end_s + KEYS_PER_LOOK * duration_s, duration_s)
            answers = await self._link.prove([keys.tariff(slot_s) for slot_s in slots], header)
            if answers is None:
                return None
            own = [slot_s for slot_s, answer in zip(slots, answers, strict=True) if _is_own(answer.value)]
            if not own:
                return end_s
            end_s = own[-1] + duration_s

    async def _post(self, posted_until_s: int | None, at_s: int) -> int:
        if posted_until_s is None:
            return at_s + LOOK_AGAIN_S
        duration_s = self._timetable.duration_s
        posted_until_s = max(posted_until_s, self._timetable.first_tradable(at_s))
        try:
            prices = await self._source.tariffs(posted_until_s, at_s + self._rules.ahead_s)
        except DriverError as error:
            self._status.set(Trouble.SENSOR, str(error), at_s)
            return at_s + LOOK_AGAIN_S
        self._status.clear(Trouble.SENSOR, at_s)
        posting = utility.post(UtilitySnapshot(at_s, duration_s, posted_until_s, tuple(prices)), self._rules)
        records = []
        if self._explanations.give(Deed.POST, posting.reason, at_s):
            records.append(entries.event(Deed.POST, posting.reason, at_s * NS_PER_S))
        if not posting.tariffs:
            await self._keeper.store(records)
            await self._noticer.tell()  # last of all before a long sleep
            if await self._waits_for_notice():
                return at_s + LOOK_AGAIN_S
            return max(posting.ask_again_s, at_s + LOOK_AGAIN_S)
        first_s = posting.tariffs[0].slot_s
        message = PostTariff(first_s, tuple((tariff.ask_ueur_kwh, tariff.bid_ueur_kwh) for tariff in posting.tariffs))
        sealed = self._sealer.seal(message, self._keeper.journal.next_seq(), self._link.height + VALID_BLOCKS)
        order = entries.order(sealed.payload, self._clock.now_ns())
        item = NewItem(
            Priority.TRADE,
            sealed.kind,
            first_s,
            sealed.seq,
            sealed.order_id,
            sealed.tx,
            sealed.expires_height,
            record=0,
        )
        if await self._keeper.store([order, *records], [item]) is not None:
            self._posted_until_s = posting.tariffs[-1].slot_s + duration_s
            self._forwarder.kick()
        return at_s + LOOK_AGAIN_S

    async def _waits_for_notice(self) -> bool:
        """Whether a notice may be proven soon. One that was handed in again without success keeps nobody awake."""
        return any(item.attempts <= 1 for item in await self._keeper.open_items())


def _is_own(value: bytes | None) -> bool:
    return value is not None and TariffRecord.decode(value).source == _UTILITYS_OWN
