"""The line to the ledger: one verified header per wake, and every way in which that can fail, told to `Status`.

It adds no trust of its own: what it hands out, the light client has verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.clock import NS_PER_S, now_s
from agent.status import Status, Trouble
from agent.time.keeping import TimeKeeper
from agent.time.ledger import HeaderClock, NewestBlock
from agent.vocabulary import Clock
from lightclient.blocks import Header
from lightclient.client import FIRST_PROVABLE, LightClient
from lightclient.errors import (
    HeaderFromFuture,
    LightClientError,
    NodeBehind,
    NodeError,
    NothingCommitted,
    StaleHeader,
    TrustExpired,
    UnderAttack,
)
from lightclient.hashing import header_hash
from lightclient.pool import Fault
from lightclient.provider import CheckOutcome
from lightclient.proving import Proven
from lightclient.rfc3339 import format_ns

LEAD_NS: Final = 60 * NS_PER_S
"""A header may not be ahead of the own clock by more: the most that validators' clocks may be configured to differ."""
_LEDGER_TROUBLES: Final = (
    Trouble.OFFLINE,
    Trouble.BEHIND,
    Trouble.NO_TRUST,
    Trouble.EXPIRED,
    Trouble.UNDER_ATTACK,
    Trouble.WRONG_TIME,
)
_BY_THE_CLOCK: Final = (Trouble.BEHIND, Trouble.EXPIRED)
"""What was concluded from the own clock. A node that answers says nothing about it."""
_SUSPECT: Final = (Fault.LIED, Fault.DUPLICATE)


class Link:
    """A light client with its state as a person sees it. What it verifies also tells the time."""

    def __init__(self, client: LightClient, clock: Clock, status: Status, time: TimeKeeper) -> None:
        self._client = client
        self._clock = clock
        self._status = status
        self._time = time

    @property
    def client(self) -> LightClient:
        return self._client

    @property
    def height(self) -> int:
        """Height of the newest verified header, 0 before the first."""
        header = self._client.verified
        return 0 if header is None else header.height

    async def update(self) -> Header | None:
        """The newest header, verified and fresh; None where there is none to act upon, and why stands in the status."""
        if not self._time.is_anchored:
            return None
        before_ns = self._clock.monotonic_ns()
        try:
            header = await self._client.update()
            if header.time_ns - self._clock.now_ns() > LEAD_NS:  # it was heard in doubt, and is trusted since
                raise HeaderFromFuture(header.time_ns, self._clock.now_ns(), LEAD_NS)
        except LightClientError as error:
            self._wonder(error)
            self._failed(error)
            return None
        finally:
            self._note_liars()
        self._answered()
        self._clear(Trouble.WRONG_TIME)
        self._hear(header, before_ns)
        self._time.no_doubt()
        self._time.passed(header.time_ns)
        return header if header.height >= FIRST_PROVABLE else None  # None: a ledger that begins just now

    async def hear_time(self, clock: HeaderClock) -> bool:
        """Hear the newest block for its time alone, whatever the own clock shows; nothing is done upon it. Whether there was a
        newer one than was heard before.

        In doubt no header is fresh, so one node after the other is asked for a newer one: one of them that is honest is enough.
        """
        before_ns = self._clock.monotonic_ns()
        clock.is_in_doubt = True
        try:
            await self._client.update()
        except StaleHeader:
            self._answered(but=_BY_THE_CLOCK)
        except HeaderFromFuture as error:
            last = format_ns(error.now_ns)
            self._note(Trouble.EXPIRED, f"the ledger has gone on beyond {last}, until when what is trusted vouches for it")
        except LightClientError as error:
            self._failed(error)
        finally:
            clock.is_in_doubt = False
            self._note_liars()
        is_new = self._client.verified is not None and self._hear(self._client.verified, before_ns)
        if not self._time.is_anchored:  # the clock that they follow from is believed no more
            for trouble in _BY_THE_CLOCK:
                self._clear(trouble)
        return is_new

    def _hear(self, header: Header, before_ns: int) -> bool:
        """Let the time keeper hear a header that was the newest one between `before_ns` and now; whether it was new to it."""
        if not self._time.is_new(header.height):
            return False
        after_ns = self._clock.monotonic_ns()
        self._time.hear_block(NewestBlock(header.height, header_hash(header), header.time_ns, before_ns, after_ns))
        return True

    def _wonder(self, error: LightClientError) -> None:
        """A header from the future, a new one that is old already, or trust that has expired casts doubt upon the clock."""
        verified = self._client.verified
        is_new = verified is not None and self._time.is_new(verified.height)
        if isinstance(error, HeaderFromFuture | TrustExpired) or (isinstance(error, StaleHeader) and is_new):
            self._time.doubt()

    def _answered(self, but: Sequence[Trouble] = ()) -> None:
        for trouble in _LEDGER_TROUBLES:
            if trouble is not Trouble.WRONG_TIME and trouble not in but:
                self._clear(trouble)

    def _clear(self, trouble: Trouble) -> None:
        if trouble is not Trouble.WRONG_TIME or self._time.is_anchored:  # else it is not the ledger's to say
            self._status.clear(trouble, now_s(self._clock))

    async def prove(self, keys: Sequence[bytes], header: Header) -> list[Proven] | None:
        """The values of keys in the order asked; None where a node failed or lied, and why stands in the status."""
        try:
            return await self._client.get_many(keys, header)
        except LightClientError as error:
            self._failed(error)
            return None

    async def broadcast(self, tx: bytes) -> CheckOutcome | None:
        """What the node thinks of a transaction; None where it could not be handed in."""
        try:
            return await self._client.broadcast(tx)
        except LightClientError as error:
            self._failed(error)
            return None

    def _note_liars(self) -> None:
        """A node that was caught at a lie stands in the status for as long as it is left alone, although the others do."""
        caught = [node for node in self._client.nodes() if node.fault in _SUSPECT]
        if caught:
            self._status.set(Trouble.NODE, "; ".join(f"{node.name}: {node.cause}" for node in caught), now_s(self._clock))
        else:
            self._status.clear(Trouble.NODE, now_s(self._clock))

    def _failed(self, error: LightClientError) -> None:
        self._note(_trouble_of(error), str(error))

    def _note(self, trouble: Trouble, cause: str) -> None:
        for other in _LEDGER_TROUBLES:
            if other is not trouble:
                self._clear(other)
        self._status.set(trouble, cause, now_s(self._clock))


def _trouble_of(error: LightClientError) -> Trouble:
    """Which state an error of the light client puts the agent into."""
    match error:
        case UnderAttack():
            return Trouble.UNDER_ATTACK
        case TrustExpired():
            return Trouble.EXPIRED
        case HeaderFromFuture():
            return Trouble.WRONG_TIME
        case StaleHeader() | NodeBehind() | NothingCommitted():
            return Trouble.BEHIND
        case NodeError():
            return Trouble.OFFLINE
        case _:
            return Trouble.NO_TRUST
