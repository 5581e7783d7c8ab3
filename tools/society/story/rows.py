"""The first half of the story as assertions, from sunrise to the contest for the array. The other half is in `story.night`.

Every row is a function of the facts and returns what was found; what is not as told raises `NotMet` with the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.vocabulary import TICK_UEUR_KWH, Mode, Side, amount_ueur
from lightclient.values import SettledOn, SettlementLine
from strategies.words import cents, energy
from tools.society.cast import ARRAY, BATTERY, SOLAR_COMPANY
from tools.society.story.day import BID_UEUR_KWH, FULL_COST_UEUR_KWH, SUNRISE, THRESHOLD_UEUR_KWH, WASH_READY, WASHER, Variant
from tools.society.story.witness import Act, Facts

OPENING_UEUR_KWH = BID_UEUR_KWH + TICK_UEUR_KWH
"""b0, the first bid: just above the utility's."""
LAST_SLOTS = 8
"""The contest is over so many slots before the wash ends."""


class NotMet(Exception):
    """A row of the story did not happen as told."""


@dataclass(frozen=True, slots=True)
class Row:
    """What must be seen, and the function that looks for it."""

    number: int
    what: str
    check: Callable[[Facts, Variant], str]


def require(condition: object, found: str) -> None:
    """Raise NotMet with what was found instead."""
    if not condition:
        raise NotMet(found)


def says(text: str, *parts: str) -> None:
    """Raise NotMet unless a reason contains all parts."""
    for part in parts:
        require(part in text, f"the reason does not say {part!r}: {text}")


def first_act(facts: Facts, device: str) -> Act:
    acts = facts.of(device)
    require(acts, f"{device} never traded")
    return acts[0]


def line_of(facts: Facts, slot: int, device: str) -> SettlementLine:
    """How a device's slot was settled in the end. Raises NotMet if its reading never counted."""
    line = facts.final(slot, device).line
    if line is None:
        raise NotMet(f"slot {slot}: no reading of {device} ever counted")
    return line


def _utility_stands_everywhere(facts: Facts, _: Variant) -> str:
    scenario = facts.scenario
    for slot in range(scenario.slots):
        tariff = facts.proven_tariffs.get(slot)
        stands = None if tariff is None else (tariff.ask_ueur_kwh, tariff.bid_ueur_kwh, tariff.source)
        require(stands == (scenario.ask_ueur_kwh[slot], scenario.bid_ueur_kwh[slot], 1), f"slot {slot}: tariff {stands}")
        require(facts.settlements[slot].settled_on is SettledOn.GRID_METER, f"slot {slot} did not settle on the grid meter")
    lines = [line_of(facts, slot, ARRAY) for slot in range(scenario.slots)]
    earned = -sum(line.trades_ueur + line.imbalance_ueur for line in lines)
    paid = -facts.record.paid_ueur[SOLAR_COMPANY]
    require(paid == earned > 0, f"the array earned {earned} ueur, its company got {paid}")
    return f"{scenario.slots} tariffs proven; the array's {paid / 1e6:.3f} EUR went to its company"


def _array_joins(facts: Facts, _: Variant) -> str:
    act = first_act(facts, ARRAY)
    late_s = act.at_s - facts.at_s(SUNRISE)
    require(0 <= late_s <= 120, f"it joined {late_s} s after sunrise")
    return f"it joined {late_s} s after sunrise"


def _array_compares(facts: Facts, _: Variant) -> str:
    accepts = [act for act in facts.of(ARRAY) if act.maker]
    require(accepts, "it never took a bid")
    taken = accepts[0]
    says(taken.reason, cents(taken.price_ueur_kwh), cents(FULL_COST_UEUR_KWH), cents(BID_UEUR_KWH), "takes the best bid")
    return taken.reason


def _array_asks_its_lowest(facts: Facts, _: Variant) -> str:
    first = first_act(facts, ARRAY)
    asks = [act for act in facts.of(ARRAY) if act.at_s - first.at_s < 5]
    require(len({act.slot for act in asks}) == len(asks), "more than one ask in a book")
    for act in asks:
        terms = act.side, act.mode, act.price_ueur_kwh
        require(terms == (Side.SELL, Mode.OPEN, BID_UEUR_KWH + 1), f"slot {act.slot}: {terms}")
    says(first.reason, "Nobody bids", "lowest acceptable price")
    return f"one open ask at {cents(first.price_ueur_kwh)} in each of {len(asks)} books"


def _battery_opens(facts: Facts, variant: Variant) -> str:
    first = first_act(facts, BATTERY)
    rivals = [act for act in facts.acts if act.slot == first.slot and act.side is Side.BUY and act.at_s < first.at_s]
    require(not rivals, f"{len(rivals)} bids stood before it")
    terms = first.side, first.mode, first.price_ueur_kwh
    require(terms == (Side.BUY, Mode.OPEN, OPENING_UEUR_KWH), f"its first order is {terms}")
    says(first.reason, "Prices are ", f"threshold of {cents(THRESHOLD_UEUR_KWH[variant])}", "nobody else bids")
    return first.reason


def _pair_is_matched(facts: Facts, _: Variant) -> str:
    require(OPENING_UEUR_KWH < FULL_COST_UEUR_KWH, "the array's full cost is covered")
    first = next((slot for slot in range(WASH_READY) if facts.receipts(slot, ARRAY)), WASH_READY)
    slots = range(first, WASH_READY + 2)
    require(len(slots) >= 20, f"only {len(slots)} slots")
    for slot in slots:
        sold, bought = facts.receipts(slot, ARRAY), facts.receipts(slot, BATTERY)
        require(len(sold) == len(bought) == 1, f"slot {slot}: {sold}, {bought}")
        wh = sold[0][1]
        require(sold[0] == (Side.SELL, wh, OPENING_UEUR_KWH), f"slot {slot}: the array {sold}")
        require(bought[0] == (Side.BUY, wh, OPENING_UEUR_KWH), f"slot {slot}: the battery {bought}")
        if slot > first:  # the sun rose further while the first of them was traded
            given_wh, taken_wh = -line_of(facts, slot, ARRAY).metered_wh, line_of(facts, slot, BATTERY).metered_wh
            require(given_wh == taken_wh == wh, f"slot {slot}: meters {given_wh} and {taken_wh} Wh, traded {wh} Wh")
    return f"{len(slots)} slots in a row at {cents(OPENING_UEUR_KWH)}, meters and trades agree"


def _washer_sees_three(facts: Facts, _: Variant) -> str:
    act, seen = first_act(facts, WASHER), facts.first_books[WASHER].book
    tariff = seen.tariff
    prices = facts.scenario.ask_ueur_kwh[act.slot], facts.scenario.bid_ueur_kwh[act.slot]
    require((tariff.ask_ueur_kwh, tariff.bid_ueur_kwh) == prices, f"the utility stands at {tariff}")
    require(not seen.buys and not seen.sells, f"call orders {seen.buys}, {seen.sells}")
    sides = [entry.side for entry in seen.open_entries]
    require(sides == [Side.BUY, Side.SELL], f"open orders {seen.open_entries}")
    standing = {side: _last_order(facts, device, act) for device, side in ((BATTERY, Side.BUY), (ARRAY, Side.SELL))}
    for entry in seen.open_entries:
        order = standing[entry.side]
        require((order.side, order.price_ueur_kwh) == (entry.side, entry.limit_ueur_kwh), f"{entry} is not {order}")
    bid, ask = seen.open_entries[0].limit_ueur_kwh, seen.open_entries[1].limit_ueur_kwh
    utility = f"the utility sells at {cents(tariff.ask_ueur_kwh)} and buys at {cents(tariff.bid_ueur_kwh)}"
    return f"{utility}, the array asks {cents(ask)}, the battery bids {cents(bid)}"


def _last_order(facts: Facts, device: str, before: Act) -> Act:
    """A device's last order in the book of another's, before that."""
    orders = [a for a in facts.of(device) if a.slot == before.slot and a.height < before.height and not a.maker]
    require(orders, f"{device} has no order in slot {before.slot}")
    return orders[-1]


def _washer_outbids(facts: Facts, _: Variant) -> str:
    act = first_act(facts, WASHER)
    terms = act.side, act.mode, act.price_ueur_kwh
    require(terms == (Side.BUY, Mode.OPEN, OPENING_UEUR_KWH + TICK_UEUR_KWH), f"its first order is {terms}")
    return act.reason


def _array_changes_over(facts: Facts, _: Variant) -> str:
    slot, price = first_act(facts, WASHER).slot, OPENING_UEUR_KWH + TICK_UEUR_KWH
    before, sold, bought = facts.receipts(slot - 1, BATTERY), facts.receipts(slot, ARRAY), facts.receipts(slot, WASHER)
    require(before and before[0][2] == OPENING_UEUR_KWH, f"the slot before: the battery {before}")
    require(not facts.receipts(slot, BATTERY), "the battery got a part")
    require(len(sold) == len(bought) == 1, f"{sold}, {bought}")
    require(sold[0] == (Side.SELL, bought[0][1], price) and bought[0][0] is Side.BUY, f"{sold}, {bought}")
    return f"{energy(bought[0][1])} from the array to the washer at {cents(price)}"


def _battery_raises(facts: Facts, variant: Variant) -> str:
    threshold = THRESHOLD_UEUR_KWH[variant]
    bids = [act.price_ueur_kwh for act in facts.of(BATTERY) if act.side is Side.BUY and act.mode is Mode.OPEN]
    require(max(bids) == threshold, f"its highest bid is {cents(max(bids))}, its threshold {cents(threshold)}")
    joined_s = first_act(facts, WASHER).at_s
    contest = [act for act in facts.of(BATTERY) if joined_s < act.at_s < facts.at_s(_wash_ends(facts)) and not act.maker]
    steps = sorted({act.price_ueur_kwh for act in contest})
    require(len(steps) >= 3, f"only {len(steps)} steps")
    require(all(b - a <= 2 * TICK_UEUR_KWH for a, b in pairwise(steps)), f"steps {steps}")
    by_book: dict[int, list[int]] = {}
    for act in contest:
        by_book.setdefault(act.slot, []).append(act.price_ueur_kwh)
    require(all(a <= b for prices in by_book.values() for a, b in pairwise(prices)), "it lowered a bid")
    return f"{len(steps)} steps up to {cents(threshold)}"


def _wash_ends(facts: Facts) -> int:
    """The slot after the last one of the wash."""
    first = first_act(facts, WASHER).slot
    idle = (slot for slot in range(first, facts.scenario.slots) if not line_of(facts, slot, WASHER).metered_wh)
    return next(idle, facts.scenario.slots)


def _contest_is_decided(facts: Facts, variant: Variant) -> str:
    slots: Sequence[int] = range(_wash_ends(facts) - LAST_SLOTS, _wash_ends(facts))
    ask = facts.scenario.ask_ueur_kwh[slots[0]]
    threshold = THRESHOLD_UEUR_KWH[variant]
    for slot in slots:
        washer, array, battery = (facts.receipts(slot, device) for device in (WASHER, ARRAY, BATTERY))
        line = line_of(facts, slot, WASHER)
        used_wh = line.metered_wh
        if threshold < ask:
            price = threshold + TICK_UEUR_KWH
            require(washer == [(Side.BUY, used_wh, price)], f"slot {slot}: the washer {washer}")
            require(array == [(Side.SELL, used_wh, price)] and not battery, f"slot {slot}: the array {array}")
            continue
        require(not washer and line.imbalance_ueur == amount_ueur(ask, used_wh), f"slot {slot}: the washer {washer}, {line}")
        require(array == [(Side.SELL, used_wh, ask)], f"slot {slot}: the array {array}")
        require(battery == [(Side.BUY, used_wh, ask)], f"slot {slot}: the battery {battery}")
    if threshold < ask:
        return f"T < P: the washer keeps the array at T + u = {cents(threshold + TICK_UEUR_KWH)}"
    return f"T >= P: the battery keeps the array at {cents(ask)}, the washer's bill is at P = {cents(ask)}"


DAY_ROWS = (
    Row(0, "The utility stands in every book; the array's money goes to its company", _utility_stands_everywhere),
    Row(1, "At sunrise the array's agent joins by itself", _array_joins),
    Row(2, "The array compares the highest bid with its owner's limits", _array_compares),
    Row(3, "Nobody bids: it asks at its lowest acceptable price", _array_asks_its_lowest),
    Row(4, "No other bid stands: the battery bids just above the utility's", _battery_opens),
    Row(5, "The array takes it below its full cost; they are matched slot after slot", _pair_is_matched),
    Row(6, "The washer joins and sees utility, array and battery", _washer_sees_three),
    Row(7, "The washer bids one tick more", _washer_outbids),
    Row(8, "In the next slot the array supplies the washer", _array_changes_over),
    Row(9, "The battery raises its bid step by step, up to its threshold T", _battery_raises),
    Row(10, "T < P: the washer keeps the array at T + u; T >= P: it buys at P", _contest_is_decided),
)
