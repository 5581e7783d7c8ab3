"""One process whose memory or time is measured. It imports what its mode needs and nothing else; other modules start it.

    python -m tools.bench.lightclient_child bare|sockets|client|traced|heights PLAN

bare     the libraries that a client stands on and the words that the whole agent shares, used once, and an event loop
sockets  the same with three open websockets
client   a light client over three websockets that has followed the chain, block by block
traced   the same, with every allocation counted from before the client's modules are imported
heights  a light client that knows the newest header is asked for every height below it, from 2 up
PLAN is a JSON object, see `Plan`. The answer is one JSON object on stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect

from agent.vocabulary import Clock

if TYPE_CHECKING:
    from lightclient.client import LightClient
    from lightclient.transport import Transport

DAY_NS: Final = 86_400 * 10**9
NS_PER_US: Final = 1_000
STATUS: Final = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the nodes listen, what is trusted at first (height 1), and how many blocks there are above.

    folder: where the client keeps what it trusts; None: in memory.
    """

    chain_id: str
    urls: dict[str, str]
    anchor_hash: str
    now_ns: int
    blocks: int
    folder: str | None = None


class StandingClock(Clock):
    """Shows one time, late enough for every block of the plan."""

    def __init__(self, time_ns: int) -> None:
        self._time_ns = time_ns

    def now_ns(self) -> int:
        return self._time_ns

    def monotonic_ns(self) -> int:
        return self._time_ns


def resident_kb() -> dict[str, int]:
    """What the process holds in memory: as it is, and once the C library has given back what it keeps of freed memory.

    Raises OSError where the system has no /proc. Without glibc both are the same. Source: proc(5), malloc_trim(3).
    """
    gc.collect()
    held = _resident_kb()
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return {"held_kb": held, "used_kb": _resident_kb()}


def _resident_kb() -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])


async def bare() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key.public_key().verify(key.sign(b"message"), b"message")
    await asyncio.sleep(0)


async def hold_sockets(plan: Plan) -> dict[str, int]:
    async with AsyncExitStack() as stack:
        for url in plan.urls.values():
            await stack.enter_async_context(connect(url, compression=None))
        return resident_kb()


@asynccontextmanager
async def light_client(plan: Plan) -> AsyncIterator[tuple[LightClient, Transport]]:
    """A client that has verified the newest block, and the wire to its first node."""
    from lightclient.client import LightClient  # only here: the other modes measure what there is without it
    from lightclient.filestore import FileStore
    from lightclient.options import Options, TrustAnchor
    from lightclient.store import MemoryStore
    from lightclient.websocket import WebsocketTransport

    options = Options(plan.chain_id, trusting_period_ns=20 * DAY_NS, freshness_ns=DAY_NS)
    anchor = TrustAnchor(1, bytes.fromhex(plan.anchor_hash))
    store = FileStore(Path(plan.folder)) if plan.folder is not None else MemoryStore()
    async with AsyncExitStack() as stack:
        transports = {name: await stack.enter_async_context(WebsocketTransport(url)) for name, url in plan.urls.items()}
        client = LightClient(transports, anchor, options, StandingClock(plan.now_ns), store)
        await client.update()
        yield client, next(iter(transports.values()))


async def follow(plan: Plan) -> dict[str, int]:
    """Verify every block of the plan as the newest one, confirmed by the two other nodes."""
    async with light_client(plan) as (client, node):
        for _ in range(plan.blocks):
            await node.call("grow", {})
            await client.update()
        if client.headers_verified != plan.blocks + 1:
            raise AssertionError(f"{client.headers_verified} headers verified, not {plan.blocks + 1}")
        return resident_kb()


async def ask_heights(plan: Plan) -> dict[str, int]:
    """Time of this process (processor) and on the clock that the heights took."""
    async with light_client(plan) as (client, _):
        clock_ns, processor_ns = time.perf_counter_ns(), time.process_time_ns()
        for height in range(2, plan.blocks + 1):
            await client.header_at(height)
        taken = time.perf_counter_ns() - clock_ns, time.process_time_ns() - processor_ns
    return {"clock_us": taken[0] // NS_PER_US, "processor_us": taken[1] // NS_PER_US}


async def run(mode: str, plan: Plan) -> dict[str, int]:
    await bare()
    if mode == "bare":
        return resident_kb()
    if mode == "sockets":
        return await hold_sockets(plan)
    if mode == "client":
        return await follow(plan)
    if mode == "heights":
        return await ask_heights(plan)
    tracemalloc.start()
    await follow(plan)
    now, peak = tracemalloc.get_traced_memory()
    return {"traced_bytes": now, "peak_bytes": peak}


async def run_child(mode: str, plan: Plan) -> dict[str, int]:
    """Start such a process and return what it measured. Raises RuntimeError with what it said when it fails."""
    command = (sys.executable, "-m", "tools.bench.lightclient_child", mode, json.dumps(asdict(plan)))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(errors.decode())
    answer: dict[str, int] = json.loads(output)
    return answer


def main() -> None:
    mode, plan = sys.argv[1:]
    print(json.dumps(asyncio.run(run(mode, Plan(**json.loads(plan))))))


if __name__ == "__main__":
    main()
