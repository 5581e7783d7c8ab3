"""A washer (dryer, dishwasher): the cheapest window before the deadline, and never interrupted once started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent.vocabulary import TICK_UEUR_KWH, Decision, Mode, Order, Position, Setpoint, Side
from strategies.facts import StorageFacts
from strategies.outbidding import raised_bid, rival_in
from strategies.outlook import prices_ahead
from strategies.view import MarketView, Quote
from strategies.words import cents, energy, time_of_day


@dataclass(frozen=True, slots=True)
class WasherRules:
    """The resident's rules. `opening` "open" bids in the open, one tick above the rival; "call" its limit in the call.

    `wait`: False starts a wash as soon as it is ready, whatever the price.
    """

    nameplate_w: int = 2_500
    opening: Literal["call", "open"] = "call"
    gates_ahead: int = 1
    """How many gates ahead it bids openly, once the wash has its start."""
    wait: bool = True
    storage: StorageFacts | None = None
    """The society's battery, for the price forecast; None: price history alone."""


@dataclass(frozen=True, slots=True)
class Wash:
    """A wash that waits or runs. `slot_energy_wh` is its energy per slot from its start on."""

    ready_s: int
    end_by_s: int
    slot_energy_wh: tuple[int, ...]
    started_s: int | None


@dataclass(frozen=True, slots=True)
class WasherSnapshot:
    """`wash` is None when the machine is empty or done; `storage_wh` as in `EvSnapshot`."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    wash: Wash | None
    storage_wh: int | None = None


def bid(seen: WasherSnapshot, rules: WasherRules) -> Decision:
    """Buy the next slot of a running wash, or of one that starts best in that slot. An order is the promise to start."""
    quotes, wash = seen.market.quotes, seen.wash
    if not quotes:
        return Decision((), (), "No market in sight: the wash is planned with the last known tariff.")
    first_s, duration_s = quotes[0].slot_s, seen.market.duration_s
    slots = tuple(quote.slot_s for quote in quotes)
    if wash is None:
        return Decision(slots, (), "No wash is waiting.")
    if wash.started_s is not None:
        wanted_wh = energy_between(wash, wash.started_s, first_s, duration_s)
        ends = wanted_wh <= 0
        takes = "ends before the next slot" if ends else f"is not interrupted: it takes {energy(wanted_wh)} in the next slot"
        reason = f"The wash runs and {takes}."
        return _decision(quotes, rules, wash, wash.started_s, duration_s, reason)
    if wash.ready_s > first_s:
        return Decision(slots, (), f"The wash is ready at {time_of_day(wash.ready_s)}.")
    best_s = best_start_s(seen, rules, wash, first_s)
    if best_s > first_s:
        return Decision(slots, (), f"The wash waits until about {time_of_day(best_s)}, when it is expected to cost least.")
    reason = f"The wash starts at {time_of_day(first_s)}: no later start before {time_of_day(wash.end_by_s)} costs less."
    return _decision(quotes, rules, wash, first_s, duration_s, reason)


def energy_between(wash: Wash, started_s: int, slot_s: int, duration_s: int) -> int:
    """The energy that a wash started at `started_s` takes in the slot; its own parts may straddle two slots."""
    total = 0
    for index, part_wh in enumerate(wash.slot_energy_wh):
        part_s = started_s + index * duration_s
        overlap_s = min(part_s + duration_s, slot_s + duration_s) - max(part_s, slot_s)
        total += part_wh * max(0, overlap_s)
    return total // duration_s


def best_start_s(seen: WasherSnapshot, rules: WasherRules, wash: Wash, first_s: int) -> int:
    """The slot to start in: the cheapest whole window before the deadline, the earlier of equals; `first_s` if none is left."""
    duration_s = seen.market.duration_s
    length = len(wash.slot_energy_wh)
    starts = (wash.end_by_s - first_s) // duration_s - length + 1
    if starts <= 1 or not rules.wait:
        return first_s
    prices = prices_ahead(seen.market, first_s, starts + length - 1, rules.storage, seen.storage_wh)
    costs = [sum(wh * price for wh, price in zip(wash.slot_energy_wh, prices[i:], strict=False)) for i in range(starts)]
    return first_s + costs.index(min(costs)) * duration_s


def _decision(
    quotes: Sequence[Quote], rules: WasherRules, wash: Wash, started_s: int, duration_s: int, reason: str
) -> Decision:
    """Buy what is missing in the slots in sight; openly in all of them, in the call in the next one."""
    missing = [energy_between(wash, started_s, quote.slot_s, duration_s) - quote.position.net_wh for quote in quotes]
    if rules.opening == "call":
        order = Order(quotes[0].slot_s, Side.BUY, missing[0], quotes[0].book.tariff.ask_ueur_kwh)
        return Decision((quotes[0].slot_s,), (order,) if missing[0] > 0 else (), reason)
    wanted = [(quote, wh) for quote, wh in zip(quotes, missing, strict=True) if wh > 0]
    orders = tuple(Order(quote.slot_s, Side.BUY, wh, open_limit(quote, quotes), Mode.OPEN) for quote, wh in wanted)
    if orders:
        reason += f" {_open_bid(quotes, orders[0].limit_ueur_kwh)}"
    return Decision(tuple(quote.slot_s for quote in quotes), orders, reason)


def open_limit(quote: Quote, quotes: Sequence[Quote]) -> int:
    """One tick over the rival, as long as that is below the utility's ask: at the ask the utility serves it anyway."""
    tariff = quote.book.tariff
    return raised_bid(quote, quotes, max(tariff.bid_ueur_kwh, tariff.ask_ueur_kwh - TICK_UEUR_KWH))


def _open_bid(quotes: Sequence[Quote], limit: int) -> str:
    """What it bids in the next slot and why."""
    rival, ask = rival_in(quotes[0], quotes), quotes[0].book.tariff.ask_ueur_kwh
    if rival is None:
        return f"Nobody else bids: it bids {cents(limit)}, just above what the utility pays."
    if rival + TICK_UEUR_KWH >= ask:
        return f"Somebody bids {cents(rival)}; to outbid that costs as much as the utility's {cents(ask)}, so it buys there."
    return f"It bids {cents(limit)}, one tick over the {cents(rival)} of somebody else."


def steer(seen: WasherSnapshot, rules: WasherRules) -> Setpoint:
    """Power above 0 means: start the wash now; 0: do not start it; None: nothing to start, or it runs by itself."""
    wash, market = seen.wash, seen.market
    if wash is None:
        return Setpoint(None, "No wash is waiting.")
    if wash.started_s is not None:
        return Setpoint(None, "The wash runs and is not interrupted.")
    if wash.ready_s > market.now_s:
        return Setpoint(0, f"The wash is ready at {time_of_day(wash.ready_s)}.", until_s=wash.ready_s)
    start = Setpoint(max(1, wash.slot_energy_wh[0] * 3600 // market.duration_s), "")
    next_slot_s = market.current_slot_s + market.duration_s
    if next_slot_s + len(wash.slot_energy_wh) * market.duration_s > wash.end_by_s:
        return replace(start, reason=f"The wash starts now, or it would not be done by {time_of_day(wash.end_by_s)}.")
    if not rules.wait:
        return replace(start, reason="The wash starts as soon as it is ready, as its owner wishes.")
    if seen.position_now is None:
        if best_start_s(seen, rules, wash, market.current_slot_s) == market.current_slot_s and market.tariffs:
            return replace(start, reason="No proven trades: the wash starts now, when the last known tariff is lowest.")
        return Setpoint(0, "No proven trades: the wash waits for a cheaper slot of the last known tariff.")
    if seen.position_now.bought_wh > 0 or any(order.side == Side.BUY for order in seen.leftover_now):
        return replace(start, reason="The wash starts now, in the slot it ordered.")
    return Setpoint(0, "The wash waits for a cheaper slot.")
