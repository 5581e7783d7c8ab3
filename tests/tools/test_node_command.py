"""`homewatt node` as its users meet it: exit codes, what stands on stdout, and a process that is stopped or killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tools import cli
from tools.fullnode.engine.genesis_doc import GenesisDoc, write_genesis
from tools.fullnode.rules.sample import CHAIN_ID, GENESIS_S, NS, Society

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="genesis")
def make_genesis(tmp_path: Path) -> Path:
    """A genesis of the past, without validators, and with a heartbeat that a test can wait for."""
    path = tmp_path / "genesis.json"
    write_genesis(GenesisDoc(CHAIN_ID, GENESIS_S * NS, (), Society(params={"heartbeat_s": 1}).app_state()), path)
    return path


@pytest.fixture(name="home")
def make_home(tmp_path: Path, genesis: Path) -> Path:
    home = tmp_path / "node"
    assert cli.main(["node", "init", "--home", str(home), "--genesis", str(genesis), "--json"]) == 0
    return home


@contextmanager
def started(home: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A node process and what it said when it was ready."""
    command = [sys.executable, "-m", "tools.cli", "node", "start", "--home", str(home), "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield process, json.loads(line)
        finally:
            if process.poll() is None:
                process.kill()


def header(ready: dict[str, Any], height: int | None = None) -> dict[str, Any]:
    """The header at a height; None is the latest."""
    query = "" if height is None else f"?height={height}"
    with urllib.request.urlopen(f"http://{ready['listen']}/header{query}", timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)["result"]["header"]
    return found


def wait_for_height(ready: dict[str, Any], height: int) -> None:
    """Wait over the node's own websocket until a block of at least that height stands."""
    with connect(f"ws://{ready['listen']}/websocket") as socket:
        subscription = {"id": 1, "method": "subscribe", "params": {"query": "tm.event='NewBlockHeader'"}}
        socket.send(json.dumps(subscription))
        socket.recv(timeout=10)
        with urllib.request.urlopen(f"http://{ready['listen']}/status", timeout=10) as answer:
            seen = int(json.load(answer)["result"]["sync_info"]["latest_block_height"])
        while seen < height:
            event = json.loads(socket.recv(timeout=20))
            seen = int(event["result"]["data"]["value"]["header"]["height"])


@pytest.mark.parametrize(("ending", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_node_that_is_stopped_or_killed_comes_back_where_it_was(home: Path, ending: signal.Signals, code: int) -> None:
    with started(home) as (process, ready):
        wait_for_height(ready, 2)
        before = header(ready, 2)
        process.send_signal(ending)
        assert process.wait(timeout=10) == code
    with started(home) as (process, again):
        assert again["height"] >= 2
        assert (again["node_id"], again["chain_id"]) == (ready["node_id"], CHAIN_ID)
        assert header(again, 2) == before
        wait_for_height(again, again["height"] + 1)
        assert header(again, again["height"] + 1)["app_hash"] == again["app_hash"].upper()


def test_init_answers_on_stdout_and_twice_is_no_change(home: Path, genesis: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {path: path.read_bytes() for path in sorted((home / "config").iterdir())}
    assert cli.main(["node", "init", "--home", str(home), "--genesis", str(genesis), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert {path: path.read_bytes() for path in sorted((home / "config").iterdir())} == keys
    assert first["chain_id"] == CHAIN_ID
    assert len(first["node_id"]) == 40


def spoil(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_bad_input_is_named_with_its_place(genesis: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def init() -> tuple[int, str]:
        code = cli.main(["node", "init", "--home", str(tmp_path / "new"), "--genesis", str(genesis)])
        return code, capsys.readouterr().err

    spoil(genesis, app_state=Society().app_state() | {"slot_duration_s": 7})
    code, said = init()
    assert code == 2
    assert f"{genesis}: app_state.slot_duration_s: expected" in said
    spoil(genesis, chain_id=5)
    code, said = init()
    assert code == 2
    assert f"{genesis}: genesis.chain_id: expected text" in said
    genesis.unlink()
    assert init()[0] == 2
    assert not (tmp_path / "new").exists()


def test_each_trouble_has_its_exit_code(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def start(directory: Path, listen: str = "127.0.0.1:0") -> tuple[int, str]:
        code = cli.main(["node", "start", "--home", str(directory), "--listen", listen])
        return code, capsys.readouterr().err

    code, said = start(tmp_path / "nothing")
    assert code == 3
    assert "homewatt node init" in said
    code, said = start(home, "192.0.2.1:26657")
    assert code == 5
    assert "--listen" in said
    with pytest.raises(SystemExit) as usage:
        start(home, "26657")
    assert usage.value.code == 2
    blocks = home / "data" / "blocks.sqlite"
    for file in (home / "data").glob("blocks.sqlite*"):
        file.unlink()
    blocks.write_bytes(b"not a database, and longer than a header of one" * 100)
    code, said = start(home)
    assert code == 3
    assert "blocks.sqlite" in said
    assert blocks.read_bytes().startswith(b"not a database")
    key = home / "config" / "priv_validator_key.json"
    key.write_text("{}")
    assert start(home)[0] == 6
