"""The engine's memory of its blocks in SQLite: headers, commits, transactions and results, one transaction per block.

Headers and commits are kept as the JSON that answers carry, so that serving a block costs no re-encoding. Without a path
the store lives in memory, with the same code.

BlockStoreError
├── WrongChain       the file belongs to another chain
├── NewerStore       the file was written by a newer program
└── DamagedStore     SQLite cannot read the file
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgpack

from lightclient import rpcjson
from lightclient.blocks import Commit, SignedHeader
from tools.fullnode.abci import FinalizedBlock, TxResult

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE chain (chain_id TEXT NOT NULL);
CREATE TABLE block (
    height INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    header TEXT NOT NULL,       -- JSON
    "commit" TEXT NOT NULL,     -- JSON; the commit that made this block final
    last_commit TEXT NOT NULL,  -- JSON; the commit of the block before, as this block carries it
    size_bytes INTEGER NOT NULL,
    txs INTEGER NOT NULL,
    results BLOB NOT NULL,      -- msgpack: [[code, data, log], ...]
    app_hash BLOB NOT NULL      -- after this block
);
CREATE TABLE tx (
    height INTEGER NOT NULL,
    position INTEGER NOT NULL,
    hash BLOB NOT NULL,
    tx BLOB NOT NULL,
    PRIMARY KEY (height, position)
) WITHOUT ROWID;
CREATE INDEX tx_by_hash ON tx (hash);
"""


class BlockStoreError(Exception):
    """Base of the store's errors."""

    retry = False


class WrongChain(BlockStoreError):
    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(f"{path} holds blocks of chain {found}, not of {expected}")
        self.expected = expected
        self.found = found


class NewerStore(BlockStoreError):
    def __init__(self, path: str, version: int) -> None:
        super().__init__(f"{path} has schema {version}, this program knows up to {SCHEMA_VERSION}")
        self.version = version


class DamagedStore(BlockStoreError):
    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CommittedBlock:
    """A block with the commit that made it final and what came of it."""

    signed_header: SignedHeader
    last_commit: Commit
    txs: tuple[bytes, ...]
    results: FinalizedBlock
    size_bytes: int
    """Length of the block's encoding."""

    @property
    def height(self) -> int:
        return self.signed_header.height


@dataclass(frozen=True, slots=True)
class BlockMeta:
    """What answers need of a block besides its transactions. The JSON texts are encoded already."""

    height: int
    header: str
    commit: str
    last_commit: str
    size_bytes: int
    txs: int
    app_hash: bytes


class BlockStore:
    """Blocks by height, block hash and transaction hash. Used from one thread."""

    def __init__(self, chain_id: str, path: Path | None = None) -> None:
        """Open or create. Raises BlockStoreError."""
        self._name = ":memory:" if path is None else str(path)
        try:
            self._db = sqlite3.connect(self._name, isolation_level=None)
        except sqlite3.Error as error:
            raise DamagedStore(self._name, str(error)) from error
        try:
            self._prepare(chain_id)
        except sqlite3.Error as error:
            self._db.close()
            raise DamagedStore(self._name, str(error)) from error
        except BlockStoreError:
            self._db.close()
            raise

    def _prepare(self, chain_id: str) -> None:
        db = self._db
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        version: int = db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise NewerStore(self._name, version)
        if version == 0:
            db.executescript(f"BEGIN;{_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            db.execute("INSERT INTO chain VALUES (?)", (chain_id,))
        row = db.execute("SELECT chain_id FROM chain").fetchone()
        if row is None or row[0] != chain_id:
            raise WrongChain(self._name, chain_id, str(row and row[0]))
        low, high = db.execute("SELECT min(height), max(height) FROM block").fetchone()
        self._base: int = low or 0
        self._height: int = high or 0

    @property
    def base(self) -> int:
        """Lowest height that is kept; 0 when empty."""
        return self._base

    @property
    def height(self) -> int:
        """Highest height; 0 when empty."""
        return self._height

    def save(self, block: CommittedBlock) -> None:
        """Keep a block; durable when this returns."""
        height = block.height
        results = [[result.code, result.data, result.log] for result in block.results.tx_results]
        self._db.execute("BEGIN")
        try:
            self._db.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    height,
                    block.signed_header.hash,
                    _to_text(rpcjson.header_to_json(block.signed_header.header)),
                    _to_text(rpcjson.commit_to_json(block.signed_header.commit)),
                    _to_text(rpcjson.commit_to_json(block.last_commit)),
                    block.size_bytes,
                    len(block.txs),
                    msgpack.packb(results),
                    block.results.app_hash,
                ),
            )
            rows = [(height, position, sha256(tx).digest(), tx) for position, tx in enumerate(block.txs)]
            self._db.executemany("INSERT INTO tx VALUES (?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._height = height
        self._base = self._base or height

    def meta(self, height: int) -> BlockMeta | None:
        row = self._db.execute(
            'SELECT height, header, "commit", last_commit, size_bytes, txs, app_hash FROM block WHERE height = ?', (height,)
        ).fetchone()
        return None if row is None else BlockMeta(*row)

    def signed_header(self, height: int) -> SignedHeader:
        """Raises LookupError when the height is not kept."""
        meta = self.meta(height)
        if meta is None:
            raise LookupError(f"no block at height {height}")
        pair = {"header": json.loads(meta.header), "commit": json.loads(meta.commit)}
        return rpcjson.decode_commit({"signed_header": pair})

    def txs(self, height: int) -> tuple[bytes, ...]:
        rows = self._db.execute("SELECT tx FROM tx WHERE height = ? ORDER BY position", (height,))
        return tuple(row[0] for row in rows)

    def results(self, height: int) -> FinalizedBlock:
        """Raises LookupError when the height is not kept."""
        row = self._db.execute("SELECT results, app_hash FROM block WHERE height = ?", (height,)).fetchone()
        if row is None:
            raise LookupError(f"no block at height {height}")
        return FinalizedBlock(tuple(TxResult(*result) for result in msgpack.unpackb(row[0])), row[1])

    def height_of(self, block_hash: bytes) -> int | None:
        row = self._db.execute("SELECT height FROM block WHERE hash = ?", (block_hash,)).fetchone()
        return None if row is None else int(row[0])

    def find_tx(self, tx_hash: bytes) -> tuple[int, int] | None:
        """Height and index of the last block that holds the transaction."""
        row = self._db.execute(
            "SELECT height, position FROM tx WHERE hash = ? ORDER BY height DESC LIMIT 1", (tx_hash,)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def prune_below(self, height: int) -> None:
        """Forget all blocks below a height; the last one stays."""
        height = min(height, self._height)
        if height <= self._base:
            return
        self._db.execute("BEGIN")
        self._db.execute("DELETE FROM block WHERE height < ?", (height,))
        self._db.execute("DELETE FROM tx WHERE height < ?", (height,))
        self._db.execute("COMMIT")
        self._base = height

    def close(self) -> None:
        self._db.close()


def _to_text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
