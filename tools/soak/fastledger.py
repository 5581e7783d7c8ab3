"""The real ledger at a multiple of real time, for processes that are killed and for what watches them.

Each block is looked at as it is made: what took effect, and how often.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import keys
from lightclient.messages import OpenReading
from lightclient.options import TrustAnchor
from lightclient.refusals import Refusal
from lightclient.values import ReadingRecord
from lightclient.wire import decode_tx
from tools.fullnode.abci import TxResult
from tools.fullnode.engine.blockstore import BlockStore, CommittedBlock
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator
from tools.fullnode.engine.mempool import Mempool, MempoolLimits
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.server import RpcServer
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import CHAIN_ID, DEVICES, FIRST_SLOT_S, GENESIS_S, NS, Society

SLOT_S: Final = 60
GATE_LEAD_S: Final = 60
HEARTBEAT_S: Final = 900
FACTOR: Final = 600
"""A slot passes in a tenth of a second."""
BLOCK_EVERY_S: Final = 0.05
"""Real seconds between two blocks."""
BATTERY: Final = "battery"
FIRST_SLOT: Final = FIRST_SLOT_S


@dataclass(frozen=True, slots=True)
class FastClock:
    """A clock that shows the same in every process of this machine, at a multiple of real time."""

    started_ns: int
    """Monotonic time of the machine at which it showed the genesis."""

    @classmethod
    def start(cls) -> FastClock:
        return cls(time.monotonic_ns())

    def now_ns(self) -> int:
        return GENESIS_S * NS + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return (time.monotonic_ns() - self.started_ns) * FACTOR


class _WatchedLedger(Ledger):
    """Counts transactions that are offered although they have taken effect already."""

    came_again = 0

    def check_tx(self, tx: bytes) -> TxResult:
        result = super().check_tx(tx)
        self.came_again += result.code == Refusal.REPLAYED
        return result


class FastLedger:
    """A full node on a loopback port. Its society has a battery and a grid meter that never reports."""

    def __init__(self, clock: FastClock) -> None:
        self._clock = clock
        self._ledger = _WatchedLedger()
        self._society = Society(
            tuple(device for device in DEVICES if device.name in ("grid", BATTERY)),
            params={"slot_duration_s": SLOT_S, "gate_lead_s": GATE_LEAD_S, "heartbeat_s": HEARTBEAT_S},
        )
        key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        validator = GenesisValidator(key.public_key().public_bytes_raw(), 10, "soak")
        genesis = GenesisDoc(CHAIN_ID, GENESIS_S * NS, (validator,), self._society.app_state())
        mempool = Mempool(self._ledger.check_tx, limits=MempoolLimits(remembered=0))  # what comes again meets the rules
        self._engine = SoloEngine(self._ledger, genesis, key, clock, BlockStore(CHAIN_ID), mempool)
        self._engine.listen(self._look_at)
        first = self._engine.produce_block(genesis.time_ns).signed_header
        self.anchor = TrustAnchor(first.height, first.hash)
        self.carried_out: Counter[bytes] = Counter()
        """How often each payload took effect: an order, or a reading."""
        self.readings: Counter[int] = Counter()
        """How often a reading took effect, by slot."""

    @property
    def device_id(self) -> bytes:
        return self._society.ids[BATTERY]

    @property
    def came_again(self) -> int:
        """How often a transaction was offered that had taken effect already."""
        return self._ledger.came_again

    @property
    def height(self) -> int:
        return self._engine.height

    def reading_hash(self, slot_s: int) -> bytes | None:
        """The record hash that the ledger has for a slot of the battery."""
        value = self._ledger.query("/key", keys.reading(self.device_id, slot_s), 0, False).value
        return ReadingRecord.decode(value).record_hash if value else None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Make blocks and answer within the block; gives the address of the websocket."""
        dispatcher = RpcDispatcher(Answers(self._engine), NodeIdentity("00" * 20))
        async with RpcServer(self._engine, dispatcher).listening("127.0.0.1", 0) as (host, port), asyncio.TaskGroup() as tasks:
            blocks = tasks.create_task(self._make_blocks())
            yield f"ws://{host}:{port}/websocket"
            blocks.cancel()

    async def _make_blocks(self) -> None:
        while True:
            self._engine.produce_block(self._clock.now_ns())
            await asyncio.sleep(BLOCK_EVERY_S)

    def _look_at(self, block: CommittedBlock) -> None:
        for tx, result in zip(block.txs, block.results.tx_results, strict=True):
            sealed = decode_tx(tx)
            if result.code:
                continue
            self.carried_out[sealed.payload] += 1
            if sealed.envelope.kind == OpenReading.KIND:
                self.readings[int(sealed.body[0])] += 1
