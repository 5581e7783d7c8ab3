"""A node on a directory: the real ledger behind the solo engine, followed by the agents' own light client."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.vocabulary import Mode, Side
from lightclient import keys
from lightclient.client import LightClient
from lightclient.messages import PlaceOrder
from lightclient.options import Options, TrustAnchor
from lightclient.store import MemoryStore
from lightclient.values import BookRecord
from lightclient.websocket import WebsocketTransport
from tests.tools.fullnode.engine.solo import SECOND_NS, HandClock
from tools.fullnode.engine.genesis_doc import GenesisDoc
from tools.fullnode.engine.home import (
    BadKeyFile,
    HomeInUse,
    NodeHome,
    NoHome,
    OtherGenesis,
    init_home,
    load_node_id,
    load_validator_key,
)
from tools.fullnode.engine.node import SoloNode, open_solo_node
from tools.fullnode.rules.errors import GenesisError
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S, GENESIS_S, Society

OPTIONS = Options(CHAIN_ID, trusting_period_ns=86_400 * SECOND_NS, freshness_ns=3_600 * SECOND_NS, single_operator=True)


def make_home(path: Path, society: Society | None = None) -> NodeHome:
    home = NodeHome(path)
    init_home(home, GenesisDoc(CHAIN_ID, GENESIS_S * SECOND_NS, (), (society or Society()).app_state()))
    return home


class Operator:
    """Cuts the blocks of a node on a clock that moves a second at a time."""

    def __init__(self) -> None:
        self.clock = HandClock(GENESIS_S * SECOND_NS)

    def cut(self, node: SoloNode, blocks: int = 1) -> None:
        for _ in range(blocks):
            self.clock.advance(1)
            node.engine.produce_block(self.clock.now_ns())


def test_an_order_through_the_whole_stack_and_a_restart(tmp_path: Path) -> None:
    society, operator = Society(), Operator()
    home = make_home(tmp_path, society)
    slot_s = FIRST_SLOT_S + 900
    order = PlaceOrder(slot_s, Side.BUY, 1_000, 200_000, Mode.CALL, False)

    async def trade() -> tuple[int, bytes, BookRecord]:
        async with (
            open_solo_node(home, "127.0.0.1", 0, operator.clock) as node,
            WebsocketTransport(f"ws://{node.host}:{node.port}/websocket") as transport,
        ):
            operator.cut(node, 2)
            anchor = TrustAnchor(1, node.engine.store.signed_header(1).hash)
            client = LightClient({"node": transport}, anchor, OPTIONS, operator.clock, MemoryStore())
            await client.update()
            outcome = await client.broadcast(society.tx("home-1", order))
            assert outcome.code == 0, outcome.log
            operator.cut(node, 2)
            await client.update()
            placed = await client.prove_tx(outcome.tx_hash)
            results = await client.prove_results(placed.height)
            assert (placed.height, placed.total, results[placed.index].code) == (3, len(results), 0)
            proven = await client.get(keys.book(slot_s))
            assert proven.value is not None
            return node.engine.height, node.engine.app_hash, BookRecord.decode(proven.value)

    async def restart() -> tuple[int, bytes]:
        async with open_solo_node(home, "127.0.0.1", 0, operator.clock) as node:
            found = node.engine.height, node.engine.app_hash
            operator.cut(node)
            return found

    height, app_hash, book = asyncio.run(trade())
    assert [(level.limit_ueur_kwh, level.energy_wh) for level in book.book.buys] == [(200_000, 1_000)]
    assert asyncio.run(restart()) == (height, app_hash)
    assert asyncio.run(restart())[0] == height + 1


def test_only_one_process_runs_on_a_directory(tmp_path: Path) -> None:
    home = make_home(tmp_path)

    async def twice() -> None:
        async with open_solo_node(home, "127.0.0.1", 0, HandClock()):
            with pytest.raises(HomeInUse):
                async with open_solo_node(home, "127.0.0.1", 0, HandClock()):
                    pass

    asyncio.run(twice())
    with home.locked():
        pass


def test_init_twice_changes_nothing_and_keys_are_secret(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    before = {path: path.read_bytes() for path in (home.genesis, home.validator_key, home.node_key)}
    make_home(tmp_path)
    assert {path: path.read_bytes() for path in before} == before
    assert {oct(os.stat(path).st_mode & 0o777) for path in (home.validator_key, home.node_key)} == {"0o600"}
    assert len(load_node_id(home)) == 40


def test_another_genesis_is_not_mixed_in(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    with pytest.raises(OtherGenesis):
        init_home(home, GenesisDoc("other", GENESIS_S * SECOND_NS, (), {}))


def test_a_given_validator_key_is_kept(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    home = NodeHome(tmp_path)
    genesis = init_home(home, GenesisDoc(CHAIN_ID, 0, (), {}), key)
    public_key = key.public_key().public_bytes_raw()
    assert load_validator_key(home).public_key().public_bytes_raw() == public_key
    assert genesis.validators[0].public_key == public_key


@pytest.mark.parametrize("content", ["{", "{}", '{"priv_key": {"type": "x", "value": ""}}', "[]"])
def test_a_bad_key_file_is_named_and_not_shown(tmp_path: Path, content: str) -> None:
    home = make_home(tmp_path)
    home.validator_key.write_text(content)
    with pytest.raises(BadKeyFile, match=r"priv_validator_key\.json"):
        load_validator_key(home)


def test_halves_of_two_keys_are_refused(tmp_path: Path) -> None:
    home, other = make_home(tmp_path / "a"), make_home(tmp_path / "b")
    first, second = (json.loads(path.read_text()) for path in (home.validator_key, other.validator_key))
    first["priv_key"]["value"] = first["priv_key"]["value"][:42] + second["priv_key"]["value"][42:]
    home.validator_key.write_text(json.dumps(first))
    with pytest.raises(BadKeyFile) as raised:
        load_validator_key(home)
    assert first["priv_key"]["value"] not in str(raised.value)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async def start(home: NodeHome) -> None:
        async with open_solo_node(home, "127.0.0.1", 0, HandClock()):
            pass

    with pytest.raises(NoHome, match=r"genesis\.json: is missing"):
        asyncio.run(start(NodeHome(tmp_path)))
    home = make_home(tmp_path)
    home.node_key.unlink()
    with pytest.raises(NoHome, match=r"node_key\.json: is missing"):
        asyncio.run(start(home))


def test_a_wrong_app_state_stops_the_start(tmp_path: Path) -> None:
    home = NodeHome(tmp_path)
    init_home(home, GenesisDoc(CHAIN_ID, GENESIS_S * SECOND_NS, (), Society().app_state() | {"slot_duration_s": 7}))

    async def start() -> None:
        async with open_solo_node(home, "127.0.0.1", 0, HandClock()):
            pass

    with pytest.raises(GenesisError, match="slot_duration_s"):
        asyncio.run(start())
