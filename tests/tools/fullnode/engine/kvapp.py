"""A small application behind the engine's interface, with real proofs, and a disk that can lose the last commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tools.fullnode.abci import AppInfo, FinalizedBlock, QueryResult, TxResult
from tools.fullnode.rules.smt import Tree


@dataclass
class Disk:
    """What survives a crash: one state per height, the last one being current."""

    states: list[Tree] = field(default_factory=list)


class KeyValueApp:
    """A transaction is its own key and is stored with its height. "!..." is refused at the door, "bad..." in the block."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk = disk or Disk()
        self.due_s: int | None = None
        self.retain_height = 0
        self.header_times_ns: list[int] = []
        self._finalized: Tree | None = None

    def info(self) -> AppInfo:
        states = self.disk.states
        return AppInfo(len(states) - 1, states[-1].root) if len(states) > 1 else AppInfo(0, b"")

    def init_chain(self, chain_id: str, app_state: Mapping[str, Any], initial_height: int, time_ns: int) -> bytes:
        tree = Tree().update_many([(b"chain", chain_id.encode())])
        self.disk.states = [tree]
        return tree.root

    def check_tx(self, tx: bytes) -> TxResult:
        return TxResult(7) if tx.startswith(b"!") else TxResult(0)

    def finalize_block(self, height: int, time_ns: int, txs: Sequence[bytes]) -> FinalizedBlock:
        self.header_times_ns.append(time_ns)
        if self.due_s is not None and time_ns >= self.due_s * 10**9:
            txs = [*txs, b"due"]
            self.due_s = None
        good = {tx: height.to_bytes(8, "big") for tx in txs if not tx.startswith(b"bad")}
        self._finalized = self.disk.states[-1].update_many(sorted(good.items())) if good else self.disk.states[-1]
        results = [
            TxResult(9, b"\x09", "refused") if tx.startswith(b"bad") else TxResult(0, sha256(tx).digest()[:4]) for tx in txs
        ]
        return FinalizedBlock(
            tuple(result for tx, result in zip(txs, results, strict=True) if tx != b"due"), self._finalized.root
        )

    def commit(self) -> int:
        assert self._finalized is not None
        self.disk.states.append(self._finalized)
        self._finalized = None
        return self.retain_height

    def query(self, path: str, data: bytes, height: int, prove: bool) -> QueryResult:
        height = height or len(self.disk.states) - 1
        if path != "/key" or not 0 < height < len(self.disk.states):
            return QueryResult(1, "no such path or height", data, b"", b"", height)
        tree = self.disk.states[height]
        return QueryResult(0, "", data, tree.get(data) or b"", tree.prove(data) if prove else b"", height)

    def next_due_s(self) -> int | None:
        return self.due_s
