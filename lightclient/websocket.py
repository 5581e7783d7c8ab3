"""A node over one websocket: requests by id, wake-ups for who waits, and coming back after a loss.

`async with WebsocketTransport(url)` owns the connection and the tasks that serve it. Calls made while the connection is down
wait for it up to their time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any, Final, Self

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import WebSocketException

from lightclient.connection import Unasked, loss, opening
from lightclient.errors import NodeError, NodeGarbage, NodeSilent
from lightclient.jsonrpc import Message, Refused, decode_message, encode_request
from lightclient.subscription import SUBSCRIBE, UNSUBSCRIBE, Subscription
from lightclient.transport import MAX_ANSWER_BYTES

FIRST_BACK_OFF_S: Final = 0.5
LONGEST_BACK_OFF_S: Final = 30.0
EVENT_WATCHDOG_S: Final = 60.0
UNSUBSCRIBE_AFTER_S: Final = 120.0

_NEW_HEADERS: Final = {"query": "tm.event='NewBlockHeader'"}
_SUBSCRIPTION_IDS: Final = {SUBSCRIBE: 1, UNSUBSCRIBE: 2}
_LAST_SUBSCRIPTION_ID: Final = max(_SUBSCRIPTION_IDS.values())

_log = logging.getLogger(__name__)


class WebsocketTransport:
    """Transport to `url`, for instance ws://127.0.0.1:26657/websocket.

    timeout_s: within it a connection opens and a call is answered. When a call is not, and the connection has brought
        nothing at all for half of it, the connection is given up too: it may be dead, or bring its bytes one by one.
    event_watchdog_s, unsubscribe_after_s: see subscription.py; the watchdog ends every wait for a block.
    """

    def __init__(
        self,
        url: str,
        timeout_s: float = 10.0,
        max_bytes: int = MAX_ANSWER_BYTES,
        first_back_off_s: float = FIRST_BACK_OFF_S,
        event_watchdog_s: float = EVENT_WATCHDOG_S,
        unsubscribe_after_s: float = UNSUBSCRIBE_AFTER_S,
    ) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._first_back_off_s = first_back_off_s
        self._last_id = _LAST_SUBSCRIPTION_ID
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._socket: ClientConnection | None = None
        self._connected = asyncio.Event()
        self._subscription = Subscription(event_watchdog_s, unsubscribe_after_s)
        self._unasked = Unasked()
        self._loss: NodeError | None = None
        self._refusal: NodeError | None = None
        self._heard_s = 0.0
        self._answered = False
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"websocket {self._url}")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def block_events(self) -> int:
        return self._subscription.events.count

    async def wait_block(self, after: int) -> int:
        return await self._subscription.wait(after)

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
            self._give_up_if_mute()
            why = f" ({self._loss})" if self._loss is not None else ""
            raise NodeSilent(f"{self._url}: no answer to {method} within {self._timeout_s} s{why}") from error
        except WebSocketException as error:
            raise loss(self._url, error) from error
        finally:
            self._waiting.pop(request_id, None)
        if isinstance(message, Refused):
            raise message.error
        return message.value

    async def _run(self) -> None:
        """Keep a connection. Says once that it was lost, and once that it is back."""
        back_off_s = self._first_back_off_s
        while True:
            self._answered = False
            try:
                async with opening(self._url, self._timeout_s, self._max_bytes) as socket:
                    if self._loss is not None:
                        _log.warning("%s: connected again", self._url)
                    self._loss = None
                    await self._serve(socket)
                reason: NodeError = NodeSilent(f"{self._url}: the node closed the connection")
            except (NodeError, OSError, TimeoutError, WebSocketException) as error:
                reason = loss(self._url, error)
            if self._loss is None:
                _log.warning("connection lost: %s", reason)
            self._loss = reason
            self._fail_all(reason)
            # Garbage between good answers must not bring the device back at once, again and again.
            fresh = self._answered and not isinstance(reason, NodeGarbage)
            back_off_s = self._first_back_off_s if fresh else min(2 * back_off_s, LONGEST_BACK_OFF_S)
            await asyncio.sleep(back_off_s)

    async def _serve(self, socket: ClientConnection) -> None:
        """Read until the connection ends, and subscribe meanwhile where somebody waits. Raises NodeGarbage."""
        self._heard_s = asyncio.get_running_loop().time()
        tending = asyncio.create_task(self._tend_subscription(socket))
        self._socket = socket
        self._connected.set()
        try:
            async for data in socket:
                self._receive(data)
        finally:
            self._connected.clear()
            self._socket = None
            tending.cancel()
            await asyncio.gather(tending, return_exceptions=True)
            await socket.close()

    async def _tend_subscription(self, socket: ClientConnection) -> None:
        async def say(method: str) -> None:
            await socket.send(encode_request(_SUBSCRIPTION_IDS[method], method, _NEW_HEADERS).decode())

        with contextlib.suppress(WebSocketException):  # the reader meets the same end, and says so
            await self._subscription.tend(say)

    def _receive(self, data: bytes | str) -> None:
        self._heard_s = asyncio.get_running_loop().time()
        message = decode_message(data)
        waiting = self._waiting.pop(message.id, None) if message.id is not None else None
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(message)
            self._answered = True
            return
        self._unasked.add(len(data), self._heard_s)
        if message.id != _SUBSCRIPTION_IDS[SUBSCRIBE]:
            return
        if isinstance(message, Refused) and self._refusal is None:
            self._refusal = message.error
            _log.warning("%s: no wake-ups: %s", self._url, message.error)
        self._subscription.event_came()

    def _give_up_if_mute(self) -> None:
        if self._socket is not None and asyncio.get_running_loop().time() - self._heard_s >= self._timeout_s / 2:
            self._socket.transport.abort()

    def _fail_all(self, reason: NodeError) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(reason)
