"""The second half of the story as assertions: the evening, the car, the freezer's contract and the network that fails."""

from __future__ import annotations

from itertools import pairwise

from agent.vocabulary import Side, amount_ueur
from strategies.ev import EvRules
from strategies.words import cents, energy
from tools.society.cast import ARRAY
from tools.society.story.day import (
    BASE_LOADS,
    CUT_OFF,
    DEPARTURE,
    EV,
    EV_CAPACITY_WH,
    EV_RESERVE_WH,
    EV_STORED_WH,
    EVENING,
    FREEZER,
    MORNING,
    PLUG_IN,
    SUNSET,
    Variant,
)
from tools.society.story.rows import Row, first_act, line_of, require, says
from tools.society.story.witness import Act, Facts

QUARTER_SLOTS = 15
"""A quarter of an hour."""
LATE = 1
"""Of a line: the reading came after the slot had settled."""


def _battery_runs_empty(facts: Facts, _: Variant) -> str:
    dark = [line_of(facts, slot, ARRAY) for slot in range(SUNSET + 4, facts.scenario.slots)]
    require(not any(line.metered_wh for line in dark), "the array gave something after sunset")
    stored = facts.record.series.stored_wh
    empty = next((slot for slot in range(EVENING, PLUG_IN) if stored[slot] == 0), PLUG_IN)
    require(empty < PLUG_IN and stored[EVENING] > 0, "the battery is not empty before the car comes")
    for slot in range(empty + 1, PLUG_IN):
        settlement, ask = facts.settlements[slot], facts.scenario.ask_ueur_kwh[slot]
        used_wh = sum(line_of(facts, slot, name).metered_wh for name in BASE_LOADS)
        require(settlement.grid_import_wh == used_wh > 0, f"slot {slot}: {settlement.grid_import_wh} Wh from the utility")
        require(settlement.grid_ueur == amount_ueur(ask, used_wh), f"slot {slot}: {settlement.grid_ueur} ueur paid for them")
    price = cents(facts.scenario.ask_ueur_kwh[empty])
    return f"empty {empty - EVENING} slots into the evening; then the utility covers all at {price}"


def _charger_joins(facts: Facts, _: Variant) -> str:
    late_s = first_act(facts, EV).at_s - facts.at_s(PLUG_IN)
    require(0 <= late_s <= 120, f"it joined {late_s} s after the plug-in")
    return f"it joined {late_s} s after the plug-in"


def _car_compares(facts: Facts, _: Variant) -> str:
    reason = first_act(facts, EV).reason
    now, later = facts.scenario.ask_ueur_kwh[PLUG_IN], facts.scenario.ask_ueur_kwh[MORNING]
    half_full = f"holds {energy(EV_STORED_WH)} of {energy(EV_CAPACITY_WH)}"
    says(reason, half_full, f"sellers ask {cents(now)} (so far ", f"until then prices go to {cents(later)}")
    usual = float(reason.partition("(so far ")[2].partition(" ct")[0]) * 10_000
    require(2 * EV_STORED_WH == EV_CAPACITY_WH and usual < now > later, f"prices so far {usual}, now {now}, later {later}")
    return reason


def _car_offers(facts: Facts, _: Variant) -> str:
    first = first_act(facts, EV)
    offers = [act for act in facts.of(EV) if act.at_s - first.at_s < 5]
    require(all(act.side is Side.SELL for act in offers), "it also bids")
    total_wh = sum(act.energy_wh for act in offers)
    need_wh = 0  # nothing that could not be bought back before departure
    require(total_wh == EV_STORED_WH - need_wh - EV_RESERVE_WH, f"it offers {total_wh} Wh")
    for act in offers:
        ask = facts.scenario.ask_ueur_kwh[act.slot]
        require(act.price_ueur_kwh < ask, f"slot {act.slot}: {cents(act.price_ueur_kwh)} is not below {cents(ask)}")
    spare = f"{energy(total_wh)} = {energy(EV_STORED_WH)} - {energy(need_wh)} - {energy(EV_RESERVE_WH)}"
    return f"{spare}, from {cents(offers[0].price_ueur_kwh)} in {len(offers)} slots"


def _household_buys(facts: Facts, _: Variant) -> str:
    sold_wh = sold_ueur = bought_wh = bought_ueur = 0
    for slot in range(PLUG_IN, DEPARTURE + 1):
        sales, line = facts.receipts(slot, EV), line_of(facts, slot, EV)
        for side, wh, price in sales:
            require(side is Side.SELL, f"slot {slot}: the car {sales}")
            homes = [receipt for name in BASE_LOADS for receipt in facts.receipts(slot, name)]
            require(sum(home_wh for _, home_wh, _ in homes) == wh, f"slot {slot}: the homes {homes}")
            require(all(home[0] is Side.BUY and home[2] == price for home in homes), f"slot {slot}: the homes {homes}")
            require(line.metered_wh == -wh and line.trades_ueur == -amount_ueur(price, wh), f"slot {slot}: {line}")
            sold_wh, sold_ueur = sold_wh + wh, sold_ueur - line.trades_ueur
        if line.metered_wh > 0:
            require(slot >= MORNING, f"slot {slot}: it charges before the morning")
            bought_wh += line.metered_wh
            bought_ueur += line.trades_ueur + line.imbalance_ueur
    require(sold_wh > 0, "nobody bought")
    rules = EvRules()
    efficiency = rules.eta_charge_permille * rules.eta_discharge_permille / 1e6
    losses_ueur = round(bought_ueur * (1 / efficiency - 1))
    profit_ueur = sold_ueur - bought_ueur - losses_ueur - amount_ueur(rules.wear_ueur_kwh, sold_wh)
    require(profit_ueur >= 0, f"a loss of {-profit_ueur} ueur")
    (stay,) = facts.record.comfort.ev_stays
    require(stay.delivered_wh >= stay.needed_wh and bought_wh >= sold_wh, f"it left with {stay}, {bought_wh} Wh bought back")
    prices = f"{cents(sold_ueur * 1000 // sold_wh)}, bought back at {cents(bought_ueur * 1000 // bought_wh)}"
    return f"{energy(sold_wh)} sold at {prices}; profit after losses and wear {profit_ueur / 1e6:.3f} EUR"


def _freezer_abstains(facts: Facts, _: Variant) -> str:
    accepts = [act for act in facts.of(FREEZER) if act.maker]
    sales = [act for act in accepts if act.side is Side.SELL]
    require(len(sales) == QUARTER_SLOTS, f"it resold {len(sales)} slots")
    require(all(b.slot == a.slot + 1 for a, b in pairwise(sales)), "not one after the other")
    require(sales[-1].at_s - sales[0].at_s < 5, "not as one contract")
    bought = {act.slot: act for act in accepts if act.side is Side.BUY and act.at_s < sales[0].at_s}
    says(sales[0].reason, "abstains", f"sells {energy(sum(act.energy_wh for act in sales))} of {QUARTER_SLOTS} slots", "worth")
    for act in sales:
        require(act.slot in bought, f"slot {act.slot} was not bought ahead")
        ahead = bought[act.slot]
        require(ahead.price_ueur_kwh < act.price_ueur_kwh, f"slot {act.slot}: bought at {cents(ahead.price_ueur_kwh)}")
        _has_receipts(facts, ahead, act)
    limits = facts.scenario.freezer
    (temperatures,) = facts.record.series.temperatures_mc.values()
    require(facts.record.comfort.freezer_s_above_band == 0, "it was too warm")
    require(all(limits.coldest_mc <= mc <= limits.warmest_mc for mc in temperatures), "its band was left")
    band = f"{min(temperatures) / 1000:.1f} to {max(temperatures) / 1000:.1f} °C throughout"
    return f"{len(sales)} slots bought at {cents(bought[sales[0].slot].price_ueur_kwh)}, sold at {_range(sales)}; {band}"


def _has_receipts(facts: Facts, bought: Act, sold: Act) -> None:
    """Both trades stand in the slot's record, and the meter shows that nothing was used."""
    receipts, line = facts.receipts(sold.slot, FREEZER), line_of(facts, sold.slot, FREEZER)
    both = [(act.side, act.energy_wh, act.price_ueur_kwh) for act in (bought, sold)]
    require(receipts == both, f"slot {sold.slot}: receipts {receipts}")
    require(line.metered_wh == 0, f"slot {sold.slot}: {line}")


def _range(acts: list[Act]) -> str:
    prices = sorted(act.price_ueur_kwh for act in acts)
    return cents(prices[0]) if prices[0] == prices[-1] else f"{cents(prices[0])} to {cents(prices[-1])}"


def _late_lines_alone_change(facts: Facts, _: Variant) -> str:
    late = 0
    for slot in range(facts.scenario.slots):
        before, after = facts.at_settlement[slot], facts.at_the_end[slot]
        changed = [name for name in after if before.get(name) != after[name]]
        require(set(changed) <= {CUT_OFF}, f"slot {slot}: {changed} changed after settlement")
        line = line_of(facts, slot, CUT_OFF)
        require((line.late == LATE) == bool(changed), f"slot {slot}: {line}")
        if changed:
            late += 1
            at_ask = amount_ueur(facts.scenario.ask_ueur_kwh[slot], line.imbalance_wh)
            require(line.imbalance_ueur == at_ask, f"slot {slot}: {line}")
    require(late > 30, f"only {late} late readings")
    return f"{late} lines of {CUT_OFF} re-priced at the tariff; no other record changed"


NIGHT_ROWS = (
    Row(11, "Sunset; heavy use empties the battery; the utility covers the rest", _battery_runs_empty),
    Row(12, "The car is plugged in and its charger joins", _charger_joins),
    Row(13, "The car reads book and history", _car_compares),
    Row(14, "It offers what it does not need, below the best ask", _car_offers),
    Row(15, "A household buys it; in the morning the car buys back cheaper and leaves with its need", _household_buys),
    Row(16, "The freezer abstains for a contracted quarter of an hour and resells", _freezer_abstains),
    Row(17, "Readings that come late re-price their own lines and no others", _late_lines_alone_change),
)
