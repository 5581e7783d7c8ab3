"""Settlement of a slot: the invariants of docs/ledger.md, "Settlement", over random slots, and worked cases."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Receipt, Side, Tariff
from lightclient.values import SettledOn
from tools.fullnode.rules.settlement import (
    GridFlow,
    Metered,
    SlotOutcome,
    balanced_parts,
    deviation_prices,
    netted_parts,
    settle_slot,
)

Slot = tuple[Tariff, int | None, list[Metered], GridFlow | None]
TARIFF = Tariff(0, 300_000, 80_000)


def device(index: int) -> bytes:
    return bytes([index]) * 20


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    bid = draw(st.integers(-50_000, 150_000))
    tariff = Tariff(0, draw(st.integers(bid, 400_000)), bid)
    call = draw(st.none() | st.integers(bid, tariff.ask_ueur_kwh))
    meters = []
    for index in range(draw(st.integers(0, 7))):
        sides = st.sampled_from([Side.BUY, Side.SELL])
        receipts = st.builds(Receipt, sides, st.integers(1, 500), st.integers(bid, tariff.ask_ueur_kwh))
        meters.append(
            Metered(
                device(index),
                draw(st.one_of(st.integers(-1_000, 1_000), st.integers(-3, 3), st.none())),
                tuple(draw(st.lists(receipts, max_size=3))),
                draw(st.integers(0, 600)),
                draw(st.integers(0, 600)),
                draw(st.booleans()),
                draw(st.sampled_from([b"", device(0), device(1)])),
            )
        )
    grid = draw(st.none() | st.builds(GridFlow, st.integers(0, 5_000), st.integers(0, 5_000)))
    return tariff, call, meters, grid


def settled(slot: Slot) -> SlotOutcome:
    tariff, call, meters, grid = slot
    return settle_slot(tariff, call, 500, meters, grid, len(meters) + 1)


@given(slots())
def test_money_is_conserved_to_the_ueur(slot: Slot) -> None:
    outcome = settled(slot)
    paid = sum(line.trades_ueur + line.imbalance_ueur for line in outcome.lines.values())
    paid += sum(outcome.silent_trades_ueur.values())
    assert paid + outcome.record.society_ueur == outcome.record.grid_ueur


@given(slots())
def test_allocations_add_up_to_the_meters(slot: Slot) -> None:
    _, _, meters, _ = slot
    outcome = settled(slot)
    for meter in meters:
        if meter.metered_wh is None:
            assert meter.device in outcome.silent_trades_ueur
            continue
        line = outcome.lines[meter.device]
        assert line.metered_wh == meter.metered_wh == meter.position_wh + line.imbalance_wh
        assert line.balanced_wh + line.netted_wh + line.tariff_wh == abs(line.imbalance_wh)
        assert min(line.balanced_wh, line.netted_wh, line.tariff_wh) >= 0
    record = outcome.record
    silent_wh = sum(meter.position_wh for meter in meters if meter.metered_wh is None)
    metered_wh = sum(line.metered_wh for line in outcome.lines.values())
    assert record.grid_import_wh - record.grid_export_wh == metered_wh + silent_wh + record.unexplained_wh


@given(slots())
def test_with_a_call_never_a_surplus_and_a_deficit_are_left_together(
    slot: Slot,
) -> None:
    outcome = settled(slot)
    short = sum(line.tariff_wh for line in outcome.lines.values() if line.imbalance_wh > 0)
    long = sum(line.tariff_wh for line in outcome.lines.values() if line.imbalance_wh < 0)
    if slot[1] is not None:
        assert min(short, long) == 0
    else:
        assert outcome.record.netted_wh == 0
        assert all(line.netted_wh == 0 for line in outcome.lines.values())


@given(slots())
def test_equal_imbalances_are_treated_equally(slot: Slot) -> None:
    lines = settled(slot).lines
    for first in lines.values():
        for second in lines.values():
            if (first.imbalance_wh, first.balanced_wh) == (second.imbalance_wh, second.balanced_wh):
                assert abs(first.netted_wh - second.netted_wh) <= 1


@given(slots())
def test_a_share_moves_prices_from_the_call_towards_ask_and_bid(
    slot: Slot,
) -> None:
    tariff, call, _, _ = slot
    prices = deviation_prices(tariff, call, 500)
    middle = call if call is not None else tariff.bid_ueur_kwh
    assert tariff.bid_ueur_kwh <= prices.long_ueur_kwh <= middle <= prices.short_ueur_kwh <= tariff.ask_ueur_kwh


@given(slots())
def test_balancing_stays_within_leftovers_and_against_the_others(
    slot: Slot,
) -> None:
    meters = [meter for meter in slot[2] if meter.metered_wh is not None]
    imbalances = [(meter.metered_wh or 0) - meter.position_wh for meter in meters]
    balanced = balanced_parts(meters, imbalances)
    for meter, imbalance_wh, balanced_wh in zip(meters, imbalances, balanced, strict=True):
        leftover = meter.leftover_buy_wh if imbalance_wh > 0 else meter.leftover_sell_wh
        assert 0 <= balanced_wh <= min(abs(imbalance_wh), leftover)
        assert balanced_wh == 0 or meter.is_storage
    helping = {imbalance_wh > 0 for imbalance_wh, balanced_wh in zip(imbalances, balanced, strict=True) if balanced_wh}
    assert len(helping) <= 1, "two storage devices cannot earn by working against each other"
    assert sum(balanced) <= min(sum(wh for wh in imbalances if wh > 0), -sum(wh for wh in imbalances if wh < 0))
    netted = netted_parts(imbalances, balanced)
    for sign in (1, -1):
        total = sum(b + n for wh, b, n in zip(imbalances, balanced, netted, strict=True) if wh * sign > 0)
        assert total == min(sum(wh for wh in imbalances if wh > 0), -sum(wh for wh in imbalances if wh < 0))


def meter(index: int, metered_wh: int | None, storage: bool = False, buy_wh: int = 0, sell_wh: int = 0) -> Metered:
    return Metered(device(index), metered_wh, (), buy_wh, sell_wh, storage)


def test_a_battery_that_fills_a_deficit_gets_what_the_short_pay() -> None:
    """1,000 Wh are short; the battery gives 600 within 700 it had offered, the array's surplus nets the rest."""
    meters = [meter(0, 1_000), meter(1, -600, True, sell_wh=700), meter(2, -100)]
    outcome = settle_slot(TARIFF, 200_000, 500, meters, GridFlow(300, 0), 4)
    battery, array, home = outcome.lines[device(1)], outcome.lines[device(2)], outcome.lines[device(0)]
    assert (battery.balanced_wh, battery.imbalance_ueur) == (600, -600 * 250_000 // 1000)
    assert (array.netted_wh, array.imbalance_ueur) == (100, -100 * 140_000 // 1000)
    assert (home.netted_wh, home.tariff_wh, home.imbalance_ueur) == (700, 300, 700 * 250 + 300 * 300)
    assert outcome.record.society_ueur == 300 * 300 - (700 * 250 + 300 * 300 - 600 * 250 - 100 * 140)


def test_without_a_call_the_helper_still_gets_the_ask() -> None:
    meters = [meter(0, 500), meter(1, -500, True, sell_wh=500)]
    outcome = settle_slot(TARIFF, None, 500, meters, None, 2)
    assert outcome.lines[device(1)].imbalance_ueur == -500 * 300
    assert outcome.lines[device(0)].imbalance_ueur == 500 * 300
    assert (outcome.record.society_ueur, outcome.record.grid_ueur, outcome.record.netted_wh) == (0, 0, 0)


def test_a_storage_device_without_an_order_left_over_is_like_any_other() -> None:
    meters = [meter(0, 500), meter(1, -500, True)]
    line = settle_slot(TARIFF, 200_000, 500, meters, None, 2).lines[device(1)]
    assert (line.balanced_wh, line.netted_wh, line.imbalance_ueur) == (0, 500, -500 * 140)


def test_several_helpers_share_what_is_needed_in_proportion_to_what_they_could_give() -> None:
    meters = [meter(0, 300), meter(1, -400, True, sell_wh=400), meter(2, -300, True, sell_wh=200)]
    outcome = settle_slot(TARIFF, 200_000, 500, meters, None, 3)
    assert [outcome.lines[device(index)].balanced_wh for index in (1, 2)] == [200, 100]


def test_two_batteries_against_each_other_earn_nothing() -> None:
    meters = [meter(0, 1_000, True, buy_wh=1_000), meter(1, -1_000, True, sell_wh=1_000)]
    outcome = settle_slot(TARIFF, 200_000, 500, meters, None, 2)
    assert sum(line.imbalance_ueur for line in outcome.lines.values()) == 1_000 * (250 - 140)


def test_without_a_grid_meter_the_sum_of_the_devices_counts_and_is_marked() -> None:
    outcome = settle_slot(TARIFF, 200_000, 500, [meter(0, 700), meter(1, -200)], None, 3)
    record = outcome.record
    assert (record.settled_on, record.grid_import_wh, record.grid_export_wh) == (SettledOn.SUM_OF_DEVICES, 500, 0)
    assert (record.unexplained_wh, record.grid_ueur, record.reported, record.devices) == (0, 500 * 300, 2, 3)


def test_the_sub_meter_above_all_silent_devices_carries_what_nobody_explains() -> None:
    silent = replace(meter(1, None), sub_meter=device(0))
    outcome = settle_slot(TARIFF, 200_000, 500, [meter(0, 100), silent], GridFlow(500, 0), 3)
    assert outcome.carrier == device(0)
    assert outcome.record.unexplained_wh == 400
    assert outcome.lines[device(0)].imbalance_ueur == 100 * 300 + 400 * 300
    assert outcome.record.society_ueur == 0


def test_otherwise_the_society_carries_it() -> None:
    silent = [replace(meter(1, None), sub_meter=device(0)), meter(2, None)]
    outcome = settle_slot(TARIFF, 200_000, 500, [meter(0, 100), *silent], GridFlow(500, 0), 4)
    assert outcome.carrier == b""
    assert outcome.record.society_ueur == 400 * 300
