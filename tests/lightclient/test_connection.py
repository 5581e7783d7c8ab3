"""Nodes that send garbage, gigabytes, byte by byte, or nothing: each costs bounded memory and time."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.server import ServerConnection

from lightclient import connection, errors
from lightclient.connection import MAX_UNASKED_BYTES, MIN_UNASKED_BYTES, Unasked
from lightclient.websocket import WebsocketTransport
from tests.lightclient.node_server import (
    CONTINUED,
    LAST,
    PING,
    TEXT,
    RawHandler,
    accept,
    frame,
    node,
    raw_node,
    result,
    until_dropped,
)

LONG_S = 5.0
SHORT_S = 0.1


@pytest.fixture(autouse=True)
def _short_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of these nodes answers a close, so each test would wait for it."""
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT_S", 0.05)


async def fail(url: str, expected: type[errors.NodeError], timeout_s: float, why: str | None = None) -> None:
    """One call that must fail within its time-out, give or take a busy machine."""
    async with WebsocketTransport(url, timeout_s=timeout_s, first_back_off_s=LONG_S) as transport:
        async with asyncio.timeout(LONG_S):
            with pytest.raises(expected, match=why):
                await transport.call("commit", {})


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await until_dropped(reader)


async def says_nothing_after_the_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    await until_dropped(reader)


async def drips_a_frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(frame(TEXT | LAST, b"", length=900_000))
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(SHORT_S / 20)


async def drips_fragments(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await accept(reader, writer)
    writer.write(frame(TEXT, b"{"))
    while True:
        writer.write(frame(CONTINUED, b" "))
        await writer.drain()
        await asyncio.sleep(SHORT_S / 20)


@pytest.mark.parametrize("handler", [says_nothing, says_nothing_after_the_handshake, drips_a_frame, drips_fragments])
def test_a_node_that_gives_no_answer_in_time_is_let_go(handler: RawHandler) -> None:
    """The call ends, and so does the connection: the next one begins afresh."""
    dropped = asyncio.Event()

    async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            dropped.set()

    async def run() -> None:
        async with raw_node(watched) as url, WebsocketTransport(url, SHORT_S, first_back_off_s=LONG_S) as transport:
            async with asyncio.timeout(LONG_S):
                with pytest.raises(errors.NodeSilent, match="no answer to commit within"):
                    await transport.call("commit", {})
                await dropped.wait()

    asyncio.run(run())


def test_a_node_that_is_slow_with_one_call_keeps_its_connection() -> None:
    connections: list[ServerConnection] = []

    async def slow_with_commit(socket: ServerConnection) -> None:
        connections.append(socket)
        async for request in socket:
            call = json.loads(request)
            if call["method"] != "commit":
                await socket.send(result(call["id"]))

    async def run() -> None:
        async with node(slow_with_commit) as url, WebsocketTransport(url, 4 * SHORT_S) as transport:
            slow = asyncio.create_task(transport.call("commit", {}))
            while not slow.done():
                await transport.call("health", {})
                await asyncio.sleep(SHORT_S / 10)
            with pytest.raises(errors.NodeSilent):
                await slow
            await transport.call("health", {})
            assert len(connections) == 1

    asyncio.run(run())


def test_a_message_of_two_megabytes_is_refused_unread() -> None:
    async def run() -> None:
        closed = asyncio.get_running_loop().create_future()

        async def shouting(socket: ServerConnection) -> None:
            await socket.recv()
            await socket.send("x" * 2_000_000)
            await socket.wait_closed()
            closed.set_result(socket.close_code)

        async with node(shouting) as url:
            await fail(url, errors.NodeGarbage, LONG_S, "a message of bounded size")
            assert await closed == 1009

    asyncio.run(run())


def test_a_message_that_claims_gigabytes_is_refused_at_its_head() -> None:
    async def claiming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(frame(TEXT | LAST, b"", length=2**40))
        await until_dropped(reader)

    async def run() -> None:
        async with raw_node(claiming) as url:
            await fail(url, errors.NodeGarbage, LONG_S, "a message of bounded size")

    asyncio.run(run())


def test_fragments_without_end_are_refused() -> None:
    """Empty ones never fill a message, but each takes its place in memory."""

    async def splitting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        writer.write(frame(TEXT, b"{"))
        while True:
            writer.write(frame(CONTINUED, b"") * 100)
            await writer.drain()

    async def run() -> None:
        async with raw_node(splitting) as url:
            await fail(url, errors.NodeGarbage, LONG_S, "a message of bounded size")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (frame(TEXT | LAST, b"nonsense"), "JSON"),
        (frame(TEXT | LAST, b"\xff\xff"), "UTF-8"),
        (frame(0x03 | LAST, b""), "websocket frames"),
        (b"\xff" * 100, "websocket frames"),
    ],
    ids=["no JSON", "no text", "unknown frame", "no frame"],
)
def test_garbage_costs_the_connection_and_the_calls_on_it(data: bytes, expected: str) -> None:
    async def babbling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        await reader.read(2)
        writer.write(data)
        await until_dropped(reader)

    async def run() -> None:
        async with raw_node(babbling) as url:
            await fail(url, errors.NodeGarbage, LONG_S, expected)

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n" + b"X: y\r\n" * 10_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
    ],
    ids=["another protocol", "no websocket", "headers without end", "a body of a terabyte"],
)
def test_another_answer_than_a_websocket_is_no_node(answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await until_dropped(reader)

    async def run() -> None:
        async with raw_node(other) as url:
            await fail(url, errors.NodeSilent, SHORT_S)

    asyncio.run(run())


def test_no_redirect_is_followed() -> None:
    reached = asyncio.Event()

    async def elsewhere(socket: ServerConnection) -> None:
        reached.set()

    async def run() -> None:
        async with node(elsewhere) as target:

            async def redirecting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())
                await until_dropped(reader)

            async with raw_node(redirecting) as url:
                await fail(url, errors.NodeSilent, 4 * SHORT_S, "HTTP 302")
        assert not reached.is_set()

    asyncio.run(run())


def test_answers_that_nobody_waits_for_end_the_connection_before_they_cost_much() -> None:
    sent = 0

    async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await accept(reader, writer)
        message = frame(TEXT | LAST, result(999, "x" * 50_000).encode())
        while True:
            writer.write(message)
            sent += len(message)
            await writer.drain()

    async def run() -> None:
        async with raw_node(flooding) as url:
            await fail(url, errors.NodeGarbage, LONG_S, "an answer to what was asked")

    asyncio.run(run())
    assert sent > MAX_UNASKED_BYTES


def test_garbage_between_good_answers_does_not_bring_the_device_back_at_once() -> None:
    connections = 0

    async def half_good(socket: ServerConnection) -> None:
        nonlocal connections
        connections += 1
        call = json.loads(await socket.recv())
        await socket.send(result(call["id"]))
        await socket.send("nonsense")
        await socket.wait_closed()

    async def run() -> None:
        async with node(half_good) as url, WebsocketTransport(url, LONG_S, first_back_off_s=0.01) as transport:
            loop = asyncio.get_running_loop()
            gaps_s = []
            for _ in range(4):
                began_s = loop.time()
                await transport.call("health", {})
                gaps_s.append(loop.time() - began_s)
        assert connections == 4
        assert all(gap_s >= least_s for gap_s, least_s in zip(gaps_s[1:], (0.02, 0.04, 0.08), strict=True))

    asyncio.run(run())


def test_pings_of_a_node_that_does_not_read_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_UNSENT_BYTES", 50_000)

    async def pinging(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accept(reader, writer)
        while True:
            writer.write(frame(PING | LAST, b"x" * 125) * 50)
            await writer.drain()

    async def run() -> None:
        async with raw_node(pinging, receive_buffer=4096) as url:
            await fail(url, errors.NodeSilent, LONG_S, "no close frame received or sent")

    asyncio.run(run())


def test_what_nobody_asked_for_is_counted_by_the_minute() -> None:
    unasked = Unasked()
    for minute in range(3):
        unasked.add(MAX_UNASKED_BYTES, 60.0 * minute)
    with pytest.raises(errors.NodeGarbage):
        unasked.add(1, 179.9)


def test_many_small_messages_count_as_larger_ones() -> None:
    unasked = Unasked()
    for _ in range(MAX_UNASKED_BYTES // MIN_UNASKED_BYTES):
        unasked.add(20, 0.0)
    with pytest.raises(errors.NodeGarbage):
        unasked.add(20, 0.0)
