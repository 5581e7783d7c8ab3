"""Invariants over random histories: money, locks and books stay true, restarts change nothing, no value stops the chain."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import keys
from lightclient.messages import Transfer, decode_body
from lightclient.wire import decode_tx, pack
from tests.tools.fullnode.rules.histories import DURATION_S, Author
from tests.tools.fullnode.rules.kit import audit, balances, state_of
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import GENESIS_S, Chain
from tools.fullnode.rules.slottimes import DAY_S

seeds = st.integers(0, 2**32)
BLOCKS = 45


@given(seeds)
@settings(max_examples=15)
def test_money_locks_and_books_stay_true(seed: int) -> None:
    author = Author(seed, absurd=False)
    chain = Chain(author.society)
    total = author.society.balance_ueur * len(author.society.parties)
    for time_s, txs in author.blocks(BLOCKS):
        results = chain.block(time_s, txs).tx_results
        for tx, result in zip(txs, results, strict=True):
            sealed = decode_tx(tx)
            message = decode_body(sealed.envelope.kind, sealed.body)
            total += message.amount_ueur if isinstance(message, Transfer) and result.code == 0 else 0
        assert balances(chain) == total
        audit(chain)


@given(seeds)
@settings(max_examples=5)
def test_a_node_restarted_at_every_block_continues_identically(seed: int) -> None:
    author = Author(seed, absurd=True)
    with TemporaryDirectory() as directory:
        path = str(Path(directory) / "state.sqlite")
        steady, restarted = Chain(author.society), Chain(author.society, Ledger(path))
        for time_s, txs in author.blocks_to_the_end(BLOCKS):
            expected = steady.block(time_s, txs)
            assert restarted.block(time_s, txs) == expected
            restarted.ledger.close()
            restarted = Chain(author.society, Ledger(path))
            assert restarted.ledger.info() == steady.ledger.info()
            assert restarted.ledger.next_due_s() == steady.ledger.next_due_s()
        assert state_of(restarted) == state_of(steady)
        restarted.ledger.close()


@given(seeds)
@settings(max_examples=10)
def test_what_has_left_the_state_is_in_the_digests_of_its_days(seed: int) -> None:
    author = Author(seed, absurd=False)
    chain = Chain(author.society, Ledger(":memory:", archive=True))
    expected: dict[bytes, bytes] = {}
    left: set[bytes] = set()
    state = state_of(chain)
    for time_s, txs in author.blocks_to_the_end(BLOCKS):
        chain.block(time_s, txs)
        before, state = state, state_of(chain)
        for key in sorted((key for key in before.keys() - state.keys() if key[:1] in b"xne"), key=place_in_digest):
            left.add(key[:1])
            value = chain.ledger.query("/archive", key, 0, False).value
            slot_s = int.from_bytes(key[-8:], "big")
            digest = keys.device_digest(key[1:-8], slot_s - slot_s % DAY_S)
            expected[digest] = hashlib.sha256(expected.get(digest, b"") + key + value).digest()
    assert {key: value for key, value in state.items() if key[:1] == b"z"} == {
        key: pack([digest]) for key, digest in expected.items()
    }
    assert not [key for key in state if key[:1] == b"n"]
    assert left >= {b"n", b"e"}
    chain.ledger.close()


def place_in_digest(key: bytes) -> tuple[int, int]:
    """Slots end in their order, each with its positions, its notices, and the readings of the slot before."""
    slot_s, tag = int.from_bytes(key[-8:], "big"), key[:1]
    return (slot_s + DURATION_S, 2) if tag == b"e" else (slot_s, b"xn".index(tag))


@given(seeds)
@settings(max_examples=15)
def test_no_value_of_any_field_stops_the_chain(seed: int) -> None:
    author = Author(seed, absurd=True)
    chain = Chain(author.society)
    for time_s, txs in author.blocks(BLOCKS):
        for tx in txs:
            chain.ledger.check_tx(tx)
        chain.block(time_s, txs)
    audit(chain)


@given(seeds)
@settings(max_examples=10)
def test_an_empty_block_changes_state_only_when_something_is_due(seed: int) -> None:
    author = Author(seed, absurd=False)
    chain = Chain(author.society)
    time_s = GENESIS_S
    for time_s, txs in author.blocks(15):
        chain.block(time_s, txs)
    for _ in range(30):
        due = chain.ledger.next_due_s()
        assert due is not None
        before = chain.ledger.info().last_app_hash
        for quiet_s in (time_s, min(max(time_s, due - 1), due + DURATION_S)):
            if quiet_s < due:
                assert chain.block(quiet_s).app_hash == before
        time_s = max(due, time_s)
        assert chain.block(time_s).app_hash != before
    audit(chain)
