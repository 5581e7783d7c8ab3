"""A society written to files: node and agents meet over real websockets, started from nothing but these files."""

from __future__ import annotations

import asyncio
import socket
import stat
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent.config import AgentConfig, read_agent_config
from agent.keystore import FileKeyStore
from agent.lifecycle import Agent
from agent.vocabulary import Clock
from drivers.registry import open_driver
from lightclient import keys
from lightclient.values import PositionRecord, ReadingRecord
from lightclient.websocket import WebsocketTransport
from tests.tools.society.kit import hours, week_a
from tools.cli import main
from tools.fullnode.engine.home import NodeHome
from tools.fullnode.engine.node import open_solo_node
from tools.society.options import SocietyOptions
from tools.society.virtualclock import VirtualClock, run_virtual
from tools.society.write import write_society

NAMES = ("utility", "array", "home-01-base-load")
NOW_S = 1_790_000_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def open_agent(stack: AsyncExitStack, config: AgentConfig, clock: Clock) -> Agent:
    drivers = {
        role: await stack.enter_async_context(open_driver(driver.name, driver.options, clock))
        for role, driver in config.drivers.items()
    }
    nodes = {url: await stack.enter_async_context(WebsocketTransport(url)) for url in config.ledger.nodes}
    keystore = FileKeyStore.open(config.key.file)
    agent = Agent(config, keystore=keystore, nodes=nodes, drivers=drivers, clock=clock)
    return await stack.enter_async_context(agent)


def test_three_agents_trade_with_a_node_over_websockets(tmp_path: Path) -> None:
    scenario = hours(week_a(), 11, 2, homes=1)
    listen = f"127.0.0.1:{free_port()}"

    async def society(clock: VirtualClock) -> None:
        moved = write_society(tmp_path, scenario, SocietyOptions(), clock, listen)
        assert moved.start_s > NOW_S
        host, _, port = listen.rpartition(":")
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(open_solo_node(NodeHome(tmp_path / "node"), host, int(port), clock))
            configs = [read_agent_config(tmp_path / "agents" / f"{name}.toml") for name in NAMES]
            agents = [await open_agent(stack, config, clock) for config in configs]
            tasks = [asyncio.create_task(work) for work in (node.engine.run(), *(agent.run() for agent in agents))]
            await asyncio.sleep(moved.start_s + 2 * moved.slot_duration_s + 60 - NOW_S)
            assert not any(task.done() for task in tasks)
            _, array, home = (agent.device_id for agent in agents)

            def read(key: bytes) -> bytes:
                return node.engine.app.query("/key", key, 0, False).value

            slot_s = moved.slot_s(1)
            assert ReadingRecord.decode(read(keys.reading(array, slot_s))).export_end_wh > 0
            bought = PositionRecord.decode(read(keys.position(home, slot_s))).position()
            sold = PositionRecord.decode(read(keys.position(array, slot_s))).position()
            assert bought.bought_wh == sold.sold_wh > 0
            assert not read(keys.settlement(slot_s)), "the other devices have no agents here, so the slot waits for them"
            assert all(agent.client.proofs_verified > 10 for agent in agents)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    run_virtual(society, NOW_S)


def test_files_hold_what_every_process_needs_and_keys_are_private(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "society"
    assert main(["society", "--days", "1", "--write", str(folder)]) == 0
    assert "README" in capsys.readouterr().err
    for file in folder.glob("keys/*.pem"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    configs = [read_agent_config(file) for file in sorted(folder.glob("agents/*.toml"))]
    assert len(configs) == len(list(folder.glob("keys/*.pem"))) > 50
    assert {config.ledger.anchor_hash for config in configs} == {configs[0].ledger.anchor_hash}
    assert main(["society", "--days", "1", "--write", str(folder)]) == 3, "nothing is overwritten"
