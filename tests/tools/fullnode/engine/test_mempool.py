"""What waits for a block, in which order, and what is turned away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.wire import Envelope, encode_payload, encode_tx
from tools.fullnode.abci import TxResult
from tools.fullnode.engine.mempool import Mempool, MempoolFull, MempoolLimits, TxSeen, TxTooLarge, sender_and_seq


def accept(tx: bytes) -> TxResult:
    return TxResult(7, log="no") if tx.startswith(b"!") else TxResult(0)


def by_first_byte(tx: bytes) -> tuple[bytes, int]:
    return tx[:1], len(tx)


def pool(**limits: int) -> Mempool:
    return Mempool(accept, by_first_byte, MempoolLimits(**limits))


def test_order_is_arrival_then_sender_then_seq_then_bytes() -> None:
    mempool = pool()
    for tx, now_ns in ((b"b1", 5), (b"a22", 5), (b"a2", 5), (b"a1", 5), (b"z", 4), (b"0", 6)):
        mempool.offer(tx, now_ns)
    assert mempool.reap(10_000) == (b"z", b"a1", b"a2", b"a22", b"b1", b"0")


@given(st.permutations([b"a", b"b", b"bb", b"c", b"cc", b"cd"]))
def test_order_within_an_instant_does_not_depend_on_who_was_called_first(txs: list[bytes]) -> None:
    mempool = pool()
    for tx in txs:
        mempool.offer(tx, 1)
    assert mempool.reap(10_000) == (b"a", b"b", b"bb", b"c", b"cc", b"cd")


def test_the_same_bytes_count_once_until_they_failed_in_a_block() -> None:
    mempool = pool()
    mempool.offer(b"good", 1)
    mempool.offer(b"bad", 1)
    with pytest.raises(TxSeen, match="tx already exists in cache"):
        mempool.offer(b"good", 2)
    mempool.committed([b"good", b"bad"], [TxResult(0), TxResult(9)])
    assert len(mempool) == 0
    with pytest.raises(TxSeen):
        mempool.offer(b"good", 3)
    assert mempool.offer(b"bad", 3).code == 0


def test_what_the_application_refuses_is_not_remembered() -> None:
    mempool = pool()
    assert mempool.offer(b"!no", 1) == mempool.offer(b"!no", 2) == TxResult(7, log="no")
    assert mempool.first_arrival_ns is None


def test_a_full_mempool_and_a_large_transaction_are_refused() -> None:
    mempool = pool(max_txs=2, max_bytes=10, max_tx_bytes=6)
    with pytest.raises(TxTooLarge, match="Max size is 6, but got 7"):
        mempool.offer(b"1234567", 1)
    mempool.offer(b"123456", 1)
    with pytest.raises(MempoolFull, match=r"number of txs 1 \(max: 2\), total txs bytes 6 \(max: 10\)"):
        mempool.offer(b"23456", 1)
    mempool.offer(b"2", 1)
    with pytest.raises(MempoolFull):
        mempool.offer(b"3", 1)
    assert MempoolFull.retry


def test_only_the_newest_hashes_are_remembered() -> None:
    mempool = pool(remembered=2)
    for tx in (b"1", b"2", b"3"):
        mempool.offer(tx, 1)
        mempool.committed([tx], [TxResult(0)])
    assert mempool.offer(b"1", 2).code == 0
    with pytest.raises(TxSeen):
        mempool.offer(b"3", 2)


def test_a_block_takes_what_fits_and_the_rest_keeps_its_turn() -> None:
    mempool = pool()
    for index in range(4):
        mempool.offer(bytes([65 + index]) * 100, index)
    first = mempool.reap(220)
    assert [tx[:1] for tx in first] == [b"A", b"B"]
    mempool.committed(first, [TxResult(0)] * 2)
    assert mempool.first_arrival_ns == 2
    assert [tx[:1] for tx in mempool.reap(10_000)] == [b"C", b"D"]


def test_the_ledgers_transactions_are_ordered_by_sender_and_seq() -> None:
    payload = encode_payload(Envelope("chain", 1, b"s" * 20, 12, 0), ())
    assert sender_and_seq(encode_tx(payload, bytes(64))) == (b"s" * 20, 12)
    assert sender_and_seq(b"nonsense") == (b"", 0)
