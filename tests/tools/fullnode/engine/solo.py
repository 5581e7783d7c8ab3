"""A solo engine over the key-value application, on a clock that moves only when told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient.blocks import LightBlock
from tests.tools.fullnode.engine.kvapp import KeyValueApp
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator
from tools.fullnode.engine.solo import SoloEngine

CHAIN_ID = "engine-test"
START_NS = 1_790_000_000 * 10**9
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
SECOND_NS = 10**9


@dataclass
class HandClock:
    """A clock that stands still between two `advance`."""

    time_ns: int = START_NS

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns

    def advance(self, seconds: float) -> None:
        self.time_ns += round(seconds * SECOND_NS)


def genesis() -> GenesisDoc:
    return GenesisDoc(CHAIN_ID, START_NS, (GenesisValidator(PUBLIC_KEY, 10, "solo"),), {})


class Solo:
    """Engine, application, store and clock in one hand."""

    def __init__(self, app: KeyValueApp | None = None, store: BlockStore | None = None, **options: Any) -> None:
        self.app = app or KeyValueApp()
        self.store = store or BlockStore(CHAIN_ID)
        self.clock = HandClock()
        if self.store.height:
            self.clock.time_ns = self.store.signed_header(self.store.height).header.time_ns
        self.engine = SoloEngine(self.app, genesis(), KEY, self.clock, self.store, **options)

    def cut(self, *txs: bytes) -> LightBlock:
        """Offer transactions, wait a second, and cut a block."""
        for tx in txs:
            self.engine.submit(tx)
        self.clock.advance(1)
        block = self.engine.produce_block(self.clock.now_ns())
        return LightBlock(block.signed_header, self.engine.validators)
