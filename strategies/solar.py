"""A solar array: offers what it expects to produce and no more, and takes any price above its owner's floor."""

from __future__ import annotations

from collections.abc import Sequence
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
    gates_ahead: int = 1
    """How many gates ahead it asks openly."""


@dataclass(frozen=True, slots=True)
class SolarSnapshot:
    """`power_w` is the power now (feeding in is negative); `own_history` the own metered slots, ascending, up to 8 days."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    power_w: int
    own_history: tuple[SlotEnergy, ...]


def bid(seen: SolarSnapshot, rules: SolarRules) -> Decision:
    """Offer the forecast for the next slot in the call, or openly for all slots in sight, as the rules say."""
    if not seen.market.quotes:
        return Decision((), (), "No market in sight: the array feeds in what it produces.")
    if rules.opening == "open":
        return _bid_openly(seen, rules)
    quote = seen.market.quotes[0]
    left_wh = expected_wh(seen, rules, quote.slot_s) + quote.position.net_wh
    if left_wh <= 0:
        return Decision((quote.slot_s,), (), _nothing_left(quote))
    floor = lowest_price(quote.book.tariff, rules)
    order = Order(quote.slot_s, Side.SELL, left_wh, floor)
    reason = f"About {energy(left_wh)} of sun expected; offered in the call at {cents(floor)} or more, which beats feeding in."
    return Decision((quote.slot_s,), (order,), reason)


def expected_wh(seen: SolarSnapshot, rules: SolarRules, slot_s: int) -> int:
    """The energy that the array expects to produce in a slot (>= 0): the last value times the ratio of the envelope."""
    return _expected_in(seen, rules, (slot_s,))[0]


def _expected_in(seen: SolarSnapshot, rules: SolarRules, slots: Sequence[int]) -> list[int]:
    """The expected energies of some slots, ascending."""
    market = seen.market
    series = own_series(seen.own_history, market.duration_s)
    first_s = market.now_s - market.now_s % STEP_S
    count = (slots[-1] - first_s) // STEP_S + 2
    powers_w = expect_sun_w(series, market.now_s, seen.power_w, first_s, count)
    expected_w = (min(rules.nameplate_w, max(0, -powers_w[(slot_s - first_s) // STEP_S])) for slot_s in slots)
    return [in_slot_wh(power_w, market.duration_s) for power_w in expected_w]


def _nothing_left(quote: Quote) -> str:
    sold_wh = quote.position.sold_wh
    return f"All of the {energy(sold_wh)} expected is sold." if sold_wh else "No sun is expected in the next slot."


def lowest_price(tariff: Tariff, rules: SolarRules) -> int:
    """The lowest acceptable price: the owner's floor, or just above what the utility pays, inside the tariff."""
    return min(tariff.ask_ueur_kwh, max(rules.floor_ueur_kwh, tariff.bid_ueur_kwh + 1))


def _bid_openly(seen: SolarSnapshot, rules: SolarRules) -> Decision:
    """Trade in every book in sight. The reason tells of the one whose gate is next."""
    quotes = seen.market.quotes
    expected = _expected_in(seen, rules, [quote.slot_s for quote in quotes])
    books = [
        _trade_openly(seen.market, rules, quote, wh + quote.position.net_wh) for quote, wh in zip(quotes, expected, strict=True)
    ]
    return Decision(
        slots=tuple(quote.slot_s for quote in quotes),
        orders=tuple(order for book in books for order in book.orders),
        reason=books[0].reason,
        accepts=tuple(accept for book in books for accept in book.accepts),
    )


def _trade_openly(market: MarketView, rules: SolarRules, quote: Quote, left_wh: int) -> Decision:
    """Ask the full cost while others bid, the floor while nobody does; take the best bid just before the gate."""
    slots, tariff = (quote.slot_s,), quote.book.tariff
    if left_wh <= 0:
        return Decision(slots, (), _nothing_left(quote))
    floor = lowest_price(tariff, rules)
    bids = [bid for bid in rivals(quote, Side.BUY) if bid.limit_ueur_kwh >= floor]
    if not bids:
        order = Order(quote.slot_s, Side.SELL, left_wh, floor, Mode.OPEN)
        return Decision(
            slots, (order,), f"Nobody bids: {energy(left_wh)} offered at the lowest acceptable price, {cents(floor)}."
        )
    best = bids[0]
    above = "above" if best.limit_ueur_kwh >= rules.full_cost_ueur_kwh else "below"
    limits = f"{above} its full cost of {cents(rules.full_cost_ueur_kwh)}, above the utility's {cents(tariff.bid_ueur_kwh)}"
    if market.now_s < quote.slot_s - market.gate_lead_s - rules.accept_lead_s:
        full_cost = min(tariff.ask_ueur_kwh, max(floor, rules.full_cost_ueur_kwh, best.limit_ueur_kwh))
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
    reason = f"The gate is near: it takes the best bid, {cents(best.limit_ueur_kwh)}, {limits}."
    return Decision(slots, orders, reason, tuple(accepts))


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
