"""A device that had NTP and loses the network: its crystal bridges the time, and no slot is lost to what the kernel says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agent.clock import NS_PER_S
from agent.metering import SlotMeter
from agent.status import Status
from agent.time.deviceclock import DeviceClock
from agent.time.feeding import Fed, Feeder
from agent.time.keeping import TimeKeeper
from agent.time.states import TimeState
from agent.time.system import LOOK_EVERY_S
from agent.vocabulary import Reading, SlotEnergy
from tests.agent.timekit import HandClock, LinuxSystem, time_keeper

T0_S = 1_772_323_200
SLOT_S = 900
HOUR_S = 3_600
DAY_S = 86_400
SAMPLE_EVERY_S = 5
POWER_W = 3_600
"""One Wh per second: the registers show how late they were read."""


class Device:
    """Looks at the system's clock as an agent does, and reads its meter around the slots' edges."""

    def __init__(self) -> None:
        self.true = HandClock(T0_S * NS_PER_S)
        self.system = LinuxSystem(self.true)
        self.time: TimeKeeper = time_keeper(DeviceClock(self.system), Status("kit"))
        self.found: list[Fed] = []
        self._feeder = Feeder(SlotMeter(SLOT_S), SLOT_S)

    def live(self, until_s: int) -> None:
        """Until so many seconds after the start."""
        for at_s in self._instants(until_s):
            self.true.ns = (T0_S + at_s) * NS_PER_S
            self.time.look()
            now = self.time.now()
            if now is not None:
                reading = Reading(now.utc_ns // NS_PER_S, POWER_W, at_s, 0)
                self.found += self._feeder.feed(reading, now)

    def _instants(self, until_s: int) -> Iterator[int]:
        """Where nothing is near, every minute is enough."""
        at_s = self.true.ns // NS_PER_S - T0_S
        while at_s < until_s:
            at_s += SAMPLE_EVERY_S if (at_s + 60) % SLOT_S < 120 else LOOK_EVERY_S * 6
            yield min(at_s, until_s)

    def energies_wh(self) -> list[int]:
        """Of all slots from the second on, none left out; the edge of the first was over before the first reading."""
        slots = [event for event in self.found if isinstance(event, SlotEnergy)]
        assert slots == self.found
        assert [slot.slot_s for slot in slots] == [T0_S + SLOT_S * (1 + number) for number in range(len(slots))]
        return [slot.import_end_wh - slot.import_start_wh for slot in slots]


@pytest.mark.parametrize("ppm", [0, 14, -14])
def test_seven_days_without_servers_lose_no_slot(ppm: int) -> None:
    device = Device()
    device.live(DAY_S)
    device.system.lose_servers(ppm)
    device.live(8 * DAY_S)
    assert device.time.is_anchored
    now = device.time.now()
    assert now is not None
    assert now.earliest_ns <= device.true.ns <= now.latest_ns
    assert 9 * NS_PER_S < now.uncertainty_ns < 10 * NS_PER_S
    device.system.find_servers()
    device.live(8 * DAY_S + 2 * SLOT_S)
    now = device.time.now()
    assert now is not None
    assert now.uncertainty_ns < NS_PER_S
    found_wh = device.energies_wh()
    assert len(found_wh) == 8 * 96 + 1
    assert all(abs(wh - SLOT_S) <= 10 for wh in found_wh), "the clock was set right once, by what it had strayed"


def test_what_the_kernel_says_of_a_clock_without_servers_makes_no_date_worse_than_the_crystal() -> None:
    """From five hours on it would be too coarse for a slot's edge, and from nine on the kernel calls the clock wrong."""
    device = Device()
    device.live(HOUR_S)
    device.system.lose_servers(ppm=40)
    for hours in range(2, 30):
        device.live(hours * HOUR_S)
        now = device.time.now()
        assert now is not None
        assert now.earliest_ns <= device.true.ns <= now.latest_ns
        assert now.uncertainty_ns <= NS_PER_S // 10 + hours * HOUR_S * (50 + 40) * 1_000
    assert not device.system.synchronisation().is_synchronised
    assert len(device.energies_wh()) == 29 * 4 - 2


def test_a_machine_that_had_servers_for_an_hour_alone_keeps_the_time_for_three_days() -> None:
    """Nobody knows the rate of its clock: 50 ppm are assumed, and after two days slots' edges cannot be told any more."""
    device = Device()
    device.live(HOUR_S)
    device.system.lose_servers(ppm=0)
    device.live(2 * DAY_S)
    assert len(device.energies_wh()) == 2 * 96 - 2
    device.live(4 * DAY_S)
    assert device.time.state is TimeState.FLOOR
