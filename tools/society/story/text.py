"""Tells the story as it happens: when, who did what at which price, and why. What repeats is told once.

Prices are those of the ledger, reasons those of the agents; of weather and people it tells what the day was given.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent.vocabulary import Mode, Side
from strategies.words import DAY_S, cents, energy
from tools.society.cast import ARRAY, BATTERY
from tools.society.story.day import BASE_LOADS, EV, FREEZER, STAGE, WASHER
from tools.society.story.witness import Act, Facts

SAME_LOOK_S: Final = 5
"""What a device sends within so many seconds comes from one look at the market."""
WHOLE_CENT_UEUR_KWH: Final = 10_000
"""By less a limit in a call may change without being told again."""
SMALL_WH: Final = 10
"""What the building always takes is not worth a line."""
WIDTH: Final = 110
INDENT: Final = 10
NAMES: Final[Mapping[str, str]] = {
    ARRAY: "the array",
    BATTERY: "the battery",
    WASHER: "the washer",
    EV: "the car",
    FREEZER: "the freezer",
    **{name: f"home {number}" for number, name in enumerate(BASE_LOADS, 1)},
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story."""

    at_s: int
    text: str
    why: str

    def __str__(self) -> str:
        head = f"{clock(self.at_s)}  {self.text}"
        if not self.why:
            return head
        margin = " " * INDENT
        return head + "\n" + textwrap.fill(self.why, WIDTH, initial_indent=margin, subsequent_indent=margin)


class Narrator:
    """Is told the facts after every block and says what is new in them."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.lines: list[Line] = []
        self._say = say
        self._stage = 0
        self._acts = 0
        self._looks: dict[str, list[Act]] = {}
        self._gate = 0
        self._settled = 0
        self._told: dict[str, tuple[object, ...]] = {}

    def hear(self, facts: Facts, at_s: int) -> None:
        """Tell what has happened up to now."""
        for device in [name for name, look in self._looks.items() if at_s - look[0].at_s > SAME_LOOK_S]:
            self._tell_look(facts, device, self._looks.pop(device))
        while self._stage < len(STAGE) and facts.at_s(STAGE[self._stage][0]) <= at_s:
            slot, text = STAGE[self._stage]
            self._line(facts.at_s(slot), text)
            self._stage += 1
        for act in facts.acts[self._acts :]:
            if act.device not in BASE_LOADS:  # they bid at the utility's ask; what comes of it is told at the gates
                self._looks.setdefault(act.device, []).append(act)
        self._acts = len(facts.acts)
        while self._gate in facts.traded:
            self._tell_call(facts, self._gate, at_s)
            self._gate += 1
        while self._settled in facts.settlements:
            self._tell_settlement(facts, self._settled, at_s)
            self._settled += 1

    def _tell_look(self, facts: Facts, device: str, look: Sequence[Act]) -> None:
        accepts = [act for act in look if act.maker]
        nearest = min(look, key=lambda act: act.slot)
        if accepts:
            makers = _and(sorted({act.maker for act in accepts}))
            what = "takes the bid of" if accepts[0].side is Side.SELL else "takes the offer of"
            text = f"{what} {makers} at {_prices(accepts)}: {_of_slots(accepts)}"
            news: tuple[object, ...] = what, makers, _prices(accepts)
        else:
            what = "bids" if nearest.side is Side.BUY else "asks"
            text = f"{what} {cents(nearest.price_ueur_kwh)}: {_of_slots([a for a in look if a.side is nearest.side])}"
            step = 1 if nearest.mode is Mode.OPEN else WHOLE_CENT_UEUR_KWH
            news = what, nearest.price_ueur_kwh // step
            is_far = nearest.slot > facts.next_gate(nearest.at_s)
            if is_far or (device == ARRAY and device in self._told):
                return  # every minute it takes one book more into view, and its reason tells of the next gate
        self._change(device, news, nearest.at_s, f"{NAMES[device].capitalize()} {text}.", nearest.reason)

    def _tell_call(self, facts: Facts, slot: int, at_s: int) -> None:
        call = facts.calls[slot]
        if call is None:
            self._told.pop("call", None)
            return
        parts = {device: facts.receipts(slot, device) for device in facts.traded[slot]}
        at_call = {device: [side for side, _, price in found if price == call] for device, found in parts.items()}
        sellers = _and([device for device, sides in at_call.items() if Side.SELL in sides])
        buyers = _and([device for device, sides in at_call.items() if Side.BUY in sides])
        text = f"The call for {clock(facts.at_s(slot))[:5]} at {cents(call)}: {sellers} to {buyers}."
        self._change("call", (call, sellers, buyers), at_s, text)

    def _tell_settlement(self, facts: Facts, slot: int, at_s: int) -> None:
        settled = facts.settlements[slot]
        wh, price = settled.grid_import_wh, cents(settled.ask_ueur_kwh)
        if wh <= SMALL_WH:
            self._told.pop("utility", None)
            return
        text = f"{clock(facts.at_s(slot))[:5]} is settled: {energy(wh)} from the utility at {price}."
        self._change("utility", (wh, price), at_s, text)

    def _change(self, who: str, news: tuple[object, ...], at_s: int, text: str, why: str = "") -> None:
        if self._told.get(who) != news:
            self._told[who] = news
            self._line(at_s, text, why)

    def _line(self, at_s: int, text: str, why: str = "") -> None:
        line = Line(at_s, text, why)
        self.lines.append(line)
        self._say(str(line))


def clock(at_s: int) -> str:
    """Time of day, UTC."""
    second = at_s % DAY_S
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}:{second % 60:02d}"


def _prices(acts: Sequence[Act]) -> str:
    prices = sorted({act.price_ueur_kwh for act in acts})
    return cents(prices[0]) if len(prices) == 1 else f"{cents(prices[0])} to {cents(prices[-1])}"


def _of_slots(acts: Sequence[Act]) -> str:
    total, slots = energy(sum(act.energy_wh for act in acts)), len({act.slot for act in acts})
    return total if slots == 1 else f"{total} of {slots} slots"


def _and(devices: Sequence[str]) -> str:
    names = [NAMES[device] for device in devices]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
