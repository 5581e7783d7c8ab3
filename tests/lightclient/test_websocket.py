"""The way to a node over a websocket: calls, wake-ups, losses and coming back."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.server import ServerConnection

from lightclient import errors
from lightclient.provider import Provider, ValidatorSets
from lightclient.websocket import WebsocketTransport
from tests.lightclient.fake_chain import CHAIN_ID, FakeChain
from tests.lightclient.node_server import Node, node, result

LONG_S = 5.0
"""A time-out that no passing test waits for."""


def test_calls_are_answered_side_by_side() -> None:
    chain = FakeChain()
    block = chain.cut({b"apple": b"red"})

    async def serve(socket: ServerConnection) -> None:
        async for request in socket:
            await socket.send(chain.answer(request.encode() if isinstance(request, str) else request).decode())

    async def run() -> None:
        async with node(serve) as url, WebsocketTransport(url, timeout_s=LONG_S) as transport:
            provider = Provider("node", transport, CHAIN_ID, ValidatorSets())
            newest, outcome = await asyncio.gather(provider.light_block(None), provider.broadcast(b"tx"))
            assert (newest, outcome.code) == (block, 0)
            assert (await provider.broadcast(b"tx")).already_known

    asyncio.run(run())


def test_answers_find_their_calls_in_any_order() -> None:
    async def backwards(socket: ServerConnection) -> None:
        requests = [json.loads(await socket.recv()) for _ in range(3)]
        for request in reversed(requests):
            await socket.send(result(request["id"], request["method"]))
        await socket.wait_closed()

    async def run() -> None:
        async with node(backwards) as url, WebsocketTransport(url, timeout_s=LONG_S) as transport:
            methods = ["status", "commit", "health"]
            assert await asyncio.gather(*(transport.call(method, {}) for method in methods)) == methods

    asyncio.run(run())


def test_only_who_waits_for_blocks_is_subscribed() -> None:
    async def run() -> None:
        server = Node()
        async with node(server.serve) as url, WebsocketTransport(url, timeout_s=LONG_S) as transport:
            await transport.call("health", {})
            assert (server.said, transport.block_events) == (["health"], 0)
            async with asyncio.timeout(LONG_S):
                seen = await transport.wait_block(0)  # the answer counts: blocks may have passed before
                await server.announce()
                assert await transport.wait_block(seen) == seen + 1
            assert server.said == ["health", "subscribe"]

    asyncio.run(run())


def test_a_subscription_that_went_quiet_is_renewed_on_the_same_connection() -> None:
    async def run() -> None:
        server = Node()
        async with node(server.serve) as url, WebsocketTransport(url, timeout_s=LONG_S, event_watchdog_s=0.02) as transport:
            async with asyncio.timeout(LONG_S):
                while server.said.count("subscribe") < 2:
                    await transport.wait_block(transport.block_events)
            assert server.said[:3] == ["subscribe", "unsubscribe", "subscribe"]
            assert len(server.connections) == 1

    asyncio.run(run())


def test_it_unsubscribes_when_nobody_waits_any_more() -> None:
    async def run() -> None:
        server = Node()
        async with node(server.serve) as url, WebsocketTransport(url, timeout_s=LONG_S, unsubscribe_after_s=0) as transport:
            async with asyncio.timeout(LONG_S):
                await transport.wait_block(0)
                await server.announce()
                while server.subscribed.is_set():
                    await transport.call("health", {})
            assert server.said.count("unsubscribe") == 1

    asyncio.run(run())


def test_a_node_without_wake_ups_is_told_of_once_and_polled(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(socket: ServerConnection) -> None:
        async for request in socket:
            call = json.loads(request)
            refusal = {"code": -32603, "message": "Internal error", "data": "max_subscription_clients 100 reached"}
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": call["id"], "error": refusal}))

    async def run() -> None:
        async with node(refuse) as url, WebsocketTransport(url, timeout_s=LONG_S, event_watchdog_s=0.02) as transport:
            async with asyncio.timeout(LONG_S):
                for seen in range(6):
                    assert await transport.wait_block(seen) > seen

    asyncio.run(run())
    said = [record.getMessage() for record in caplog.records if record.name == "lightclient.websocket"]
    assert len(said) == 1
    assert said[0].endswith("no wake-ups: Internal error (-32603): max_subscription_clients 100 reached")


def test_it_comes_back_after_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        server = Node()
        async with node(server.serve) as url, WebsocketTransport(url, LONG_S, first_back_off_s=0.001) as transport:
            async with asyncio.timeout(LONG_S):
                seen = await transport.wait_block(0)
                waiting = asyncio.create_task(transport.wait_block(seen))
                await server.connections[0].close()
                await waiting  # being back is a wake-up
            await transport.call("health", {})
            assert (len(server.connections), server.said) == (2, ["subscribe", "subscribe", "health"])

    asyncio.run(run())
    said = [record.getMessage() for record in caplog.records if record.name == "lightclient.websocket"]
    assert len(said) == 2  # once lost, once back
    assert said[0].startswith("connection lost")
    assert said[1].endswith("connected again")


def test_a_connection_that_nobody_waits_on_comes_back_without_a_subscription() -> None:
    async def run() -> None:
        server = Node()
        async with node(server.serve) as url, WebsocketTransport(url, LONG_S, first_back_off_s=0.001) as transport:
            await transport.call("health", {})
            await server.connections[0].close()
            while len(server.connections) < 2:
                try:
                    await transport.call("health", {})
                except errors.NodeSilent:
                    await asyncio.sleep(0)
            assert set(server.said) == {"health"}

    asyncio.run(run())


def test_a_node_that_closes_in_the_middle_of_a_call_is_named() -> None:
    async def closing(socket: ServerConnection) -> None:
        await socket.recv()

    async def run() -> None:
        async with node(closing) as url, WebsocketTransport(url, timeout_s=LONG_S) as transport:
            with pytest.raises(errors.NodeSilent, match="closed the connection"):
                await transport.call("commit", {})

    asyncio.run(run())


def test_a_node_that_is_not_there_is_silent() -> None:
    async def run() -> None:
        async with node(Node().serve) as url:
            pass
        async with WebsocketTransport(url, timeout_s=0.2) as transport:
            with pytest.raises(errors.NodeSilent, match="Connect call failed"):
                await transport.call("commit", {})

    asyncio.run(run())


def test_closing_ends_the_calls_that_wait() -> None:
    asked = asyncio.Event()

    async def silent(socket: ServerConnection) -> None:
        async for _ in socket:
            asked.set()

    async def run() -> None:
        async with node(silent) as url:
            transport = WebsocketTransport(url, timeout_s=LONG_S)
            async with transport:
                call = asyncio.create_task(transport.call("commit", {}))
                await asked.wait()
            with pytest.raises(errors.NodeSilent, match="closed"):
                await call

    asyncio.run(run())
