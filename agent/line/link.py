"""The line to the ledger: one verified header per wake, and every way in which that can fail, told to `Status`.

It adds no trust of its own: what it hands out, the light client has verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.clock import NS_PER_S, now_s
from agent.status import Status, Trouble
from agent.vocabulary import Clock
from lightclient.blocks import Header
from lightclient.client import LightClient
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
from lightclient.pool import Fault
from lightclient.provider import CheckOutcome
from lightclient.proving import Proven

FIRST_PROVABLE: Final = 2
"""Height of the first header that commits to a state."""
_LEDGER_TROUBLES: Final = (
    Trouble.OFFLINE,
    Trouble.BEHIND,
    Trouble.NO_TRUST,
    Trouble.EXPIRED,
    Trouble.UNDER_ATTACK,
    Trouble.WRONG_TIME,
)
_LIES: Final = (Fault.LIED, Fault.DUPLICATE)


class Link:
    """A light client with its state as a person sees it. `floor_ns` is a time that has certainly passed."""

    def __init__(self, client: LightClient, clock: Clock, status: Status, floor_ns: int) -> None:
        self._client = client
        self._clock = clock
        self._status = status
        self.floor_ns = floor_ns

    @property
    def client(self) -> LightClient:
        return self._client

    @property
    def height(self) -> int:
        """Height of the newest verified header, 0 before the first."""
        header = self._client.verified
        return 0 if header is None else header.height

    def clock_is_set(self) -> bool:
        """Whether the clock shows at least a time that has certainly passed. Notes the trouble where it does not."""
        if self._clock.now_ns() >= self.floor_ns:
            return True
        behind_s = (self.floor_ns - self._clock.now_ns()) // NS_PER_S
        self._note(Trouble.WRONG_TIME, f"the clock is at least {behind_s} s behind: it was never set")
        return False

    async def update(self) -> Header | None:
        """The newest header, verified and fresh; None where there is none to act upon, and why stands in the status."""
        if not self.clock_is_set():
            return None
        try:
            header = await self._client.update()
        except LightClientError as error:
            self._failed(error)
            return None
        finally:
            self._note_liars()
        for trouble in _LEDGER_TROUBLES:
            self._status.clear(trouble, now_s(self._clock))
        self.floor_ns = max(self.floor_ns, header.time_ns)
        return header if header.height >= FIRST_PROVABLE else None  # None: a ledger that begins just now

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
        caught = [node for node in self._client.nodes() if node.fault in _LIES]
        if caught:
            self._status.set(Trouble.NODE, "; ".join(f"{node.name}: {node.cause}" for node in caught), now_s(self._clock))
        else:
            self._status.clear(Trouble.NODE, now_s(self._clock))

    def _failed(self, error: LightClientError) -> None:
        self._note(_trouble_of(error), str(error))

    def _note(self, trouble: Trouble, cause: str) -> None:
        at_s = now_s(self._clock)
        for other in _LEDGER_TROUBLES:
            if other is not trouble:
                self._status.clear(other, at_s)
        self._status.set(trouble, cause, at_s)


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
