"""A network that fails at the times it is told to, between one agent and the nodes. Nothing else in the run knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from agent.vocabulary import Clock
from lightclient.errors import NodeSilent
from lightclient.transport import BytesTransport
from tools.fullnode.rpc.local import Front
from tools.society.record import Outage


class Network:
    """The wires between one agent and all nodes: the real JSON-RPC bytes, while no outage lasts. An outage cuts every wire."""

    def __init__(self, fronts: Mapping[str, Front], clock: Clock, outages: Sequence[Outage]) -> None:
        self._fronts = fronts
        self._clock = clock
        self._outages = tuple(outages)

    def transports(self, first: int = 0) -> dict[str, BytesTransport]:
        """What the agent's light client is given, by node. The order begins at the node number `first`, counted around."""
        names = tuple(self._fronts)
        first %= len(names)
        return {name: self._wire(self._fronts[name]) for name in (*names[first:], *names[:first])}

    @property
    def down(self) -> bool:
        now_s = self._clock.now_ns() / 1e9
        return any(outage.from_s <= now_s < outage.until_s for outage in self._outages)

    def _wire(self, front: Front) -> BytesTransport:
        if not self._outages:
            return BytesTransport(front.handle, front.subscribe)
        return BytesTransport(partial(self._handle, front), partial(self._subscribe, front))

    async def _handle(self, front: Front, body: bytes) -> bytes:
        if self.down:
            raise NodeSilent("the network is cut")
        return await front.handle(body)

    def _subscribe(self, front: Front, announce: Callable[[], None]) -> Callable[[], None]:
        return front.subscribe(lambda: None if self.down else announce())
