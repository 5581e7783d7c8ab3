"""The node over real sockets on the loopback: HTTP, websockets, and the agents' own transport."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lightclient import rpcjson
from lightclient.client import LightClient
from lightclient.options import Options, TrustAnchor
from lightclient.store import MemoryStore
from lightclient.transport import BytesTransport, Transport
from lightclient.websocket import WebsocketTransport
from tests.tools.fullnode.engine.solo import CHAIN_ID, SECOND_NS, Solo
from tests.tools.fullnode.rpc.test_rpc import assert_same_shape
from tools.fullnode.rpc import server
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.local import LocalFront
from tools.fullnode.rpc.server import RpcServer
from tools.fullnode.rpc.subscriptions import WebsocketSession

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[3] / "vectors" / "cometbft-0.38.25" / "websocket.json").read_text()
)
NEW_HEADER = "tm.event='NewBlockHeader'"
OPTIONS = Options(CHAIN_ID, trusting_period_ns=86_400 * SECOND_NS, freshness_ns=60 * SECOND_NS, single_operator=True)


def dispatcher(solo: Solo) -> RpcDispatcher:
    return RpcDispatcher(Answers(solo.engine), NodeIdentity("ab" * 20))


@contextlib.asynccontextmanager
async def websocket_to(solo: Solo) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        serving(solo) as address,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{address}/websocket") as websocket,
    ):
        yield websocket


@contextlib.asynccontextmanager
async def serving(solo: Solo) -> AsyncIterator[str]:
    async with RpcServer(solo.engine, dispatcher(solo)).listening("127.0.0.1", 0) as (host, port):
        yield f"{host}:{port}"


def request(request_id: Any, method: str, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def test_http_post_and_get() -> None:
    async def main() -> None:
        solo = Solo()
        solo.cut(b"k")
        async with serving(solo) as address, aiohttp.ClientSession() as session:
            async with session.post(f"http://{address}/", data=request(1, "health")) as answer:
                assert (answer.status, await answer.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
            async with session.post(f"http://{address}/", data=b"7") as answer:
                assert (answer.status, (await answer.json())["error"]["code"]) == (500, -32700)
            async with session.post(f"http://{address}/", data=b" " * 1_000_001) as answer:
                assert answer.status == 400
                assert await answer.json() == {
                    "jsonrpc": "2.0",
                    "error": {
                        "code": -32600,
                        "message": "Invalid Request",
                        "data": "error reading request body: http: request body too large",
                    },
                }
            async with session.get(f"http://{address}/commit", params={"height": "1"}) as answer:
                assert rpcjson.decode_commit((await answer.json())["result"]).height == 1
            async with session.get(f"http://{address}/subscribe") as answer:
                assert answer.status == 404

    asyncio.run(main())


async def conversation(websocket: aiohttp.ClientWebSocketResponse, solo: Solo) -> list[Any]:
    """The recorded conversation, as far as this node takes part in it: every answer in order."""
    answers = []
    for message in (
        request(1, "subscribe", query=NEW_HEADER),
        request(3, "broadcast_tx_sync", tx="dGhyb3VnaCB0aGUgd2Vic29ja2V0"),
        request(4, "subscribe", query="not a query"),
    ):
        await websocket.send_str(message)
        answers.append(await websocket.receive_json())
    solo.cut()
    answers.append(await websocket.receive_json())
    await websocket.send_str(request(5, "unsubscribe_all"))
    answers.append(await websocket.receive_json())
    solo.cut()
    await websocket.send_str(request(6, "health"))
    answers.append(await websocket.receive_json())
    return answers


def test_the_recorded_websocket_conversation() -> None:
    async def main() -> list[Any]:
        solo = Solo()
        solo.cut()
        async with websocket_to(solo) as websocket:
            return await conversation(websocket, solo)

    received = [frame["received"] for frame in RECORDED if "received" in frame]
    subscribed, broadcast, refused, event = (received[0], received[2], received[3], received[4])
    answers = asyncio.run(main())
    for found, recorded in zip(answers, (subscribed, broadcast, refused, event, received[-1]), strict=False):
        assert_same_shape(found, recorded, "websocket")
    assert answers[2]["error"]["code"] == -32603
    assert answers[3]["result"]["data"]["value"]["header"]["height"] == "2"
    assert answers[5] == {"jsonrpc": "2.0", "id": 6, "result": {}}  # and no event before it


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("7", -32700),
        (f"[{request(1, 'health')}]", -32700),
        (request("text", "health"), -32603),
        (request(1, "nope"), -32601),
        (request(1, "commit", height="x"), -32603),
        (request(1, "subscribe", query=5), -32603),
        (request(1, "subscribe"), -32603),
        (request(1, "subscribe", query="x" * 513), -32603),
        (request(1, "unsubscribe", query=NEW_HEADER), -32603),
        (request(1, "unsubscribe_all"), -32603),
    ],
)
def test_what_a_websocket_refuses(message: str, code: int) -> None:
    answer = WebsocketSession(dispatcher(Solo())).receive(message)
    assert answer is not None
    assert json.loads(answer)["error"]["code"] == code


def test_a_subscription_begins_and_ends_once() -> None:
    session = WebsocketSession(dispatcher(Solo()))
    assert session.receive('{"method": "health"}') is None
    assert session.new_header("{}") is None
    codes = []
    for method in ("subscribe", "subscribe", "unsubscribe", "unsubscribe"):
        answer = session.receive(request(1, method, query=" tm.event = 'NewBlockHeader' "))
        codes.append(json.loads(answer or b"")["error"]["data"] if b"error" in (answer or b"") else "")
    assert codes == ["", "already subscribed", "", "subscription not found"]


def test_too_many_websockets_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_WEBSOCKETS", 1)

    async def main() -> int:
        async with serving(Solo()) as address, aiohttp.ClientSession() as session:
            first = await session.ws_connect(f"ws://{address}/websocket")
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"ws://{address}/websocket")
            await first.close()
            return refused.value.status

    assert asyncio.run(main()) == 503


def test_a_slow_client_loses_the_connection() -> None:
    async def main() -> None:
        solo = Solo()
        async with websocket_to(solo) as websocket:
            await websocket.send_str(request(1, "subscribe", query=NEW_HEADER))
            await websocket.receive()
            for _ in range(200):  # without giving the writer a chance
                solo.cut()
            kinds = [message.type async for message in websocket]
            assert len(kinds) < 200
            assert websocket.close_code == aiohttp.WSCloseCode.TRY_AGAIN_LATER

    asyncio.run(main())


async def follow(solo: Solo, transport: Transport) -> tuple[LightClient, list[bytes | None]]:
    """Hand in a transaction, wake up for its block and the next, and read it back with proof."""
    solo.cut()
    anchor = TrustAnchor(1, solo.store.signed_header(1).hash)
    client = LightClient({"node": transport}, anchor, OPTIONS, solo.clock, MemoryStore())
    await client.update()
    outcome = await client.broadcast(b"k")
    assert (outcome.code, outcome.already_known) == (0, False)
    assert (await client.broadcast(b"k")).already_known
    waiting = asyncio.create_task(client.wait_block())
    await asyncio.sleep(0)
    solo.cut()
    await waiting
    solo.cut()
    assert (await client.update()).height == 3
    return client, [proven.value for proven in await client.get_many([b"k", b"absent"])]


def test_the_light_client_follows_over_a_websocket() -> None:
    async def main() -> tuple[LightClient, list[bytes | None]]:
        solo = Solo()
        async with serving(solo) as address, WebsocketTransport(f"ws://{address}/websocket") as transport:
            return await follow(solo, transport)

    client, values = asyncio.run(main())
    assert values == [(2).to_bytes(8, "big"), None]
    assert client.proofs_verified == 2


def test_the_light_client_follows_in_the_same_process() -> None:
    async def main() -> tuple[LightClient, list[bytes | None]]:
        solo = Solo()
        front = LocalFront(solo.engine, Answers(solo.engine), NodeIdentity("cd" * 20))
        transport = BytesTransport(front.handle, front.subscribe)
        client, values = await follow(solo, transport)
        assert rpcjson.decode_status(await transport.call("status", {})).node_id == "cd" * 20
        await transport.aclose()
        events = transport.block_events
        solo.cut()
        assert transport.block_events == events
        return client, values

    client, values = asyncio.run(main())
    assert values == [(2).to_bytes(8, "big"), None]
    assert client.headers_verified >= 2
