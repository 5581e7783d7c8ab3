"""The bench's nodes on loopback: JSON-RPC over HTTP and websockets, and a relay that counts the bytes in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from aiohttp import WSMsgType, web

from lightclient import rpcjson
from tools.bench.lightclient_node import Chain, RpcNode, encode, nodes_of


class Sockets:
    """Serves nodes on loopback: JSON-RPC over HTTP, and `/websocket` with an event for every block that was grown."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._listeners: dict[web.WebSocketResponse, int] = {}

    @contextlib.asynccontextmanager
    async def listening(self, node: RpcNode) -> AsyncIterator[int]:
        """Serve one node within the block, and give its port."""

        async def post(request: web.Request) -> web.Response:
            return web.Response(body=node.answer(await request.read()), content_type="application/json")

        async def websocket(request: web.Request) -> web.StreamResponse:
            return await self._converse(request, node)

        application = web.Application()
        application.router.add_post("/", post)
        application.router.add_get("/websocket", websocket)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield runner.addresses[0][1]
        finally:
            for socket in tuple(self._listeners):
                await socket.close()
            await runner.cleanup()

    async def _converse(self, request: web.Request, node: RpcNode) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is not WSMsgType.TEXT:
                    continue
                call = json.loads(message.data)
                if call["method"] == "subscribe":
                    self._listeners[socket] = call["id"]
                    await socket.send_str(encode({"jsonrpc": "2.0", "id": call["id"], "result": {}}).decode())
                    continue
                height = self._chain.height
                await socket.send_str(node.answer(message.data.encode()).decode())
                if self._chain.height != height:
                    await self.announce()
        finally:
            self._listeners.pop(socket, None)
        return socket

    async def announce(self) -> None:
        """Tell all who subscribed of the newest block, as CometBFT words it."""
        header = rpcjson.header_to_json(self._chain.block(self._chain.height).header)
        value = {"type": "tendermint/event/NewBlockHeader", "value": {"header": header}}
        result = {"query": "tm.event='NewBlockHeader'", "data": value, "events": {"tm.event": ["NewBlockHeader"]}}
        for socket, request_id in tuple(self._listeners.items()):
            await socket.send_str(encode({"jsonrpc": "2.0", "id": request_id, "result": result}).decode())


@contextlib.asynccontextmanager
async def served(chain: Chain) -> AsyncIterator[dict[str, int]]:
    """All nodes of a chain on loopback, by name with their ports."""
    sockets = Sockets(chain)
    async with contextlib.AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(sockets.listening(node)) for name, node in nodes_of(chain).items()}


class Relay:
    """Passes on what goes over connections to a port, and counts its bytes. TCP and IP headers are not in the count."""

    def __init__(self) -> None:
        self.sent = 0
        self.received = 0

    @property
    def bytes(self) -> int:
        """Both ways."""
        return self.sent + self.received

    @contextlib.asynccontextmanager
    async def before(self, port: int) -> AsyncIterator[int]:
        """Stand before a port within the block, and give the port to connect to instead."""

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65_536):
                    setattr(self, way, getattr(self, way) + len(data))
                    writer.write(data)
                    await writer.drain()
            writer.close()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            node_reader, node_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, node_writer, "sent"), pump(node_reader, writer, "received"))

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]
