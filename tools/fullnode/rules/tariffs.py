"""The utility's tariff: written once per slot, and refused where a book has already been used with the fallback.

Source: docs/ledger.md, "Tariff".
"""

from __future__ import annotations

from agent.vocabulary import Tariff
from lightclient import keys
from lightclient.messages import PostTariff
from lightclient.refusals import Refusal
from lightclient.values import TariffRecord
from tools.fullnode.rules.books import FALLBACK_TARIFF, OWN_TARIFF, Books
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.slottimes import MAX_AHEAD_S
from tools.fullnode.rules.state import State


class Tariffs:
    """Takes the utility's tariffs, all slots of a message or none."""

    def __init__(self, state: State, registry: Registry, books: Books) -> None:
        self._state = state
        self._registry = registry
        self._books = books

    def post(self, sender: bytes, message: PostTariff, time_s: int) -> Refusal:
        times = self._registry.times
        if not self._registry.posts_tariffs(sender):
            return Refusal.ROLE_MISSING
        if not times.is_start(message.first_slot_s):
            return Refusal.SLOT_UNALIGNED
        tariffs = [
            Tariff(message.first_slot_s + index * times.duration_s, ask, bid) for index, (ask, bid) in enumerate(message.prices)
        ]
        if any(tariff.bid_ueur_kwh > tariff.ask_ueur_kwh for tariff in tariffs):
            return Refusal.TARIFF_CROSSED
        if tariffs[-1].slot_s > time_s + MAX_AHEAD_S:
            return Refusal.TARIFF_TOO_EARLY
        for tariff in tariffs:
            refusal = self._check_slot(tariff.slot_s, time_s)
            if refusal:
                return refusal
        for tariff in tariffs:
            self._books.open_with(tariff, OWN_TARIFF)
        return Refusal.OK

    def _check_slot(self, slot_s: int, time_s: int) -> Refusal:
        if self._registry.times.gate_s(slot_s) <= time_s:
            return Refusal.TARIFF_TOO_LATE
        value = self._state.get(keys.tariff(slot_s))
        if value is None:
            return Refusal.OK
        if TariffRecord.decode(value).source != FALLBACK_TARIFF:
            return Refusal.TARIFF_STANDS
        return Refusal.OK if self._books.open[slot_s].is_untouched else Refusal.TARIFF_TOO_LATE
