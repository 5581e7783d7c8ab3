"""The price list as the utility's driver."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.clock import SystemClock
from agent.vocabulary import Tariff
from drivers.errors import DriverMisconfigured
from drivers.registry import open_driver
from drivers.simulated.prices import PriceList, SimulatedPrices, write_prices

PRICES = PriceList(9_000, 900, (200_000, 210_000, 220_000), (40_000, 50_000, -60_000))


@pytest.mark.parametrize(
    ("from_s", "until_s", "slots"),
    [
        (9_000, 11_700, [9_000, 9_900, 10_800]),
        (0, 10_000, [9_000, 9_900]),
        (9_001, 99_999, [9_900, 10_800]),
        (9_900, 9_900, []),
        (99_999, 199_999, []),
    ],
)
def test_slots_that_start_in_the_window_are_known_as_far_as_the_list_goes(from_s: int, until_s: int, slots: list[int]) -> None:
    tariffs = asyncio.run(SimulatedPrices(PRICES).tariffs(from_s, until_s))
    assert [tariff.slot_s for tariff in tariffs] == slots


def test_a_file_opens_through_the_registry(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    write_prices(file, PRICES)

    async def read() -> Any:
        async with open_driver("simulated.prices", {"file": str(file)}, SystemClock()) as driver:
            return await driver.tariffs(10_800, 11_700)

    assert asyncio.run(read()) == [Tariff(10_800, 220_000, -60_000)]


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"slot_s": 0},
        {"start_s": 1.5},
        {"ask_ueur_kwh": [1, 2]},
        {"bid_ueur_kwh": [1, 2, "3"]},
        {"more": 1},
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, change: Mapping[str, object]) -> None:
    file = tmp_path / "prices.json"
    write_prices(file, PRICES)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(DriverMisconfigured, match=r"prices\.json"):
        open_driver("simulated.prices", {"file": str(file)}, SystemClock())


@pytest.mark.parametrize("options", [{}, {"file": 3}, {"file": "nowhere.json"}, {"file": "a", "more": "b"}])
def test_wrong_options_are_refused(options: Mapping[str, object]) -> None:
    with pytest.raises(DriverMisconfigured):
        open_driver("simulated.prices", options, SystemClock())
