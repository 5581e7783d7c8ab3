"""What a building pays without a market, on the week that the repository carries and on hand-made buildings."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from agent.vocabulary import Kind
from tools.society.baseline import baseline, passive_mwh, thermostat_mwh
from tools.society.cast import build_cast
from tools.society.optimum import optimum_eur
from tools.society.scenario import FreezerSpec, Scenario
from tools.society.scenariofile import load_scenario, read_scenario


def week_a() -> Scenario:
    return load_scenario(Path(str(resources.files("tools.society"))) / "data" / "week_a.json.gz")


def small(**fields: Any) -> Scenario:
    """Two homes, four slots of a quarter of an hour."""
    raw: dict[str, Any] = {
        "name": "small",
        "t0_utc": "2021-03-01T00:00:00Z",
        "slot_minutes": 15,
        "slots": 4,
        "grid_buy_eur_per_kwh": [0.2, 0.1, 0.3, 0.2],
        "grid_sell_eur_per_kwh": [0.05] * 4,
        "load_kwh": [[0.1] * 4, [0.2] * 4],
    }
    return read_scenario("small", raw | fields).without({Kind.FREEZER})


def test_alone_everybody_pays_the_ask_and_gets_the_bid() -> None:
    scenario = small(pv_kwh=[0.0, 1.0, 0.0, 0.0])
    result = baseline(scenario, build_cast(scenario, 1))
    assert result.bills_ueur["home-01"] == round(0.1 * 0.8 * 1e6)
    assert result.bills_ueur["home-02"] == round(0.2 * 0.8 * 1e6)
    assert result.bills_ueur["solar-company"] == -50_000
    assert result.no_market_ueur == 240_000 - 50_000


def test_netting_cancels_what_is_produced_and_drawn_in_the_same_slot() -> None:
    scenario = small(pv_kwh=[0.0, 1.0, 0.0, 0.0])
    assert baseline(scenario, build_cast(scenario, 1)).netting_ueur == round(0.3e6 * 0.7 - 0.7e6 * 0.05)


def test_a_car_charges_at_plug_in_and_a_washer_starts_when_ready() -> None:
    scenario = small(
        ev_sessions=[{"user": "a", "first_slot": 1, "end_slot": 4, "energy_kwh": 2.0, "max_kw": 4.0}],
        washer_jobs=[{"ready_slot": 1, "end_by_slot": 4, "kwh_per_slot": [0.5, 0.25]}],
    )
    assert passive_mwh(scenario, Kind.EV, 0) == [0, 1_000_000, 1_000_000, 0]
    assert passive_mwh(scenario, Kind.WASHER, 0) == [0, 500_000, 250_000, 0]


def test_a_thermostat_keeps_its_band_on_the_energy_that_leaks() -> None:
    scenario = replace(week_a().window(0, 1), freezer=FreezerSpec())
    energy_wh = sum(thermostat_mwh(scenario)) / 1000
    leaked_wh = 24 * 38 / 1.6  # 20 °C against -18 °C at 1 W/K, COP 1.6
    assert energy_wh == pytest.approx(leaked_wh, rel=0.1)


def test_the_optimum_buys_in_the_cheapest_slot() -> None:
    scenario = small(ev_sessions=[{"user": "a", "first_slot": 0, "end_slot": 4, "energy_kwh": 1.0, "max_kw": 4.0}])
    assert optimum_eur(scenario) == pytest.approx(0.3 * 0.8 + 0.1)


def test_the_optimum_starts_each_washer_once() -> None:
    scenario = small(washer_jobs=[{"ready_slot": 0, "end_by_slot": 3, "kwh_per_slot": [1.0, 0.5]}])
    assert optimum_eur(scenario) == pytest.approx(0.3 * 0.8 + min(0.2 + 0.05, 0.1 + 0.15))


def test_the_optimum_uses_the_battery_and_returns_what_it_took() -> None:
    battery = {
        "capacity_kwh": 10.0,
        "power_kw": 1.2,
        "eta_charge": 1.0,
        "eta_discharge": 1.0,
        "initial_kwh": 5.0,
        "final_kwh_at_least": 5.0,
    }
    scenario = small(battery=battery)
    assert optimum_eur(scenario) == pytest.approx(0.3 * 0.8 - 0.3 * 0.3 + 0.3 * 0.1)


def test_the_costs_of_the_week_stand_in_order() -> None:
    week = week_a().without({Kind.FREEZER})
    result = baseline(week, build_cast(week, 1))
    assert optimum_eur(week) < result.netting_ueur / 1e6 < result.no_market_ueur / 1e6
    assert sum(result.bills_ueur.values()) == result.no_market_ueur
    assert (result.no_market_ueur, result.netting_ueur) == (148_333_517, 115_842_774)


def test_freezers_cost_more_under_a_thermostat_than_at_best() -> None:
    week = week_a().window(0, 2)
    plain, cold = week.without({Kind.FREEZER}), week
    extra = baseline(cold, build_cast(cold, 1)).netting_ueur - baseline(plain, build_cast(plain, 1)).netting_ueur
    assert 0 < (optimum_eur(cold) - optimum_eur(plain)) * 1e6 < extra
