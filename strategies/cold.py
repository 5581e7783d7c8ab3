"""The freezer as a store of cold: its physics in integers and its own small programme.

Cold is counted in mWh of electricity that the compressor needs for it, from the warmest allowed temperature on. It leaks:
a slot keeps a part of what there was and takes a constant. Cooling is a store's choice like charging (see `worth`), so the
programme merges lists and tries nothing; a day's decision costs well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from strategies.worth import merge, steps

LEVELS = 32
"""Steps of cold (33 temperatures)."""
PRICELESS = 10**9
"""Worth of cold that keeps the air below the warmest temperature; ueur/kWh."""


@dataclass(frozen=True, slots=True)
class ColdStore:
    """The freezer's store over one slot."""

    full_mwh: int
    kept_ppm: int
    """Part of the cold that is left after a slot without cooling."""
    leak_mwh: int
    """What leaks besides, because the room is warmer than the warmest temperature."""
    most_mwh: int
    """What the compressor adds in a slot."""

    @property
    def step_mwh(self) -> int:
        return max(1, self.full_mwh // LEVELS)

    def after_leak(self, cold_mwh: int) -> int:
        """The cold at the end of a slot without cooling; below 0 it would have been too warm."""
        return cold_mwh * self.kept_ppm // 1_000_000 - self.leak_mwh


def cold_store(
    *,
    power_w: int,
    cop_permille: int,
    leak_mw_k: int,
    heat_j_k: int,
    room_mc: int,
    coldest_mc: int,
    warmest_mc: int,
    slot_s: int,
) -> ColdStore:
    """The store of a freezer for slots of `slot_s`. The leak follows the exact exponential of a single heat capacity."""
    kept = exp(-leak_mw_k * slot_s / (1000 * heat_j_k))
    return ColdStore(
        full_mwh=cold_mwh(warmest_mc - coldest_mc, heat_j_k, cop_permille),
        kept_ppm=round(kept * 1_000_000),
        leak_mwh=round((1 - kept) * cold_mwh(room_mc - warmest_mc, heat_j_k, cop_permille)),
        most_mwh=power_w * slot_s * 1000 // 3600,
    )


def cold_mwh(difference_mk: int, heat_j_k: int, cop_permille: int) -> int:
    """Electricity that cools the freezer by so many mK."""
    return difference_mk * heat_j_k * 1000 // (3600 * cop_permille)


def worths_of_cold(store: ColdStore, prices_ueur_kwh: Sequence[int]) -> list[int]:
    """The worth of each step of cold, the warmest first, before slots at these prices; later it is worth their mean."""
    if not prices_ueur_kwh:
        return [0] * LEVELS
    worths = [sum(prices_ueur_kwh) // len(prices_ueur_kwh)] * LEVELS
    for price in reversed(prices_ueur_kwh):
        worths = _before(store, price, worths)
    return worths


def _before(store: ColdStore, price: int, after: Sequence[int]) -> list[int]:
    pieces = merge([(worth, store.step_mwh) for worth in after], [(price, store.most_mwh)])
    # The merged list starts at the cold from which full cooling just reaches the warmest temperature.
    missing_mwh = store.leak_mwh - store.most_mwh
    if missing_mwh > 0:
        pieces.insert(0, (PRICELESS, missing_mwh))
    kept_step = max(1, store.step_mwh * store.kept_ppm // 1_000_000)
    before = steps(pieces, skip=max(0, -missing_mwh), step=kept_step, count=LEVELS, beyond=0)
    return [worth * store.kept_ppm // 1_000_000 for worth in before]
