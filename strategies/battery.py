"""The battery: three ways to open (programme, middle, floor) and one way to follow what was traded.

The curve of the programme is built here from worths of charge; the programme itself is in `programme`, its inputs in `outlook`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from agent.vocabulary import TICK_UEUR_KWH, Decision, Mode, Order, Position, Setpoint, Side, Tariff
from strategies.facts import StorageFacts
from strategies.outbidding import raised_bid, rival_in
from strategies.outlook import end_worths, stages
from strategies.programme import LEVELS, step_wh, worths_after
from strategies.view import MarketView, Quote, at_tariff, in_slot_wh, power_for, rivals
from strategies.words import cents, energy

ORDERS_PER_SIDE = 4
"""The ledger takes eight orders per device and slot."""


@dataclass(frozen=True, slots=True)
class BatteryRules:
    """The owner's rules.

    `opening`: "programme" bids a curve from a dynamic programme (the default), "middle" the middle of the utility's ask and
    bid, "floor" open bids from just above the utility's bid, outbidding rivals by a tick up to the threshold of profitability.
    `threshold_ueur_kwh`: the threshold for "floor"; None: what discharging later at the mean ask earns, after losses and wear.
    """

    storage: StorageFacts
    opening: Literal["programme", "middle", "floor"] = "programme"
    balance: bool = True
    """Balance on the live power at the grid connection, where there is a meter for it."""
    threshold_ueur_kwh: int | None = None
    gates_ahead: int = 1
    """How many gates ahead "floor" bids."""


@dataclass(frozen=True, slots=True)
class BatterySnapshot:
    """`power_w` is the own power now (charging positive), `grid_power_w` the building's net power now including the own one
    (import positive), None without a meter at the grid connection."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    stored_wh: int
    power_w: int
    grid_power_w: int | None


@dataclass(frozen=True, slots=True)
class Reach:
    """What the battery can still buy and sell in a slot (Wh at its terminals) and the charge it starts with."""

    stored_wh: int
    buy_wh: int
    sell_wh: int


def bid(seen: BatterySnapshot, rules: BatteryRules) -> Decision:
    """Orders for the next gate, as the owner's opening says."""
    if not seen.market.quotes:
        return Decision((), (), "No market in sight: the battery keeps the building's surplus for the building.")
    if rules.opening == "floor":
        return _bid_floor(seen, rules)
    quote = seen.market.quotes[0]
    reach = reach_at(seen, rules.storage, quote)
    if rules.opening == "programme":
        return _bid_programme(seen, rules, quote, reach)
    return _bid_middle(quote, reach)


def reach_at(seen: BatterySnapshot, storage: StorageFacts, quote: Quote) -> Reach:
    """What can be traded for a slot: within power, within the charge expected at its start, less what is already traded."""
    stored_wh = _stored_at(seen, storage, quote.slot_s)
    return _reach(storage, quote, seen.market.duration_s, stored_wh, stored_wh)


def _stored_at(seen: BatterySnapshot, storage: StorageFacts, slot_s: int) -> int:
    """The charge expected at a slot's start, the power staying as it is."""
    until_start_wh = in_slot_wh(seen.power_w, max(0, slot_s - seen.market.now_s))
    return _within(storage, seen.stored_wh + _stored_change(storage, until_start_wh))


def _stored_change(storage: StorageFacts, net_wh: int) -> int:
    """What an energy at the terminals (charging positive) does to the charge."""
    if net_wh > 0:
        return net_wh * storage.eta_charge_permille // 1000
    return -(-net_wh * 1000 // storage.eta_discharge_permille)


def _within(storage: StorageFacts, stored_wh: int) -> int:
    return max(storage.floor_wh, min(storage.capacity_wh, stored_wh))


def _reach(storage: StorageFacts, quote: Quote, duration_s: int, most_wh: int, least_wh: int) -> Reach:
    """The reach in a slot that begins with a charge between `least_wh` and `most_wh`."""
    room_wh = (storage.capacity_wh - most_wh) * 1000 // storage.eta_charge_permille
    left_wh = (least_wh - storage.floor_wh) * storage.eta_discharge_permille // 1000
    net_wh = quote.position.net_wh
    return Reach(
        stored_wh=least_wh,
        buy_wh=max(0, min(in_slot_wh(storage.charge_w, duration_s), room_wh) - net_wh),
        sell_wh=max(0, min(in_slot_wh(storage.discharge_w, duration_s), left_wh) + net_wh),
    )


def _bid_programme(seen: BatterySnapshot, rules: BatteryRules, quote: Quote, reach: Reach) -> Decision:
    live_net_w = None if seen.grid_power_w is None else seen.grid_power_w - seen.power_w
    ahead = stages(seen.market, quote.slot_s, live_net_w)
    worths = worths_after(rules.storage, ahead, end_worths(ahead))[0]
    orders = curve(quote, rules.storage, reach, worths)
    worth = worths[min(LEVELS - 1, max(0, reach.stored_wh - rules.storage.floor_wh) // step_wh(rules.storage))]
    buys = [order.limit_ueur_kwh for order in orders if order.side == Side.BUY]
    sells = [order.limit_ueur_kwh for order in orders if order.side == Side.SELL]
    plans = [f"buys at up to {cents(max(buys))}" for _ in buys[:1]] + [f"sells from {cents(min(sells))}" for _ in sells[:1]]
    todo = " and ".join(plans) if plans else "neither buys nor sells"
    return Decision((quote.slot_s,), orders, f"A stored kWh is worth {cents(worth)} over the next day: it {todo}.")


def curve(quote: Quote, storage: StorageFacts, reach: Reach, worths: list[int]) -> tuple[Order, ...]:
    """Truthful limits: each step of charge is bought below its worth and sold above it, losses and wear included."""
    tariff, step = quote.book.tariff, step_wh(storage)
    buys: list[tuple[int, int]] = []
    sells: list[tuple[int, int]] = []
    for level, worth in enumerate(worths):
        low_wh = storage.floor_wh + level * step
        above_wh = low_wh + step - max(low_wh, reach.stored_wh)
        below_wh = min(low_wh + step, reach.stored_wh) - low_wh
        if above_wh > 0:
            buys.append((worth * storage.eta_charge_permille // 1000, above_wh * 1000 // storage.eta_charge_permille))
        if below_wh > 0:
            limit = worth * 1000 // storage.eta_discharge_permille + storage.wear_ueur_kwh
            sells.append((limit, below_wh * storage.eta_discharge_permille // 1000))
    slot_s, ask, bid_ = quote.slot_s, tariff.ask_ueur_kwh, tariff.bid_ueur_kwh
    wanted_buys = [(min(limit, ask), wh) for limit, wh in buys if limit >= bid_]
    wanted_sells = [(max(limit, bid_), wh) for limit, wh in reversed(sells) if limit <= ask]
    return (
        *(Order(slot_s, Side.BUY, wh, limit) for limit, wh in _capped(wanted_buys, reach.buy_wh)),
        *(Order(slot_s, Side.SELL, wh, limit) for limit, wh in _capped(wanted_sells, reach.sell_wh)),
    )


def _capped(offers: list[tuple[int, int]], most_wh: int) -> list[tuple[int, int]]:
    """Best offers up to `most_wh`, equal limits joined, at most `ORDERS_PER_SIDE`: a further one joins the last, whose limit
    moves to the further one's, which is never better than its worth for the part that moved."""
    taken: list[tuple[int, int]] = []
    for limit, wh in offers:
        wh = min(wh, most_wh)
        most_wh -= wh
        if wh <= 0:
            continue
        if taken and (taken[-1][0] == limit or len(taken) == ORDERS_PER_SIDE):
            taken[-1] = (limit, taken[-1][1] + wh)
        else:
            taken.append((limit, wh))
    return taken


def _bid_middle(quote: Quote, reach: Reach) -> Decision:
    """Buy at the middle of the utility's ask and bid, sell a tick above it: beats many cleverer rules, loses in wild weeks."""
    tariff = quote.book.tariff
    middle = (tariff.ask_ueur_kwh + tariff.bid_ueur_kwh) // 2
    offers = ((Side.BUY, reach.buy_wh, middle), (Side.SELL, reach.sell_wh, min(tariff.ask_ueur_kwh, middle + TICK_UEUR_KWH)))
    orders = tuple(Order(quote.slot_s, side, wh, limit) for side, wh, limit in offers if wh > 0)
    return Decision(
        (quote.slot_s,), orders, f"It buys at the middle of the utility's prices, {cents(middle)}, and sells a tick above."
    )


def _bid_floor(seen: BatterySnapshot, rules: BatteryRules) -> Decision:
    """Trade in every book in sight, so that all bids together fit into the battery and all offers are in it.

    The reason tells of the book whose gate is next.
    """
    market, storage, quotes = seen.market, rules.storage, seen.market.quotes
    worth = threshold(seen, rules)
    most_wh = least_wh = _stored_at(seen, storage, quotes[0].slot_s)
    orders: list[Order] = []
    for quote in quotes:
        reach = _reach(storage, quote, market.duration_s, most_wh, least_wh)
        wanted = _order_at_floor(quote, quotes, rules, reach, worth)
        orders.extend(wanted)
        bought_wh = max(0, quote.position.net_wh) + sum(order.energy_wh for order in wanted if order.side == Side.BUY)
        sold_wh = max(0, -quote.position.net_wh) + sum(order.energy_wh for order in wanted if order.side == Side.SELL)
        most_wh = _within(storage, most_wh + _stored_change(storage, bought_wh))
        least_wh = _within(storage, least_wh + _stored_change(storage, -sold_wh))
    first = next((order for order in orders if order.slot_s == quotes[0].slot_s), None)
    reason = f"{_trend(market, quotes[0].book.tariff)}; {_why_at_floor(quotes, seen, rules, first, worth)}"
    return Decision(tuple(quote.slot_s for quote in quotes), tuple(orders), reason)


def _order_at_floor(quote: Quote, quotes: Sequence[Quote], rules: BatteryRules, reach: Reach, worth: int) -> tuple[Order, ...]:
    """While somebody offers openly, outbid the rivals by a tick up to the threshold; otherwise sell what is stored above it."""
    tariff, offered = quote.book.tariff, bool(rivals(quote, Side.SELL))
    if offered and reach.buy_wh > 0 and worth > tariff.bid_ueur_kwh:
        limit = raised_bid(quote, quotes, min(worth, tariff.ask_ueur_kwh))
        return (Order(quote.slot_s, Side.BUY, reach.buy_wh, limit, Mode.OPEN),)
    if not offered and reach.sell_wh > 0:
        cost = worth * 1_000_000 // (rules.storage.eta_charge_permille * rules.storage.eta_discharge_permille)
        limit = max(tariff.bid_ueur_kwh, min(tariff.ask_ueur_kwh, cost + rules.storage.wear_ueur_kwh + TICK_UEUR_KWH))
        return (Order(quote.slot_s, Side.SELL, reach.sell_wh, limit),)
    return ()


def _why_at_floor(quotes: Sequence[Quote], seen: BatterySnapshot, rules: BatteryRules, order: Order | None, worth: int) -> str:
    """Why this order, or none, for the next gate."""
    if order is None:
        if rivals(quotes[0], Side.SELL) and worth <= quotes[0].book.tariff.bid_ueur_kwh:
            return f"its threshold of {cents(worth)} is below what the utility pays: it waits."
        state = "empty" if seen.stored_wh <= rules.storage.floor_wh else "full or its trades are made"
        return f"the battery is {state}: it waits."
    if order.side == Side.SELL:
        return f"nobody else offers: it sells from {cents(order.limit_ueur_kwh)}, above its threshold of {cents(worth)}."
    rival = rival_in(quotes[0], quotes)
    beaten = "nobody else bids" if rival is None else f"the best other bid is {cents(rival)}"
    return f"it bids {cents(order.limit_ueur_kwh)} ({beaten}), never above its threshold of {cents(worth)}."


def threshold(seen: BatterySnapshot, rules: BatteryRules) -> int:
    """The threshold of profitability: the most that a kWh bought now may cost."""
    if rules.threshold_ueur_kwh is not None:
        return rules.threshold_ueur_kwh
    asks = [tariff.ask_ueur_kwh for tariff in seen.market.tariffs] or [line.ask_ueur_kwh for line in seen.market.history]
    if not asks:
        return 0
    storage = rules.storage
    later = sum(asks) // len(asks) - storage.wear_ueur_kwh
    return later * storage.eta_charge_permille * storage.eta_discharge_permille // 1_000_000


def _trend(market: MarketView, tariff: Tariff) -> str:
    """Where prices stand against those of the last day, in words; without any, against the tariffs that are known ahead."""
    calls = [line.call_ueur_kwh for line in market.history[-96:] if line.call_ueur_kwh is not None]
    if not calls:
        ahead = [known.ask_ueur_kwh for known in market.tariffs] or [tariff.ask_ueur_kwh]
        now, later = tariff.ask_ueur_kwh, sum(ahead) // len(ahead)
        trend = "rising" if later > now else "falling" if later < now else "steady"
        return f"Prices are {trend} (the utility asks {cents(now)}, on average {cents(later)} ahead; no calls yet)"
    usual = sum(calls) // len(calls)
    trend = "rising" if calls[-1] > usual else "falling" if calls[-1] < usual else "steady"
    return f"Prices are {trend} (last {cents(calls[-1])}, usually {cents(usual)})"


def steer(seen: BatterySnapshot, rules: BatteryRules) -> Setpoint:
    """Deliver the position; with a live meter also offset the building's net, within what the orders left over."""
    duration_s = seen.market.duration_s
    net_w = None if seen.grid_power_w is None else seen.grid_power_w - seen.power_w
    tariff = seen.market.current_tariff
    if seen.position_now is None or tariff is None:
        return _self_consumption(rules.storage, net_w)
    position_wh = seen.position_now.net_wh
    tariff_wh = at_tariff(seen.leftover_now, tariff)
    if net_w is None or not rules.balance:
        target_wh = position_wh + tariff_wh
        reason = f"It follows its trades: {energy(position_wh)}, and {energy(tariff_wh)} at the utility's price."
        return _clipped(rules.storage, power_for(target_wh, duration_s), reason)
    buys_wh = sum(order.energy_wh for order in seen.leftover_now if order.side == Side.BUY)
    sells_wh = sum(order.energy_wh for order in seen.leftover_now if order.side == Side.SELL)
    imbalance_w = net_w + power_for(position_wh, duration_s)
    if imbalance_w >= 0:
        offset_w = -min(imbalance_w, power_for(sells_wh, duration_s))
        rest_w = power_for(tariff_wh, duration_s) if tariff_wh >= 0 else min(0, power_for(tariff_wh, duration_s) - offset_w)
    else:
        offset_w = min(-imbalance_w, power_for(buys_wh, duration_s))
        rest_w = power_for(tariff_wh, duration_s) if tariff_wh <= 0 else max(0, power_for(tariff_wh, duration_s) - offset_w)
    reason = f"It follows its trades ({energy(position_wh)})"
    reason += " and offsets what the building is off its plan." if offset_w else "; the building is on its plan."
    return _clipped(rules.storage, power_for(position_wh, duration_s) + offset_w + rest_w, reason)


def _self_consumption(storage: StorageFacts, net_w: int | None) -> Setpoint:
    """Without a proven position: keep the building's surplus for the building; without a meter do nothing."""
    if net_w is None:
        return Setpoint(0, "No proven trades and no meter at the grid connection: the battery rests.")
    todo = "stores the building's surplus" if net_w < 0 else "covers the building's use"
    return _clipped(storage, -net_w, f"No proven trades: the battery {todo}.")


def _clipped(storage: StorageFacts, power_w: int, reason: str) -> Setpoint:
    return Setpoint(max(-storage.discharge_w, min(storage.charge_w, power_w)), reason)
