"""Transactions that wait for a block: checked at the door, counted once, bounded, and taken in a written order.

Order within a block: arrival time, sender, sequence number, bytes. The last three break ties on an accelerated clock, where
many transactions arrive in the same instant, so that the same run gives the same blocks.

MempoolError
├── TxSeen          the same bytes came before; the sender waits for its result
├── MempoolFull     too many transactions wait; retry
└── TxTooLarge      no block can carry it
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar

from lightclient import wire
from tools.fullnode.abci import TxResult


class MempoolError(Exception):
    """A transaction was not taken. The sentence is the one CometBFT answers, because clients match on it."""

    retry: ClassVar[bool] = False


class TxSeen(MempoolError):
    def __init__(self) -> None:
        super().__init__("tx already exists in cache")


class MempoolFull(MempoolError):
    retry = True

    def __init__(self, txs: int, max_txs: int, size_bytes: int, max_bytes: int) -> None:
        super().__init__(
            f"mempool is full: number of txs {txs} (max: {max_txs}), total txs bytes {size_bytes} (max: {max_bytes})"
        )


class TxTooLarge(MempoolError):
    def __init__(self, size_bytes: int, max_bytes: int) -> None:
        super().__init__(f"Tx too large. Max size is {max_bytes}, but got {size_bytes}")


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """Bounds of the mempool. Source of the figures: CometBFT v0.38 config/config.go, DefaultMempoolConfig."""

    max_txs: int = 5_000
    max_bytes: int = 64 * 1024 * 1024
    max_tx_bytes: int = 1024 * 1024
    remembered: int = 10_000
    """How many hashes of transactions are remembered."""


Precedence = Callable[[bytes], tuple[bytes, int]]
"""Sender and sequence number of a transaction, for the order within one instant."""


def sender_and_seq(tx: bytes) -> tuple[bytes, int]:
    """The precedence of the ledger's transactions. What does not decode comes first; it will be refused anyway."""
    try:
        envelope = wire.decode_tx(tx).envelope
    except wire.Malformed:
        return b"", 0
    return envelope.sender, envelope.seq


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    arrived_ns: int
    sender: bytes
    seq: int
    tx: bytes


class Mempool:
    """The transactions that wait. `check` is the application's CheckTx."""

    def __init__(
        self,
        check: Callable[[bytes], TxResult],
        precedence: Precedence = sender_and_seq,
        limits: MempoolLimits | None = None,
    ) -> None:
        self._check = check
        self._precedence = precedence
        self._limits = limits or MempoolLimits()
        self._waiting: dict[bytes, _Waiting] = {}
        self._size_bytes = 0
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def first_arrival_ns(self) -> int | None:
        """When the oldest waiting transaction arrived."""
        return next((waiting.arrived_ns for waiting in self._waiting.values()), None)

    def offer(self, tx: bytes, now_ns: int) -> TxResult:
        """Check a transaction and, if the application likes it, keep it. Raises MempoolError."""
        limits = self._limits
        if len(self._waiting) >= limits.max_txs or self._size_bytes + len(tx) > limits.max_bytes:
            raise MempoolFull(len(self._waiting), limits.max_txs, self._size_bytes, limits.max_bytes)
        if len(tx) > limits.max_tx_bytes:
            raise TxTooLarge(len(tx), limits.max_tx_bytes)
        tx_hash = sha256(tx).digest()
        if tx_hash in self._seen:
            self._seen.move_to_end(tx_hash)
            raise TxSeen
        result = self._check(tx)
        if result.code == 0:
            self._remember(tx_hash)
            self._waiting[tx_hash] = _Waiting(now_ns, *self._precedence(tx), tx)
            self._size_bytes += len(tx)
        return result

    def reap(self, max_bytes: int) -> tuple[bytes, ...]:
        """The transactions of the next block in their order, as many as fit; they stay until `committed` names them."""
        txs: list[bytes] = []
        room = max_bytes
        for waiting in sorted(self._waiting.values()):
            room -= len(waiting.tx) + _FRAME_BYTES
            if room < 0:
                break
            txs.append(waiting.tx)
        return tuple(txs)

    def committed(self, txs: Sequence[bytes], results: Sequence[TxResult]) -> None:
        """Forget what stands in a block. A transaction that failed there may be offered again, as in CometBFT."""
        for tx, result in zip(txs, results, strict=True):
            tx_hash = sha256(tx).digest()
            if self._waiting.pop(tx_hash, None) is not None:
                self._size_bytes -= len(tx)
            if result.code == 0:
                self._remember(tx_hash)
            else:
                self._seen.pop(tx_hash, None)

    def _remember(self, tx_hash: bytes) -> None:
        self._seen[tx_hash] = None
        self._seen.move_to_end(tx_hash)
        if len(self._seen) > self._limits.remembered:
            self._seen.popitem(last=False)


_FRAME_BYTES = 5
"""Most that the block's encoding adds to a transaction: tag and length."""
