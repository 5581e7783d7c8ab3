"""The state's shell: proofs at kept heights, restart, archive, and files that cannot be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from lightclient import keys
from lightclient.values import Account
from tests.tools.fullnode.rules.kit import DURATION_S, SLOT, START_S, Market, buy, reading
from tools.fullnode.abci import Application
from tools.fullnode.rules.errors import StorageError
from tools.fullnode.rules.ledger import NOT_ARCHIVED, UNKNOWN_HEIGHT, UNKNOWN_PATH, Ledger
from tools.fullnode.rules.sample import Chain, Society
from tools.fullnode.rules.smt import Tree
from tools.fullnode.rules.state import KEPT_TREES, State


def test_the_ledger_is_an_application() -> None:
    application: Application = Ledger()
    assert application.info().last_height == 0


def test_a_query_answers_for_the_height_asked() -> None:
    market = Market()
    key = keys.account(market.society.ids["resident-1"])
    before, root = market.height, market.ledger.info().last_app_hash
    market.put("home-1", buy(100))
    old = market.ledger.query("/key", key, before, True)
    new = market.ledger.query("/key", key, 0, True)
    assert (old.height, new.height) == (before, market.height)
    assert Account.decode(old.value).locked_ueur == 0
    assert Account.decode(new.value).locked_ueur == 30_000
    assert old.proof
    assert old.proof != new.proof
    tree = Tree().update_many([(key, old.value)])
    assert market.ledger.tree().root != root
    assert tree.get(key) == old.value


def test_absence_is_proven_and_has_an_empty_value() -> None:
    market = Market()
    result = market.ledger.query("/key", keys.order(bytes(20)), 0, True)
    assert (result.code, result.value) == (0, b"")
    assert result.proof


@pytest.mark.parametrize(
    ("path", "height", "code"),
    [("/store", 0, UNKNOWN_PATH), ("/key", 99, UNKNOWN_HEIGHT), ("/key", -1, UNKNOWN_HEIGHT), ("/archive", 0, NOT_ARCHIVED)],
)
def test_what_a_query_cannot_answer_has_a_code(path: str, height: int, code: int) -> None:
    assert Market().ledger.query(path, keys.PARAMS, height, True).code == code


def test_the_last_thousand_heights_are_kept() -> None:
    state = State()
    for height in range(1, KEPT_TREES + 3):
        state.put(b"k", b"%d" % height)
        state.seal()
        state.commit(height)
    kept = [state.tree_at(height) is not None for height in (1, 2, 3, KEPT_TREES + 2)]
    assert kept == [False, False, True, True]


def test_a_block_that_puts_back_what_was_there_changes_nothing() -> None:
    state = State()
    state.put(b"k", b"v")
    root = state.seal()
    state.commit(1)
    state.put(b"k", b"v")
    state.delete(b"other")
    assert state.seal() == root


class TestStorage:
    def file(self, tmp_path: Path) -> str:
        return str(tmp_path / "state.sqlite")

    def test_a_killed_node_comes_back_at_its_last_height_with_the_same_app_hash(self, tmp_path: Path) -> None:
        society = Society()
        chain = Chain(society, Ledger(self.file(tmp_path)))
        for index in range(20):
            last = chain.block(START_S + index, [society.tx("home-1", buy(1, 80_000, SLOT))])
        chain.ledger.finalize_block(chain.height + 1, (START_S + 60) * 10**9, [])  # killed before its commit
        again = Ledger(self.file(tmp_path))
        assert (again.info().last_height, again.info().last_app_hash) == (20, last.app_hash)
        key = keys.sequence(society.ids["home-1"])
        for height in (20, 19, 5):
            assert again.query("/key", key, height, True) == chain.ledger.query("/key", key, height, True)
        assert again.query("/key", key, 4, True).code == 0
        assert again.query("/key", key, 3, True).code == UNKNOWN_HEIGHT
        again.close()
        chain.ledger.close()

    def test_an_archive_keeps_what_leaves_the_state(self) -> None:
        for ledger, kept in ((Ledger(":memory:", archive=True), True), (Ledger(":memory:"), False)):
            society = Society(params={"dispute_s": 3_600})
            chain = Chain(society, ledger)
            key = keys.reading(society.ids["home-1"], SLOT)
            chain.block(SLOT + DURATION_S, [society.tx("home-1", reading(5))])
            value = chain.value(key)
            assert value is not None
            for index in range(1, 10):
                chain.block(SLOT + index * DURATION_S + 3_600)
            assert chain.value(key) is None
            assert ledger.query("/archive", key, 0, False).value == (value if kept else b"")
            ledger.close()

    def test_an_archive_needs_a_file(self) -> None:
        with pytest.raises(StorageError, match="archive"):
            Ledger(archive=True)

    def test_a_file_of_another_kind_is_not_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "state.sqlite"
        path.write_bytes(b"no database at all, but long enough to look like one" * 40)
        before = path.read_bytes()
        with pytest.raises(StorageError):
            Ledger(str(path))
        assert path.read_bytes() == before

    def test_a_newer_schema_stops_the_start(self, tmp_path: Path) -> None:
        connection = sqlite3.connect(self.file(tmp_path))
        connection.execute("PRAGMA user_version=9")
        connection.close()
        with pytest.raises(StorageError, match="schema 9"):
            Ledger(self.file(tmp_path))
