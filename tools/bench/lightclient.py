"""What the light client costs a device: time per header and proof, traffic after a week offline and per day, and memory.

    python -m tools.bench.lightclient

Targets: 4 validators under 1 ms per header; 150 under 12 ms, and under 8 ms to +2/3; a week offline caught up with at most 3
header fetches; under 3 MB over the bare process. Where `cometbft` is in PATH, or COMETBFT names it, the same chain is also
verified by `cometbft light`.
"""

from __future__ import annotations

import asyncio

from tools.bench.lightclient_memory import memory_rows
from tools.bench.lightclient_ratio import ratio_rows
from tools.bench.lightclient_traffic import day_rows, week_rows
from tools.bench.lightclient_verify import header_rows, proof_rows
from tools.bench.table import Bench


async def rows(bench: Bench) -> None:
    header_rows(bench)
    proof_rows(bench)
    await week_rows(bench)
    await day_rows(bench)
    await memory_rows(bench)
    await ratio_rows(bench)


def main() -> None:
    bench = Bench("lightclient")
    asyncio.run(rows(bench))
    print(bench.write())


if __name__ == "__main__":
    main()
