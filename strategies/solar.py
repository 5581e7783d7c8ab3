"""A solar array: offers what it expects to produce and no more, and takes any price above its owner's floor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.vocabulary import Accept, Decision, Mode, Order, Position, Setpoint, Side, SlotEnergy, Tariff
from strategies.forecast import STEP_S, expect_sun_w, own_series
from strategies.view import MarketView, Quote, in_slot_wh, power_for, rivals
from strategies.words import cents, energy


@dataclass(frozen=True, slots=True)
class SolarRules:
    """The owner's limits.

    `opening`: "call" offers the forecast in the call at the floor; "open" posts an open ask, looks for the highest open bid
    and takes it within `accept_lead_s` before the gate, so that a late better bid wins.
    """

    nameplate_w: int
    floor_ueur_kwh: int = 0
    """Never below this price: rather curtail. Any price above the utility's bid beats feeding in."""
    full_cost_ueur_kwh: int = 60_000
    """Investment and operation per kWh: asked first by an open array while others bid."""
    opening: Literal["call", "open"] = "call"
    accept_lead_s: int = 45


@dataclass(frozen=True, slots=True)
class SolarSnapshot:
    """`power_w` is the power now (feeding in is negative); `own_history` the own metered slots, ascending, up to 8 days."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    power_w: int
    own_history: tuple[SlotEnergy, ...]


def bid(seen: SolarSnapshot, rules: SolarRules) -> Decision:
    """Offer the forecast for the next slot, as the rules say: in the call, or openly."""
    if not seen.market.quotes:
        return Decision((), (), "No market in sight: the array feeds in what it produces.")
    quote = seen.market.quotes[0]
    left_wh = expected_wh(seen, rules, quote.slot_s) + quote.position.net_wh
    if left_wh <= 0:
        sold = quote.position.sold_wh
        return Decision(
            (quote.slot_s,),
            (),
            f"All of the {energy(sold)} expected is sold." if sold else "No sun is expected in the next slot.",
        )
    floor = lowest_price(quote.book.tariff, rules)
    if rules.opening == "open":
        return _bid_openly(seen, rules, quote, left_wh, floor)
    order = Order(quote.slot_s, Side.SELL, left_wh, floor)
    reason = f"About {energy(left_wh)} of sun expected; offered in the call at {cents(floor)} or more, which beats feeding in."
    return Decision((quote.slot_s,), (order,), reason)


def expected_wh(seen: SolarSnapshot, rules: SolarRules, slot_s: int) -> int:
    """The energy that the array expects to produce in a slot (>= 0): the last value times the ratio of the envelope."""
    market = seen.market
    series = own_series(seen.own_history, market.duration_s)
    steps_ahead = (slot_s - market.now_s) // STEP_S + 1
    power_w = expect_sun_w(series, market.now_s, seen.power_w, market.now_s - market.now_s % STEP_S, steps_ahead + 1)
    step = (slot_s - (market.now_s - market.now_s % STEP_S)) // STEP_S
    return in_slot_wh(min(rules.nameplate_w, max(0, -power_w[step])), market.duration_s)


def lowest_price(tariff: Tariff, rules: SolarRules) -> int:
    """The lowest acceptable price: the owner's floor, or just above what the utility pays, inside the tariff."""
    return min(tariff.ask_ueur_kwh, max(rules.floor_ueur_kwh, tariff.bid_ueur_kwh + 1))


def _bid_openly(seen: SolarSnapshot, rules: SolarRules, quote: Quote, left_wh: int, floor: int) -> Decision:
    """Ask the full cost while others bid, the floor while nobody does; take the best bid just before the gate."""
    slots, tariff = (quote.slot_s,), quote.book.tariff
    bids = [bid for bid in rivals(quote, Side.BUY) if bid.limit_ueur_kwh >= floor]
    if not bids:
        order = Order(quote.slot_s, Side.SELL, left_wh, floor, Mode.OPEN)
        return Decision(
            slots, (order,), f"Nobody bids: {energy(left_wh)} offered at the lowest acceptable price, {cents(floor)}."
        )
    best = bids[0]
    gate_s = quote.slot_s - seen.market.gate_lead_s
    above = "above" if best.limit_ueur_kwh >= rules.full_cost_ueur_kwh else "below"
    limits = f"{above} its full cost of {cents(rules.full_cost_ueur_kwh)}, above the utility's {cents(tariff.bid_ueur_kwh)}"
    if seen.market.now_s < gate_s - rules.accept_lead_s:
        full_cost = max(floor, min(rules.full_cost_ueur_kwh, tariff.ask_ueur_kwh))
        order = Order(quote.slot_s, Side.SELL, left_wh, full_cost, Mode.OPEN)
        reason = (
            f"The best bid is {cents(best.limit_ueur_kwh)}, {limits}; it waits for a better one until just before the gate."
        )
        return Decision(slots, (order,), reason)
    accepts = []
    for bid in bids:
        taken_wh = min(left_wh, bid.remaining_wh)
        if taken_wh > 0 and not (bid.all_or_nothing and taken_wh < bid.remaining_wh):
            accepts.append(Accept(quote.slot_s, bid.order_id, taken_wh))
            left_wh -= taken_wh
    orders = (Order(quote.slot_s, Side.SELL, left_wh, floor, Mode.OPEN),) if left_wh > 0 else ()
    return Decision(
        slots, orders, f"The gate is near: it takes the best bid, {cents(best.limit_ueur_kwh)}, {limits}.", tuple(accepts)
    )


def steer(seen: SolarSnapshot, rules: SolarRules) -> Setpoint:
    """Feed in all there is; curtail to what is sold when feeding in the rest costs more than the floor."""
    tariff = seen.market.current_tariff
    if tariff is None or tariff.bid_ueur_kwh >= min(0, rules.floor_ueur_kwh):
        return Setpoint(None, "The array delivers all it produces.")
    sold_wh = seen.position_now.sold_wh if seen.position_now else 0
    return Setpoint(
        -power_for(sold_wh, seen.market.duration_s),
        f"Feeding in costs money ({cents(tariff.bid_ueur_kwh)}): only the {energy(sold_wh)} that are sold are delivered.",
    )
