"""The society's full nodes: the real ledger behind the real solo engine, in memory, with a ledger book watching.

There is one engine and one chain; each node is a front of it with a node id of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent.vocabulary import Clock
from lightclient import keys
from lightclient.blocks import SignedHeader
from lightclient.options import TrustAnchor
from lightclient.values import Account
from tools.fullnode.abci import AppInfo, FinalizedBlock, QueryResult, TxResult
from tools.fullnode.engine.blockstore import BlockStore, CommittedBlock
from tools.fullnode.engine.cutting import BlockPolicy
from tools.fullnode.engine.genesis_doc import GenesisDoc
from tools.fullnode.engine.solo import Retention, SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.local import LocalFront
from tools.fullnode.rules.ledger import Ledger
from tools.society.cast import GATE_LEAD_S, NODES, Cast
from tools.society.keys import derive, seeded_validator_key
from tools.society.ledgerbook import LedgerBook
from tools.society.scenario import Scenario

NS: Final = 1_000_000_000
KEPT_BLOCKS: Final = 200
"""An agent that was offline jumps from the header it knows to the newest; it needs no block in between."""


class WatchedLedger:
    """The ledger as the engine sees it, with a look at each block before its calls use the orders up."""

    def __init__(self, ledger: Ledger, book: LedgerBook) -> None:
        self._ledger = ledger
        self._book = book

    def info(self) -> AppInfo:
        return self._ledger.info()

    def init_chain(self, chain_id: str, app_state: Mapping[str, Any], initial_height: int, time_ns: int) -> bytes:
        return self._ledger.init_chain(chain_id, app_state, initial_height, time_ns)

    def check_tx(self, tx: bytes) -> TxResult:
        return self._ledger.check_tx(tx)

    def finalize_block(self, height: int, time_ns: int, txs: Sequence[bytes]) -> FinalizedBlock:
        self._book.before_block(time_ns // NS)
        return self._ledger.finalize_block(height, time_ns, txs)

    def commit(self) -> int:
        return self._ledger.commit()

    def query(self, path: str, data: bytes, height: int, prove: bool) -> QueryResult:
        return self._ledger.query(path, data, height, prove)

    def next_due_s(self) -> int | None:
        return self._ledger.next_due_s()


class SocietyNode:
    """Engine, fronts and book of one run. `engine.run()` has to be running for the chain to grow."""

    def __init__(self, cast: Cast, genesis: GenesisDoc, scenario: Scenario, heartbeat_s: int, clock: Clock) -> None:
        self._cast = cast
        self._ledger = Ledger()
        self.book = LedgerBook(
            self.read,
            [device.device_id for device in cast.metered],
            scenario.start_s,
            scenario.slots,
            scenario.slot_duration_s,
            GATE_LEAD_S,
        )
        self.engine = SoloEngine(
            WatchedLedger(self._ledger, self.book),
            genesis,
            seeded_validator_key(cast.seed, "node"),
            clock,
            BlockStore(genesis.chain_id),
            policy=BlockPolicy(heartbeat_ns=heartbeat_s * NS),
            retention=Retention(KEPT_BLOCKS, ask_application=False),
        )
        self.engine.listen(self._committed)
        self.answers = Answers(self.engine)
        self.fronts = {
            name: LocalFront(self.engine, self.answers, NodeIdentity(derive(cast.seed, f"id of {name}")[:20].hex(), name))
            for name in NODES
        }

    def first_block(self) -> TrustAnchor:
        """Cut the first block; its header is what the agents are told to trust."""
        header: SignedHeader = self.engine.produce_block(self.engine.genesis.time_ns).signed_header
        return TrustAnchor(header.height, header.hash)

    def read(self, key: bytes, height: int = 0) -> bytes | None:
        """One key of the committed state after the block of a height that is still kept; 0: the newest."""
        return self._ledger.query("/key", key, height, False).value or None

    def paid_ueur(self, start_balance_ueur: int) -> dict[str, int]:
        """Per party what its account has lost since the genesis."""
        paid = {}
        for name, party in self._cast.parties.items():
            value = self.read(keys.account(party.party_id))
            assert value is not None, "every party has an account from the genesis on"
            paid[name] = start_balance_ueur - Account.decode(value).balance_ueur
        return paid

    def _committed(self, block: CommittedBlock) -> None:
        results = block.results.tx_results
        self.book.after_commit(
            block.signed_header.header.time_ns // NS,
            block.txs,
            [result.code for result in results],
            [result.data for result in results],
        )
