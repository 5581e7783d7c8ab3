"""The footprint's benchmark measures what it says: real processes that trade, which are gone afterwards."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.config import read_agent_config
from agent.vocabulary import Reading
from drivers.abilities import Announces, ChargeLevel, Meter, PowerSetpoint
from drivers.errors import DriverMisconfigured
from tests.tools.bench.test_lightclient import Kept
from tools.bench.footprint import rows, started, write_trial
from tools.bench.footprint_devices import BATTERY, METER, POWER_W, STORED_WH, open_driver
from tools.bench.footprint_memory import IS_THERE, processor_s, resident, threads
from tools.society.virtualclock import VirtualClock, run_virtual

needs_proc = pytest.mark.skipif(not IS_THERE, reason="this system has no /proc/PID/smaps_rollup")


@needs_proc
def test_an_agent_is_measured_beside_a_node(tmp_path: Path) -> None:
    bench = Kept()
    rows(bench, tmp_path, ("battery",), seconds=0.5, waits=False)
    figures = {name.removeprefix("battery: "): value for name, (value, _) in bench.figures.items()}
    parts = figures["of it anonymous"] + figures["of it programs and libraries"]
    assert 20 < figures["resident"] == pytest.approx(parts)
    assert figures["resident, with what it shares counted in parts"] <= figures["resident"]
    assert figures["threads"] >= 2


@needs_proc
def test_what_the_kernel_says_of_this_process() -> None:
    mine = resident("self")
    assert 0 < mine.anonymous_kib < mine.all_kib
    assert threads(os.getpid()) >= 1
    assert processor_s(os.getpid()) > 0


def test_a_process_is_gone_whatever_happens(tmp_path: Path) -> None:
    waits = (sys.executable, "-c", "print('up', flush=True); input()")
    with ExitStack() as stack:
        child = stack.enter_context(started(waits, tmp_path / "log"))
        stack.callback(int, "no number")
        with pytest.raises(ValueError, match="no number"):
            stack.close()
    assert child.returncode is not None


def test_a_process_that_does_not_start_says_why(tmp_path: Path) -> None:
    ends = (sys.executable, "-c", "import sys; sys.exit('no such disk')")
    with pytest.raises(RuntimeError, match="did not start: no such disk"), started(ends, tmp_path / "log"):
        pass


def test_the_trial_asks_the_battery_every_second_and_the_others_have_the_building(tmp_path: Path) -> None:
    trial = write_trial(tmp_path)
    battery, meter = (read_agent_config(trial.config(name)) for name in ("battery", "grid-meter"))
    assert {driver.name for driver in battery.drivers.values()} == {BATTERY, METER}
    assert (battery.journal.samples, battery.device.slot_duration_s) == ("all", 60)
    assert [driver.name for driver in meter.drivers.values()] == ["simulated.grid_meter"]
    inverter = open_driver(BATTERY, {}, SystemClock())
    assert isinstance(inverter, Meter)
    assert isinstance(inverter, PowerSetpoint)
    assert isinstance(inverter, ChargeLevel)
    assert not isinstance(inverter, Announces)
    with pytest.raises(DriverMisconfigured, match="expected no options"):
        open_driver(METER, {"pin": 1}, SystemClock())


def test_registers_and_charge_follow_the_power() -> None:
    async def test(clock: VirtualClock) -> None:
        battery, meter = open_driver(BATTERY, {}, clock), open_driver(METER, {}, clock)
        assert isinstance(battery, ChargeLevel)
        assert isinstance(battery, PowerSetpoint)
        for power_w in (3_600, -7_200):
            await battery.set_power(power_w)
            await asyncio.sleep(10)
        assert await battery.read() == Reading(1_020, -7_200, 10, 20)
        assert await battery.stored_wh() == STORED_WH - 10
        await asyncio.sleep(3_580)
        assert await meter.read() == Reading(4_600, POWER_W, POWER_W, 0)

    run_virtual(test, 1_000)
