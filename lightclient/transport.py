"""How bytes reach a node: what the client needs of it, and the way inside one process.

A block event is a wake-up and nothing more: what it says is never read, because nobody has proven it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from lightclient.errors import NodeGarbage, WrongAnswer
from lightclient.jsonrpc import Refused, decode_message, encode_request

MAX_ANSWER_BYTES: Final = 1_000_000
"""No answer that the client asks for comes near this."""


class Transport(Protocol):
    """One node. Calls may be made side by side."""

    @property
    def block_events(self) -> int:
        """How many wake-ups there have been."""

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """The `result` of a call. Raises NodeSilent, NodeGarbage, RpcRefused."""

    async def wait_block(self, after: int) -> int:
        """Wait until there have been more than `after` wake-ups; return how many.

        A transport that may lose events wakes now and then without one; a caller sets its own time-out all the same.
        """

    async def aclose(self) -> None:
        """Let go of the node."""


class BlockEvents:
    """Counts wake-ups and lets any number of tasks wait for the next; none is missed between two waits."""

    def __init__(self) -> None:
        self.count = 0
        self._next = asyncio.Event()

    def announce(self) -> None:
        self.count += 1
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self, after: int) -> int:
        while self.count <= after:
            await self._next.wait()
        return self.count


class BytesTransport:
    """A node in the same process, behind the very bytes that would go over a socket.

    handle: gives the node's answer to the bytes of one request; raises NodeSilent where a socket would be closed.
    subscribe: is given a function to call after every block, and returns one that ends it.
    """

    def __init__(
        self,
        handle: Callable[[bytes], Awaitable[bytes]],
        subscribe: Callable[[Callable[[], None]], Callable[[], None]],
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._handle = handle
        self._max_bytes = max_bytes
        self._last_id = 0
        self._events = BlockEvents()
        self._unsubscribe = subscribe(self._events.announce)

    @property
    def block_events(self) -> int:
        return self._events.count

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        self._last_id += 1
        request_id = self._last_id
        data = await self._handle(encode_request(request_id, method, params))
        if len(data) > self._max_bytes:
            raise NodeGarbage("message", f"at most {self._max_bytes} bytes")
        message = decode_message(data)
        if isinstance(message, Refused):
            raise message.error
        if message.id != request_id:
            raise WrongAnswer("id", request_id, message.id)
        return message.value

    async def wait_block(self, after: int) -> int:
        return await self._events.wait(after)

    async def aclose(self) -> None:
        self._unsubscribe()
