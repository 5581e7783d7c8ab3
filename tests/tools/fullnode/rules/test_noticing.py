"""Notices: which one counts, that they change nothing else, and how they leave the state."""

from __future__ import annotations

import hashlib

import pytest

from lightclient import keys, wire
from lightclient.messages import Notice
from lightclient.refusals import Refusal
from lightclient.values import NoticeRecord
from tests.tools.fullnode.rules.kit import DURATION_S, GATE, HASH, SLOT, Market, notice, reading, sell, state_of
from tools.fullnode.rules import statekeys
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import CHAIN_ID, DEVICES, Chain, Society

DISPUTE_S = 4 * 3600
SHORT_DISPUTE = {"dispute_s": DISPUTE_S}
END = SLOT + DURATION_S
ENDING_GATE = END + DISPUTE_S + DURATION_S - 60
"""The first gate at which the dispute time of SLOT is over."""


class TestWhichOneCounts:
    @pytest.mark.parametrize(
        ("sender", "message", "time_s", "refusal"),
        [
            ("resident-1", notice(), SLOT, Refusal.ROLE_MISSING),
            ("society", notice(), SLOT, Refusal.ROLE_MISSING),
            ("home-1", notice(slot_s=SLOT + 1), END, Refusal.SLOT_UNALIGNED),
            ("home-1", notice(), SLOT - 1, Refusal.NOTICE_EARLY),
            ("home-1", notice(slot_s=wire.MAX_SEQ // DURATION_S * DURATION_S), SLOT, Refusal.NOTICE_EARLY),
            ("home-1", notice(slot_s=SLOT - DURATION_S), SLOT, Refusal.NOTICE_TOO_OLD),
            ("home-1", notice(slot_s=0), SLOT, Refusal.NOTICE_TOO_OLD),
            ("home-1", notice(), END + DISPUTE_S, Refusal.NOTICE_TOO_OLD),
            ("home-1", notice(), END + DISPUTE_S - 1, Refusal.OK),
            ("home-1", notice(), SLOT, Refusal.OK),
            ("grid", notice(), SLOT, Refusal.OK),
            ("utility-desk", notice(), SLOT, Refusal.OK),
        ],
    )
    def test_in_a_block(self, sender: str, message: Notice, time_s: int, refusal: Refusal) -> None:
        market = Market(Society(params=SHORT_DISPUTE))
        market.block(time_s)
        before = state_of(market)
        assert market.send(time_s, sender, message) == refusal
        record = wire.pack([*message.body()[1:], market.height])
        added = {} if refusal else {keys.notice(market.society.ids[sender], message.slot_s): record}
        assert state_of(market) == before | added, "neither money, sequence nor result"

    def test_the_record_holds_what_the_notice_says_and_its_height(self) -> None:
        market = Market()
        assert market.send(SLOT, "home-1", notice()) == Refusal.OK
        record = NoticeRecord.decode(market.value(keys.notice(market.society.ids["home-1"], SLOT)) or b"")
        assert record == NoticeRecord(2, 1, 60, SLOT - 7_200, SLOT - 3_600, HASH, height=market.height)

    def test_device_and_slot_count_once(self) -> None:
        market = Market()
        tx, other = market.society.tx("home-1", notice()), market.society.tx("home-1", notice(events=3))
        codes = [result.code for result in market.block(SLOT, [tx, tx, other]).tx_results]
        assert codes == [Refusal.OK, Refusal.REPLAYED, Refusal.NOTICE_STANDS]
        assert market.ledger.check_tx(tx).code == Refusal.REPLAYED
        assert market.ledger.check_tx(other).code == Refusal.NOTICE_STANDS
        for message in (notice(slot_s=END), reading(5)):
            assert market.send(END, "home-1", message) == Refusal.OK, "another slot, and a reading of the same"
        assert market.send(END, "home-2", notice()) == Refusal.OK

    @pytest.mark.parametrize(
        "changed",
        [
            Notice(SLOT, 2, 2, 60, SLOT - 7_200, SLOT - 3_600, HASH),
            Notice(SLOT, 2, 1, 61, SLOT - 7_200, SLOT - 3_600, HASH),
            Notice(SLOT, 2, 1, 60, SLOT - 7_201, SLOT - 3_600, HASH),
            Notice(SLOT, 2, 1, 60, SLOT - 7_200, SLOT - 3_599, HASH),
            Notice(SLOT, 2, 1, 60, SLOT - 7_200, SLOT - 3_600, bytes(31) + b"\x01"),
        ],
    )
    def test_every_field_makes_another_notice(self, changed: Notice) -> None:
        market = Market()
        assert market.send(SLOT, "home-1", notice()) == Refusal.OK
        assert market.send(SLOT, "home-1", changed) == Refusal.NOTICE_STANDS

    def test_a_notice_with_an_expiry_expires(self) -> None:
        market = Market()
        envelope = wire.Envelope(CHAIN_ID, Notice.KIND, market.society.ids["home-1"], 0, market.height)
        tx = market.society.seal("home-1", wire.encode_payload(envelope, notice().body()))
        assert market.ledger.check_tx(tx).code == Refusal.EXPIRED
        assert market.block(SLOT, [tx]).tx_results[0].code == Refusal.EXPIRED


class TestEndOfDisputeTime:
    def test_the_notices_of_all_devices_leave_and_are_in_their_digests(self) -> None:
        society = Society(params=SHORT_DISPUTE)
        chain = Chain(society, Ledger(":memory:", archive=True))
        names = [device.name for device in DEVICES]
        chain.block(SLOT, [society.tx(name, notice()) for name in names])
        stored = {name: chain.value(keys.notice(society.ids[name], SLOT)) or b"" for name in names}
        chain.block(END + DISPUTE_S - 1)
        chain.block(ENDING_GATE - 1)
        assert all(chain.value(keys.notice(society.ids[name], SLOT)) for name in names)
        chain.block(ENDING_GATE)
        for name, value in stored.items():
            key = keys.notice(society.ids[name], SLOT)
            assert chain.value(key) is None
            assert chain.ledger.query("/archive", key, 0, False).value == value
            digest = statekeys.encode_digest(hashlib.sha256(key + value).digest())
            assert chain.value(keys.device_digest(society.ids[name], SLOT)) == digest
        chain.ledger.close()

    def test_it_stands_between_the_position_and_the_reading_of_the_slot_before(self) -> None:
        society = Society(params=SHORT_DISPUTE)
        chain = Chain(society, Ledger(":memory:", archive=True))
        array = society.ids["array"]
        chain.send(GATE - 1, "array", sell(100))
        chain.send(GATE - 1, "array", sell(100, slot_s=END))
        chain.block(END, [society.tx("array", notice()), society.tx("array", notice(slot_s=END))])
        chain.block(END + DURATION_S, [society.tx("array", reading(0)), society.tx("array", reading(0, slot_s=END))])
        chain.block(ENDING_GATE + DURATION_S)
        digest = b""
        first = keys.position(array, SLOT), keys.notice(array, SLOT)
        second = keys.position(array, END), keys.notice(array, END), keys.reading(array, SLOT)
        for key in (*first, *second):
            value = chain.ledger.query("/archive", key, 0, False).value
            assert value, key
            digest = hashlib.sha256(digest + key + value).digest()
        assert chain.value(keys.device_digest(array, SLOT)) == statekeys.encode_digest(digest)
        assert chain.value(keys.reading(array, END)) is not None
        chain.ledger.close()

    def test_the_grid_meter_is_not_resolved_as_devices_with_a_line_are(self) -> None:
        market = Market(Society(params=SHORT_DISPUTE))
        assert market.report(END, grid=5, home_1=5) == [0, 0]
        for name in ("grid", "home-1", "utility-desk"):
            assert market.send(END, name, notice()) == Refusal.OK
        market.block(ENDING_GATE + DURATION_S)
        gaps = [key for key in state_of(market) if key[:1] == b"g"]
        assert gaps == [statekeys.gap(market.society.ids["home-1"])]
