"""A full node with the solo engine on a directory: rules, engine and socket put together, and taken apart in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from agent.vocabulary import Clock
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.engine.cutting import BlockPolicy
from tools.fullnode.engine.genesis_doc import load_genesis
from tools.fullnode.engine.home import NodeHome, NoHome, load_node_id, load_validator_key
from tools.fullnode.engine.solo import Retention, SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.server import RpcServer
from tools.fullnode.rules.genesis import read_genesis
from tools.fullnode.rules.ledger import Ledger

_NS: Final = 10**9


@dataclass(frozen=True, slots=True)
class SoloNode:
    """A node that listens. `engine.run()` makes its blocks."""

    engine: SoloEngine
    identity: NodeIdentity
    host: str
    port: int


@contextlib.asynccontextmanager
async def open_solo_node(home: NodeHome, host: str, port: int, clock: Clock, archive: bool = False) -> AsyncIterator[SoloNode]:
    """Listen for JSON-RPC on a directory's chain. Port 0 takes a free one.

    Without `archive` blocks older than evidence counts are forgotten as soon as the ledger needs them no more. Raises
    HomeError, GenesisFileError, EngineError, BlockStoreError, LedgerError, and OSError when it cannot listen.
    """
    with contextlib.ExitStack() as stack:
        if not home.genesis.exists():
            raise NoHome(home.genesis)
        genesis = load_genesis(home.genesis)
        heartbeat_s = read_genesis(genesis.chain_id, genesis.app_state).params.heartbeat_s
        validator_key, node_id = load_validator_key(home), load_node_id(home)
        stack.enter_context(home.locked())
        ledger = Ledger(str(home.ledger), archive=archive)
        stack.callback(ledger.close)
        store = BlockStore(genesis.chain_id, home.blocks)
        stack.callback(store.close)
        retention = None if archive else Retention(keep_blocks=genesis.evidence.max_age_blocks)
        policy = BlockPolicy(heartbeat_ns=heartbeat_s * _NS)
        engine = SoloEngine(ledger, genesis, validator_key, clock, store, policy=policy, retention=retention)
        identity = NodeIdentity(node_id, rpc_address=f"tcp://{host}:{port}")
        server = RpcServer(engine, RpcDispatcher(Answers(engine), identity))
        async with server.listening(host, port) as (found_host, found_port):
            yield SoloNode(engine, identity, found_host, found_port)
