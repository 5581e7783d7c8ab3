"""Passive appliances: no orders, and the behaviour that a building has today."""

from __future__ import annotations

from dataclasses import replace

from strategies import passive
from strategies.battery import BatteryRules, BatterySnapshot
from strategies.ev import EvRules, EvSnapshot, PluggedCar
from strategies.facts import StorageFacts
from strategies.freezer import FreezerRules, FreezerSnapshot
from strategies.washer import Wash, WasherRules, WasherSnapshot
from tests.strategies.markets import NOW_SLOT_S, SLOT_S, market, steering


def test_nothing_is_ordered() -> None:
    assert passive.bid(market()).orders == ()
    assert passive.bid(market()).reason


def test_a_car_charges_from_the_plug_in_and_spreads_the_rest_over_its_last_slot() -> None:
    car = PluggedCar(NOW_SLOT_S, NOW_SLOT_S + 20 * SLOT_S, 9_000, 7_200)
    seen = EvSnapshot(steering(), None, (), car, 0)
    assert passive.steer_ev(seen, EvRules()).power_w == 7_200
    assert passive.steer_ev(replace(seen, car=replace(car, needs_wh=450)), EvRules()).power_w == 1_801
    assert passive.steer_ev(replace(seen, car=replace(car, needs_wh=0)), EvRules()).power_w == 0
    assert passive.steer_ev(replace(seen, car=None), EvRules()).power_w == 0


def test_a_wash_starts_when_it_is_ready() -> None:
    seen = WasherSnapshot(steering(), None, (), Wash(NOW_SLOT_S, NOW_SLOT_S + 20 * SLOT_S, (500,), None))
    assert passive.steer_washer(seen, WasherRules()).power_w == 1
    later = Wash(NOW_SLOT_S + 60, NOW_SLOT_S + 20 * SLOT_S, (500,), None)
    assert passive.steer_washer(replace(seen, wash=later), WasherRules()).power_w == 0
    assert passive.steer_washer(replace(seen, wash=None), WasherRules()).power_w is None


def test_the_battery_rests_and_the_freezer_is_a_thermostat() -> None:
    battery = BatterySnapshot(steering(), None, (), 30_000, 0, 5_000)
    assert passive.steer_battery(battery, BatteryRules(StorageFacts(60_000, 20_000, 20_000))).power_w == 0
    rules = FreezerRules()
    for air_mc, running, expected in (
        (-16_100, False, True),
        (-19_900, True, False),
        (-18_000, True, True),
        (-18_000, False, False),
    ):
        seen = FreezerSnapshot(steering(), None, (), air_mc, rules.power_w if running else 0, None)
        assert (passive.steer_freezer(seen, rules).power_w == rules.power_w) is expected
