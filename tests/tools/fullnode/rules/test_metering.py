"""Readings and what follows from them: settlement in its time, late readings, the end of the dispute time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.vocabulary import SlotPrice
from lightclient import keys, wire
from lightclient.messages import CommittedReading, OpenReading, PostTariff, Transfer
from lightclient.refusals import Refusal
from lightclient.values import SettledOn, TxResult, decode_history, encode_history
from tests.tools.fullnode.rules.kit import (
    ALL_ZERO,
    ASK,
    BID,
    DURATION_S,
    GATE,
    HASH,
    SLOT,
    Market,
    audit,
    balances,
    buy,
    reading,
    sell,
)
from tools.fullnode.rules.sample import CHAIN_ID, DEVICES, Society

END = SLOT + DURATION_S
DEADLINE = END + 4 * DURATION_S
DISPUTE_S = 4 * 3600
SHORT_DISPUTE = {"dispute_s": DISPUTE_S}


def traded() -> Market:
    """A market in which home-1 has bought 1,000 Wh from the array at 190,000 for the first slot."""
    market = Market(Society(params=SHORT_DISPUTE))
    market.put("home-1", buy(1_000, ASK))
    market.put("array", sell(1_000, BID))
    market.block(GATE)
    assert market.book().call_ueur_kwh == (ASK + BID) // 2
    return market


class TestReadings:
    @pytest.mark.parametrize(
        ("sender", "message", "time_s", "refusal"),
        [
            ("society", reading(1), END, Refusal.ROLE_MISSING),
            ("utility-desk", reading(0), END, Refusal.ROLE_MISSING),
            ("home-1", reading(1, slot_s=SLOT + 1), END, Refusal.SLOT_UNALIGNED),
            ("home-1", reading(1), END - 1, Refusal.READING_EARLY),
            ("home-1", reading(1, slot_s=SLOT - DURATION_S), END, Refusal.READING_TOO_OLD),
            ("home-1", reading(1, slot_s=0), END, Refusal.READING_TOO_OLD),
            ("home-1", reading(1), END + DISPUTE_S, Refusal.READING_TOO_OLD),
            ("home-1", reading(3_152), END, Refusal.READING_IMPLAUSIBLE),
            ("home-1", reading(3_151), END, Refusal.OK),
            ("array", reading(0, 10_502), END, Refusal.READING_IMPLAUSIBLE),
            ("array", reading(2), END, Refusal.READING_IMPLAUSIBLE),
        ],
    )
    def test_which_one_counts(self, sender: str, message: OpenReading, time_s: int, refusal: Refusal) -> None:
        market = Market(Society(params=SHORT_DISPUTE))
        assert market.send(time_s, sender, message) == refusal
        assert (market.value(keys.reading(market.society.ids[sender], message.slot_s)) is not None) == (not refusal)
        assert market.result(sender, 0) is None, "a reading proves itself by its record"

    def test_device_and_slot_count_once(self) -> None:
        market = Market()
        tx = market.society.tx("home-1", reading(5))
        assert market.block(END, [tx, tx]).tx_results[1].code == Refusal.REPLAYED
        assert market.ledger.check_tx(tx).code == Refusal.REPLAYED
        assert market.send(END, "home-1", reading(6)) == Refusal.READING_STANDS

    def test_registers_meet_those_of_the_neighbours_in_any_order(self) -> None:
        market = Market()
        time_s = SLOT + 3 * DURATION_S
        third, second = SLOT + 2 * DURATION_S, SLOT + DURATION_S
        assert market.send(time_s, "home-1", reading(7, slot_s=third, start=(30, 0))) == 0
        assert market.send(time_s, "home-1", reading(9, slot_s=second, start=(20, 0))) == Refusal.READING_GAP
        assert market.send(time_s, "home-1", reading(10, slot_s=second, start=(20, 0))) == 0
        assert market.send(time_s, "home-1", reading(19)) == Refusal.READING_GAP
        assert market.send(time_s, "home-1", reading(20)) == 0

    def test_a_reading_with_an_expiry_expires(self) -> None:
        market = Market()
        message, sender = reading(5), market.society.ids["home-1"]
        envelope = wire.Envelope(CHAIN_ID, message.KIND, sender, 0, market.height)
        tx = market.society.seal("home-1", wire.encode_payload(envelope, message.body()))
        assert market.ledger.check_tx(tx).code == Refusal.EXPIRED
        assert market.block(END, [tx]).tx_results[0].code == Refusal.EXPIRED


class TestSettlement:
    def test_a_slot_settles_with_its_last_reading(self) -> None:
        market = traded()
        metered = {**ALL_ZERO, "home_1": 1_000, "array": -900, "grid": 100}
        last = metered.pop("grid")
        assert market.report(END, **metered) == [0] * 6
        assert market.value(keys.settlement(SLOT)) is None
        assert market.report(END + 1, grid=last) == [0]
        settlement = market.settlement()
        assert (settlement.settled_on, settlement.reported, settlement.devices) == (SettledOn.GRID_METER, 7, 7)
        assert (settlement.short_wh, settlement.long_wh, settlement.unexplained_wh) == (100, 0, 0)
        assert market.line("array").imbalance_ueur == 100 * 300
        assert market.account("solar-company").balance_ueur == 10**9 + 1_000 * 190 - 100 * 300
        assert market.account("utility").balance_ueur == 10**9 + 100 * 300
        assert market.account("solar-company").locked_ueur == 0
        audit(market)

    def test_at_the_latest_at_its_deadline(self) -> None:
        market = traded()
        assert market.report(END, home_1=1_000, grid=0) == [0, 0]
        market.block(DEADLINE - 1)
        assert market.value(keys.settlement(SLOT)) is None
        assert market.ledger.next_due_s() == DEADLINE
        market.block(DEADLINE)
        assert market.settlement().reported == 2
        audit(market)

    def test_a_silent_device_is_paid_for_its_trades_and_all_of_it_stays_locked(self) -> None:
        market = traded()
        market.report(END, **{name: 0 for name in ALL_ZERO if name not in {"array", "home_1"}})
        locked = market.account("solar-company").locked_ueur
        market.report(END, home_1=1_000)
        market.block(DEADLINE)
        assert locked == 1_000 * 110
        assert market.account("solar-company").locked_ueur == locked + 1_000 * 190
        assert market.account("solar-company").balance_ueur == 10**9 + 1_000 * 190
        assert market.position("array").line is None
        audit(market)

    @pytest.mark.parametrize("limit", [BID, ASK])
    def test_what_a_silent_seller_was_paid_is_held_until_it_has_reported(self, limit: int) -> None:
        """Otherwise it could spend or draw it and owe the ask for all that it never delivered."""
        market = Market(Society(params=SHORT_DISPUTE, balance_ueur=10**6))
        market.put("home-1", buy(1_000, ASK))
        market.put("array", sell(1_000, limit))
        market.block(GATE)
        available = market.account("solar-company").balance_ueur - market.account("solar-company").locked_ueur
        market.report(END, **{name: 0 for name in ALL_ZERO if name != "array"})
        market.block(DEADLINE)
        account = market.account("solar-company")
        assert account.balance_ueur - account.locked_ueur == available
        audit(market)
        draw = Transfer(market.society.ids["solar-company"], -available - 1, b"")
        assert market.send(DEADLINE, "society", draw) == Refusal.NOT_BACKED
        assert market.report(DEADLINE + 60, array=-1_000) == [0]
        assert market.account("solar-company").locked_ueur == 0
        audit(market)

    def test_the_history_is_written_at_the_gate_and_completed_at_settlement(self) -> None:
        market = traded()
        key = keys.day_history(SLOT)
        (line,) = decode_history(market.value(key) or b"")
        assert (line.slot_s, line.call_ueur_kwh, line.traded_wh, line.net_load_wh) == (SLOT, 190_000, 1_000, None)
        metered = {**ALL_ZERO, "home_1": 1_000, "array": -900, "battery": 60, "grid": 160}
        market.report(END, **metered)
        first, *_ = decode_history(market.value(key) or b"")
        assert first.net_load_wh == 100

    def test_a_block_after_a_pause_writes_the_history_of_a_day_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[int] = []

        def encode(lines: tuple[SlotPrice, ...]) -> bytes:
            written.append(len(lines))
            return encode_history(lines)

        monkeypatch.setattr("tools.fullnode.rules.history.encode_history", encode)
        market = Market()
        market.block(SLOT + 3 * 86_400)
        assert written == [96, 96, 96, 1]
        market.block(SLOT + 3 * 86_400 + 4 * 3600)
        assert written[4:] == [96, 17], "the last day is completed"
        audit(market)

    def test_without_a_grid_meter_the_sum_of_the_devices_counts(self) -> None:
        market = Market(Society(devices=DEVICES[1:]))
        metered = {**ALL_ZERO, "home_1": 500}
        del metered["grid"]
        market.report(END, **metered)
        assert market.settlement().settled_on is SettledOn.SUM_OF_DEVICES
        assert market.settlement().grid_ueur == 500 * 300
        audit(market)


class TestLateReading:
    def test_it_re_prices_its_own_line_at_the_tariff_against_the_society(self) -> None:
        market = traded()
        metered = {**ALL_ZERO, "home_1": 1_000, "grid": 150}
        del metered["array"]
        market.report(END, **metered)
        market.block(DEADLINE)
        before = market.settlement()
        assert (before.unexplained_wh, before.society_ueur) == (150, 150 * 300)
        home = market.line("home-1")
        assert market.report(DEADLINE + 60, array=-850) == [0]
        line = market.line("array")
        assert (line.late, line.imbalance_wh, line.tariff_wh, line.imbalance_ueur) == (1, 150, 150, 150 * 300)
        assert market.line("home-1") == home
        after = replace(before, unexplained_wh=0, society_ueur=0, reported=7)
        assert market.settlement() == after
        assert market.account("solar-company").locked_ueur == 0
        assert market.account("society").balance_ueur == 10**9
        audit(market)

    def test_against_the_sub_meter_where_that_carried_it(self) -> None:
        market = Market()
        metered = {**ALL_ZERO, "grid": 200}
        del metered["washer_1"]
        market.report(END, **metered)
        market.block(DEADLINE)
        assert market.line("home-1").imbalance_ueur == 200 * 300
        assert market.settlement().society_ueur == 0
        market.report(DEADLINE + 60, washer_1=180)
        assert market.line("washer-1").imbalance_ueur == 180 * 300
        assert market.line("home-1").imbalance_ueur == 20 * 300
        assert market.account("society").balance_ueur == 10**9
        audit(market)

    def test_a_late_grid_meter_changes_nothing_that_is_settled(self) -> None:
        market = traded()
        metered = dict(ALL_ZERO)
        del metered["grid"]
        market.report(END, **metered)
        market.block(DEADLINE)
        before = market.settlement()
        assert before.settled_on is SettledOn.SUM_OF_DEVICES
        assert market.report(DEADLINE + 60, grid=5) == [0]
        assert market.settlement() == before


class TestEndOfDisputeTime:
    def finish(self, market: Market, time_s: int) -> None:
        """Make the blocks of all gates up to `time_s`."""
        while (due := market.ledger.next_due_s()) is not None and due <= time_s:
            market.block(due)
        market.block(time_s)

    def test_a_silent_seller_has_delivered_nothing_and_a_silent_buyer_taken_what_it_bought(self) -> None:
        market = traded()
        market.report(END, **{name: 0 for name in ALL_ZERO if name not in {"array", "home_1"}})
        total = balances(market)
        self.finish(market, END + DISPUTE_S + DURATION_S)
        assert market.account("solar-company").balance_ueur == 10**9 + 1_000 * 190 - 1_000 * 300
        assert market.account("resident-1").balance_ueur == 10**9 - 1_000 * 190
        assert market.account("resident-1").locked_ueur == market.account("solar-company").locked_ueur == 0
        assert balances(market) == total
        audit(market)

    def test_slot_keys_go_and_a_digest_per_device_and_day_stays(self) -> None:
        market = traded()
        metered = {**ALL_ZERO, "home_1": 1_000, "array": -1_000}
        market.report(END, **metered)
        self.finish(market, END + DISPUTE_S + 2 * DURATION_S)
        home = market.society.ids["home-1"]
        gone = [keys.tariff(SLOT), keys.book(SLOT), keys.settlement(SLOT), keys.position(home, SLOT)]
        gone += [keys.reading(home, SLOT), keys.result(home, 1)]
        assert [market.value(key) for key in gone] == [None] * len(gone)
        assert market.value(keys.device_digest(home, SLOT)) is not None
        assert market.value(keys.day_history(SLOT)) is not None, "the price history stays"
        audit(market)

    def test_a_result_outlives_a_pause_that_is_longer_than_the_dispute_time(self) -> None:
        market = Market(Society(params=SHORT_DISPUTE))
        woken_s = SLOT + DISPUTE_S + 10 * DURATION_S
        market.block(woken_s, [market.society.tx("home-1", buy(1, slot_s=woken_s + DURATION_S), seq=1)])
        assert market.result("home-1", 1) == TxResult(market.height, Refusal.OK)
        market.block(woken_s + DURATION_S)
        assert market.result("home-1", 1) is not None
        market.block(woken_s + DISPUTE_S + 3 * DURATION_S)
        assert market.result("home-1", 1) is None

    def test_a_jump_that_no_slot_explains_is_billed_at_the_highest_ask_of_the_gap(self) -> None:
        market = Market(Society(params=SHORT_DISPUTE), slots=1)
        prices = ((300_000, BID), (350_000, BID), (310_000, BID), (200_000, BID))
        market.block(SLOT - 300)
        assert market.send(SLOT - 299, "utility", PostTariff(SLOT + DURATION_S, prices)) == 0
        self.finish(market, END)
        market.report(END, home_1=100)
        last = SLOT + 4 * DURATION_S
        self.finish(market, last + DURATION_S)
        assert market.send(last + DURATION_S, "home-1", reading(10, slot_s=last, start=(900, 0))) == 0
        self.finish(market, last + DURATION_S + 60)
        before = market.account("resident-1").balance_ueur
        self.finish(market, last + 2 * DURATION_S + DISPUTE_S)
        # 800 Wh were counted in the three silent slots between; the reading at the end of the gap settles on its own.
        assert before - market.account("resident-1").balance_ueur == 800 * 350 + 10 * 200
        audit(market)


def test_a_committed_reading_has_its_own_refusal() -> None:
    assert Market().send(END, "home-1", CommittedReading(SLOT, HASH, HASH)) == Refusal.COMMITTED_READING
