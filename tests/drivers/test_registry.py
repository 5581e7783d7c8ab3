"""Drivers by name, and the building file from which separate processes open their simulated devices."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.vocabulary import Reading
from drivers import registry
from drivers.errors import DriverMisconfigured
from drivers.simulated.buildingfile import read_building, write_building
from drivers.simulated.faults import Fault, FaultKind
from tests.drivers.simulated.stage import BUILDING, HOUR_S, SLOT_S, START_S, HandClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_building(tmp_path / "building.json", BUILDING)
    return tmp_path / "building.json"


def test_a_building_comes_back_from_its_file(path: Path) -> None:
    assert read_building(path) == BUILDING


@pytest.mark.parametrize("name", sorted(set(registry.DRIVERS) - {"simulated.prices"}))
def test_every_meter_opens_and_reads(path: Path, name: str) -> None:
    devices = {"solar": "array", "base_load": "home", "ev": "car", "grid_meter": "grid"}
    kind = name.removeprefix("simulated.")

    async def first_reading() -> Reading:
        options = {"building": str(path), "device": devices.get(kind, kind)}
        async with registry.open_driver(name, options, HandClock()) as driver:
            reading: Reading = await driver.read()
            return reading

    assert asyncio.run(first_reading()).taken_at_s == START_S


def test_devices_opened_apart_share_their_plant_and_the_rest_is_unattended(path: Path) -> None:
    clock = HandClock()

    def open_device(kind: str, device: str) -> Any:
        return registry.open_driver(f"simulated.{kind}", {"building": str(path), "device": device}, clock)

    async def powers() -> list[int]:
        battery, grid, home = (
            open_device("battery", "battery"),
            open_device("grid_meter", "grid"),
            open_device("base_load", "home"),
        )
        clock.set(START_S + HOUR_S + SLOT_S - 1)
        await battery.set_power(-1000)
        return [(await device.read()).power_w for device in (grid, home)]

    # 7200 W of a car that nobody told to wait, a washer, 3200 W of sun, a freezer that got warm, the battery and the home.
    grid_w, home_w = asyncio.run(powers())
    assert grid_w == pytest.approx(7200 + 686 - 3200 + 157 - 1000 + home_w, abs=2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("simulated.toaster", {}, "simulated.toaster: no such driver; known are simulated.base_load, simulated.battery"),
        ("simulated.battery", {}, "expected the options building .*got building = None"),
        ("simulated.battery", {"device": "battery", "colour": 1}, "unknown: colour"),
        ("simulated.battery", {"device": "roof"}, "roof: no such device in the building; it has array"),
        ("simulated.battery", {"device": "car"}, "car in .* is for the driver simulated.ev"),
        ("simulated.battery", {"device": "battery", "building": "gone.json"}, "gone.json: expected a building file"),
        ("simulated.battery", {"device": "battery", "faults": "silent"}, "faults: expected a list of tables"),
        (
            "simulated.battery",
            {"device": "battery", "faults": [{"kind": "moody"}]},
            "kind .one of silent, stuck, wrong_sign, late",
        ),
        ("simulated.battery", {"device": "battery", "faults": [{"kind": "late", "from_s": 1}]}, "whole numbers from_s, to_s"),
    ],
)
def test_wrong_options_say_what_was_expected(path: Path, name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(DriverMisconfigured, match=message):
        registry.open_driver(name, {"building": str(path)} | options if options else {}, HandClock())


def test_faults_can_be_configured(path: Path) -> None:
    window = {"from_s": START_S, "to_s": START_S + 60}
    options = {"building": str(path), "device": "home", "faults": [{"kind": "wrong_sign", **window}]}
    driver: Any = registry.open_driver("simulated.base_load", options, HandClock())
    assert asyncio.run(driver.read()).power_w == -159
    assert Fault(FaultKind.WRONG_SIGN, **window).late_s == 0


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("format",), 2, r'expected {"format": 1'),
        (("devices", "battery", "kind"), "fusion", "battery.kind: expected one of solar"),
        (("devices", "battery", "capacity_mwh"), 1.5, "battery.capacity_mwh: expected a whole number, got 1.5"),
        (("devices", "home", "slot_mwh"), 7, "home.slot_mwh: expected a list, got 7"),
        (("devices", "home", "slot_mwh", 3), "x", r"home.slot_mwh\[3\]: expected a whole number"),
        (("devices", "car", "stays", 0, "needs_mwh"), None, r"car.stays\[0\].needs_mwh: expected a whole number, got None"),
        (("devices", "car", "stays", 0), {}, r"car.stays\[0\]: expected an object with capacity_mwh"),
    ],
)
def test_a_wrong_building_file_is_named_with_the_place(path: Path, place: tuple[Any, ...], value: object, message: str) -> None:
    raw = json.loads(path.read_text())
    target = raw
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    path.write_text(json.dumps(raw))
    with pytest.raises(DriverMisconfigured, match=message):
        read_building(path)
