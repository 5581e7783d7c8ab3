"""A light client of one's own, with what an agent trusts and against the agent's nodes. The agent's store is only read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from agent.config import AgentConfig
from agent.vocabulary import Clock
from lightclient.blocks import LightBlock
from lightclient.client import LightClient
from lightclient.disk import ReadOnlyDisk
from lightclient.filestore import FileStore
from lightclient.options import TrustAnchor
from lightclient.store import AttackRecord, LightStore, MemoryStore
from lightclient.transport import Transport
from lightclient.websocket import WebsocketTransport

PATIENCE_S: Final = 5.0
"""How long a node may take for one answer; somebody is waiting at the keyboard."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What an agent's store knows. `blocks` are the lowest, the newest, and the ones next below the heights asked for."""

    blocks: tuple[LightBlock, ...]
    anchor: TrustAnchor | None
    attack: AttackRecord | None
    damaged: tuple[str, ...]

    @property
    def newest(self) -> LightBlock | None:
        return self.blocks[-1] if self.blocks else None


async def read_kept(config: AgentConfig, *heights: int) -> Kept:
    """Read an agent's store and change nothing in it, not even what is damaged. Raises DamagedStore."""
    store = FileStore(config.trust, disk=ReadOnlyDisk())
    attack, anchor = await store.attack(), await store.anchor()
    found = [await store.lowest(), *[await store.at_or_below(height) for height in heights], await store.newest()]
    blocks = {block.height: block for block in found if block is not None and block.header.chain_id == config.device.chain_id}
    return Kept(tuple(blocks[height] for height in sorted(blocks)), anchor, attack, store.damaged)


@dataclass(frozen=True, slots=True)
class Following:
    """A client that has not asked anything yet, the store that it fills, and its nodes by name."""

    client: LightClient
    store: LightStore
    nodes: Mapping[str, Transport]


@asynccontextmanager
async def following(config: AgentConfig, kept: Kept, clock: Clock) -> AsyncIterator[Following]:
    """Connect to the agent's nodes, with what it has kept as the beginning."""
    store = MemoryStore()
    if kept.anchor is not None:
        await store.re_anchor(kept.anchor)
    await store.save(kept.blocks)
    if kept.attack is not None:
        await store.note_attack(kept.attack)
    async with AsyncExitStack() as stack:
        nodes: dict[str, Transport] = {}
        for url in config.ledger.nodes:
            nodes[url] = await stack.enter_async_context(WebsocketTransport(url, timeout_s=PATIENCE_S))
        yield Following(LightClient(nodes, config.anchor, config.light_options, clock, store), store, nodes)
