"""An EV charger: the cheapest slots before departure, and the departure is met whatever the market does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.vocabulary import TICK_UEUR_KWH, Decision, Order, Position, Setpoint, Side
from strategies.facts import StorageFacts
from strategies.outlook import prices_ahead, tariffs_ahead
from strategies.view import MarketView, Quote, at_tariff, in_slot_wh, power_for, rivals
from strategies.words import cents, energy, time_of_day


@dataclass(frozen=True, slots=True)
class EvRules:
    """The resident's rules. `storage` is the society's battery, for the price forecast; None: price history alone."""

    nameplate_w: int = 7_200
    sell: bool = True
    """May sell what the driver does not need, where the car can feed back."""
    reserve_wh: int = 5_000
    """Never sold, on top of the need."""
    eta_charge_permille: int = 950
    eta_discharge_permille: int = 950
    wear_ueur_kwh: int = 20_000
    gates_ahead: int = 1
    """How many gates ahead it sells."""
    storage: StorageFacts | None = None


@dataclass(frozen=True, slots=True)
class PluggedCar:
    """The car at the plug. Energies at the charger's meter; `stored_wh` and `capacity_wh` are 0 where the car does not tell."""

    plugged_in_s: int
    departs_s: int
    needs_wh: int
    """Still to be delivered until departure; 0 when the wish is met, negative when there is more than that."""
    max_charge_w: int
    max_discharge_w: int = 0
    stored_wh: int = 0
    capacity_wh: int = 0


@dataclass(frozen=True, slots=True)
class EvSnapshot:
    """`power_w` is the charger's power now; `storage_wh` the charge of the society's battery where it is public, None: it is
    read from prices."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    car: PluggedCar | None
    power_w: int
    storage_wh: int | None = None


def bid(seen: EvSnapshot, rules: EvRules) -> Decision:
    """Buy the next slot where it is among the cheapest before departure; sell what is not needed where the car allows it."""
    if not seen.market.quotes:
        return Decision((), (), "No market in sight: the car is charged at the last known tariff.")
    quote, car = seen.market.quotes[0], seen.car
    slots: tuple[int, ...] = (quote.slot_s,)
    if car is None:
        return Decision(slots, (), "No car is plugged in.")
    if car.departs_s <= quote.slot_s:
        return Decision(slots, (), "The car leaves before the next slot.")
    duration_s = seen.market.duration_s
    until_start_wh = in_slot_wh(seen.power_w, max(0, quote.slot_s - seen.market.now_s))
    need_wh = car.needs_wh - until_start_wh - quote.position.net_wh
    prices = prices_ahead(
        seen.market, quote.slot_s, -(-(car.departs_s - quote.slot_s) // duration_s), rules.storage, seen.storage_wh
    )
    sale = surplus(seen, rules, car, until_start_wh, prices)
    if sale is not None and sale.orders:
        return sale
    if need_wh <= 0:
        return Decision(slots, (), "The car has what it needs.") if sale is None else sale
    if sale is not None:
        slots = sale.slots  # offers that are not wanted any more must not stand while it charges
    power_w = min(car.max_charge_w, rules.nameplate_w)
    later = [
        (price, in_slot_wh(power_w, min(duration_s, car.departs_s - quote.slot_s - index * duration_s)))
        for index, price in enumerate(prices)
        if index > 0
    ]
    room_wh = in_slot_wh(power_w, min(duration_s, car.departs_s - quote.slot_s)) - quote.position.net_wh
    pieces = worth_now(need_wh, room_wh, later, reserve_wh=in_slot_wh(power_w, duration_s), ask=quote.book.tariff.ask_ueur_kwh)
    orders = tuple(Order(quote.slot_s, Side.BUY, wh, limit) for limit, wh in pieces if limit >= quote.book.tariff.bid_ueur_kwh)
    leaves = f"{energy(need_wh)} to go until {time_of_day(car.departs_s)}"
    if orders and orders[0].limit_ueur_kwh >= quote.book.tariff.ask_ueur_kwh:
        return Decision(slots, orders, f"{leaves}: it charges in the next slot at any market price, later is not cheaper.")
    limit = f"at up to {cents(orders[0].limit_ueur_kwh)}" if orders else "at no price"
    return Decision(slots, orders, f"{leaves}: it charges in the next slot {limit}, as later slots are expected to be cheaper.")


def worth_now(need_wh: int, room_wh: int, later: list[tuple[int, int]], reserve_wh: int, ask: int) -> list[tuple[int, int]]:
    """What the energy of the next slot is worth: (limit, Wh) pieces, best first.

    Each watt-hour bought now saves the dearest one of those that would otherwise be bought later. What does not fit later
    (less one slot in reserve) is worth any price. `later` holds (price, Wh) of the slots after the next one.
    """
    left_wh = min(need_wh, room_wh)
    must_wh = min(left_wh, max(0, need_wh - max(0, sum(wh for _, wh in later) - reserve_wh)))
    pieces = [(ask, must_wh)] if must_wh > 0 else []
    left_wh -= must_wh
    planned: list[tuple[int, int]] = []
    open_wh = need_wh - must_wh
    for price, wh in sorted(later):
        planned.append((min(price, ask), min(wh, open_wh)))
        open_wh -= planned[-1][1]
        if open_wh <= 0:
            break
    for price, wh in reversed(planned):
        saved_wh = min(wh, left_wh)
        if saved_wh <= 0:
            break
        left_wh -= saved_wh
        if pieces and pieces[-1][0] == price:
            pieces[-1] = (price, pieces[-1][1] + saved_wh)
        else:
            pieces.append((price, saved_wh))
    return pieces


def surplus(seen: EvSnapshot, rules: EvRules, car: PluggedCar, until_start_wh: int, prices: Sequence[int]) -> Decision | None:
    """Offer what the car holds above reserve and need, when that earns more than buying it back before departure costs.

    What can be bought back in the slots after those in sight is not needed now. `until_start_wh` is what the charger still
    takes before the first slot in sight. None for a car that cannot feed back or may not.
    """
    if not rules.sell or car.max_discharge_w <= 0 or car.capacity_wh <= 0:
        return None
    quotes, duration_s = seen.market.quotes, seen.market.duration_s
    charge_w = min(car.max_charge_w, rules.nameplate_w)
    slot_wh = in_slot_wh(min(car.max_discharge_w, rules.nameplate_w), duration_s)
    stored_wh = car.stored_wh + until_start_wh
    later_wh = in_slot_wh(charge_w, duration_s) * max(0, len(prices) - len(quotes) - 1)
    kept_wh = max(0, car.stored_wh + car.needs_wh - later_wh)
    spare_wh = stored_wh - kept_wh - rules.reserve_wh + sum(min(0, quote.position.net_wh) for quote in quotes)
    slots = tuple(quote.slot_s for quote in quotes)
    if spare_wh <= 0 or len(prices) <= len(quotes):
        return Decision(slots, (), f"The car holds {energy(stored_wh)}: what it needs and its reserve, nothing to sell.")
    back = min(prices[len(quotes) :])
    cost = back * 1_000_000 // (rules.eta_charge_permille * rules.eta_discharge_permille) + rules.wear_ueur_kwh
    orders = []
    for quote in quotes:
        limit = max(best_ask(quote) - TICK_UEUR_KWH, quote.book.tariff.bid_ueur_kwh)
        sell_wh = min(spare_wh, slot_wh + min(0, quote.position.net_wh))
        if limit >= cost and sell_wh > 0:
            orders.append(Order(quote.slot_s, Side.SELL, sell_wh, limit))
            spare_wh -= sell_wh
    leaves = f"{energy(max(0, car.stored_wh + car.needs_wh))} at {time_of_day(car.departs_s)}"
    figures = (
        f"the car holds {energy(stored_wh)} of {energy(car.capacity_wh)} and needs {energy(kept_wh)} now and {leaves}, "
        f"with {energy(rules.reserve_wh)} in reserve; sellers ask {cents(best_ask(quotes[0]))}{_usual_ask(seen.market)}, "
        f"until then prices go to {cents(back)}, so buying back costs {cents(cost)} with losses and wear"
    )
    if not orders:
        return Decision(slots, (), f"It keeps its charge: {figures}.")
    total = energy(sum(order.energy_wh for order in orders))
    return Decision(slots, tuple(orders), f"It offers {total} from {cents(orders[0].limit_ueur_kwh)}: {figures}.")


def _usual_ask(market: MarketView) -> str:
    """What was asked in the price history, in words."""
    asks = [line.ask_ueur_kwh for line in market.history]
    return f" (so far {cents(sum(asks) // len(asks))} on average)" if asks else ""


def best_ask(quote: Quote) -> int:
    """The lowest price at which somebody else sells, the utility included."""
    own = {order.order.limit_ueur_kwh: order.remaining_wh for order in quote.standing if order.order.side == Side.SELL}
    levels = [level.limit_ueur_kwh for level in quote.book.sells if level.energy_wh > own.get(level.limit_ueur_kwh, 0)]
    offers = [entry.limit_ueur_kwh for entry in rivals(quote, Side.SELL)]
    return min([quote.book.tariff.ask_ueur_kwh, *levels, *offers])


def steer(seen: EvSnapshot, rules: EvRules) -> Setpoint:
    """Charge what was bought for this slot, and in any case what no later slot can deliver before departure."""
    car, market = seen.car, seen.market
    if car is None:
        return Setpoint(0, "No car is plugged in.")
    duration_s = market.duration_s
    end_s = market.current_slot_s + duration_s
    power_w = min(car.max_charge_w, rules.nameplate_w)
    must_wh = car.needs_wh - in_slot_wh(power_w, max(0, car.departs_s - end_s))
    if must_wh > 0:
        return Setpoint(power_w, f"It charges at full power: {energy(car.needs_wh)} are missing and there is no time to wait.")
    if seen.position_now is None:
        return _without_market(seen, car, power_w)
    wanted_wh = seen.position_now.net_wh + at_tariff(seen.leftover_now, market.current_tariff)
    if wanted_wh < 0:
        sold_w = max(-car.max_discharge_w, power_for(wanted_wh, duration_s))
        return Setpoint(sold_w, f"It delivers the {energy(-wanted_wh)} that it sold for this slot.")
    if wanted_wh == 0 or car.needs_wh <= 0:
        return Setpoint(
            0, "Nothing bought for this slot: it waits for a cheaper one." if car.needs_wh > 0 else "The car has what it needs."
        )
    running_s = min(duration_s, car.departs_s - market.current_slot_s)
    return Setpoint(
        min(power_w, -(-wanted_wh * 3600 // running_s)), f"It charges the {energy(wanted_wh)} that it bought for this slot."
    )


def _without_market(seen: EvSnapshot, car: PluggedCar, power_w: int) -> Setpoint:
    """Charge in the cheapest slots of the last known tariff."""
    if car.needs_wh <= 0:
        return Setpoint(0, "The car has what it needs.")
    market = seen.market
    slot_wh = max(1, in_slot_wh(power_w, market.duration_s))
    count = max(1, (car.departs_s - market.current_slot_s) // market.duration_s)
    asks = [tariff.ask_ueur_kwh for tariff in tariffs_ahead(market, market.current_slot_s, count)]
    slots_needed = -(-car.needs_wh // slot_wh) + 1
    if not asks or asks[0] <= sorted(asks)[min(slots_needed, len(asks)) - 1]:
        return Setpoint(power_w, "No proven trades: it charges, as this is one of the cheapest slots of the last known tariff.")
    return Setpoint(0, "No proven trades: it waits for a cheaper slot of the last known tariff.")
