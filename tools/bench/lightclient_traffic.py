"""What travels between a device and its three nodes: after a week offline, and on a day of waking every minute."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from typing import Final

from lightclient.client import LightClient
from lightclient.store import MemoryStore
from lightclient.transport import BytesTransport, Transport
from lightclient.websocket import WebsocketTransport
from tools.bench.lightclient_node import OPTIONS, Chain, RpcNode, Validators, nodes_of
from tools.bench.lightclient_sockets import Relay, served
from tools.bench.table import Bench
from tools.fullnode.rules.smt import Tree

WEEK_BLOCKS: Final = 604_800
DAY_BLOCKS: Final = 86_400
HOUR_BLOCKS: Final = 3_600
HEADER_CALLS: Final = ("commit", "header")
DRIFTS: Final = (
    ("stable validators (4)", Validators(4)),
    ("one of 8 validators replaced a day", Validators(8, DAY_BLOCKS)),
    ("one of 100 validators replaced an hour", Validators(100, HOUR_BLOCKS)),
)

WAKES_A_DAY: Final = 1_440
MEASURED_WAKES: Final = 20
MINUTE_BLOCKS: Final = 60
STATE_KEYS: Final = 10_000
BOOK: Final = b"book"
BOOK_BYTES: Final = 10_000
KB: Final = 1_000
MB: Final = 1_000_000

Awake = Callable[[], AbstractAsyncContextManager[LightClient]]
"""The client for the time of one wake-up."""
Line = tuple[Awake, Callable[[], int]]
"""How a client is had, and how many bytes have travelled."""


class CountedWire:
    """A wire to a node in this process; `bytes` counts both ways."""

    def __init__(self, node: RpcNode) -> None:
        self._node = node
        self.bytes = 0
        self.transport = BytesTransport(self._handle, lambda _: _nothing)

    async def _handle(self, request: bytes) -> bytes:
        answer = self._node.answer(request)
        self.bytes += len(request) + len(answer)
        return answer


def _nothing() -> None:
    """There is no wake-up to end: who is measured here wakes by its own clock."""


async def week_rows(bench: Bench) -> None:
    """Header fetches and bytes until a client that slept for a week is caught up, confirmed by two witnesses."""
    for figure, validators in DRIFTS:
        chain = Chain(validators, height=1)
        nodes = nodes_of(chain)
        wires = {name: CountedWire(node) for name, node in nodes.items()}
        client = client_of(chain, {name: wire.transport for name, wire in wires.items()}, MemoryStore())
        await client.update()
        chain.height += WEEK_BLOCKS
        for name, wire in wires.items():
            wire.bytes = 0
            nodes[name].calls.clear()
        await client.update()
        calls = [method for node in nodes.values() for method in node.calls]
        bench.row(f"week offline, {figure}: header fetches", "calls", sum(method in HEADER_CALLS for method in calls))
        bench.row(f"week offline, {figure}: all calls", "calls", len(calls))
        bench.row(f"week offline, {figure}: traffic", "kB", sum(wire.bytes for wire in wires.values()) / KB)


async def day_rows(bench: Bench) -> None:
    """A day of waking every minute: newest header, two confirmations, and in the second case one proof."""
    generator = random.Random(1)
    content = [(b"key %d" % index, generator.randbytes(100)) for index in range(STATE_KEYS)]
    state = Tree().update_many([*content, (BOOK, generator.randbytes(BOOK_BYTES))])
    for what, keys in (("headers", ()), (f"headers and a proof of {BOOK_BYTES // KB} kB", (BOOK,))):
        for how, line in (
            ("JSON alone", in_process),
            ("websockets kept", kept_sockets),
            ("websockets anew each time", new_sockets),
        ):
            chain = Chain(Validators(4), height=1, state=state)
            async with line(chain) as (awake, total_bytes):
                bench.row(f"day, {what}, {how}", "MB", WAKES_A_DAY * await wake_bytes(chain, keys, awake, total_bytes) / MB)


async def wake_bytes(chain: Chain, keys: Sequence[bytes], awake: Awake, total_bytes: Callable[[], int]) -> float:
    """Mean bytes of a wake-up, a minute of blocks after the last; the first one, which learns ids and validators, left out."""
    first = 0
    for number in range(MEASURED_WAKES + 1):
        chain.height += MINUTE_BLOCKS
        async with awake() as client:
            await client.update()
            if keys:
                await client.get_many(keys)
        if number == 0:
            first = total_bytes()
    return (total_bytes() - first) / MEASURED_WAKES


@asynccontextmanager
async def in_process(chain: Chain) -> AsyncIterator[Line]:
    """Requests and answers alone."""
    wires = {name: CountedWire(node) for name, node in nodes_of(chain).items()}
    client = client_of(chain, {name: wire.transport for name, wire in wires.items()}, MemoryStore())
    yield lambda: nullcontext(client), lambda: sum(wire.bytes for wire in wires.values())


@asynccontextmanager
async def kept_sockets(chain: Chain) -> AsyncIterator[Line]:
    """Connections stay open in between; their pings fall outside of what is measured."""
    async with relayed(chain) as (ports, relay), connected(ports) as transports:
        client = client_of(chain, transports, MemoryStore())
        yield lambda: nullcontext(client), lambda: relay.bytes


@asynccontextmanager
async def new_sockets(chain: Chain) -> AsyncIterator[Line]:
    """The device connects, asks who the nodes are, reads, and disconnects; what it trusts it has kept."""
    store = MemoryStore()
    async with relayed(chain) as (ports, relay):

        @asynccontextmanager
        async def awake() -> AsyncIterator[LightClient]:
            async with connected(ports) as transports:
                yield client_of(chain, transports, store)

        yield awake, lambda: relay.bytes


@asynccontextmanager
async def relayed(chain: Chain) -> AsyncIterator[tuple[dict[str, int], Relay]]:
    """The nodes' ports by name, all behind one relay."""
    relay = Relay()
    async with AsyncExitStack() as stack:
        ports = await stack.enter_async_context(served(chain))
        yield {name: await stack.enter_async_context(relay.before(port)) for name, port in ports.items()}, relay


@asynccontextmanager
async def connected(ports: Mapping[str, int]) -> AsyncIterator[dict[str, Transport]]:
    async with AsyncExitStack() as stack:
        yield {name: await stack.enter_async_context(WebsocketTransport(url(port))) for name, port in ports.items()}


def url(port: int) -> str:
    return f"ws://127.0.0.1:{port}/websocket"


def client_of(chain: Chain, transports: Mapping[str, Transport], store: MemoryStore) -> LightClient:
    """A client that has the chain for its clock."""
    return LightClient(transports, chain.anchor, OPTIONS, chain, store)
