"""Fronts of the node for agents in the same process: the same JSON-RPC bytes, without sockets.

`BytesTransport(front.handle, front.subscribe)` is the client's end of one. To an agent each front is a node of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher


class Front(Protocol):
    """What an agent's wire leads to."""

    async def handle(self, body: bytes) -> bytes:
        """The response to a JSON-RPC body. Raises NodeSilent where a socket would be closed."""

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every block; the returned function ends that."""


class LocalFront:
    """One front; several may stand before one engine and share its answers."""

    def __init__(self, engine: SoloEngine, answers: Answers, identity: NodeIdentity) -> None:
        self.identity = identity
        self._engine = engine
        self._dispatcher = RpcDispatcher(answers, identity)

    def answer(self, body: bytes) -> bytes:
        """The response to a JSON-RPC body; the HTTP status is left out, as on a websocket."""
        return self._dispatcher.handle(body)[1]

    async def handle(self, body: bytes) -> bytes:
        return self.answer(body)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after every block; the returned function ends that."""
        return self._engine.listen(lambda _: wake())
