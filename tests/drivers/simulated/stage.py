"""A clock that a test turns by hand, and a small building in which everything happens within a few hours."""

from __future__ import annotations

from drivers.simulated.base_load import BaseLoadSpec
from drivers.simulated.battery import BatterySpec
from drivers.simulated.building import Building, SimulatedBuilding
from drivers.simulated.ev import EvSpec, StaySpec
from drivers.simulated.freezer import FreezerSpec
from drivers.simulated.grid_meter import GridMeterSpec
from drivers.simulated.solar import SolarSpec
from drivers.simulated.washer import WasherSpec, WashSpec

START_S = 1_780_351_200
SLOT_S = 900
HOUR_S = 3600


class HandClock:
    """The time is what the test says."""

    def __init__(self, now_s: float = START_S) -> None:
        self.now_us = round(now_s * 1_000_000)

    def set(self, now_s: float) -> None:
        self.now_us = round(now_s * 1_000_000)

    def now_ns(self) -> int:
        return self.now_us * 1000

    def monotonic_ns(self) -> int:
        return self.now_us * 1000


BATTERY = BatterySpec(START_S, 2_000_000, 1_000_000, 3_000, 2_500, 950_000, 900_000, 100_000)
CAR = StaySpec(START_S + HOUR_S, START_S + 3 * HOUR_S, 4_000_000, 7_200)
V2G_CAR = StaySpec(START_S + 4 * HOUR_S, START_S + 7 * HOUR_S, 1_000_000, 7_200, 5_000, 6_000_000, 10_000_000)
WASH = WashSpec(START_S + HOUR_S, START_S + 4 * HOUR_S, (171_617, 23_573, 0, 568))

BUILDING = Building(
    {
        "array": SolarSpec(START_S, SLOT_S, (0, 0, 250_001, 800_000, 800_000, 1_200_000, 3, 0) * 4),
        "battery": BATTERY,
        "car": EvSpec(START_S, (CAR, V2G_CAR)),
        "freezer": FreezerSpec(START_S),
        "grid": GridMeterSpec(),
        "home": BaseLoadSpec(START_S, SLOT_S, (39_751, 39_751, 426_750, 26_750) * 8),
        "washer": WasherSpec(START_S, SLOT_S, (WASH, WashSpec(START_S + 90 * 60, START_S + 6 * HOUR_S, (400_000,)))),
    }
)


def build(clock: HandClock) -> SimulatedBuilding:
    return SimulatedBuilding(BUILDING, clock)
