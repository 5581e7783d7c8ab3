"""The freezer: cools ahead when electricity is cheap, resells by abstaining, and never leaves its temperature band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from agent.vocabulary import Decision, Order, Position, Setpoint, Side
from strategies.cold import ColdStore, cold_mwh, cold_store, worths_of_cold
from strategies.contracts import ColdPlan, Contract
from strategies.outlook import prices_from_history
from strategies.view import MarketView, Quote, at_tariff
from strategies.words import cents, degrees, energy

LOOK_AHEAD, LEAST_LOOK_AHEAD_S = 24, 3_600
"""How far the programme looks ahead: so many slots, and an hour at least; cold keeps for some hours."""
CONTRACT_S = 900
"""Open trades are made for at least so long at a time: a run of the compressor that is bought, or given up, as a whole."""
FORCED_MC = 200
MARGIN_MC = 600
"""The programme keeps this distance to the warmest temperature. Cooling is forced at a third of it, so that a compressor at
its minimum rest stays in the band, and then goes on to the whole of it, so that it does not start every few minutes."""


@dataclass(frozen=True, slots=True)
class FreezerRules:
    """The appliance's physics and the resident's temperature band. Defaults: a common chest freezer."""

    power_w: int = 157
    cop_permille: int = 1_600
    leak_mw_k: int = 1_000
    """Heat that leaks in, milliwatts per kelvin of difference to the room."""
    heat_j_k: int = 65_000
    """Heat capacity, joules per kelvin."""
    room_mc: int = 20_000
    coldest_mc: int = -20_000
    warmest_mc: int = -16_000
    min_off_s: int = 300
    min_run_s: int = 480
    """A run that must be bought is at least so long, to spare the compressor."""
    buy_ahead: bool = False
    """Take open offers below the worth of its cold before the gate, to resell them where somebody bids more."""
    gates_ahead: int = 1
    """How many gates ahead it takes and resells; a quarter of an hour and more, where slots are shorter than that."""


@dataclass(frozen=True, slots=True)
class FreezerSnapshot:
    """`air_mc` is the temperature now, `power_w` the power now; `off_since_s` when the compressor was last switched off, None
    while it runs or when that is unknown."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    air_mc: int
    power_w: int
    off_since_s: int | None


def bid(seen: FreezerSnapshot, rules: FreezerRules) -> Decision:
    """Buy the cold that the next slot must have at any price, and more while it is cheaper now than later.

    What was bought ahead is sold again where somebody openly bids more than the cold is worth.
    """
    market = seen.market
    if not market.quotes:
        return Decision((), (), "No market in sight: the freezer runs on its thermostat.")
    quote = market.quotes[0]
    store = store_of(rules, market.duration_s)
    cold_mwh = _cold_at_start(seen, rules, quote.slot_s)
    prices = prices_from_history(market, quote.slot_s, max(LOOK_AHEAD, LEAST_LOOK_AHEAD_S // market.duration_s))
    at, slots = f"{degrees(seen.air_mc)} in the freezer", (quote.slot_s,)
    plan = ColdPlan(market.quotes, store, cold_mwh, prices, -(-CONTRACT_S // market.duration_s))
    if sale := plan.resale():
        reason = f"{at}: it abstains and sells {_contracted(sale)}, as its cold is worth {cents(sale.worth)}."
        return Decision(slots, (), reason, sale.accepts)
    orders = _orders(quote, rules, store, store.after_leak(cold_mwh), worths_of_cold(store, prices[1:]), prices[0])
    if not orders and rules.buy_ahead and (run := plan.purchase()):
        reason = f"{at}: it buys ahead {_contracted(run)}, as its cold is worth {cents(run.worth)}."
        return Decision(slots, (), reason, run.accepts)
    if not orders:
        return Decision(slots, (), f"{at}: cold enough for the next slot, later electricity is not dearer.")
    wanted = energy(sum(order.energy_wh for order in orders))
    if store.after_leak(cold_mwh) < 0:
        return Decision(slots, orders, f"{at}: it must cool in the next slot and buys {wanted} at the market's price.")
    return Decision(slots, orders, f"{at}: it cools ahead with {wanted}, paying up to {cents(orders[0].limit_ueur_kwh)}.")


def _contracted(contract: Contract) -> str:
    total, count = energy(sum(accept.energy_wh for accept in contract.accepts)), len(contract.accepts)
    return f"{total} at {cents(contract.price)}" if count == 1 else f"{total} of {count} slots at {cents(contract.price)}"


@lru_cache(maxsize=64)
def store_of(rules: FreezerRules, slot_s: int) -> ColdStore:
    """The freezer's store of cold between its limits, less the margin that the thermostat keeps."""
    return cold_store(
        power_w=rules.power_w,
        cop_permille=rules.cop_permille,
        leak_mw_k=rules.leak_mw_k,
        heat_j_k=rules.heat_j_k,
        room_mc=rules.room_mc,
        coldest_mc=rules.coldest_mc,
        warmest_mc=rules.warmest_mc - MARGIN_MC,
        slot_s=slot_s,
    )


def _cold_at_start(seen: FreezerSnapshot, rules: FreezerRules, slot_s: int) -> int:
    """The cold expected at the slot's start, the compressor staying as it is."""
    seconds = max(0, slot_s - seen.market.now_s)
    air_mc = seen.air_mc + _drift_mk(rules, seen.air_mc, seen.power_w > 0, seconds)
    air_mc = max(rules.coldest_mc, min(rules.warmest_mc - MARGIN_MC, air_mc))
    return cold_mwh(rules.warmest_mc - MARGIN_MC - air_mc, rules.heat_j_k, rules.cop_permille)


def _drift_mk(rules: FreezerRules, air_mc: int, on: bool, seconds: int) -> int:
    """By how much the air changes in a short time, in mK."""
    heat_mw = (rules.room_mc - air_mc) * rules.leak_mw_k // 1000 - (rules.power_w * rules.cop_permille if on else 0)
    return heat_mw * seconds // rules.heat_j_k


def _orders(
    quote: Quote, rules: FreezerRules, store: ColdStore, left_mwh: int, worths: list[int], expected: int
) -> tuple[Order, ...]:
    """What must be cooled at the ask, and the steps of cold that are worth more than the expected price at their worth."""
    tariff = quote.book.tariff
    run_mwh = rules.power_w * rules.min_run_s * 1000 // 3600
    must_mwh = min(store.most_mwh, max(-left_mwh, run_mwh)) if left_mwh < 0 else 0
    wanted = [worth for worth in worths if worth >= expected]
    target_mwh = len(wanted) * store.step_mwh
    more_mwh = max(0, min(store.most_mwh - must_mwh, target_mwh - max(0, left_mwh)))
    must_wh = max(0, -(-must_mwh // 1000) - quote.position.net_wh)
    more_wh = max(0, (must_mwh + more_mwh) // 1000 - must_wh - max(0, quote.position.net_wh))
    orders = [Order(quote.slot_s, Side.BUY, must_wh, tariff.ask_ueur_kwh)] if must_wh else []
    if more_wh and (limit := min(wanted[-1], tariff.ask_ueur_kwh)) >= tariff.bid_ueur_kwh:
        orders.append(Order(quote.slot_s, Side.BUY, more_wh, limit))
    return tuple(orders)


def steer(seen: FreezerSnapshot, rules: FreezerRules) -> Setpoint:
    """Power above 0: compressor on; 0: off. The temperature band rules, what was bought decides inside it.

    `until_s` is when a limit is reached or the bought energy is used up, whichever comes first.
    """
    now_s, air_mc, on = seen.market.now_s, seen.air_mc, seen.power_w > 0
    slot_s, slot_end_s = seen.market.current_slot_s, seen.market.current_slot_s + seen.market.duration_s
    if not on and seen.off_since_s is not None and now_s < seen.off_since_s + rules.min_off_s:
        return Setpoint(0, "The compressor rests for its minimum time.", min(slot_end_s, seen.off_since_s + rules.min_off_s))
    if air_mc >= rules.warmest_mc - (MARGIN_MC if on else FORCED_MC):
        return _until(seen, rules, True, slot_end_s, f"{degrees(air_mc)}: it cools, whatever the price.")
    if air_mc <= rules.coldest_mc:
        return _until(seen, rules, False, slot_end_s, f"{degrees(air_mc)}: cold enough, it rests.")
    if seen.position_now is None:
        stay = "cools on" if on else "rests"
        return _until(seen, rules, on, slot_end_s, f"No proven trades: the thermostat {stay} at {degrees(air_mc)}.")
    bought_wh = seen.position_now.net_wh + at_tariff(seen.leftover_now, seen.market.current_tariff)
    stop_s = slot_s + max(0, bought_wh) * 3600 // rules.power_w
    if now_s < stop_s:
        return _until(
            seen, rules, True, min(slot_end_s, stop_s), f"{degrees(air_mc)}: it cools with the {energy(bought_wh)} it bought."
        )
    sold = " and sold its share" if seen.position_now.sold_wh else ""
    return _until(seen, rules, False, slot_end_s, f"{degrees(air_mc)}: it rests{sold}; no more bought for this slot.")


def _until(seen: FreezerSnapshot, rules: FreezerRules, on: bool, latest_s: int, reason: str) -> Setpoint:
    """The setpoint, to be looked at again when the air reaches the limit that it drifts to."""
    now_s, air_mc = seen.market.now_s, seen.air_mc
    drift_mk_h = _drift_mk(rules, air_mc, on, 3600)
    if on:
        way_mk, speed_mk_h = air_mc - rules.coldest_mc, -drift_mk_h
    else:
        way_mk, speed_mk_h = rules.warmest_mc - FORCED_MC - air_mc, drift_mk_h
    if on and air_mc > rules.warmest_mc - MARGIN_MC:
        way_mk = air_mc - rules.warmest_mc + MARGIN_MC + 1
    reached_s = now_s + max(1, -(-max(0, way_mk) * 3600 // speed_mk_h)) if speed_mk_h > 0 else latest_s
    return Setpoint(rules.power_w if on else 0, reason, min(latest_s, reached_s))
