"""The price list of a utility, from a recording: what it asks and bids per slot. It says nothing about what is public when.

{"format": 1, "start_s": 1613343600, "slot_s": 900, "ask_ueur_kwh": [129150, ...], "bid_ueur_kwh": [39150, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from agent.vocabulary import Clock, Tariff
from drivers.errors import DriverMisconfigured

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class PriceList:
    """Asks and bids per slot of `slot_s` seconds from the Unix second `start_s` on."""

    start_s: int
    slot_s: int
    ask_ueur_kwh: tuple[int, ...]
    bid_ueur_kwh: tuple[int, ...]


class SimulatedPrices:
    """The utility's driver in the role "prices"."""

    def __init__(self, prices: PriceList) -> None:
        self._prices = prices

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing to close."""

    async def tariffs(self, from_s: int, until_s: int) -> Sequence[Tariff]:
        """The tariffs of the slots that start from `from_s` to before `until_s`, as far as the list goes."""
        prices = self._prices
        first = max(0, -((prices.start_s - from_s) // prices.slot_s))
        end = min(len(prices.ask_ueur_kwh), -((prices.start_s - until_s) // prices.slot_s))
        return [
            Tariff(prices.start_s + slot * prices.slot_s, prices.ask_ueur_kwh[slot], prices.bid_ueur_kwh[slot])
            for slot in range(first, end)
        ]


def write_prices(path: Path, prices: PriceList) -> None:
    """Write a price file."""
    path.write_text(json.dumps({"format": FORMAT, **asdict(prices)}, separators=(",", ":")), encoding="utf-8")


def open_driver(name: str, options: Mapping[str, object], clock: Clock) -> SimulatedPrices:
    """Open `simulated.prices` with the option `file` (path). Raises DriverMisconfigured."""
    file = options.get("file")
    if set(options) != {"file"} or not isinstance(file, str):
        raise DriverMisconfigured(name, f"expected the option file (path) alone, got {', '.join(sorted(options)) or 'none'}")
    try:
        raw = json.loads(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise DriverMisconfigured(file, f"expected a price file: {error}") from error
    return SimulatedPrices(_read(file, raw))


def _read(file: str, raw: Any) -> PriceList:
    names = {"format", "start_s", "slot_s", "ask_ueur_kwh", "bid_ueur_kwh"}
    if not isinstance(raw, dict) or set(raw) != names or raw["format"] != FORMAT:
        raise DriverMisconfigured(file, f"expected an object with {', '.join(sorted(names))}, format {FORMAT}")
    if type(raw["start_s"]) is not int or type(raw["slot_s"]) is not int or raw["slot_s"] <= 0:
        raise DriverMisconfigured(file, "expected whole numbers start_s and slot_s, slot_s above 0")
    asks, bids = raw["ask_ueur_kwh"], raw["bid_ueur_kwh"]
    for place, values in (("ask_ueur_kwh", asks), ("bid_ueur_kwh", bids)):
        if not isinstance(values, list) or any(type(value) is not int for value in values):
            raise DriverMisconfigured(file, f"{place}: expected a list of whole numbers")
    if len(asks) != len(bids):
        raise DriverMisconfigured(file, f"expected as many asks as bids, got {len(asks)} and {len(bids)}")
    return PriceList(raw["start_s"], raw["slot_s"], tuple(asks), tuple(bids))
