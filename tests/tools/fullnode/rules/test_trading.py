"""Orders, replacements, cancels, accepts and block programs: each rule with the refusal that it gives."""

from __future__ import annotations

import pytest

from agent.vocabulary import Mode, OpenEntry, Receipt
from lightclient import keys
from lightclient.messages import AcceptOrder, BlockProgram, CancelOrder, Message, PlaceOrder, PostTariff, ReplaceOrder
from lightclient.refusals import Refusal
from lightclient.values import BookStatus, Leftover, PositionRecord
from tests.tools.fullnode.rules.kit import (
    ASK,
    BID,
    BUY,
    DURATION_S,
    GATE,
    SELL,
    SLOT,
    START_S,
    Market,
    audit,
    buy,
    offer,
    sell,
    state_of,
)
from tools.fullnode.rules.sample import DEVICES, SampleDevice, Society
from tools.fullnode.rules.slottimes import MAX_AHEAD_S

NOBODY = bytes(20)


@pytest.mark.parametrize(
    ("sender", "message", "time_s", "refusal"),
    [
        ("society", buy(1), START_S, Refusal.ROLE_MISSING),
        ("grid", buy(1), START_S, Refusal.ROLE_MISSING),
        ("utility-desk", buy(1), START_S, Refusal.ROLE_MISSING),
        ("home-1", buy(1, slot_s=SLOT + 1), START_S, Refusal.SLOT_UNALIGNED),
        ("home-1", buy(1, slot_s=SLOT + 200 * DURATION_S), START_S, Refusal.BOOK_NOT_OPEN),
        ("home-1", buy(1), GATE, Refusal.BOOK_CLOSED),
        ("home-1", buy(1, slot_s=0), START_S, Refusal.BOOK_CLOSED),
        ("home-1", buy(1, ASK + 1), START_S, Refusal.LIMIT_OUTSIDE_TARIFF),
        ("home-1", buy(1, BID - 1), START_S, Refusal.LIMIT_OUTSIDE_TARIFF),
        ("home-1", buy(3_001), START_S, Refusal.ABOVE_NAMEPLATE),
        ("home-1", sell(1), START_S, Refusal.ABOVE_NAMEPLATE),
        ("home-1", ReplaceOrder(NOBODY, 1, 1, ASK), START_S, Refusal.GONE),
        ("home-1", CancelOrder(NOBODY, 1), START_S, Refusal.GONE),
        ("home-1", AcceptOrder(NOBODY, 1), START_S, Refusal.GONE),
        ("home-1", BlockProgram((AcceptOrder(NOBODY, 1),)), START_S, Refusal.GONE),
        ("society", AcceptOrder(NOBODY, 1), START_S, Refusal.ROLE_MISSING),
    ],
)
def test_what_cannot_be_carried_out_is_refused(sender: str, message: Message, time_s: int, refusal: Refusal) -> None:
    market = Market()
    assert market.send(time_s, sender, message) == refusal
    assert market.result(sender, 1) is not None
    audit(market)


def test_a_refusal_changes_nothing_but_the_sequence_and_the_result() -> None:
    market = Market()
    before = state_of(market)
    assert market.send(START_S, "home-1", buy(1, ASK + 1)) == Refusal.LIMIT_OUTSIDE_TARIFF
    changed = {key for key, value in state_of(market).items() if before.get(key) != value}
    sender = market.society.ids["home-1"]
    assert changed == {keys.sequence(sender), keys.result(sender, 1)}


def test_a_book_shows_call_orders_by_price_and_open_orders_one_by_one() -> None:
    market = Market()
    market.put("home-1", buy(100, 200_000))
    market.put("home-2", buy(50, 200_000))
    market.put("home-2", buy(50, 210_000))
    dear = market.put("array", offer(500, 150_000))
    cheap = market.put("array", offer(400, 140_000, whole=True))
    book = market.book().book
    assert [(level.limit_ueur_kwh, level.energy_wh) for level in book.buys] == [(210_000, 50), (200_000, 150)]
    assert book.sells == ()
    assert book.open_entries == (
        OpenEntry(cheap, SELL, 140_000, 400, True),
        OpenEntry(dear, SELL, 150_000, 500, False),
    )
    audit(market)


def test_eight_orders_stand_per_device_and_slot() -> None:
    market = Market()
    for _ in range(8):
        last = market.put("home-1", buy(1))
    assert market.send(START_S, "home-1", buy(1)) == Refusal.TOO_MANY_ORDERS
    market.put("home-1", buy(1, slot_s=SLOT + DURATION_S))
    assert market.send(START_S, "home-1", CancelOrder(last, 1)) == 0
    market.put("home-1", buy(1))


def test_a_book_holds_512_open_orders() -> None:
    batteries = tuple(SampleDevice(f"b{i}", "battery", "society", 10_000, 10_000) for i in range(65))
    market = Market(Society(devices=(*DEVICES, *batteries)))
    txs = [market.society.tx(f"b{index % 65}", offer(1)) for index in range(513)]
    codes = [result.code for result in market.block(START_S, txs).tx_results]
    assert codes == [0] * 512 + [Refusal.BOOK_FULL]
    market.put("b64", sell(1))
    audit(market)


def test_messages_per_hour_are_limited_whatever_their_result() -> None:
    market = Market()
    txs = [market.society.tx("home-1", CancelOrder(NOBODY, 1)) for _ in range(121)]
    codes = [result.code for result in market.block(START_S, txs).tx_results]
    assert codes == [Refusal.GONE] * 120 + [Refusal.TOO_MANY_MESSAGES]
    assert market.send(SLOT, "home-1", buy(1, slot_s=SLOT + DURATION_S)) == 0, "the next hour has begun"


def test_a_program_counts_once_for_each_of_its_accepts() -> None:
    market = Market()
    program = BlockProgram((AcceptOrder(NOBODY, 1),) * 96)
    assert market.send(START_S, "home-1", program) == Refusal.GONE
    assert market.send(START_S, "home-1", program) == Refusal.TOO_MANY_MESSAGES


class TestEscrow:
    def test_an_order_that_its_account_cannot_back_is_refused(self) -> None:
        market = Market(Society(balance_ueur=300))
        assert market.send(START_S, "home-1", buy(2, 200_000)) == Refusal.NOT_BACKED
        market.put("home-1", buy(1, 200_000))
        assert market.account("resident-1").locked_ueur == 200
        assert market.send(START_S, "washer-1", buy(1, 100_001)) == Refusal.NOT_BACKED
        audit(market)

    def test_an_account_below_zero_places_none(self) -> None:
        market = Market(Society(balance_ueur=-1))
        assert market.send(START_S, "array", sell(1, ASK)) == Refusal.ACCOUNT_BELOW_ZERO

    def test_locks_round_up_and_a_sale_at_the_ask_locks_nothing(self) -> None:
        market = Market()
        market.put("home-1", buy(7, 80_001))
        assert market.account("resident-1").locked_ueur == 561
        market.put("array", sell(7, ASK))
        assert market.account("solar-company").locked_ueur == 0
        market.put("array", sell(7, BID))
        assert market.account("solar-company").locked_ueur == 1_540

    def test_what_the_call_leaves_is_freed_and_what_it_matches_is_locked_at_its_price(self) -> None:
        market = Market()
        market.put("home-1", buy(1_000, ASK))
        market.put("array", sell(400, 100_000))
        market.block(GATE)
        assert market.book().call_ueur_kwh == ASK
        assert market.account("resident-1").locked_ueur == 400 * 300
        assert market.account("solar-company").locked_ueur == 0
        audit(market)


class TestReplaceAndCancel:
    def test_a_replacement_gets_a_new_id_and_loses_its_position(self) -> None:
        market = Market()
        old = market.put("array", offer(400, 150_000))
        rival = market.put("battery", offer(300, 150_000))
        assert market.send(START_S, "array", ReplaceOrder(old, 400, 350, 150_000)) == 0
        assert market.order(old) is None
        entries = market.book().book.open_entries
        assert [entry.remaining_wh for entry in entries] == [300, 350]
        assert entries[0].order_id == rival
        audit(market)

    def test_both_name_the_remaining_energy_they_expect(self) -> None:
        market = Market()
        order = market.put("array", offer(400))
        assert market.send(START_S, "home-1", AcceptOrder(order, 100)) == 0
        assert market.send(START_S, "array", ReplaceOrder(order, 400, 500, BID)) == Refusal.GONE
        assert market.send(START_S, "array", CancelOrder(order, 400)) == Refusal.GONE
        assert market.send(START_S, "array", CancelOrder(order, 300)) == 0
        assert market.send(START_S, "array", CancelOrder(order, 300)) == Refusal.GONE
        audit(market)

    def test_only_the_own_order(self) -> None:
        market = Market()
        order = market.put("array", offer(400))
        assert market.send(START_S, "battery", CancelOrder(order, 400)) == Refusal.NOT_YOURS
        assert market.send(START_S, "battery", ReplaceOrder(order, 400, 1, BID)) == Refusal.NOT_YOURS

    def test_a_replacement_is_judged_without_the_order_it_replaces(self) -> None:
        market = Market(Society(balance_ueur=900_000))
        order = market.put("home-1", buy(3_000, ASK))
        assert market.send(START_S, "home-1", ReplaceOrder(order, 3_000, 3_001, ASK)) == Refusal.ABOVE_NAMEPLATE
        assert market.send(START_S, "home-1", ReplaceOrder(order, 3_000, 2_999, ASK)) == 0
        assert market.account("resident-1").locked_ueur == 2_999 * 300
        audit(market)


class TestAccept:
    def test_the_first_valid_one_wins_and_the_loser_hears_gone(self) -> None:
        market = Market()
        order = market.put("array", offer(400, 150_000))
        txs = [market.society.tx(name, AcceptOrder(order, 400)) for name in ("home-1", "home-2")]
        assert [result.code for result in market.block(START_S, txs).tx_results] == [0, Refusal.GONE]
        assert market.position("home-1").receipts == (Receipt(BUY, 400, 150_000),)
        assert market.position("array").receipts == (Receipt(SELL, 400, 150_000),)
        assert market.book().traded_wh == 400
        assert market.account("resident-1").locked_ueur == 400 * 150
        assert market.account("solar-company").locked_ueur == 400 * 150
        audit(market)

    def test_rules_of_an_accept(self) -> None:
        market = Market()
        waiting = market.put("array", sell(400))
        whole = market.put("battery", offer(400, whole=True))
        assert market.send(START_S, "home-1", AcceptOrder(waiting, 1)) == Refusal.GONE, "a call order waits for the call"
        assert market.send(START_S, "home-1", AcceptOrder(whole, 399)) == Refusal.WHOLE_ONLY
        assert market.send(START_S, "home-1", AcceptOrder(whole, 401)) == Refusal.GONE
        assert market.send(START_S, "battery", AcceptOrder(whole, 400)) == Refusal.OWN_ORDER
        assert market.send(START_S, "washer-1", AcceptOrder(whole, 400)) == 0
        assert market.send(GATE, "washer-1", AcceptOrder(waiting, 400)) == Refusal.GONE

    def test_nameplate_and_escrow_bind_who_accepts(self) -> None:
        market = Market(Society(balance_ueur=100_000))
        order = market.put("array", offer(1_000, 250_000))
        assert market.send(START_S, "washer-1", AcceptOrder(order, 751)) == Refusal.ABOVE_NAMEPLATE
        assert market.send(START_S, "washer-1", AcceptOrder(order, 401)) == Refusal.NOT_BACKED
        assert market.send(START_S, "washer-1", AcceptOrder(order, 400)) == 0

    def test_a_load_may_resell_what_it_bought_and_no_more(self) -> None:
        market = Market()
        order = market.put("array", offer(400))
        assert market.send(START_S, "home-1", sell(1)) == Refusal.ABOVE_NAMEPLATE
        assert market.send(START_S, "home-1", AcceptOrder(order, 400)) == 0
        assert market.send(START_S, "home-1", sell(401)) == Refusal.ABOVE_NAMEPLATE
        assert market.send(START_S, "home-1", sell(400)) == 0
        assert market.send(START_S, "home-1", sell(1)) == Refusal.ABOVE_NAMEPLATE


class TestBlockProgram:
    def program(self, market: Market, slots: list[int], energy_wh: int = 100) -> BlockProgram:
        orders = [market.put("array", offer(100, 200_000, slot_s)) for slot_s in slots]
        return BlockProgram(tuple(AcceptOrder(order, energy_wh) for order in orders))

    def test_all_accepts_are_carried_out(self) -> None:
        market = Market()
        slots = [SLOT, SLOT + DURATION_S, SLOT + 2 * DURATION_S]
        assert market.send(START_S, "washer-1", self.program(market, slots)) == 0
        assert [market.position("washer-1", slot_s).position().bought_wh for slot_s in slots] == [100] * 3
        audit(market)

    def test_or_none(self) -> None:
        market = Market()
        program = self.program(market, [SLOT, SLOT + DURATION_S])
        assert market.send(START_S, "home-2", program.accepts[1]) == 0
        assert market.send(START_S, "washer-1", program) == Refusal.GONE
        assert market.book(SLOT).traded_wh == 0
        audit(market)

    def test_the_escrow_of_all_together_counts(self) -> None:
        market = Market(Society(balance_ueur=39_999))
        assert market.send(START_S, "washer-1", self.program(market, [SLOT, SLOT + DURATION_S])) == Refusal.NOT_BACKED
        audit(market)

    @pytest.mark.parametrize("slots", [[0, 2], [0, 0], [1, 0]])
    def test_the_slots_are_consecutive(self, slots: list[int]) -> None:
        market = Market()
        program = self.program(market, [SLOT + index * DURATION_S for index in slots])
        assert market.send(START_S, "washer-1", program) == Refusal.NOT_CONSECUTIVE


class TestGate:
    def test_open_orders_join_the_call_and_all_or_nothing_lapses(self) -> None:
        market = Market()
        market.put("array", offer(400, 100_000))
        whole = market.put("battery", offer(300, 90_000, whole=True))
        market.put("home-1", buy(500, 200_000))
        market.block(GATE)
        assert market.book().status is BookStatus.CALLED
        assert (market.book().call_ueur_kwh, market.book().traded_wh) == (200_000, 400)
        assert market.order(whole) is None
        assert market.position("battery") == PositionRecord(SLOT, (), (), None)
        assert market.position("home-1").leftovers == (Leftover(BUY, 200_000, 100),)
        audit(market)

    def test_a_call_gives_one_receipt_per_device_and_side(self) -> None:
        market = Market()
        market.put("home-1", buy(100, 250_000))
        market.put("home-1", buy(100, 200_000))
        market.put("array", sell(150))
        market.block(GATE)
        assert market.position("home-1").receipts == (Receipt(BUY, 150, 200_000),)
        assert market.position("home-1").leftovers == (Leftover(BUY, 200_000, 50),)

    def test_the_call_runs_before_the_transactions_of_its_block(self) -> None:
        market = Market()
        order = market.put("home-1", buy(100))
        market.put("array", sell(100))
        assert market.send(GATE, "home-1", CancelOrder(order, 100)) == Refusal.GONE
        assert market.book().traded_wh == 100

    def test_orders_lapse_when_the_slot_has_begun(self) -> None:
        market = Market()
        market.put("home-1", buy(100))
        market.put("array", sell(100))
        market.block(SLOT)
        assert (market.book().status, market.book().call_ueur_kwh) == (BookStatus.LAPSED, None)
        assert market.position("home-1") == PositionRecord(SLOT, (), (), None)
        assert market.account("resident-1").locked_ueur == 0
        audit(market)

    def test_trades_stay_binding_when_the_orders_lapse(self) -> None:
        market = Market()
        order = market.put("array", offer(400, 150_000))
        assert market.send(START_S, "home-1", AcceptOrder(order, 100)) == 0
        market.block(SLOT + 5)
        assert market.position("home-1").receipts == (Receipt(BUY, 100, 150_000),)
        assert market.book().traded_wh == 100
        audit(market)

    def test_overdue_gates_run_in_slot_order(self) -> None:
        market = Market()
        for index in range(3):
            market.put("home-1", buy(100, slot_s=SLOT + index * DURATION_S))
            market.put("array", sell(100, slot_s=SLOT + index * DURATION_S))
        market.block(SLOT + 2 * DURATION_S - 30)
        statuses = [market.book(SLOT + index * DURATION_S).status for index in range(4)]
        assert statuses == [BookStatus.LAPSED, BookStatus.LAPSED, BookStatus.CALLED, BookStatus.OPEN]


class TestTariff:
    def test_written_once_all_slots_or_none(self) -> None:
        market = Market(slots=4)
        overlapping = PostTariff(SLOT + 3 * DURATION_S, ((ASK, BID), (ASK, BID)))
        assert market.send(START_S, "utility", overlapping) == Refusal.TARIFF_STANDS
        assert market.value(keys.tariff(SLOT + 9 * DURATION_S)) is None
        assert market.send(START_S, "utility-desk", PostTariff(SLOT + 4 * DURATION_S, ((1, -5),))) == 0
        assert market.book(SLOT + 4 * DURATION_S).book.tariff.bid_ueur_kwh == -5

    @pytest.mark.parametrize(
        ("sender", "first", "prices", "refusal"),
        [
            ("society", SLOT + 96 * DURATION_S, (1, 0), Refusal.ROLE_MISSING),
            ("home-1", SLOT + 96 * DURATION_S, (1, 0), Refusal.ROLE_MISSING),
            ("utility", SLOT + 96 * DURATION_S + 1, (1, 0), Refusal.SLOT_UNALIGNED),
            ("utility", SLOT + 96 * DURATION_S, (0, 1), Refusal.TARIFF_CROSSED),
            ("utility", (START_S + MAX_AHEAD_S) // 900 * 900 + 900, (1, 0), Refusal.TARIFF_TOO_EARLY),
            ("utility", SLOT - DURATION_S, (1, 0), Refusal.TARIFF_TOO_LATE),
        ],
    )
    def test_refusals(self, sender: str, first: int, prices: tuple[int, int], refusal: Refusal) -> None:
        assert Market().send(START_S, sender, PostTariff(first, (prices,))) == refusal

    def test_the_fallback_opens_a_book_two_hours_before_its_slot(self) -> None:
        market = Market(slots=1)
        due = market.ledger.next_due_s()
        assert due == GATE
        ninth = SLOT + 8 * DURATION_S
        assert market.value(keys.book(ninth)) is None
        market.block(SLOT)
        assert market.book(ninth).book.tariff.ask_ueur_kwh == 300_000
        assert market.value(keys.book(ninth + DURATION_S)) is None

    def test_a_tariff_replaces_an_unused_fallback_but_not_a_used_one(self) -> None:
        market = Market(slots=1)
        used, unused = SLOT + DURATION_S, SLOT + 2 * DURATION_S
        market.put("home-1", buy(1, slot_s=used))
        assert market.send(START_S, "utility", PostTariff(used, ((ASK, BID),))) == Refusal.TARIFF_TOO_LATE
        assert market.send(START_S, "utility", PostTariff(unused, ((111_000, 90_000),))) == 0
        assert market.book(unused).book.tariff.ask_ueur_kwh == 111_000
        assert market.send(START_S, "utility", PostTariff(unused, ((111_000, 90_000),))) == Refusal.TARIFF_STANDS


def test_an_order_of_every_form_survives_its_record() -> None:
    market = Market()
    message = PlaceOrder(SLOT, SELL, 400, 123_456, Mode.OPEN, True)
    record = market.order(market.put("array", message))
    assert record is not None
    assert (record.slot_s, record.side, record.energy_wh, record.remaining_wh) == (SLOT, SELL, 400, 400)
    assert (record.limit_ueur_kwh, record.mode, record.all_or_nothing) == (123_456, Mode.OPEN, 1)
    assert record.position >> 20 == market.height
