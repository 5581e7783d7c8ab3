"""Appliances that do not trade: what the same building does today. The yardstick for every strategy.

They use the snapshots of the trading strategies, so that a run switches from one to the other by a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.vocabulary import Decision, Setpoint
from strategies.view import MarketView, power_for
from strategies.words import degrees, energy

if TYPE_CHECKING:  # an agent loads the strategy of its own kind and no other
    from strategies.battery import BatteryRules, BatterySnapshot
    from strategies.ev import EvRules, EvSnapshot
    from strategies.freezer import FreezerRules, FreezerSnapshot
    from strategies.washer import WasherRules, WasherSnapshot


def bid(market: MarketView) -> Decision:
    """No orders, for any appliance."""
    return Decision((), (), "It does not trade.")


def steer_battery(seen: BatterySnapshot, rules: BatteryRules) -> Setpoint:
    return Setpoint(0, "The battery rests.")


def steer_ev(seen: EvSnapshot, rules: EvRules) -> Setpoint:
    """Charge at full power from the plug-in on; the last slot's rest is spread evenly over that slot."""
    car, market = seen.car, seen.market
    if car is None or car.needs_wh <= 0:
        return Setpoint(0, "No car is plugged in." if car is None else "The car has what it needs.")
    left_s = min(market.current_slot_s + market.duration_s, car.departs_s) - market.now_s
    power_w = min(car.max_charge_w, rules.nameplate_w, power_for(car.needs_wh, max(1, left_s)) + 1)
    return Setpoint(power_w, f"It charges from the plug-in on, {energy(car.needs_wh)} to go.")


def steer_washer(seen: WasherSnapshot, rules: WasherRules) -> Setpoint:
    """Start as soon as the wash is ready."""
    wash = seen.wash
    if wash is None or wash.started_s is not None:
        return Setpoint(None, "No wash is waiting." if wash is None else "The wash runs.")
    if wash.ready_s > seen.market.now_s:
        return Setpoint(0, "The wash is not ready.", until_s=wash.ready_s)
    return Setpoint(1, "The wash starts as soon as it is ready.")


def steer_freezer(seen: FreezerSnapshot, rules: FreezerRules) -> Setpoint:
    """A plain thermostat: on near the warm limit, off near the cold one, otherwise as it is."""
    margin_mc = (rules.warmest_mc - rules.coldest_mc) // 8
    on = seen.power_w > 0
    if seen.air_mc >= rules.warmest_mc - margin_mc:
        on = True
    elif seen.air_mc <= rules.coldest_mc + margin_mc:
        on = False
    return Setpoint(rules.power_w if on else 0, f"Thermostat at {degrees(seen.air_mc)}.", until_s=seen.market.now_s + 60)
