"""How much memory a light client adds to a process that has its libraries loaded anyway.

Each figure is read in a process of its own, from the system's count of resident memory; several runs, because the count moves
in pages. The client keeps what it trusts in files, as in the field. What it holds is read once the C library has given back
what was freed, since that is nobody's; what it is before that stands beside it, and differs by what importing modules leaves
behind. The nodes live in this process, so that nothing of theirs is counted. The shared vocabulary is part of the bare process:
an agent has it with or without a client.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from statistics import median
from typing import Final

from tools.bench.lightclient_child import STATUS, Plan, run_child
from tools.bench.lightclient_node import CHAIN_ID, S_NS, Chain, Validators
from tools.bench.lightclient_sockets import served
from tools.bench.lightclient_traffic import url
from tools.bench.table import Bench

BLOCKS: Final = 1_000
RUNS: Final = 3
MB_PER_KIB: Final = 1_024 / 1e6
"""The system counts in KiB; the figures are in MB of 10^6 bytes."""


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory of a process, after freed memory was given back and before."""

    used_kb: float
    held_kb: float


async def memory_rows(bench: Bench) -> None:
    """Memory over the bare process, of three open connections and of a client that followed 1,000 headers over them."""
    if not STATUS.exists():
        print("memory: not measured, this system has no /proc")
        return
    bare = await resident("bare")
    bench.row("bare process: asyncio, websockets, cryptography, the vocabulary", "MB", bare.used_kb * MB_PER_KIB)
    sockets = await resident("sockets")
    bench.row("over it: three open websockets", "MB", (sockets.used_kb - bare.used_kb) * MB_PER_KIB)
    client = await resident("client")
    figure = f"over it: client of three nodes that followed {BLOCKS:,} headers of 4"
    bench.row(figure, "MB", (client.used_kb - bare.used_kb) * MB_PER_KIB)
    bench.row("the same, with freed memory that was not given back", "MB", (client.held_kb - bare.held_kb) * MB_PER_KIB)
    traced = await child("traced")
    bench.row("the same client, allocations by tracemalloc, its modules included", "MB", traced["traced_bytes"] / 1e6)


async def resident(mode: str) -> Resident:
    """Medians of several runs."""
    runs = [await child(mode) for _ in range(RUNS)]
    return Resident(median([run["used_kb"] for run in runs]), median([run["held_kb"] for run in runs]))


async def child(mode: str) -> dict[str, int]:
    chain = Chain(Validators(4), height=1)
    async with served(chain) as ports:
        urls = {name: url(port) for name, port in ports.items()}
        with tempfile.TemporaryDirectory(prefix="homewatt-bench-") as folder:
            plan = Plan(CHAIN_ID, urls, chain.anchor.hash.hex(), chain.now_ns() + BLOCKS * S_NS, BLOCKS, folder)
            return await run_child(mode, plan)
