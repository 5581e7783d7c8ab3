"""`homewatt light` as its users meet it: real nodes on the loopback, an agent's folder of trust, and what is printed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agent.config import AgentConfig, DeviceConfig, DriverConfig, JournalConfig, KeyConfig, LedgerConfig
from agent.keystore import FileKeyStore
from agent.vocabulary import Kind
from lightclient.anchor import decode_anchor, encode_anchor
from lightclient.blocks import LightBlock
from lightclient.filestore import FileStore
from lightclient.options import TrustAnchor
from lightclient.store import AttackRecord
from tests.tools.fullnode.engine.solo import CHAIN_ID, Solo
from tools import cli
from tools.configfile import agent_toml
from tools.console import ExitCode
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.server import RpcServer
from tools.light import command, following

NODE_IDS = ("aa" * 20, "bb" * 20, "cc" * 20)
NOBODY = "ws://127.0.0.1:9/websocket"  # the discard port: nothing listens there
ATTACK = AttackRecord("lunatic", 5, ("ws://a", "ws://b"), 1, ({"type": "tendermint/LightClientAttackEvidence"},), ("ws://b",))
DAY_S = 86_400


@contextmanager
def serving(runner: asyncio.Runner, solo: Solo, node_ids: Sequence[str]) -> Iterator[list[str]]:
    """The chain behind several fronts, which answer while the runner runs something; gives their websocket URLs."""
    stack = AsyncExitStack()

    async def listen(node_id: str) -> str:
        server = RpcServer(solo.engine, RpcDispatcher(Answers(solo.engine), NodeIdentity(node_id)))
        host, port = await stack.enter_async_context(server.listening("127.0.0.1", 0))
        return f"ws://{host}:{port}/websocket"

    try:
        yield [runner.run(listen(node_id)) for node_id in node_ids]
    finally:
        runner.run(stack.aclose())


@dataclass
class Home:
    """A device of a society of three nodes: its files, the chain, and the command line."""

    folder: Path
    runner: asyncio.Runner
    solo: Solo
    blocks: list[LightBlock]
    urls: list[str]
    board: FileKeyStore
    capsys: pytest.CaptureFixture[str]
    ledger: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> AgentConfig:
        anchor = self.blocks[1].signed_header
        ledger: dict[str, Any] = {
            "nodes": tuple(self.urls),
            "anchor_height": anchor.height,
            "anchor_hash": anchor.hash,
            "anchor_keys": (self.board.public_key(),),
        }
        return AgentConfig(
            device=DeviceConfig("freezer", Kind.FREEZER, CHAIN_ID),
            ledger=LedgerConfig(**ledger | self.ledger),
            key=KeyConfig(self.folder / "freezer.key"),
            journal=JournalConfig(self.folder / "journal.db"),
            drivers={"device": DriverConfig("simulated.freezer")},
        )

    @property
    def store(self) -> FileStore:
        return FileStore(self.config.trust)

    def light(self, *arguments: object, code: int = ExitCode.OK) -> tuple[str, str]:
        """What one call says on stdout and on stderr."""
        path = self.folder / "freezer.toml"
        path.write_text(agent_toml(self.config))
        verb, *rest = map(str, arguments)
        # In a thread, because the nodes live in this one.
        found = self.runner.run(asyncio.to_thread(cli.main, ["light", verb, "--config", str(path), *rest]))
        out, err = self.capsys.readouterr()
        assert found == code, out + err
        return out, err

    def answer(self, *arguments: object, code: int = ExitCode.OK) -> dict[str, Any]:
        """The answer in JSON."""
        found: dict[str, Any] = json.loads(self.light(*arguments, "--json", code=code)[0])
        assert found["schema_version"] == 1
        return found

    def keep(self, *blocks: LightBlock) -> None:
        """Let the agent have verified these."""
        asyncio.run(self.store.save(blocks))

    def sign(self, height: int, **altered: Any) -> Path:
        """A signed anchor's file."""
        file = self.folder / f"anchor-{height}.json"
        self.light("sign-anchor", "--key", self.folder / "board.key", "--height", height, "--out", file)
        if altered:
            file.write_bytes(encode_anchor(replace(decode_anchor(file.read_bytes()), **altered)))
        return file

    def trust(self) -> dict[str, bytes]:
        """The agent's folder, byte for byte."""
        return {path.name: path.read_bytes() for path in self.config.trust.glob("*")}


@pytest.fixture(name="home")
def make_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Home]:
    solo = Solo()
    blocks = [solo.cut() for _ in range(8)]
    monkeypatch.setattr(command, "SystemClock", lambda: solo.clock)
    monkeypatch.setattr(following, "PATIENCE_S", 1.0)
    with asyncio.Runner() as runner, serving(runner, solo, NODE_IDS) as urls:
        yield Home(tmp_path, runner, solo, blocks, urls, FileKeyStore.create(tmp_path / "board.key"), capsys)


def test_status_of_a_device_that_is_synced(home: Home) -> None:
    home.keep(home.blocks[1])
    before = home.trust()
    found = home.answer("status")
    newest = home.blocks[-1]
    assert (found["state"], found["cause"], found["next_step"]) == ("synced", "", "")
    assert (found["height"], found["hash"]) == (newest.height, newest.signed_header.hash.hex().upper())
    assert found["age_s"] == (home.solo.clock.now_ns() - newest.header.time_ns) // 10**9
    assert found["anchor"] == {"height": 2, "hash": home.blocks[1].signed_header.hash.hex().upper(), "signed": False}
    assert [(node["role"], node["node_id"], node["height"]) for node in found["nodes"]] == [
        ("primary", NODE_IDS[0], 8),
        ("witness", NODE_IDS[1], 8),
        ("witness", NODE_IDS[2], 8),
    ]
    assert found["alarms"] == []
    assert not found["single_operator"]
    said = home.light("status")[0]
    assert said.startswith(f"{CHAIN_ID}: synced\n  newest:  height 8 of ")
    assert "20 days from now" in said
    assert "single operator" not in said
    assert home.trust() == before


def test_a_node_under_two_names_and_one_that_is_silent_are_named(home: Home) -> None:
    with serving(home.runner, home.solo, NODE_IDS[:1]) as again:
        home.urls = [home.urls[0], again[0], NOBODY, home.urls[1]]
        found = home.answer("status")
    conditions = {node["name"]: (node["condition"], node["fault"]) for node in found["nodes"]}
    assert found["state"] == "synced"
    assert conditions[again[0]] == ("good", "duplicate")
    assert found["alarms"] == []
    silent = next(node for node in found["nodes"] if node["name"] == NOBODY)
    assert silent["node_id"] is None
    assert "no answer" in silent["cause"]


def test_a_single_operator_is_warned_of(home: Home) -> None:
    home.ledger = {"nodes": tuple(home.urls[:1]), "single_operator": True}
    assert "warning: single operator: there is nobody to contradict the node" in home.light("status")[0]
    assert home.answer("status")["single_operator"]


def test_status_of_a_device_that_is_behind(home: Home) -> None:
    home.solo.clock.advance(3_600)
    found = home.answer("status", code=ExitCode.NETWORK)
    assert found["state"] == "behind"
    assert found["height"] == 8
    assert found["cause"]
    said = home.light("status", code=ExitCode.NETWORK)[0]
    assert "\n  why:     " in said
    assert "\n  next:    " in said
    home.urls = [NOBODY]
    home.ledger = {"single_operator": True}
    found = home.answer("status", code=ExitCode.NETWORK)
    assert (found["state"], found["nodes"][0]["node_id"]) == ("behind", None)
    assert "height" not in found


def test_status_of_a_device_with_a_wrong_anchor(home: Home) -> None:
    home.ledger = {"anchor_hash": bytes(32)}
    found = home.answer("status", code=ExitCode.IDENTITY)
    assert found["state"] == "no trust"
    assert "the anchor says 0000" in found["cause"]


def test_offline_tells_what_is_kept_and_asks_nobody(home: Home) -> None:
    home.urls = [NOBODY, "ws://127.0.0.1:10/websocket", "ws://127.0.0.1:11/websocket"]
    found = home.answer("status", "--offline", code=ExitCode.NETWORK)
    assert (found["state"], found["cause"], found["nodes"]) == ("behind", "nothing was verified yet", [])
    home.keep(*home.blocks[2:])
    assert home.answer("status", "--offline")["state"] == "synced"
    home.solo.clock.advance(60)
    assert home.answer("status", "--offline", code=ExitCode.NETWORK)["state"] == "behind"
    home.solo.clock.advance(20 * DAY_S)
    assert "trusted: until" in home.light("status", "--offline", code=ExitCode.IDENTITY)[0]
    assert home.answer("status", "--offline", code=ExitCode.IDENTITY)["state"] == "expired"
    asyncio.run(home.store.note_attack(ATTACK))
    found = home.answer("status", "--offline", code=ExitCode.IDENTITY)
    assert found["state"] == "under attack"
    assert found["attack"]["nodes"] == list(ATTACK.nodes)
    assert found["attack"]["accepted_by"] == ["ws://b"]
    assert "at height 5; evidence taken by ws://b" in home.light("status", "--offline", code=ExitCode.IDENTITY)[0]


def test_a_damaged_file_is_named_and_left_alone(home: Home) -> None:
    home.keep(*home.blocks[2:4])
    (newest,) = home.config.trust.glob("0-4-*")
    newest.write_text("{}")
    found = home.answer("status", "--offline")
    assert (found["height"], found["damaged"]) == (3, [newest.name])
    assert newest.read_text() == "{}"


@pytest.mark.parametrize(
    ("height", "reached", "start"), [(5, "kept", 5), (6, "forwards", 5), (8, "kept", 8), (1, "backwards", 2)]
)
def test_any_header_is_verified(home: Home, height: int, reached: str, start: int) -> None:
    home.keep(home.blocks[1], home.blocks[4])
    before = home.trust()
    found = home.answer("verify", "--height", height)
    block = home.blocks[height - 1]
    assert (found["height"], found["hash"]) == (height, block.signed_header.hash.hex().upper())
    assert found["app_hash"] == block.header.app_hash.hex().upper()
    assert (found["reached"], found["reached_from"]) == (reached, start)
    assert "is verified" in home.light("verify", "--height", height)[0]
    assert home.trust() == before


def test_what_cannot_be_verified_says_why(home: Home) -> None:
    assert "there is no height 9 yet, the newest is 8" in home.light("verify", "--height", 9, code=ExitCode.PRECONDITION)[1]
    home.solo.clock.advance(60)
    assert home.answer("verify", "--height", 4)["height"] == 4  # old headers are what is asked for
    with pytest.raises(SystemExit):
        home.light("verify", "--height", 0)
    home.ledger = {"anchor_hash": bytes(32)}
    out, said = home.light("verify", "--height", 4, code=ExitCode.IDENTITY)
    assert out == ""
    assert "\n  next: " in said


def test_an_anchor_from_the_board_to_a_device_whose_trust_expired(home: Home) -> None:
    home.keep(*home.blocks[2:4])
    home.solo.clock.advance(21 * DAY_S)
    for _ in range(4):
        home.blocks.append(home.solo.cut())
    assert home.answer("status", code=ExitCode.IDENTITY)["state"] == "expired"
    board = replace_folder(home, "board")
    board.ledger = {"anchor_height": 11, "anchor_hash": home.blocks[10].signed_header.hash}
    file = board.sign(12)
    assert decode_anchor(file.read_bytes()).anchor == TrustAnchor(12, home.blocks[11].signed_header.hash)
    found = home.answer("re-anchor", file)
    assert (found["height"], found["state_before"], found["height_before"]) == (12, "expired", 4)
    home.blocks.append(home.solo.cut())
    found = home.answer("status")
    assert (found["state"], found["height"], found["anchor"]["height"], found["anchor"]["signed"]) == ("synced", 13, 12, True)


def replace_folder(home: Home, name: str) -> Home:
    """Another device of the same society, with the board's key at hand."""
    folder = home.folder / name
    folder.mkdir()
    (home.folder / "board.key").rename(folder / "board.key")
    return replace(home, folder=folder, ledger={})


def test_an_attack_ends_with_an_anchor_even_of_a_height_that_was_trusted(home: Home) -> None:
    home.keep(*home.blocks[2:8])
    file = home.sign(6)
    refusal = home.light("re-anchor", file, code=ExitCode.PRECONDITION)[1]
    assert "the anchor's height 6 is not above 8, which is trusted already" in refusal
    asyncio.run(home.store.note_attack(ATTACK))
    assert home.answer("status", code=ExitCode.IDENTITY)["state"] == "under attack"
    said = home.light("re-anchor", file)[0]
    assert "begins anew at height 6" in said
    assert "forgotten: the lunatic attack at height 5" in said
    assert "at its next try" in said
    assert home.answer("status")["state"] == "synced"


def test_a_device_that_is_ahead_of_nothing_takes_an_anchor_above_what_it_trusts(home: Home) -> None:
    home.keep(home.blocks[2])
    assert "takes it at its next start" in home.light("re-anchor", home.sign(7))[0]
    assert asyncio.run(home.store.anchor()) == TrustAnchor(7, home.blocks[6].signed_header.hash)


def test_anchors_that_are_not_taken(home: Home, tmp_path: Path) -> None:
    def refused(file: Path, code: ExitCode) -> str:
        out, said = home.light("re-anchor", file, code=code)
        assert out == ""
        assert "\n  next: " in said
        assert home.trust() == before
        return said

    file = home.sign(7)
    before = home.trust()
    home.ledger = {"anchor_keys": ()}
    assert "no key that may sign anchors" in refused(file, ExitCode.IDENTITY)
    home.ledger = {"anchor_height": 8, "anchor_hash": home.blocks[7].signed_header.hash}
    assert "below the configured 8" in refused(file, ExitCode.PRECONDITION)
    home.ledger = {}
    assert "No such file" in refused(tmp_path / "none", ExitCode.USAGE)
    (tmp_path / "text").write_text("text")
    assert "not a signed anchor" in refused(tmp_path / "text", ExitCode.USAGE)
    home.solo.clock.advance(21 * DAY_S)
    assert "has expired itself" in refused(file, ExitCode.IDENTITY)
    assert "does not verify" in refused(home_altered(file, height=8), ExitCode.IDENTITY)
    assert "of the chain 'other'" in refused(home_altered(file, chain_id="other"), ExitCode.IDENTITY)


def home_altered(file: Path, **changes: Any) -> Path:
    """A copy of an anchor's file with other content under the same signature."""
    copy = file.with_name("altered.json")
    copy.write_bytes(encode_anchor(replace(decode_anchor(file.read_bytes()), **changes)))
    return copy


def test_the_board_signs_only_what_is_verified_and_never_over_a_file(home: Home) -> None:
    file = home.sign(7)
    arguments = ("sign-anchor", "--key", home.folder / "board.key", "--out", file)
    assert "File exists" in home.light(*arguments, code=ExitCode.PRECONDITION)[1]
    out = home.folder / "newest.json"
    found = home.answer(*arguments[:3], "--out", out)
    assert (found["height"], found["public_key"]) == (8, home.board.public_key().hex().upper())
    home.ledger = {"anchor_keys": ()}
    assert "does not name the key" in home.light(*arguments[:3], "--out", home.folder / "third.json")[1]
    home.ledger = {"anchor_hash": bytes(32)}
    home.light(*arguments[:3], "--out", home.folder / "fourth.json", code=ExitCode.IDENTITY)
    assert not (home.folder / "fourth.json").exists()
    assert "no such key" in home.light(*arguments[:2], home.folder / "none", "--out", out, code=ExitCode.PRECONDITION)[1]


def test_a_folder_that_cannot_be_read_is_named(home: Home) -> None:
    home.config.trust.write_text("a file where a folder should be")
    assert str(home.config.trust) in home.light("status", code=ExitCode.PRECONDITION)[1]
