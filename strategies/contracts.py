"""A freezer's contracts over several slots: a run of cold bought ahead from open offers, and given up again for open bids.

Whether a run pays is decided at its end: a unit of cold that was not made is missing there. With slots of a quarter of an hour
a contract is one slot; with shorter ones it is made for all its slots at once, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.vocabulary import Accept, OpenEntry, Side
from strategies.cold import LEVELS, PRICELESS, ColdStore, worths_of_cold
from strategies.view import Quote, rivals


@dataclass(frozen=True, slots=True)
class Contract:
    """Accepts over consecutive slots. `price` is the least favourable of them, `worth` that of the cold, in ueur/kWh."""

    accepts: tuple[Accept, ...]
    price: int
    worth: int


@dataclass(frozen=True, slots=True)
class ColdPlan:
    """What a freezer sees when it looks at the books ahead.

    `cold_mwh` is the cold at the start of the first of the quotes, `prices` what is expected from that slot on (one per slot),
    `length` how many slots a contract has.
    """

    quotes: Sequence[Quote]
    store: ColdStore
    cold_mwh: int
    prices: Sequence[int]
    length: int

    def resale(self) -> Contract | None:
        """Give up the next run that was bought, when open bids for all of it beat the worth of its cold."""
        first = next((i for i, quote in enumerate(self.quotes) if quote.position.net_wh > 0), len(self.quotes))
        run = self._run(first)
        left_mwh = self._left_at_end(first)
        if run is None or left_mwh < 0 or any(quote.position.net_wh <= 0 for quote in run):
            return None
        worth = self._worth(first, left_mwh)
        energies_wh = [quote.position.net_wh for quote in run]
        bids = _best(run, Side.BUY, energies_wh)
        if bids is None or (price := min(bid.limit_ueur_kwh for bid in bids)) <= worth:
            return None
        return Contract(_accepts(run, bids, energies_wh), price, worth)

    def purchase(self) -> Contract | None:
        """Take a run from open offers below the worth of its cold, where none is held and the run has room."""
        if any(quote.position.net_wh > 0 for quote in self.quotes):
            return None
        for first in range(len(self.quotes)):
            run, wanted_wh = self._run(first), self._wanted_wh(first)
            if run is None or wanted_wh <= 0:
                continue
            energies_wh = [wanted_wh] * self.length
            offers = _best(run, Side.SELL, energies_wh)
            worth = self._worth(first, self._left_at_end(first) + sum(energies_wh) * 1000)
            if offers is not None and (price := max(offer.limit_ueur_kwh for offer in offers)) < worth:
                return Contract(_accepts(run, offers, energies_wh), price, worth)
        return None

    def _run(self, first: int) -> Sequence[Quote] | None:
        """`length` consecutive books from one on; None where they are not all in sight."""
        run = self.quotes[first : first + self.length]
        duration_s = self.quotes[1].slot_s - self.quotes[0].slot_s if len(self.quotes) > 1 else 0
        if len(run) < self.length or any(later.slot_s - earlier.slot_s != duration_s for earlier, later in pairwise(run)):
            return None
        return run

    def _cold_before(self, place: int) -> int:
        """The cold at the start of a slot, with what was bought for the slots before it; below 0 it is too warm."""
        cold_mwh = self.cold_mwh
        for quote in self.quotes[:place]:
            bought_mwh = max(0, quote.position.net_wh) * 1000
            cold_mwh = self.store.after_leak(cold_mwh) + min(self.store.most_mwh, bought_mwh)
        return cold_mwh

    def _left_at_end(self, first: int) -> int:
        """The cold after a run that is not made; below 0 it would be too warm."""
        cold_mwh = self._cold_before(first)
        for _ in range(self.length):
            cold_mwh = self.store.after_leak(cold_mwh)
        return cold_mwh

    def _wanted_wh(self, first: int) -> int:
        """Energy per slot of a run: the usual use of a single slot, full power where a run has several; 0: no room for it."""
        store = self.store
        if self.length == 1:
            usual_mwh = store.leak_mwh + store.full_mwh * (1_000_000 - store.kept_ppm) // 2_000_000
            return max(1, min(store.most_mwh, usual_mwh) // 1000)
        wanted_wh = store.most_mwh // 1000
        full_at_mwh = store.full_mwh - wanted_wh * 1000 * self.length
        return wanted_wh if self._cold_before(first) >= 0 and self._left_at_end(first) <= full_at_mwh else 0

    def _worth(self, first: int, left_mwh: int) -> int:
        """The worth of a unit of cold after a run that begins at a place; below 0 it is priceless."""
        if left_mwh < 0:
            return PRICELESS
        worths = worths_of_cold(self.store, self.prices[first + self.length :])
        return worths[min(LEVELS - 1, left_mwh // self.store.step_mwh)]


def _best(run: Sequence[Quote], side: Side, energies_wh: Sequence[int]) -> list[OpenEntry] | None:
    """The best open entry of another device in each book; None where one is missing or cannot take the energy."""
    found = []
    for quote, wh in zip(run, energies_wh, strict=True):
        entry = next(iter(rivals(quote, side)), None)
        if entry is None or entry.remaining_wh < wh or (entry.all_or_nothing and wh < entry.remaining_wh):
            return None
        found.append(entry)
    return found


def _accepts(run: Sequence[Quote], entries: Sequence[OpenEntry], energies_wh: Sequence[int]) -> tuple[Accept, ...]:
    parts = zip(run, entries, energies_wh, strict=True)
    return tuple(Accept(quote.slot_s, entry.order_id, wh) for quote, entry, wh in parts)
