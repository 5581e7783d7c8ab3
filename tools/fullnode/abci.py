"""What an engine and the ledger rules say to each other: the part of ABCI 2.0 that the ledger needs, free of any engine.

The solo engine calls it directly; behind CometBFT the same object sits at the end of a unix socket. Calls come one at a
time; `check_tx` and `query` never see a block that has been finalized but not committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class AppInfo:
    """Where the application stands. Height 0: no block yet."""

    last_height: int
    last_app_hash: bytes


@dataclass(frozen=True, slots=True)
class TxResult:
    """Result of one transaction. Only code, data and the gas figures enter last_results_hash; log is a hint."""

    code: int
    data: bytes = b""
    log: str = ""


@dataclass(frozen=True, slots=True)
class FinalizedBlock:
    """Results in the order of the block's transactions, and the app_hash that the next header carries."""

    tx_results: tuple[TxResult, ...]
    app_hash: bytes


@dataclass(frozen=True, slots=True)
class QueryResult:
    """Answer to a query. `value` is empty and `proof` proves absence where the key is not there."""

    code: int
    log: str
    key: bytes
    value: bytes
    proof: bytes
    """ICS23 CommitmentProof, protobuf; empty when none was asked for."""
    height: int


class Application(Protocol):
    """The ledger rules as an engine sees them."""

    def info(self) -> AppInfo: ...

    def init_chain(self, chain_id: str, app_state: Mapping[str, Any], initial_height: int, time_ns: int) -> bytes:
        """Build the state of the genesis and return its app_hash. Raises GenesisError naming the field that is wrong."""

    def check_tx(self, tx: bytes) -> TxResult:
        """Whether the transaction may enter the mempool; a hint, never final."""

    def finalize_block(self, height: int, time_ns: int, txs: Sequence[bytes]) -> FinalizedBlock: ...

    def commit(self) -> int:
        """Make the finalized block durable and visible. Returns the height below which blocks are not needed (0: keep)."""

    def query(self, path: str, data: bytes, height: int, prove: bool) -> QueryResult:
        """Read one key of the state at `height` (0: the latest committed). A stale or future height is a code above 0."""

    def next_due_s(self) -> int | None:
        """Header time from which a block changes state even without transactions; None: nothing is due."""
