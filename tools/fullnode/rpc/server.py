"""The node's socket: JSON-RPC over HTTP POST and GET, and `/websocket`. All that is said comes from the dispatcher.

Limits: 1 MB per message, 100 websockets, and a client that takes its events too slowly loses the connection (it polls and
comes back) rather than single events. A websocket is pinged every 27 s, as CometBFT does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import WSCloseCode, WSMsgType, web

from tools.fullnode.engine.blockstore import CommittedBlock
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc import jsonrpc
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.subscriptions import WebsocketSession

PING_S: Final = 27.0
MAX_WEBSOCKETS: Final = 100
_QUEUE: Final = 100
_CLOSE_WAIT_S: Final = 2.0


class RpcServer:
    """Serves one front of an engine."""

    def __init__(self, engine: SoloEngine, dispatcher: RpcDispatcher) -> None:
        self._engine = engine
        self._dispatcher = dispatcher
        self._sockets: set[web.WebSocketResponse] = set()

    @contextlib.asynccontextmanager
    async def listening(self, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
        """Listen within the block and give the address; port 0 takes a free one. Raises OSError."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=_CLOSE_WAIT_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port)
            await site.start()
            address = runner.addresses[0]
            yield address[0], address[1]
        finally:
            for socket in tuple(self._sockets):
                await socket.close(code=WSCloseCode.GOING_AWAY)
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=jsonrpc.MAX_BODY_BYTES)
        application.router.add_post("/", self._post)
        application.router.add_get("/websocket", self._websocket)
        application.router.add_get("/{method}", self._get)
        return application

    async def _post(self, request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _json(*jsonrpc.body_too_large())
        return _json(*self._dispatcher.handle(body))

    async def _get(self, request: web.Request) -> web.Response:
        return _json(*self._dispatcher.handle_uri(request.match_info["method"], request.query))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        if len(self._sockets) >= MAX_WEBSOCKETS:
            return web.Response(status=503, text=f"{MAX_WEBSOCKETS} websockets are open already")
        socket = web.WebSocketResponse(heartbeat=PING_S, max_msg_size=jsonrpc.MAX_BODY_BYTES, timeout=_CLOSE_WAIT_S)
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await self._converse(socket)
        finally:
            self._sockets.discard(socket)
        return socket

    async def _converse(self, socket: web.WebSocketResponse) -> None:
        session = WebsocketSession(self._dispatcher)
        outgoing: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUE)

        def announce(block: CommittedBlock) -> None:
            meta = self._engine.store.meta(block.height)
            event = None if meta is None else session.new_header(meta.header)
            if event is not None:
                _put_or_end(outgoing, event)

        stop_listening = self._engine.listen(announce)
        writer = asyncio.create_task(_write(socket, outgoing))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT or message.type is WSMsgType.BINARY:
                    response = session.receive(message.data)
                    if response is not None:
                        await outgoing.put(response)
        finally:
            stop_listening()
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer


def _put_or_end(outgoing: asyncio.Queue[bytes | None], event: bytes) -> None:
    """Queue an event; a queue that is full is emptied and ended instead."""
    try:
        outgoing.put_nowait(event)
    except asyncio.QueueFull:
        while not outgoing.empty():
            outgoing.get_nowait()
        outgoing.put_nowait(None)


async def _write(socket: web.WebSocketResponse, outgoing: asyncio.Queue[bytes | None]) -> None:
    """Send what is queued; None ends the conversation with a slow client."""
    with contextlib.suppress(ConnectionError):
        while (message := await outgoing.get()) is not None:
            await socket.send_str(message.decode())
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"slow client")


def _json(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")
