"""A node over one websocket: requests by id, a subscription to new headers, and coming back after a loss.

`async with WebsocketTransport(url)` owns the connection and the one task that reads it. Calls made while the connection
is down wait for it up to their time-out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from lightclient.errors import NodeError, NodeGarbage, NodeSilent
from lightclient.jsonrpc import Message, Refused, decode_message, encode_request
from lightclient.transport import MAX_ANSWER_BYTES, BlockEvents

FIRST_BACK_OFF_S: Final = 0.5
LONGEST_BACK_OFF_S: Final = 30.0
CLOSE_TIMEOUT_S: Final = 1.0

_SUBSCRIPTION_ID: Final = 1
_SUBSCRIPTION: Final = {"query": "tm.event='NewBlockHeader'"}

_log = logging.getLogger(__name__)


class WebsocketTransport:
    """Transport to `url`, for instance ws://127.0.0.1:26657/websocket. Every wait ends after `timeout_s`."""

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        max_bytes: int = MAX_ANSWER_BYTES,
        first_back_off_s: float = FIRST_BACK_OFF_S,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._first_back_off_s = first_back_off_s
        self._last_id = _SUBSCRIPTION_ID
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._socket: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._events = BlockEvents()
        self._loss: NodeError | None = None
        self._heard = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"websocket {self._url}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def block_events(self) -> int:
        return self._events.count

    async def wait_block(self, after: int) -> int:
        return await self._events.wait(after)

    async def aclose(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            self._fail_all(NodeSilent(f"{self._url}: closed"))

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        self._last_id += 1
        request_id = self._last_id
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                while self._socket is None:
                    await self._connected.wait()
                self._waiting[request_id] = answer
                await self._socket.send(encode_request(request_id, method, params).decode())
                message = await answer
        except TimeoutError as error:
            why = f" ({self._loss})" if self._loss is not None else ""
            raise NodeSilent(f"{self._url}: no answer to {method} within {self._timeout_s} s{why}") from error
        except WebSocketException as error:
            raise NodeSilent(f"{self._url}: {error}") from error
        finally:
            self._waiting.pop(request_id, None)
        if isinstance(message, Refused):
            raise message.error
        return message.value

    async def _run(self) -> None:
        """Keep a connection. Says once that it was lost, and once that it is back."""
        back_off_s = self._first_back_off_s
        while True:
            self._heard = False
            try:
                async with connect(
                    self._url,
                    max_size=self._max_bytes,
                    open_timeout=self._timeout_s,
                    close_timeout=CLOSE_TIMEOUT_S,
                    compression=None,
                ) as socket:
                    if self._loss is not None:
                        _log.warning("%s: connected again", self._url)
                    self._loss = None
                    await self._read(socket)
                reason: NodeError = NodeSilent(f"{self._url}: the node closed the connection")
            except NodeGarbage as error:
                reason = error
            except (OSError, TimeoutError, WebSocketException) as error:
                reason = NodeSilent(f"{self._url}: {error}")
            if self._loss is None:
                _log.warning("connection lost: %s", reason)
            self._loss = reason
            self._fail_all(reason)
            back_off_s = self._first_back_off_s if self._heard else min(2 * back_off_s, LONGEST_BACK_OFF_S)
            await asyncio.sleep(back_off_s)

    async def _read(self, socket: ClientConnection) -> None:
        await socket.send(encode_request(_SUBSCRIPTION_ID, "subscribe", _SUBSCRIPTION).decode())
        self._socket = socket
        self._connected.set()
        try:
            async for data in socket:
                self._receive(decode_message(data))
        finally:
            self._connected.clear()
            self._socket = None
            await socket.close()

    def _receive(self, message: Message) -> None:
        self._heard = True
        if message.id == _SUBSCRIPTION_ID:
            # The first answer counts too: blocks may have passed while the connection was down.
            self._events.announce()
            if isinstance(message, Refused):
                _log.warning("%s: no wake-ups: %s", self._url, message.error)
            return
        waiting = self._waiting.get(message.id) if message.id is not None else None
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _fail_all(self, reason: NodeError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(reason)
