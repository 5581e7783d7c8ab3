"""The household's base load: nothing to steer, so it buys what it will use at whatever the market asks.

It never shades: bidding below the utility's ask saves cents at best and costs the ask when the call passes it by.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Decision, Order, Position, Setpoint, Side, SlotEnergy
from strategies.forecast import expect_home_wh
from strategies.view import MarketView, in_slot_wh
from strategies.words import cents, energy


@dataclass(frozen=True, slots=True)
class BaseLoadRules:
    """Nothing for the resident to set but how much the sub-meter can carry."""

    nameplate_w: int = 25_000


@dataclass(frozen=True, slots=True)
class BaseLoadSnapshot:
    """`power_w` is the power now; `own_history` the own metered slots, ascending, up to 8 days, holes allowed."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    power_w: int
    own_history: tuple[SlotEnergy, ...]


def bid(seen: BaseLoadSnapshot, rules: BaseLoadRules) -> Decision:
    """Buy the expected use of the next slot at the utility's ask, so that it is served whatever the others do."""
    if not seen.market.quotes:
        return Decision(slots=(), orders=(), reason="No market in sight: the home uses what it needs at the utility's price.")
    quote = seen.market.quotes[0]
    duration_s = seen.market.duration_s
    now_wh = in_slot_wh(seen.power_w, duration_s)
    expected_wh = expect_home_wh(seen.own_history, seen.market.current_slot_s, now_wh, quote.slot_s)
    wanted_wh = min(in_slot_wh(rules.nameplate_w, duration_s), expected_wh) - quote.position.net_wh
    if wanted_wh <= 0:
        return Decision((quote.slot_s,), (), "The home expects to use nothing in the next slot.")
    ask = quote.book.tariff.ask_ueur_kwh
    order = Order(quote.slot_s, Side.BUY, wanted_wh, ask)
    return Decision(
        (quote.slot_s,),
        (order,),
        f"The home will use about {energy(wanted_wh)}; it pays the market's price, at most {cents(ask)}.",
    )


def steer(seen: BaseLoadSnapshot, rules: BaseLoadRules) -> Setpoint:
    """Nothing is steered."""
    return Setpoint(None, "The home uses what it needs.")
