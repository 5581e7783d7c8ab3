"""The block store: what goes in comes out, after a restart too, and a file that does not fit stops the start."""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest

from tests.tools.fullnode.engine.solo import CHAIN_ID, Solo
from tools.fullnode.engine.blockstore import BlockStore, CommittedBlock, DamagedStore, NewerStore, WrongChain


def test_blocks_come_back_from_disk_as_they_were_saved(tmp_path: Path) -> None:
    path = tmp_path / "blocks.sqlite"
    solo = Solo(store=BlockStore(CHAIN_ID, path))
    blocks: list[CommittedBlock] = []
    solo.engine.listen(blocks.append)
    for height in range(1, 4):
        solo.cut(b"tx %d" % height, b"bad %d" % height)
    solo.store.close()
    store = BlockStore(CHAIN_ID, path)
    assert (store.base, store.height) == (1, 3)
    for block in blocks:
        assert store.signed_header(block.height) == block.signed_header
        assert store.txs(block.height) == block.txs
        assert store.results(block.height) == block.results
        assert store.height_of(block.signed_header.hash) == block.height
        assert [store.find_tx(sha256(tx).digest()) for tx in block.txs] == [(block.height, 0), (block.height, 1)]


def test_a_transaction_that_came_twice_is_found_where_it_came_last() -> None:
    solo = Solo()
    solo.cut(b"bad luck")
    solo.cut(b"bad luck")
    assert solo.store.find_tx(sha256(b"bad luck").digest()) == (2, 0)


def test_pruned_blocks_are_gone_and_the_last_one_never_is() -> None:
    solo = Solo()
    for height in range(1, 4):
        solo.cut(b"tx %d" % height)
    first_hash = solo.store.signed_header(1).hash
    solo.store.prune_below(99)
    assert (solo.store.base, solo.store.height) == (3, 3)
    assert solo.store.meta(2) is None
    assert solo.store.height_of(first_hash) is None
    assert solo.store.find_tx(sha256(b"tx 2").digest()) is None
    assert solo.store.txs(3) == (b"tx 3",)
    for missing in (solo.store.signed_header, solo.store.results):
        with pytest.raises(LookupError, match="no block at height 2"):
            missing(2)


def test_a_block_is_stored_wholly_or_not_at_all() -> None:
    solo = Solo()
    blocks: list[CommittedBlock] = []
    solo.engine.listen(blocks.append)
    solo.cut(b"tx")
    with pytest.raises(sqlite3.IntegrityError):
        solo.store.save(blocks[0])
    solo.cut(b"next")
    assert solo.store.height == 2


def test_files_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    path = tmp_path / "blocks.sqlite"
    BlockStore(CHAIN_ID, path).close()
    with pytest.raises(WrongChain, match="holds blocks of chain engine-test, not of other"):
        BlockStore("other", path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(NewerStore, match="has schema 9, this program knows up to 1"):
        BlockStore(CHAIN_ID, path)
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedStore):
        BlockStore(CHAIN_ID, damaged)
    with pytest.raises(DamagedStore):
        BlockStore(CHAIN_ID, tmp_path / "absent" / "blocks.sqlite")
