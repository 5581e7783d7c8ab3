"""An agent in the field: built from its configuration, with real drivers, a real clock, and nodes over the network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from agent.config import AgentConfig
from agent.keystore import FileKeyStore
from agent.lifecycle import Agent
from agent.memory import give_back, share_one_heap
from agent.time.deviceclock import DeviceClock
from agent.time.system import KernelTime
from drivers.registry import open_driver
from lightclient.filestore import FileStore
from lightclient.websocket import WebsocketTransport


async def run_agent(config: AgentConfig, is_up: Callable[[], None]) -> None:
    """Run one agent in the field until cancelled: its drivers from the registry, its nodes over websockets.

    `is_up` is called once all is open and the agent about to run.
    Raises ConfigError, KeyStoreError, JournalError, DriverMisconfigured, MissingAbility before anything runs.
    """
    share_one_heap()
    clock = DeviceClock(KernelTime(is_trusted=config.time.system_clock == "always"))
    keystore = FileKeyStore.open(config.key.file)
    async with AsyncExitStack() as stack:
        drivers = {
            role: await stack.enter_async_context(open_driver(driver.name, driver.options, clock))
            for role, driver in config.drivers.items()
        }
        nodes = {url: await stack.enter_async_context(WebsocketTransport(url)) for url in config.ledger.nodes}
        store = FileStore(config.trust)
        agent = Agent(config, keystore=keystore, nodes=nodes, drivers=drivers, clock=clock, store=store)
        await stack.enter_async_context(agent)
        is_up()
        give_back()
        await agent.run()
