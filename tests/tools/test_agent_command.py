"""`homewatt agent` as its users meet it: what it refuses and why, and a process that stops when told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.config import AgentConfig, DeviceConfig, DriverConfig, JournalConfig, KeyConfig, LedgerConfig
from agent.errors import KeyUnusable
from agent.keystore import FileKeyStore
from agent.trade.trading import Trader
from agent.vocabulary import Kind
from drivers.simulated.building import Building
from drivers.simulated.buildingfile import write_building
from drivers.simulated.freezer import FreezerSpec
from storeforward.errors import JournalDamaged
from storeforward.files import locked
from tools import cli
from tools.configfile import agent_toml
from tools.console import ExitCode

ROOT = Path(__file__).parents[2]
START_S = 1_613_343_600
NOBODY = "ws://127.0.0.1:9/websocket"  # the discard port: nothing listens there


@pytest.fixture(name="config")
def make_config(tmp_path: Path) -> Path:
    """A freezer's agent with everything but a node."""
    write_building(tmp_path / "building.json", Building({"freezer": FreezerSpec(start_s=START_S)}))
    FileKeyStore.create(tmp_path / "freezer.key")
    options = {"building": str(tmp_path / "building.json"), "device": "freezer"}
    config = AgentConfig(
        device=DeviceConfig("freezer", Kind.FREEZER, "society-1"),
        ledger=LedgerConfig((NOBODY,), anchor_height=1, anchor_hash=bytes(32), single_operator=True),
        key=KeyConfig(tmp_path / "freezer.key"),
        journal=JournalConfig(tmp_path / "journal.db"),
        drivers={"device": DriverConfig("simulated.freezer", options)},
    )
    path = tmp_path / "freezer.toml"
    path.write_text(agent_toml(config))
    return path


def edit(config: Path, old: str, new: str) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def refused(config: Path, capsys: pytest.CaptureFixture[str], code: ExitCode) -> str:
    """What the command says when it ends with `code`."""
    assert cli.main(["agent", "--config", str(config)]) == code
    printed, said = capsys.readouterr()
    assert printed == ""  # it was never up
    assert "\n  next: " in said
    return said


def test_a_wrong_key_in_the_configuration(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "[trade]\nlead_s", "[trade]\nleed_s")
    assert f"{config}: [trade] leed_s: unknown; did you mean lead_s?" in refused(config, capsys, ExitCode.USAGE)


def test_no_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in refused(tmp_path / "none.toml", capsys, ExitCode.USAGE)


def test_a_rule_that_the_strategy_does_not_know(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "[driver.device]", "[strategy.rules]\nwarmest = 3\n[driver.device]")
    said = refused(config, capsys, ExitCode.USAGE)
    assert f"{config}: [strategy.rules] warmest: unknown; did you mean warmest_mc?" in said


def test_a_driver_that_does_not_exist(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "simulated.freezer", "simulated.fridge")
    assert "no such driver" in refused(config, capsys, ExitCode.USAGE)


def test_no_key(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "freezer.key").unlink()
    assert "no such key file" in refused(config, capsys, ExitCode.PRECONDITION)


def test_a_key_that_others_can_read(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "freezer.key").chmod(0o644)
    assert "has mode 0644" in refused(config, capsys, ExitCode.IDENTITY)


def test_a_journal_in_use(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with locked(config.parent / "journal.db"):
        assert "in use by another process" in refused(config, capsys, ExitCode.PRECONDITION)


def test_no_folder_for_the_journal(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(config, "journal.db", "missing/journal.db")
    assert "No such file" in refused(config, capsys, ExitCode.PRECONDITION)


@pytest.mark.parametrize(("which", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_stops_it_cleanly_also_without_a_node(config: Path, which: signal.Signals, code: int) -> None:
    command = [sys.executable, "-m", "tools.cli", "agent", "--config", str(config), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            started = json.loads(process.stdout.readline())
            process.send_signal(which)
            _, said = process.communicate(timeout=5)
        finally:
            process.kill()
    assert (started["device"], started["kind"], started["node"]) == ("freezer", "freezer", NOBODY)
    assert process.returncode == code, said
    assert said.endswith("stopped\n")


@pytest.mark.parametrize(
    ("error", "code", "next_step"),
    [
        (
            JournalDamaged(Path("journal.db"), "disk image is malformed"),
            ExitCode.PRECONDITION,
            "start the agent: it sets the file aside",
        ),
        (KeyUnusable(Path("freezer.key"), "the token is gone"), ExitCode.IDENTITY, "replace it"),
        (ZeroDivisionError("by zero"), ExitCode.DEFECT, "report this"),
    ],
)
def test_an_error_of_a_running_task_has_its_exit_code(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: ExitCode,
    next_step: str,
) -> None:
    async def fail(trader: Trader) -> None:
        raise error

    monkeypatch.setattr(Trader, "run", fail)
    assert cli.main(["agent", "--config", str(config)]) == code
    printed, said = capsys.readouterr()
    assert printed.startswith("freezer (freezer) of society-1")
    assert str(error) in said
    assert next_step in said


HANGING = """
import asyncio, sys, threading
from agent.trade.trading import Trader
from storeforward.journal import Journal
from tools import cli

async def disk(journal):
    await asyncio.to_thread(threading.Event().wait)

async def loop(trader):
    await asyncio.sleep(0)
    threading.Event().wait()

if sys.argv[1] == "disk":
    Journal._close = disk
else:
    Trader.run = loop
sys.exit(cli.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("what", ["disk", "loop"])
def test_whatever_hangs_a_stop_is_over_within_five_seconds(config: Path, what: str) -> None:
    command = [sys.executable, "-c", HANGING, what, "agent", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("freezer")
            process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=5)
        finally:
            process.kill()
    assert process.returncode == ExitCode.PARTIAL
    assert "not stopped cleanly within 4.5 s" in said
    assert "\n  next: " in said
