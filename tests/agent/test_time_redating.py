"""Samples taken while nobody knew the time become slots once somebody does: the slots of a device whose clock was right.

A real journal on virtual time, a meter that counts by the true time, a machine whose clock is wrong, unset, or restarted.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.appliances.grid_meter import GridMeter
from agent.clock import NS_PER_S
from agent.journaling import entries
from agent.journaling.explaining import Deed, Explanations
from agent.journaling.keeping import Keeper
from agent.journaling.recording import METER_STATE, Recorder
from agent.line.noticing import Noticer
from agent.line.sealing import Sealer
from agent.metering import EdgesMissed, MeterState, SlotMeter
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.time.deviceclock import DeviceClock
from agent.time.feeding import Fed, Feeder
from agent.time.keeping import TIME_FLOOR, TimeKeeper
from agent.time.operator import read_request, request_path, write_request
from agent.time.redating import UNDATED_AFTER, NeverDated, Redating, read_anchors
from agent.time.running import Timing
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock, Reading, SlotEnergy
from storeforward.boots import Between
from storeforward.errors import DiskFailed
from storeforward.journal import Journal
from storeforward.records import Stream
from tests.agent.timekit import FakeSystem, time_keeper
from tools.society.keys import seeded_key
from tools.society.virtualclock import run_virtual

D = 60
T0 = 1_772_323_200
KEY = seeded_key(1, "meter")
LOADS = (3_600, 7_200, 0, 36_000, 1_800)


@dataclass
class TrueMeter:
    """Counts by the true time what a load draws that changes every 37 s. Its clock was never set."""

    clock: Clock
    loads_w: Sequence[int] = LOADS
    base_wh: int = 500

    def at(self, at_s: int) -> int:
        """The register at a true time."""
        passed_s = at_s - T0 + 3_600
        whole, part_s = divmod(passed_s, 37)
        rounds, rest = divmod(whole, len(self.loads_w))
        counted_ws = rounds * 37 * sum(self.loads_w) + 37 * sum(self.loads_w[:rest]) + part_s * self.loads_w[rest]
        return self.base_wh + counted_ws // 3_600

    async def read(self) -> Reading:
        return Reading(0, 0, self.at(self.clock.now_ns() // NS_PER_S), 0)


@dataclass
class Device:
    """One start of an agent's measuring half."""

    clock: Clock
    time: TimeKeeper
    observer: Observer
    recorder: Recorder
    timing: Timing
    journal: Journal
    keeper: Keeper
    status: Status
    explanations: Explanations

    async def run(self, seconds: int) -> None:
        """Measure for a while, and keep the time."""
        began_s = self.clock.now_ns() // NS_PER_S
        for at_s in range(began_s, began_s + seconds):
            await self.step()
            await asyncio.sleep((at_s + 1) - self.clock.now_ns() / NS_PER_S)

    async def step(self) -> None:
        """Look once."""
        self.time.look()
        await self.timing.write()
        await self.observer.look()
        await self.recorder.write(is_edge=self.time.clock.now_ns() // NS_PER_S % D == 0)

    async def slots(self) -> list[SlotEnergy]:
        stored = await self.journal.read_records(Stream.ENERGY, limit=10_000)
        return [entries.decode_energy(record.record.body) for record in stored]

    async def said(self) -> list[str]:
        stored = await self.journal.read_records(Stream.EVENT, limit=10_000)
        return [record.record.body.decode(errors="ignore") for record in stored]


@asynccontextmanager
async def started(
    path: Path, clock: Clock, system: FakeSystem, boot: int = 0, meter: TrueMeter | None = None
) -> AsyncIterator[Device]:
    """An agent's measuring half, put together as the agent does it."""
    boot_id, status, explanations = bytes([boot]) * 16, Status("meter"), Explanations()
    device_clock = DeviceClock(system)
    time = time_keeper(device_clock, status, boot_id)
    opening = Journal.open(path, device=bytes(20), sign=KEY.sign, clock=device_clock, boot_id=boot_id)
    async with opening as journal:
        keeper = Keeper(journal, device_clock, status)
        anchors = await read_anchors(keeper)
        time.restore(int(journal.values.get(TIME_FLOOR, b"0")), anchors)
        state = journal.values.get(METER_STATE)
        feeder = Feeder(SlotMeter(D, None if state is None else MeterState.decode(state)), D)
        redating = Redating(feeder, time)
        appliance = GridMeter({"device": meter or TrueMeter(clock)}, None, False)
        observer = Observer(appliance, device_clock, status, feeder, time, redating, D)
        slots = await journal.read_records(Stream.ENERGY, limit=10_000)
        observer.history.extend(entries.decode_energy(stored.record.body) for stored in slots)
        redating.restore(journal.values.get(UNDATED_AFTER), journal.found_seq, anchors, observer.measured_until_ns)
        sealer = Sealer("kit", bytes(20), KEY.sign)
        noticer = Noticer(keeper, sealer, Timetable(D, 60), device_clock, time, lambda: None)
        recorder = Recorder(
            observer,
            keeper,
            sealer,
            noticer,
            device_clock,
            time,
            status,
            explanations,
            None,
            reported=lambda: None,
            every_sample=False,
        )

        async def no_ledger() -> bool:
            return False

        timing = Timing(time, keeper, explanations, request_path(path), no_ledger)
        yield Device(clock, time, observer, recorder, timing, journal, keeper, status, explanations)


def play(main: Callable[[Clock], Coroutine[Any, Any, None]], start_s: int = T0 - 17) -> None:
    run_virtual(main, start_s)


def true_slots(meter: TrueMeter, first_s: int, count: int) -> list[SlotEnergy]:
    """What a device with a right clock, that looks every second, says of consecutive slots."""
    edges = [first_s + place * D for place in range(count + 1)]
    return [SlotEnergy(a, meter.at(a), 0, meter.at(b), 0) for a, b in itertools.pairwise(edges)]


def assert_about(found: list[SlotEnergy], expected: list[SlotEnergy], off_wh: int) -> None:
    """The same slots, each register within `off_wh`."""
    assert [slot.slot_s for slot in found] == [slot.slot_s for slot in expected]
    for one, other in zip(found, expected, strict=True):
        assert abs(one.import_start_wh - other.import_start_wh) <= off_wh
        assert abs(one.import_end_wh - other.import_end_wh) <= off_wh


def test_slots_of_the_time_before_the_first_anchor_are_found_afterwards(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        system = FakeSystem(clock, off_s=-(10**9), is_synchronised=False)
        async with started(tmp_path / "j.db", clock, system) as device:
            await device.run(17 + 10 * D)
            assert await device.slots() == []
            assert Trouble.WRONG_TIME in device.status
            system.off_s, system.is_synchronised = 0, True
            await device.run(2)
            # Between samples 10 s apart a straight line is drawn: off by what a load that changes there makes of it.
            assert_about(await device.slots(), true_slots(TrueMeter(clock), T0, 10), off_wh=50)
            assert device.observer.is_live
            assert UNDATED_AFTER not in device.journal.values
            assert device.journal.outbox.count() == 10
            await device.run(2 * D)
            assert len(await device.slots()) == 12
            assert device.status.snapshot() == {}

    play(main)


@settings(max_examples=12)
@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=4),
    st.integers(0, 59),
    st.integers(2, 6),
    st.integers(-50, 50),
    st.integers(0, 900),
)
def test_redated_slots_are_those_of_a_device_with_a_right_clock(
    tmp_path_factory: pytest.TempPathFactory, loads_w: list[int], ahead_s: int, slots: int, ppm: int, uncertainty_ms: int
) -> None:
    """Both look every ten seconds; they differ by less than a second of the greatest load."""

    async def main(clock: Clock) -> None:
        folder, meter = tmp_path_factory.mktemp("pair"), TrueMeter(clock, loads_w)
        unset = FakeSystem(clock, is_synchronised=False, ppm=ppm, uncertainty_ns=uncertainty_ms * 1_000_000)
        async with (
            started(folder / "right.db", clock, FakeSystem(clock), meter=meter) as right,
            started(folder / "late.db", clock, unset, meter=meter) as late,
        ):
            for _ in range(0, slots * D, 10):
                await asyncio.gather(right.step(), late.step(), asyncio.sleep(10))
            unset.is_synchronised = True
            late.time.look()
            await late.recorder.write(is_edge=False)
            found, expected = await late.slots(), await right.slots()
            assert_about(found, expected[: len(found)], off_wh=max(loads_w) // 3_600 + 1)
            assert len(expected) - len(found) <= 1

    play(main, T0 - ahead_s)


def test_three_reboots_offline_then_an_anchor(tmp_path: Path) -> None:
    """Each boot keeps its order; only the one that learns the time settles; registers never go back."""

    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        async with started(path, clock, FakeSystem(clock), boot=1) as device:
            await device.run(3 * D)
            first = await device.slots()
        for boot in (2, 3, 4):
            await asyncio.sleep(45)
            async with started(path, clock, FakeSystem(clock, off_s=-(10**9), is_synchronised=False), boot) as device:
                await device.run(4 * D + boot)
                assert await device.slots() == first
        await asyncio.sleep(45)
        system = FakeSystem(clock, is_synchronised=False)
        began_s = clock.now_ns() // NS_PER_S
        async with started(path, clock, system, boot=5) as device:
            await device.run(3 * D)
            system.is_synchronised = True
            await device.run(D)
            found = await device.slots()
            assert found[: len(first)] == first
            later = found[len(first) :]
            assert later
            assert all(slot.slot_s >= began_s for slot in later)
            assert later[0].import_start_wh >= first[-1].import_end_wh
            assert_about(later, true_slots(TrueMeter(clock), later[0].slot_s, len(later)), off_wh=50)
            never = [text for text in await device.said() if "never learnt the time" in text]
            assert len(never) == 3
            # Not before the last slot of the boot with a clock, and the boots since.
            assert [text.partition("between 2026-03-01T")[2][:9] for text in never] == ["00:02:00Z", "00:06:00Z", "00:10:00Z"]
            samples = await device.journal.read_records(Stream.SAMPLE, limit=1_000)
            assert {stored.record.boot_id[0] for stored in samples if not stored.record.wall_ns} == {2, 3, 4, 5}

    play(main)


def test_a_boot_whose_anchor_came_last_is_dated_at_the_next_start(tmp_path: Path) -> None:
    """The power went when the time had just become known; the next boot knows no time yet, and a little later it does."""

    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        system = FakeSystem(clock, is_synchronised=False)
        async with started(path, clock, system, boot=1) as device:
            await device.run(17 + 5 * D)
            system.is_synchronised = True
            device.time.look()
            await device.timing.write()
        await asyncio.sleep(200)
        system = FakeSystem(clock, off_s=-500_000, is_synchronised=False)
        async with started(path, clock, system, boot=2) as device:
            await device.run(2 * D)
            assert await device.slots() == []
            system.off_s, system.is_synchronised = 0, True
            await device.run(1)
            found = await device.slots()
            expected = true_slots(TrueMeter(clock), T0, 5)
            assert_about(found[: len(expected) - 1], expected[:-1], off_wh=50)
            assert not [text for text in await device.said() if "never learnt" in text]

    play(main)


def test_a_restart_within_the_boot_loses_no_sample(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        system = FakeSystem(clock, is_synchronised=False)
        for _ in range(3):
            async with started(path, clock, system) as device:
                await device.run(4 * D)
        async with started(path, clock, system) as device:
            system.is_synchronised = True
            await device.run(1)
            assert [slot.slot_s for slot in await device.slots()] == [T0 + place * D for place in range(11)]

    play(main)


def test_samples_that_were_dated_are_not_dated_again_after_a_restart(tmp_path: Path) -> None:
    """A meter that heard them twice would take it for a clock that was set back, or count their energy twice."""

    async def main(clock: Clock) -> None:
        path, truth = tmp_path / "j.db", TrueMeter(clock)
        system = FakeSystem(clock, is_synchronised=False)
        async with started(path, clock, system) as device:
            await device.run(20)
            system.is_synchronised = True
            await device.run(80)
            assert UNDATED_AFTER not in device.journal.values
            assert await device.slots() == []
        await asyncio.sleep(2 * D)
        system.is_synchronised = False
        async with started(path, clock, system, boot=1) as device:
            await device.run(10)
            system.is_synchronised = True
            await device.run(2 * D)
            newest = (await device.slots())[-1]
            assert abs(newest.import_end_wh - truth.at(newest.slot_s + D)) <= 1
            assert [text for text in await device.said() if "set back" in text or "went back" in text] == []

    play(main, T0 + 5)


@pytest.mark.parametrize(("uncertainty_s", "settles"), [(8, True), (14, False)])
def test_where_the_uncertainty_reaches_over_the_edges_slots_do_not_settle(
    tmp_path: Path, uncertainty_s: int, settles: bool
) -> None:
    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        system = FakeSystem(clock, is_synchronised=False)
        async with started(path, clock, system) as device:
            await device.run(17 + 5 * D)
            utc_ns, at_ns = clock.now_ns(), system.monotonic_ns()
            write_request(request_path(path), device.time.boot_id, at_ns, utc_ns, uncertainty_s * NS_PER_S)
            anchor = read_request(request_path(path))
            assert anchor is not None
            device.time.hear_operator(anchor)
            await device.run(1)
            found = await device.slots()
            if settles:
                assert_about(found, true_slots(TrueMeter(clock), T0, 4), off_wh=200)
                assert device.status.snapshot() == {}
            else:
                assert found == []
                cause = device.status.snapshot()[Trouble.REGISTER].cause
                assert "The time was known to 15 s only: slots from" in cause
                reason = device.explanations.last(Deed.METER)
                assert reason is not None
                assert reason.text == cause
            kept = await device.journal.read_records(Stream.SAMPLE, limit=1_000)
            assert len(kept) >= (17 + 5 * D) // 10, "evidence stays"

    play(main)


def test_a_power_cut_while_samples_are_dated_doubles_no_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.time.redating.PAGE", 20)
    monkeypatch.setattr("agent.journaling.recording.PAGES_AT_ONCE", 1)

    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        system = FakeSystem(clock, is_synchronised=False)
        async with started(path, clock, system) as device:
            await device.run(17 + 20 * D)
        system.is_synchronised = True
        for _ in range(8):
            async with started(path, clock, system) as device:
                await device.run(1)  # a page of twenty samples, and the process is gone
        async with started(path, clock, system) as device:
            await device.run(30)
            assert device.observer.is_live
            found = [slot.slot_s for slot in await device.slots()]
            assert found == [T0 + place * D for place in range(len(found))]
            assert len(found) >= 20

    play(main)


def test_a_meter_that_is_reset_meanwhile_goes_on_where_it_was(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        meter = TrueMeter(clock)
        system = FakeSystem(clock, is_synchronised=False)
        async with started(tmp_path / "j.db", clock, system, meter=meter) as device:
            await device.run(17 + 2 * D + 30)
            meter.base_wh = -meter.at(clock.now_ns() // NS_PER_S) + meter.base_wh
            await device.run(3 * D)
            system.is_synchronised = True
            await device.run(2)
            found = await device.slots()
            assert len(found) == 5
            ends = [wh for slot in found for wh in (slot.import_start_wh, slot.import_end_wh)]
            assert ends == sorted(ends)
            assert any("went back" in text for text in await device.said())

    play(main)


def test_a_jump_that_a_whole_slot_has_followed_is_told_and_no_trouble(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One that nothing has followed yet is a trouble until the next whole slot, whatever came before it."""
    first, second = (SlotEnergy(T0 + place * D, 0, 0, 0, 0) for place in (0, 5))
    jump = EdgesMissed(T0 + D, T0 + 5 * D)

    async def main(clock: Clock) -> None:
        async with started(tmp_path / "j.db", clock, FakeSystem(clock)) as device:

            async def found(*events: Fed | NeverDated) -> bool:
                """Let the recorder store what was found; whether there is a trouble then."""
                device.observer.found += events
                await device.recorder.write(is_edge=True)
                return Trouble.REGISTER in device.status

            never = NeverDated(bytes([7]) * 16, 3, Between(None, None))
            with caplog.at_level(logging.WARNING):
                assert not await found(jump, second)
                assert not await found(second, never), "it was before all slots"
                assert caplog.records == []
                assert sum("not measured" in text for text in await device.said()) == 1
                assert await found(first, jump)
                assert await found()
                assert not await found(second)
                assert await found(never)
                assert not await found(jump, first)

    play(main, T0)


def test_slots_that_the_disk_did_not_take_are_stored_later_and_end_no_trouble_that_came_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = [SlotEnergy(T0 + place * D, 0, 0, 0, 0) for place in range(3)]

    async def fails(*_: object) -> None:
        raise DiskFailed(tmp_path, "input/output error")

    async def main(clock: Clock) -> None:
        async with started(tmp_path / "j.db", clock, FakeSystem(clock)) as device:
            with monkeypatch.context() as patch:
                patch.setattr(device.journal, "apply", fails)
                for found in (slots[0], slots[1], EdgesMissed(T0 + 3 * D, T0 + 4 * D)):
                    device.observer.found.append(found)
                    await device.recorder.write(is_edge=True)
            assert set(device.status.snapshot()) == {Trouble.REGISTER, Trouble.JOURNAL}
            await device.recorder.write(is_edge=True)
            assert await device.slots() == slots[:2]
            assert set(device.status.snapshot()) == {Trouble.REGISTER}
            device.observer.found.append(slots[2])
            await device.recorder.write(is_edge=True)
            assert await device.slots() == slots
            assert device.status.snapshot() == {}

    play(main, T0)


def test_a_request_of_an_earlier_boot_says_nothing(tmp_path: Path) -> None:
    async def main(clock: Clock) -> None:
        path = tmp_path / "j.db"
        write_request(request_path(path), bytes([9]) * 16, 5, clock.now_ns(), NS_PER_S)
        async with started(path, clock, FakeSystem(clock, is_synchronised=False)) as device:
            running = asyncio.create_task(device.timing.run())
            await asyncio.sleep(1)
            assert not device.time.is_anchored
            assert not request_path(path).exists()
            assert any("started again" in text for text in await device.said())
            request_path(path).write_text('{"utc_ns": 5}')
            await asyncio.sleep(10)
            assert any("no request" in text for text in await device.said())
            write_request(request_path(path), device.time.boot_id, device.time.clock.monotonic_ns(), clock.now_ns(), NS_PER_S)
            await asyncio.sleep(10)
            assert device.time.is_anchored
            assert not request_path(path).exists()
            assert [anchor.source.name for anchor in await read_anchors(device.keeper)] == ["OPERATOR"]
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    play(main)
