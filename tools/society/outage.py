"""A network that fails at the times it is told to, between one agent and the node. Nothing else in the run knows of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agent.vocabulary import Clock
from lightclient.errors import NodeSilent
from lightclient.transport import BytesTransport
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc.local import LocalFront
from tools.society.record import Outage


class Network:
    """The wire between one agent and the node: the real JSON-RPC bytes, while no outage lasts."""

    def __init__(self, front: LocalFront, engine: SoloEngine, clock: Clock, outages: Sequence[Outage]) -> None:
        self._front = front
        self._engine = engine
        self._clock = clock
        self._outages = tuple(outages)

    def transport(self) -> BytesTransport:
        """What the agent's light client is given."""
        return BytesTransport(self._handle if self._outages else self._front.handle, self._subscribe)

    @property
    def down(self) -> bool:
        now_s = self._clock.now_ns() / 1e9
        return any(outage.from_s <= now_s < outage.until_s for outage in self._outages)

    async def _handle(self, body: bytes) -> bytes:
        if self.down:
            raise NodeSilent("the network is cut")
        return await self._front.handle(body)

    def _subscribe(self, announce: Callable[[], None]) -> Callable[[], None]:
        return self._engine.listen(lambda _block: None if self.down else announce())
