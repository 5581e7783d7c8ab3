"""The formulas of the report, on records made by hand."""

from __future__ import annotations

import pytest

from tests.tools.society.test_baseline import small
from tools.society.baseline import Baseline, baseline
from tools.society.cast import build_cast
from tools.society.ledgerbook import LedgerBook
from tools.society.page.data import page_data
from tools.society.record import BatteryStore, Comfort, EvStay, Outage, RunRecord, Series
from tools.society.report import Bill, bills, captured, conservation_error_ueur, report
from tools.society.scenario import Scenario
from tools.society.table import figures_table

BATTERY = {"capacity_kwh": 10.0, "power_kw": 4.0, "eta_charge": 0.9, "eta_discharge": 0.9, "initial_kwh": 5.0}


def scenario_with_sun() -> Scenario:
    return small(pv_kwh=[0.0, 1.0, 0.0, 0.0], battery=BATTERY)


def played(**paid_ueur: int) -> RunRecord:
    """Four slots: home 1 draws 100 Wh and home 2 200 Wh in each, the array gives 1 kWh in the second, the battery takes 400."""
    scenario = scenario_with_sun()
    cast = build_cast(scenario, 1)
    book = LedgerBook(lambda key: None, [device.device_id for device in cast.metered], scenario.start_s, 4, 900, 60)
    by_name = {device.name: book.devices[device.device_id] for device in cast.metered}
    for slot in range(4):
        by_name["home-01-base-load"].metered_wh[slot] = 100
        by_name["home-02-base-load"].metered_wh[slot] = 200
        book.columns.ask_ueur_kwh[slot] = scenario.ask_ueur_kwh[slot]
        book.columns.bid_ueur_kwh[slot] = scenario.bid_ueur_kwh[slot]
        book.columns.grid_import_wh[slot] = 0 if slot == 1 else 300
        book.columns.grid_ueur[slot] = 0 if slot == 1 else scenario.ask_ueur_kwh[slot] * 300 // 1000
    by_name["array"].metered_wh[1] = -1000
    by_name["battery"].metered_wh[1] = 400
    book.columns.grid_export_wh[1] = 300
    book.columns.grid_ueur[1] = -scenario.bid_ueur_kwh[1] * 300 // 1000
    book.columns.call_ueur_kwh[1] = 70_000
    by_name["array"].position_wh[1] = -900
    by_name["array"].imbalance_wh[1] = -100
    by_name["array"].imbalance_ueur[1] = -6_000
    book.counters.messages = 20
    book.settled = 4
    accounts = dict.fromkeys(cast.parties, 0) | {name.replace("_", "-"): ueur for name, ueur in paid_ueur.items()}
    return RunRecord(
        scenario=scenario,
        cast=cast,
        book=book,
        series=Series(stored_wh=book.columns.grid_ueur, temperatures_mc={}, texts=["waits"], reasons={"battery": [(0, 0)]}),
        seed=1,
        strategies="default",
        balance=True,
        partial=False,
        paid_ueur=accounts,
        battery=BatteryStore(10_000, 5_000, 5_360),
        comfort=Comfort((EvStay("home-01-ev", 0, 3, 2_000, 1_900), EvStay("home-02-ev", 0, 2, 500, 700)), 1, 60.0, 120.0),
        outages=(Outage("battery", scenario.start_s + 450, scenario.start_s + 1_800),),
        slots_played=4,
        proofs_verified=10,
        headers_verified=5,
        app_hash=bytes(32),
        height=9,
        wall_s=1.0,
        peak_rss_mb=50.0,
    )


GRID_UEUR = 60_000 - 15_000 + 90_000 + 60_000


def test_cost_is_the_grid_bill_and_the_worth_of_what_was_taken_out_of_the_battery() -> None:
    record = played(home_01=GRID_UEUR)
    shown = report(record, baseline(record.scenario, record.cast), None)
    assert shown["grid_bill_ueur"] == GRID_UEUR
    assert shown["stored_value_ueur"] == -360 * 200, "median ask 0.2 EUR/kWh"
    assert shown["cost_eur"] == pytest.approx((GRID_UEUR - 72_000) / 1e6)


def test_sufficiency_consumption_and_peak_come_from_the_meters() -> None:
    record = played()
    shown = report(record, baseline(record.scenario, record.cast), None)
    assert shown["demand_kwh"] == 1.2
    assert shown["self_sufficiency"] == pytest.approx(1 - 900 / 1200)
    assert shown["self_consumption"] == pytest.approx(1 - 300 / 1000)
    assert shown["grid_peak_kw"] == 1.2


def test_comfort_counts_what_is_missing_and_does_not_net_it_with_what_is_too_much() -> None:
    record = played()
    shown = report(record, baseline(record.scenario, record.cast), None)
    assert (shown["unmet_ev_kwh"], shown["needed_ev_kwh"]) == (0.1, 2.5)
    assert (shown["late_washers"], shown["freezer_minutes_too_warm"]) == (1, 1.0)


def test_an_imbalance_costs_what_it_was_paid_below_the_call_price() -> None:
    record = played()
    shown = report(record, baseline(record.scenario, record.cast), None)
    assert shown["imbalance_kwh"] == 0.1
    assert shown["imbalance_cost_eur"] == pytest.approx((-6_000 + 70_000 * 100 // 1000) / 1e6)


def test_messages_are_counted_per_device_that_may_trade() -> None:
    record = played()
    shown = report(record, baseline(record.scenario, record.cast), None)
    assert shown["messages_per_device_slot"] == 20 / (4 * 4)


@pytest.mark.parametrize(
    ("cost", "optimum", "expected"), [(80.0, 60.0, 0.5), (100.0, 60.0, 0.0), (80.0, None, None), (80.0, 100.0, None)]
)
def test_captured_is_a_share_of_what_could_be_saved(cost: float, optimum: float | None, expected: float | None) -> None:
    assert captured(100.0, cost, optimum) == expected


def test_bills_leave_out_what_was_paid_for_slots_outside_the_window() -> None:
    record = played(home_01=GRID_UEUR + 700, society=-300)
    home = next(device for device in record.cast.devices if device.name == "home-01-base-load")
    record.book.outside.devices_ueur[home.device_id] = 700
    record.book.outside.society_ueur = -300
    found = {bill.party: bill.with_ueur for bill in bills(record, Baseline(0, 0, {}))}
    assert found["home-01"] == GRID_UEUR
    assert found["society"] == 0
    assert "utility" not in found
    assert conservation_error_ueur(record, bills(record, Baseline(0, 0, {}))) == 0


def test_a_lost_ueur_shows() -> None:
    record = played(home_01=GRID_UEUR - 1)
    assert report(record, baseline(record.scenario, record.cast), None)["conservation_error_ueur"] == -1


@pytest.mark.parametrize(
    ("with_ueur", "without_ueur", "worse"),
    [
        (40_800_000, 40_000_000, False),
        (40_800_001, 40_000_000, True),
        (1_500_000, 1_000_000, False),
        (1_500_001, 1_000_000, True),
        (-6_500_000, -7_000_000, False),
        (-6_400_000, -7_000_000, True),
        (500_000, 0, False),
        (500_001, 0, True),
    ],
)
def test_a_party_is_worse_off_beyond_2_percent_or_half_a_euro(with_ueur: int, without_ueur: int, worse: bool) -> None:
    assert Bill("home", with_ueur, without_ueur).worse_off is worse


def test_a_bill_that_brings_less_has_a_ratio_above_one() -> None:
    assert Bill("array", -6_000_000, -8_000_000).ratio == pytest.approx(1.25)
    assert Bill("society", 1, 0).ratio is None


def test_the_pages_series_have_one_entry_per_slot_and_offline_slots_are_whole() -> None:
    record = played(home_01=GRID_UEUR)
    data = page_data(record, report(record, baseline(record.scenario, record.cast), None))
    energy = data["energy_wh"]
    for series in energy.values():
        assert len(series) == 4  # type: ignore[arg-type]
    for slot in range(4):
        taken = energy["solar"][slot] + energy["battery_out"][slot] + energy["grid_import"][slot]
        assert taken == energy["load"][slot] + energy["battery_in"][slot] + energy["grid_export"][slot]
    battery = next(lane for lane in data["devices"] if lane["name"] == "battery")
    assert battery["offline"] == [[0, 2]]
    assert battery["power_w"][1] == 1_600
    assert battery["reasons"] == [[0, 0]]
    assert data["prices"]["call"] == [None, 70_000, None, None]
    assert data["imbalance_wh"]["long"] == [0, 100, 0, 0]


def test_the_table_names_every_party_and_says_when_a_run_was_cut_short() -> None:
    record = played(home_01=GRID_UEUR)
    shown = report(record, baseline(record.scenario, record.cast), 0.05)
    text = figures_table(shown)
    assert all(party in text for party in record.cast.parties if party != "utility")
    assert "captured" in text
    assert "partial" in figures_table(shown | {"partial": True})
