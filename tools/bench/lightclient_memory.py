"""How much memory a light client adds to a process that has its libraries loaded anyway.

Each figure is read in a process of its own, from the system's count of resident memory; several runs, because the count moves
in pages. The nodes live in this process, so that nothing of theirs is counted. The shared vocabulary is part of the bare
process, as an agent has it with or without a light client.
"""

from __future__ import annotations

from statistics import median
from typing import Final

from tools.bench.lightclient_child import STATUS, Plan, run_child
from tools.bench.lightclient_node import CHAIN_ID, S_NS, Chain, Validators
from tools.bench.lightclient_sockets import served
from tools.bench.lightclient_traffic import url
from tools.bench.table import Bench

BLOCKS: Final = 1_000
RUNS: Final = 3
KB_PER_MB: Final = 1_024
BYTES_PER_MB: Final = 1_048_576


async def memory_rows(bench: Bench) -> None:
    """Memory over the bare process, of three open connections and of a client that followed 1,000 headers over them."""
    if not STATUS.exists():
        print("memory: not measured, this system has no /proc")
        return
    bare_kb = await resident_kb("bare")
    bench.row("bare process: asyncio, websockets, cryptography, the vocabulary", "MB", bare_kb / KB_PER_MB)
    sockets_kb = await resident_kb("sockets")
    bench.row("over it: three open websockets", "MB", (sockets_kb - bare_kb) / KB_PER_MB)
    client_kb = await resident_kb("client")
    figure = f"over it: client of three nodes that followed {BLOCKS:,} headers of 4"
    bench.row(figure, "MB", (client_kb - bare_kb) / KB_PER_MB)
    traced = await child("traced")
    bench.row("the same client, allocations by tracemalloc, its modules included", "MB", traced["traced_bytes"] / BYTES_PER_MB)


async def resident_kb(mode: str) -> float:
    return median([(await child(mode))["resident_kb"] for _ in range(RUNS)])


async def child(mode: str) -> dict[str, int]:
    chain = Chain(Validators(4), height=1)
    async with served(chain) as ports:
        urls = {name: url(port) for name, port in ports.items()}
        plan = Plan(CHAIN_ID, urls, chain.anchor.hash.hex(), chain.now_ns() + BLOCKS * S_NS, BLOCKS)
        return await run_child(mode, plan)
