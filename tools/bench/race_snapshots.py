"""What a strategy sees of its device in the strategy race: its plant and its meter, as an agent's driver would show them.

The plants run whole slots. While bids are made, what the slot that runs will still bring is reckoned in.
"""

from __future__ import annotations

from strategies import battery, ev, freezer, washer
from strategies.view import MarketView
from tools.bench.race_figures import Meter
from tools.bench.race_world import BatteryPlant, ChargerPlant, FreezerPlant, WasherPlant, World


def battery_seen(market: MarketView, meter: Meter, plant: BatteryPlant, grid_w: int | None) -> battery.BatterySnapshot:
    """`grid_w`: the building's power at the grid connection; None: the battery does not know it."""
    stored_wh = plant.stored_mwh // 1000
    if market.quotes and meter.power_w:
        ahead_wh = _rest_wh(market, meter.power_w)
        eta = plant.eta_permille
        stored_wh -= ahead_wh * eta // 1000 if ahead_wh > 0 else ahead_wh * 1000 // eta
    return battery.BatterySnapshot(market, meter.position, meter.leftover, stored_wh, meter.power_w, grid_w)


def ev_seen(market: MarketView, meter: Meter, plant: ChargerPlant, world: World) -> ev.EvSnapshot:
    session, car = plant.current, None
    if session is not None:
        needs_wh = session.need_wh - plant.delivered_wh
        if market.quotes:
            needs_wh += _rest_wh(market, plant.last_w)
        plugged_s, departs_s = (world.start_s + slot * world.duration_s for slot in (session.first, session.end))
        car = ev.PluggedCar(plugged_s, departs_s, needs_wh, session.max_w)
    return ev.EvSnapshot(market, meter.position, meter.leftover, car, plant.last_w)


def washer_seen(market: MarketView, meter: Meter, plant: WasherPlant, world: World, slot: int) -> washer.WasherSnapshot:
    """`slot` is the slot that runs."""
    job, wash = plant.job(slot), None
    if job is not None:
        ready_s, end_s = (world.start_s + at * world.duration_s for at in (job.ready, job.end))
        started_s = None if plant.started is None else world.start_s + plant.started * world.duration_s
        wash = washer.Wash(ready_s, end_s, job.slot_wh, started_s)
    return washer.WasherSnapshot(market, meter.position, meter.leftover, wash)


def freezer_seen(market: MarketView, meter: Meter, plant: FreezerPlant) -> freezer.FreezerSnapshot:
    air_mc, power_w = round(plant.air_c * 1000), plant.power_w if plant.on else 0
    return freezer.FreezerSnapshot(market, meter.position, meter.leftover, air_mc, power_w, plant.off_since_s)


def _rest_wh(market: MarketView, power_w: int) -> int:
    """Energy that stands in the registers for the slot that runs, though it has still to flow until the next one starts."""
    return power_w * (market.quotes[0].slot_s - market.now_s) // 3600
