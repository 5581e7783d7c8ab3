"""Looks at the building and at the agents' reasons at every slot's edge, for the report. It changes nothing."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Mapping

from agent.journaling.explaining import Deed, Explanations
from agent.vocabulary import Clock, Kind
from drivers.simulated.building import SimulatedBuilding
from tools.society.cast import Cast
from tools.society.house import stored_wh, temperature_mc
from tools.society.ledgerbook import NO_PRICE, LedgerBook
from tools.society.progress import Progress
from tools.society.record import UNKNOWN, Series
from tools.society.scenario import DAY_S, Scenario


class Observer:
    """`play` runs from before the window to its end; `series` and `slots_played` can be read at any time."""

    def __init__(
        self,
        scenario: Scenario,
        cast: Cast,
        house: SimulatedBuilding,
        explanations: Mapping[str, Explanations],
        book: LedgerBook,
    ) -> None:
        self._scenario = scenario
        self._house = house
        self._explanations = explanations
        self._book = book
        self._batteries = [device.name for device in cast.of_kind(Kind.BATTERY)]
        unknown = array("q", [UNKNOWN]) * scenario.slots
        self.series = Series(
            stored_wh=array("q", unknown),
            temperatures_mc={device.name: array("q", unknown) for device in cast.of_kind(Kind.FREEZER)},
            reasons={name: [] for name in explanations},
        )
        self.slots_played = 0
        self._text_numbers: dict[str, int] = {}
        self._bids = dict.fromkeys(explanations, "")

    async def play(self, clock: Clock, progress: Progress) -> None:
        """Look at the end of every slot of the window, and tell how far it is."""
        scenario = self._scenario
        for slot in range(-1, scenario.slots):
            edge_ns = scenario.slot_s(slot + 1) * 1_000_000_000
            await asyncio.sleep((edge_ns - clock.now_ns()) / 1e9)
            if slot >= 0:
                self._look(slot)
                self.slots_played = slot + 1
                progress.advance(self.slots_played, self._last_price(slot))
            self._note_bids()

    def _look(self, slot: int) -> None:
        for name in self._batteries:
            self.series.stored_wh[slot] = stored_wh(self._house, name)
        for name, temperatures in self.series.temperatures_mc.items():
            temperatures[slot] = temperature_mc(self._house, name)
        for name, explanations in self._explanations.items():
            steered = explanations.last(Deed.STEER)
            sentences = dict.fromkeys(("" if steered is None else steered.text, self._bids[name]))  # each once
            self._note(name, slot, " ".join(filter(None, sentences)))

    def _note_bids(self) -> None:
        """Orders for a slot are decided before it starts."""
        for name, explanations in self._explanations.items():
            bid = explanations.last(Deed.BID) or explanations.last(Deed.POST)
            self._bids[name] = "" if bid is None else bid.text

    def _note(self, name: str, slot: int, text: str) -> None:
        if not text:
            return
        series = self.series
        number = self._text_numbers.get(text)
        if number is None:
            number = self._text_numbers[text] = len(series.texts)
            series.texts.append(text)
        changes = series.reasons[name]
        if not changes or changes[-1][1] != number:
            changes.append((slot, number))

    def _last_price(self, slot: int) -> int:
        """The last call price of the past day; NO_PRICE where there was no call."""
        calls = self._book.columns.call_ueur_kwh
        past = range(slot, max(-1, slot - DAY_S // self._scenario.slot_duration_s), -1)
        return next((calls[earlier] for earlier in past if calls[earlier] != NO_PRICE), NO_PRICE)
