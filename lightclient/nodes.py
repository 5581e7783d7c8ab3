"""The nodes of one light client: who is asked, what each has done, and the alarms that follow from it.

It adds to the pool, which only counts, what errors mean: who was silent, who lags, who lied.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.vocabulary import Clock
from lightclient.errors import (
    DamagedStore,
    DuplicateNode,
    HeaderFromFuture,
    HeightPruned,
    HeightTooHigh,
    LightClientError,
    NodeBehind,
    NodeError,
    NodeSilent,
    NotCrossChecked,
    ProofError,
    QueryRefused,
    RpcRefused,
    StaleHeader,
    TrustExpired,
    UnderAttack,
    VerificationError,
)
from lightclient.pool import MAX_CAUSE_CHARS, Condition, Fault, NodeView, Pool
from lightclient.provider import Provider, ValidatorSets
from lightclient.transport import Transport

KEPT_ALARMS: Final = 32

_Answer = TypeVar("_Answer")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A node lied: when (own clock), who, and what was seen (it may quote the node)."""

    at_ns: int
    node: str
    cause: str


class Nodes:
    """The nodes by name, in the order they were configured; the first is asked first."""

    def __init__(self, transports: Mapping[str, Transport], chain_id: str, clock: Clock) -> None:
        if not transports:
            raise ValueError("a light client needs a node")
        sets = ValidatorSets()
        self._clock = clock
        self.everyone = tuple(Provider(name, transport, chain_id, sets) for name, transport in transports.items())
        self._pool = Pool(tuple(transports))
        self.alarms: deque[Alarm] = deque(maxlen=KEPT_ALARMS)

    def __len__(self) -> int:
        return len(self.everyone)

    @property
    def primary(self) -> Provider:
        return self.everyone[self._pool.primary]

    def witnesses(self) -> list[Provider]:
        """Those that may confirm what the primary says, now."""
        return [self.everyone[index] for index in self._pool.witnesses(self._now_ns())]

    def but(self, provider: Provider) -> list[Provider]:
        """Those that may confirm what this one says, now."""
        return [other for other in (self.primary, *self.witnesses()) if other is not provider]

    def at_last(self) -> list[Provider]:
        """Those that are left alone, but for no lie: better to ask them before their time than to do without anybody."""
        seen = zip(self.everyone, self.view(), strict=True)
        return [node for node, how in seen if how.condition is Condition.COOLING and how.fault is not Fault.LIED]

    def in_turn(self) -> Iterator[Provider]:
        """Each node once that may be asked, the primary first; whoever becomes primary meanwhile is next."""
        asked: set[str] = set()
        while True:
            askable = (node for node in (self.primary, *self.witnesses(), *self.at_last()) if node.name not in asked)
            provider = next(askable, None)
            if provider is None:
                return
            asked.add(provider.name)
            yield provider

    async def ask(self, question: Callable[[Provider], Awaitable[_Answer]]) -> _Answer:
        """The answer of the first node that gives one that holds.

        Raises the worst of their errors when none does. What no other node can mend ends it at once: UnderAttack, DamagedStore.
        """
        failures: list[tuple[Provider, LightClientError]] = []
        for provider in self.in_turn():
            try:
                answer = await question(provider)
            except (UnderAttack, DamagedStore):
                raise
            except LightClientError as error:
                self.blame(provider, error)
                failures.append((provider, error))
                continue
            for failed, why in failures:
                self._outdone(failed, why)
            return answer
        raise worst([why for _, why in failures])

    def note(self, provider: Provider, error: DuplicateNode) -> None:
        """Say that a witness counts for nothing as long as the primary has its id, and leave it where it is.

        An id is the node's own claim, and the liar may be the other one: blame would let it lock an honest node out.
        """
        if self._pool.note(self.everyone.index(provider), Fault.DUPLICATE, str(error)):
            _log.warning("%s", error)

    def praise(self, provider: Provider) -> None:
        """Back in good standing. Not so a liar whose time is not over: that it can be honest too is no surprise."""
        index = self.everyone.index(provider)
        seen = self._pool.seen(index, self._now_ns())
        if not (seen.condition is Condition.COOLING and seen.fault is Fault.LIED):
            self._pool.praise(index)

    def blame(self, provider: Provider, error: LightClientError) -> None:
        """Leave the node alone for a while; a lie is also an alarm."""
        fault = fault_of(error)
        if fault is not None:
            self._leave_alone(provider, fault, str(error))

    def _outdone(self, provider: Provider, error: LightClientError) -> None:
        """Another node gave what this one failed to give: now it may be to blame for what might have been nobody's fault."""
        match error:
            case HeaderFromFuture() if error.header_time_ns - error.now_ns > 2 * error.drift_ns:
                self._leave_alone(provider, Fault.LIED, str(error))  # nearer, own clock and lag may add up to it
            case HeaderFromFuture() | NotCrossChecked():
                self._leave_alone(provider, Fault.SILENT, str(error))

    def _leave_alone(self, provider: Provider, fault: Fault, cause: str) -> None:
        if fault is Fault.LIED:
            self.alarms.append(Alarm(self._clock.now_ns(), provider.name, cause[:MAX_CAUSE_CHARS]))
            _log.warning("%s: %s", provider.name, cause[:MAX_CAUSE_CHARS])
        self._pool.blame(self.everyone.index(provider), fault, cause, self._now_ns())

    def view(self) -> tuple[NodeView, ...]:
        return self._pool.view(self._now_ns())

    def _now_ns(self) -> int:
        return self._clock.monotonic_ns()


def fault_of(error: LightClientError) -> Fault | None:
    """What a node is blamed for; None for what need not be its fault."""
    match error:
        case NodeBehind() | StaleHeader() | HeightTooHigh():
            return Fault.BEHIND
        case NodeSilent() | HeightPruned() | RpcRefused() | QueryRefused():
            return Fault.SILENT
        case HeaderFromFuture() | TrustExpired() | DuplicateNode():
            return None
        case NodeError() | VerificationError() | ProofError():
            return Fault.LIED
        case _:
            return None


def worst(failures: list[LightClientError]) -> LightClientError:
    """What to tell of several failures: the one that a person has to know about first."""
    return max(failures, key=_gravity)


def _gravity(error: LightClientError) -> int:
    match error:
        case HeaderFromFuture():
            return 1  # more often the own clock, but any other finding about a node says more
        case NodeError():
            return 0
        case StaleHeader() | NodeBehind():
            return 2
        case NotCrossChecked():
            return 3
        case _:
            return 4
