"""Nodes on loopback for the websocket tests: one that speaks JSON-RPC, and a bare socket on which a test does what it likes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

Handler = Callable[[ServerConnection], Awaitable[None]]
RawHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TEXT: Final = 0x01
CONTINUED: Final = 0x00
PING: Final = 0x09
LAST: Final = 0x80


@asynccontextmanager
async def node(handler: Handler) -> AsyncIterator[str]:
    """A server of websockets; gives its URL."""
    async with serve(handler, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/websocket"


@asynccontextmanager
async def raw_node(handler: RawHandler, receive_buffer: int | None = None) -> AsyncIterator[str]:
    """A server of bytes; gives its URL. A connection that the client drops ends its handler."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        writer.transport.abort()

    listener = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    server = await asyncio.start_server(handle, sock=listener, limit=2**10)
    async with server:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/websocket"


async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The server's side of the opening handshake."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(line.split(": ")[1] for line in request.splitlines() if line.lower().startswith("sec-websocket-key"))
    upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{upgrade}Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode())
    await writer.drain()


def frame(first_byte: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame as a server sends it; `length` is what its head claims, if that is not the payload's."""
    claimed = len(payload) if length is None else length
    if claimed < 126:
        return bytes([first_byte, claimed]) + payload
    if claimed < 2**16:
        return bytes([first_byte, 126]) + claimed.to_bytes(2, "big") + payload
    return bytes([first_byte, 127]) + claimed.to_bytes(8, "big") + payload


async def until_dropped(reader: asyncio.StreamReader) -> None:
    """Read and forget until the client lets go."""
    while await reader.read(2**16):
        pass


def result(request_id: int, value: Any = None) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {} if value is None else value})


class Node:
    """Answers every call with {}, and sends an event to who is subscribed when told to."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.connections: list[ServerConnection] = []
        self.subscribed = asyncio.Event()
        self._subscribers: dict[ServerConnection, int] = {}

    async def serve(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        async for request in connection:
            call = json.loads(request)
            self.said.append(call["method"])
            if call["method"] == "subscribe":
                self._subscribers[connection] = call["id"]
                self.subscribed.set()
            elif call["method"] == "unsubscribe":
                del self._subscribers[connection]
                self.subscribed.clear()
            await connection.send(result(call["id"]))

    async def announce(self) -> None:
        for connection, request_id in self._subscribers.items():
            await connection.send(result(request_id, {"data": {"type": "tendermint/event/NewBlockHeader"}}))
