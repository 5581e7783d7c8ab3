"""What a strategy expects of the market's next day: tariffs, net loads and from both the stages of the programme, prices."""

from __future__ import annotations

from collections.abc import Sequence

from agent.vocabulary import SlotPrice, Tariff
from strategies import forecast
from strategies.facts import StorageFacts
from strategies.programme import LEVELS, Stage, price_path, step_wh, worths_after
from strategies.view import MarketView

FINE_STAGES = 4
HOUR_STAGES = 23
HOUR_S = 3600
SPREAD_SUN_PERMILLE, SPREAD_LOAD_PERMILLE, SPREAD_USUAL_PERMILLE = 700, 200, 160
"""Distance of the outer net loads from the middle one, in parts of the sun, of the load and of the usual load."""


def tariffs_ahead(market: MarketView, first_slot_s: int, count: int) -> list[Tariff]:
    """The tariff of each slot; what is not posted yet repeats the day before, or else the last tariff known."""
    known: dict[int, Tariff | SlotPrice] = {line.slot_s: line for line in market.history}
    known.update((tariff.slot_s, tariff) for tariff in market.tariffs)
    known.update((quote.slot_s, quote.book.tariff) for quote in market.quotes)
    if not known:
        return []
    last = known[max(known)]
    ahead: list[Tariff] = []
    for index in range(count):
        slot_s = first_slot_s + index * market.duration_s
        line = next((known[s] for day in range(9) if (s := slot_s - day * forecast.DAY_S) in known), last)
        ahead.append(Tariff(slot_s, line.ask_ueur_kwh, line.bid_ueur_kwh))
    return ahead


def stages(market: MarketView, first_slot_s: int, live_net_w: int | None) -> list[Stage]:
    """The programme's stages from `first_slot_s` on: a few slots, then hours to a day.

    `live_net_w` is the building's power now without its storage; None: the last settled one stands in for it.
    """
    duration_s = market.duration_s
    slot_count = FINE_STAGES + HOUR_STAGES * HOUR_S // duration_s
    tariffs = tariffs_ahead(market, first_slot_s, slot_count)
    series = forecast.net_load_series(market.history, duration_s)
    seen_s = market.now_s
    if live_net_w is None:
        seen_s, live_net_w = _last_settled(market)
    step_s = first_slot_s - first_slot_s % forecast.STEP_S
    step_count = (first_slot_s + slot_count * duration_s - step_s) // forecast.STEP_S + 1
    powers_w = forecast.expect_sun_w(series, seen_s, live_net_w, step_s, step_count)
    load_w = forecast.usual_load_w(series, live_net_w)

    result = []
    slot = 0
    for slots in [1] * FINE_STAGES + [HOUR_S // duration_s] * HOUR_STAGES:
        start_s = first_slot_s + slot * duration_s
        length_s = slots * duration_s
        first_step = (start_s - step_s) // forecast.STEP_S
        last_step = max(first_step + 1, (start_s + length_s - step_s) // forecast.STEP_S)
        power_w = forecast.mean(powers_w[first_step:last_step])
        spread_w = SPREAD_SUN_PERMILLE * max(0, load_w - power_w) // 1000
        spread_w += (SPREAD_LOAD_PERMILLE * max(load_w, power_w) + SPREAD_USUAL_PERMILLE * max(0, load_w)) // 1000
        part = tariffs[slot : slot + slots]
        result.append(
            Stage(
                duration_s=length_s,
                ask_ueur_kwh=sum(tariff.ask_ueur_kwh for tariff in part) // slots,
                bid_ueur_kwh=sum(tariff.bid_ueur_kwh for tariff in part) // slots,
                net_loads_wh=tuple(w * length_s // 3600 for w in (power_w - spread_w, power_w, power_w + spread_w)),
            )
        )
        slot += slots
    return result


def _last_settled(market: MarketView) -> tuple[int, int]:
    """When the net load was last known, and how much it was in W; (now, 0) without any history."""
    for line in reversed(market.history):
        if line.net_load_wh is not None:
            return line.slot_s, line.net_load_wh * 3600 // market.duration_s
    return market.now_s, 0


def end_worths(ahead: Sequence[Stage]) -> list[int]:
    """What charge is worth after the last stage: the first kWh nearly the mean ask, the last little more than the mean bid."""
    ask = sum(stage.ask_ueur_kwh for stage in ahead) // len(ahead)
    bid = sum(stage.bid_ueur_kwh for stage in ahead) // len(ahead)
    return [ask - (ask - bid) * (2 * level + 1) // (2 * LEVELS) for level in range(LEVELS)]


def prices_ahead(
    market: MarketView, first_slot_s: int, count: int, storage: StorageFacts | None, storage_wh: int | None
) -> list[int]:
    """The price expected in each of `count` slots from `first_slot_s` on.

    With the society's battery known: what the battery's own programme would make of the day. Otherwise from the history of
    call prices alone. `storage_wh` is the battery's charge; None: read from the last call price.
    """
    if storage is None or not (market.history or market.tariffs):
        return prices_from_history(market, first_slot_s, count)
    ahead = stages(market, first_slot_s, None)
    if storage_wh is None:
        storage_wh = charge_behind_price(market, storage, ahead)
    by_stage = price_path(storage, ahead, end_worths(ahead), storage_wh)
    expected = [
        price for stage, price in zip(ahead, by_stage, strict=True) for _ in range(stage.duration_s // market.duration_s)
    ]
    day_slots = forecast.DAY_S // market.duration_s
    while len(expected) < count:
        expected.append(expected[-day_slots])
    return expected[:count]


def charge_behind_price(market: MarketView, storage: StorageFacts, ahead: Sequence[Stage]) -> int:
    """The charge at which the society's battery would have traded at the last call price.

    A battery that bids truthfully shows its charge: the fuller, the less a stored kWh is worth. Half full where no call
    tells. In four weeks of trading this was 3 kWh of 60 off on average, and forecasts of prices were as good as knowing it.
    """
    call = next((line.call_ueur_kwh for line in reversed(market.history) if line.call_ueur_kwh is not None), None)
    if call is None:
        return storage.floor_wh + storage.usable_wh // 2
    discharging = ahead[0].net_loads_wh[len(ahead[0].net_loads_wh) // 2] > 0
    worth = call * storage.eta_discharge_permille // 1000 if discharging else call * 1000 // storage.eta_charge_permille
    worths = worths_after(storage, ahead, end_worths(ahead))[0]
    at_least, above = sum(step >= worth for step in worths), sum(step > worth for step in worths)
    return storage.floor_wh + (at_least + above) * step_wh(storage) // 2


def prices_from_history(market: MarketView, first_slot_s: int, count: int) -> list[int]:
    """Call prices as they usually lie between bid and ask at each time of the day; the ask where none is known."""
    calls = {line.slot_s: line for line in market.history if line.call_ueur_kwh is not None}
    expected = []
    for tariff in tariffs_ahead(market, first_slot_s, count):
        places = []
        for day in range(1, forecast.DAYS + 1):
            line = calls.get(tariff.slot_s - day * forecast.DAY_S)
            if line is not None and line.call_ueur_kwh is not None and line.ask_ueur_kwh > line.bid_ueur_kwh:
                above = line.call_ueur_kwh - line.bid_ueur_kwh
                places.append(above * 1000 // (line.ask_ueur_kwh - line.bid_ueur_kwh))
        place_permille = forecast.mean(places) if places else 1000
        expected.append(tariff.bid_ueur_kwh + (tariff.ask_ueur_kwh - tariff.bid_ueur_kwh) * place_permille // 1000)
    return expected
