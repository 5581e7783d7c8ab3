"""The battery's dynamic programme: what one more stored watt-hour is worth, at every level of charge.

The cost of supplying the building from a charge level on is convex in that level, and so is the cost of one stage in the
energy exchanged. So the programme keeps only the worth of each step of charge (see `worth`) and adds a stage by merging.
Each stage weighs several net loads equally: a battery that trusts one forecast is empty when the evening comes early.

A worth here is in ueur per stored kWh. The society pays the ask for what it imports in a stage and gets the bid for what it
exports; whoever owns the battery, its best limits in a uniform-price call are the marginal ones of this society-wide cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strategies.facts import StorageFacts
from strategies.worth import merge, steps

LEVELS = 20
"""Steps of charge (21 levels)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stretch of time: its mean tariff and the net loads (Wh, import positive) that it may bring, equally likely."""

    duration_s: int
    ask_ueur_kwh: int
    bid_ueur_kwh: int
    net_loads_wh: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a stage comes to for one net load: the price of a further watt-hour of load, and the charge after it."""

    price_ueur_kwh: int
    stored_wh: int


def step_wh(storage: StorageFacts) -> int:
    return max(1, storage.usable_wh // LEVELS)


def worths_after(storage: StorageFacts, stages: Sequence[Stage], end_worths: Sequence[int]) -> list[list[int]]:
    """The worth of each step of charge after every stage, lowest step first; the last entry is `end_worths`."""
    worths = list(end_worths)
    after = [worths]
    for stage in reversed(stages[1:]):
        worths = _worths_before(storage, stage, worths)
        after.append(worths)
    after.reverse()
    return after


def _worths_before(storage: StorageFacts, stage: Stage, after: Sequence[int]) -> list[int]:
    step = step_wh(storage)
    store = [(worth, step) for worth in after]
    most_in = storage.charge_w * stage.duration_s * storage.eta_charge_permille // 3_600_000
    mixed = [0] * LEVELS
    for net_wh in stage.net_loads_wh:
        pieces = merge(store, _uses(storage, stage, net_wh))
        for i, worth in enumerate(steps(pieces, skip=most_in, step=step, count=LEVELS, beyond=0)):
            mixed[i] += worth
    count = len(stage.net_loads_wh)
    return [worth // count for worth in mixed]


def _uses(storage: StorageFacts, stage: Stage, net_wh: int) -> list[tuple[int, int]]:
    """What a stored watt-hour can do in the stage, best use first.

    From "charges at full power" to "discharges at full power": not charging from the grid, not charging from surplus,
    covering the load, feeding in.
    """
    eta_in, eta_out = storage.eta_charge_permille, storage.eta_discharge_permille
    most_in = storage.charge_w * stage.duration_s * eta_in // 3_600_000
    most_out = storage.discharge_w * stage.duration_s * 1000 // (3600 * eta_out)
    surplus = min(most_in, max(0, -net_wh) * eta_in // 1000)
    cover = min(most_out, max(0, net_wh) * 1000 // eta_out)
    ask, bid, wear = stage.ask_ueur_kwh, stage.bid_ueur_kwh, storage.wear_ueur_kwh
    spare = ask * 1000 // eta_in
    spare_surplus = min(spare, bid * 1000 // eta_in)
    # With prices below zero wasting energy pays, and the list would rise: what came before caps what follows.
    cover_worth = min(spare_surplus if surplus else spare, (ask - wear) * eta_out // 1000)
    feed_worth = min(cover_worth, spare_surplus if surplus else spare, (bid - wear) * eta_out // 1000)
    return [(spare, most_in - surplus), (spare_surplus, surplus), (cover_worth, cover), (feed_worth, most_out - cover)]


def clear(storage: StorageFacts, stage: Stage, net_wh: int, stored_wh: int, after: Sequence[int]) -> Cleared:
    """What the stage comes to when the battery follows its worths, from `stored_wh` on."""
    step = step_wh(storage)
    eta_in, eta_out = storage.eta_charge_permille, storage.eta_discharge_permille
    ask, bid = stage.ask_ueur_kwh, stage.bid_ueur_kwh
    if net_wh > 0:
        power_wh = storage.discharge_w * stage.duration_s // 3600
        for level in range(min(LEVELS - 1, (stored_wh - storage.floor_wh - 1) // step), -1, -1):
            price = after[level] * 1000 // eta_out + storage.wear_ueur_kwh
            if price >= ask:
                break
            part = min(stored_wh - storage.floor_wh - level * step, power_wh * 1000 // eta_out, net_wh * 1000 // eta_out + 1)
            stored_wh -= part
            power_wh -= part * eta_out // 1000
            net_wh -= part * eta_out // 1000
            if net_wh <= 0:
                return Cleared(max(bid, price), stored_wh)
            if power_wh <= 0:
                break
        return Cleared(ask, stored_wh)
    power_wh = storage.charge_w * stage.duration_s // 3600
    for level in range(max(0, (stored_wh - storage.floor_wh) // step), LEVELS):
        price = after[level] * eta_in // 1000
        if price <= bid:
            break
        room = storage.floor_wh + (level + 1) * step - stored_wh
        part = min(room, power_wh * eta_in // 1000, -net_wh * eta_in // 1000 + 1)
        stored_wh += part
        power_wh -= part * 1000 // eta_in
        net_wh += part * 1000 // eta_in
        if net_wh >= 0:
            return Cleared(min(ask, price), stored_wh)
        if power_wh <= 0:
            break
    return Cleared(bid, stored_wh)


def price_path(storage: StorageFacts, stages: Sequence[Stage], end_worths: Sequence[int], stored_wh: int) -> list[int]:
    """The price expected in each stage, from a charge of `stored_wh` on: the mean over the stage's net loads."""
    prices = []
    for stage, after in zip(stages, worths_after(storage, stages, end_worths), strict=True):
        outcomes = [clear(storage, stage, net_wh, stored_wh, after) for net_wh in stage.net_loads_wh]
        prices.append(sum(outcome.price_ueur_kwh for outcome in outcomes) // len(outcomes))
        stored_wh = sum(outcome.stored_wh for outcome in outcomes) // len(outcomes)
    return prices
