"""From bytes to a charged sender: form, chain, sender, signature, sequence window, expiry, and bytes that somebody changed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient import keys, wire
from lightclient.messages import BlockProgram, CancelOrder, Transfer
from lightclient.refusals import SENTENCES, Refusal
from lightclient.values import Sequence
from lightclient.wire import P256_ORDER
from tests.tools.fullnode.rules.kit import (
    ALL_ZERO,
    DURATION_S,
    GATE,
    SLOT,
    START_S,
    Market,
    buy,
    notice,
    reading,
    sell,
    state_of,
)
from tools.fullnode.rules import p256
from tools.fullnode.rules.sample import CHAIN_ID, NEVER, Society
from tools.fullnode.rules.sequences import WINDOW, Used

NOTHING = CancelOrder(bytes(20), 1)


def envelope(market: Market, **changes: object) -> wire.Envelope:
    fields = {"chain_id": CHAIN_ID, "kind": 3, "sender": market.society.ids["home-1"], "seq": 1, "expires_height": NEVER}
    return wire.Envelope(**{**fields, **changes})  # type: ignore[arg-type]


def code_of(market: Market, tx: bytes) -> int:
    """The code in a block, after CheckTx has said the same about what it can judge."""
    hint = market.ledger.check_tx(tx).code
    code = market.block(START_S, [tx]).tx_results[0].code
    assert hint in (0, code)
    return code


class TestForm:
    def test_every_refusal_has_a_sentence_and_a_number_of_its_own(self) -> None:
        assert set(SENTENCES) == set(Refusal)
        assert len({int(refusal) for refusal in Refusal}) == len(Refusal)

    def test_wrong_chain_sender_and_signature_leave_no_trace(self) -> None:
        market = Market()
        before = state_of(market)
        other = wire.encode_payload(envelope(market, chain_id="other"), NOTHING.body())
        stranger = wire.encode_payload(envelope(market, sender=bytes(20)), NOTHING.body())
        mine = wire.encode_payload(envelope(market), NOTHING.body())
        assert code_of(market, market.society.seal("home-1", other)) == Refusal.WRONG_CHAIN
        assert code_of(market, market.society.seal("home-1", stranger)) == Refusal.UNKNOWN_SENDER
        assert code_of(market, market.society.seal("home-2", mine)) == Refusal.BAD_SIGNATURE
        assert state_of(market) == before

    def test_high_s_is_refused(self) -> None:
        market = Market()
        payload = wire.encode_payload(envelope(market), NOTHING.body())
        low = market.society.keys["home-1"].sign(payload)
        high = low[:32] + (P256_ORDER - int.from_bytes(low[32:], "big")).to_bytes(32, "big")
        assert code_of(market, wire.encode_tx(payload, high)) == Refusal.BAD_SIGNATURE
        assert code_of(market, wire.encode_tx(payload, low)) == Refusal.GONE

    @pytest.mark.parametrize("signature", [bytes(64), b"\xff" * 64, bytes(32) + b"\x01".rjust(32, b"\x00")])
    def test_impossible_signatures_are_refused(self, signature: bytes) -> None:
        market = Market()
        payload = wire.encode_payload(envelope(market), NOTHING.body())
        assert code_of(market, wire.encode_tx(payload, signature)) == Refusal.BAD_SIGNATURE

    def test_too_large(self) -> None:
        assert code_of(Market(), bytes(wire.MAX_TX_BYTES + 1)) == Refusal.TOO_LARGE

    @pytest.mark.parametrize("depth", [9, 600, 1_000, 8_000])
    def test_arrays_within_arrays_are_malformed_at_any_depth(self, depth: int) -> None:
        assert code_of(Market(), b"\x91" * depth + b"\x01") == Refusal.MALFORMED
        inner = b"\x91" * (depth // 2) + b"\x01"
        assert code_of(Market(), wire.encode_tx(inner, bytes(64))) == Refusal.MALFORMED

    def test_a_reading_and_a_notice_carry_no_seq_and_everything_else_does(self) -> None:
        market = Market()
        reading_with_seq = wire.encode_payload(envelope(market, kind=7), reading(1).body())
        notice_with_seq = wire.encode_payload(envelope(market, kind=10), notice().body())
        without = wire.encode_payload(envelope(market, seq=0), NOTHING.body())
        for payload in (reading_with_seq, notice_with_seq, without):
            assert code_of(market, market.society.seal("home-1", payload)) == Refusal.MALFORMED

    @given(st.data())
    @settings(max_examples=100)
    def test_a_changed_byte_is_refused_and_leaves_no_trace(self, data: st.DataObject) -> None:
        market = Market()
        order = market.society.tx("home-1", buy(5))
        transfer = market.society.tx("society", Transfer(bytes(20), 1, b""))
        tx = bytearray(data.draw(st.sampled_from([order, transfer])))
        at = data.draw(st.integers(0, len(tx) - 1))
        tx[at] ^= data.draw(st.integers(1, 255))
        before = state_of(market)
        refused = {Refusal.MALFORMED, Refusal.WRONG_CHAIN, Refusal.UNKNOWN_SENDER, Refusal.BAD_SIGNATURE}
        assert code_of(market, bytes(tx)) in refused
        assert state_of(market) == before

    @given(st.binary(max_size=300))
    def test_noise_is_malformed(self, noise: bytes) -> None:
        assert code_of(MARKET, noise) == Refusal.MALFORMED


MARKET = Market()


class TestSequence:
    def test_each_number_counts_once_and_leaves_a_result(self) -> None:
        market = Market()
        tx = market.society.tx("home-1", NOTHING, seq=5)
        assert code_of(market, tx) == Refusal.GONE
        result = market.result("home-1", 5)
        assert result is not None
        assert (result.height, result.code) == (market.height, Refusal.GONE)
        before = state_of(market)
        assert code_of(market, tx) == Refusal.REPLAYED
        assert code_of(market, market.society.tx("home-1", buy(1), seq=5)) == Refusal.REPLAYED
        assert state_of(market) == before

    def test_twice_in_one_block_counts_once(self) -> None:
        market = Market()
        tx = market.society.tx("home-1", NOTHING)
        assert market.ledger.check_tx(tx).code == 0
        assert [result.code for result in market.block(START_S, [tx, tx]).tx_results] == [Refusal.GONE, Refusal.REPLAYED]

    def test_jumps_and_stragglers_have_limits(self) -> None:
        market = Market()
        send = market.society.tx
        assert code_of(market, send("home-1", NOTHING, seq=1_025)) == Refusal.SEQ_TOO_FAR
        assert code_of(market, send("home-1", NOTHING, seq=1_024)) == Refusal.GONE
        assert code_of(market, send("home-1", NOTHING, seq=2_048)) == Refusal.GONE
        assert code_of(market, send("home-1", NOTHING, seq=1_025)) == Refusal.GONE
        assert code_of(market, send("home-1", NOTHING, seq=1_024)) == Refusal.SEQ_TOO_OLD
        record = Sequence.decode(market.value(keys.sequence(market.society.ids["home-1"])) or b"")
        assert (record.highest, len(record.window)) == (2_048, 128)
        assert int.from_bytes(record.window, "big") == 1 | 1 << 1_023

    @given(st.lists(st.integers(1, 4_000), max_size=40))
    def test_the_window_agrees_with_a_set(self, numbers: list[int]) -> None:
        used, seen = Used(), set[int]()
        for seq in numbers:
            highest = max(seen, default=0)
            verdict = used.judge(seq)
            if seq > highest + WINDOW:
                assert verdict is Refusal.SEQ_TOO_FAR
            elif seq <= highest - WINDOW:
                assert verdict is Refusal.SEQ_TOO_OLD
            elif seq in seen:
                assert verdict is Refusal.REPLAYED
            else:
                assert verdict is Refusal.OK
                used = used.after(seq, 0, 0)
                seen.add(seq)

    def test_expiry_is_inclusive_and_consumes_the_seq(self) -> None:
        market = Market()
        next_height = market.height + 1
        assert code_of(market, market.society.tx("home-1", NOTHING, 1, next_height)) == Refusal.GONE
        late = market.society.tx("home-1", NOTHING, 2, next_height)
        assert code_of(market, late) == Refusal.EXPIRED
        assert code_of(market, late) == Refusal.REPLAYED

    def test_check_tx_sees_only_what_is_committed(self) -> None:
        market = Market()
        tx = market.society.tx("home-1", NOTHING)
        market.ledger.finalize_block(market.height + 1, START_S * 10**9, [tx])
        assert market.ledger.check_tx(tx).code == 0
        market.ledger.commit()
        assert market.ledger.check_tx(tx).code == Refusal.REPLAYED

    @pytest.mark.parametrize(("seq", "verifications"), [(1, 1), (WINDOW + 1, 3)])
    def test_a_signature_is_verified_once_if_check_tx_lets_it_in_and_is_not_kept_otherwise(
        self, seq: int, verifications: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        market = Market()
        tx = market.society.tx("home-1", NOTHING, seq=seq)
        verified: list[bytes] = []
        verify = p256.verify

        def counted(key: EllipticCurvePublicKey, payload: bytes, signature: bytes) -> bool:
            verified.append(payload)
            return verify(key, payload, signature)

        monkeypatch.setattr(p256, "verify", counted)
        market.ledger.check_tx(tx)
        market.ledger.check_tx(tx)
        market.block(START_S, [tx])
        assert len(verified) == verifications


class TestTreasurer:
    def test_money_enters_and_leaves(self) -> None:
        market = Market()
        party = market.society.ids["resident-1"]
        assert market.send(START_S, "society", Transfer(party, 5, b"in")) == 0
        assert market.send(START_S, "society", Transfer(party, -(10**9) - 5, b"out")) == 0
        assert market.account("resident-1").balance_ueur == 0

    def test_refusals(self) -> None:
        market = Market()
        party = market.society.ids["resident-1"]
        market.put("home-1", buy(1_000))
        assert market.send(START_S, "utility", Transfer(party, 5, b"")) == Refusal.ROLE_MISSING
        assert market.send(START_S, "society", Transfer(party, 0, b"")) == Refusal.TRANSFER_ZERO
        assert market.send(START_S, "society", Transfer(bytes(20), 1, b"")) == Refusal.UNKNOWN_PARTY
        assert market.send(START_S, "society", Transfer(party, -(10**9), b"")) == Refusal.NOT_BACKED

    def test_no_balance_grows_beyond_what_the_wire_format_holds(self) -> None:
        market = Market()
        party = market.society.ids["resident-1"]
        txs = [market.society.tx("society", Transfer(party, 10**15, b"")) for _ in range(1_001)]
        codes = [result.code for result in market.block(START_S, txs).tx_results]
        assert set(codes) == {0, Refusal.BALANCE_TOO_LARGE}
        assert market.account("resident-1").balance_ueur <= 10**18

    def test_money_leaves_an_account_that_trade_has_lifted_above_that(self) -> None:
        market = Market(Society(balance_ueur=10**15))
        party = market.society.ids["solar-company"]
        market.block(START_S, [market.society.tx("society", Transfer(party, 10**15, b"")) for _ in range(999)])
        market.put("home-1", buy(1_000))
        market.put("array", sell(1_000))
        market.block(GATE)
        market.report(SLOT + DURATION_S, **{**ALL_ZERO, "array": -1_000, "home_1": 1_000})
        assert market.account("solar-company").balance_ueur > 10**18
        assert market.send(SLOT + DURATION_S, "society", Transfer(party, 1, b"")) == Refusal.BALANCE_TOO_LARGE
        assert market.send(SLOT + DURATION_S, "society", Transfer(party, -1, b"")) == Refusal.OK


def test_an_empty_program_is_malformed() -> None:
    market = Market()
    payload = wire.encode_payload(envelope(market, kind=5), BlockProgram(()).body())
    assert code_of(market, market.society.seal("home-1", payload)) == Refusal.MALFORMED
