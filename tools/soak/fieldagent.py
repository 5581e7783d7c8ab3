"""A `homewatt agent` as in the field, a process of its own: a simulated freezer, and a node that takes calls, never answers."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from agent.config import AgentConfig, DeviceConfig, DriverConfig, JournalConfig, KeyConfig, LedgerConfig
from agent.keystore import FileKeyStore
from agent.vocabulary import Kind
from drivers.simulated.building import Building
from drivers.simulated.buildingfile import write_building
from drivers.simulated.freezer import FreezerSpec
from tools.configfile import agent_toml

JOURNAL: Final = "journal.db"


@contextmanager
def silent_node() -> Iterator[str]:
    """The address of a node that lets everybody connect and never says a word, as a router does that is still starting."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/websocket"


def write_home(folder: Path, node: str, samples: Literal["slot", "all"], started_s: int) -> Path:
    """Write what an agent needs into a folder; gives its configuration. The freezer has been running since `started_s`."""
    folder = folder.resolve()  # what a configuration names is looked for beside it
    write_building(folder / "building.json", Building({"freezer": FreezerSpec(start_s=started_s)}))
    FileKeyStore.create(folder / "freezer.key")
    config = AgentConfig(
        device=DeviceConfig("freezer", Kind.FREEZER, "society-1"),
        ledger=LedgerConfig((node,), anchor_height=1, anchor_hash=bytes(32), single_operator=True),
        key=KeyConfig(folder / "freezer.key"),
        journal=JournalConfig(folder / JOURNAL, samples=samples),
        drivers={"device": DriverConfig("simulated.freezer", {"building": str(folder / "building.json"), "device": "freezer"})},
    )
    path = folder / "freezer.toml"
    path.write_text(agent_toml(config))
    return path


def start(config: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the agent. Whoever starts it ends it."""
    command = [sys.executable, "-m", "tools.cli", "agent", "--config", str(config), "--json"]
    env = None if environment is None else dict(environment)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def is_up(agent: subprocess.Popen[str]) -> bool:
    """Wait until the agent runs, or has ended."""
    assert agent.stdout is not None
    line = agent.stdout.readline()
    return bool(line) and "device" in json.loads(line)
