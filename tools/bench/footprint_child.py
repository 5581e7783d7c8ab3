"""What the footprint's benchmark runs in processes of their own; other modules start them.

`run_agent` is the command line, which also knows the drivers of footprint_devices.

    python -m tools.bench.footprint_child FILE   # prints the KiB that opening the drivers of a configuration adds, as JSON
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from drivers import registry
from tools import cli
from tools.bench.footprint_devices import DRIVERS


def run_agent() -> int:
    """The command itself, with the process's arguments: nothing but the table of drivers differs."""
    vars(registry)["DRIVERS"] = {**registry.DRIVERS, **DRIVERS}
    return cli.main()


async def drivers_kib(config: Path) -> int:
    """What opening an agent's drivers adds to a process that holds the rest of the agent."""
    import agent.field  # noqa: F401 -- only here: the other process loads what `homewatt agent` loads, and in its order
    from agent.clock import SystemClock
    from agent.config import read_agent_config
    from tools.bench.footprint_memory import resident

    drivers, clock = read_agent_config(config).drivers.values(), SystemClock()
    gc.collect()
    before = resident("self")
    async with AsyncExitStack() as stack:
        for driver in drivers:
            await stack.enter_async_context(registry.open_driver(driver.name, driver.options, clock))
        gc.collect()
        return resident("self").all_kib - before.all_kib


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drivers_kib(Path(sys.argv[1])))))
