"""The control loop on a device that behaves, is silent, or announces nothing; virtual time, no ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.appliances.base import Appliance, Command, Seen
from agent.clock import NS_PER_S, now_s
from agent.control import RESEND_S, SAFE_AFTER_S, SAFE_WITHIN_S, Controller
from agent.journaling import entries
from agent.journaling.explaining import Deed, Explanations
from agent.journaling.keeping import Keeper
from agent.journaling.recording import SAMPLE_EVERY_S, Recorder
from agent.line.noticing import Noticer
from agent.line.sealing import Sealer
from agent.metering import SlotMeter
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.time.deviceclock import DeviceClock
from agent.time.feeding import Feeder
from agent.time.redating import Redating
from agent.trade.timetable import Timetable
from agent.vocabulary import Clock, Decision, Reading, Setpoint
from drivers.errors import DeviceRefused, DeviceSilent
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.records import Stream
from strategies.view import MarketView
from tests.agent.timekit import FakeSystem, time_keeper
from tools.society.keys import seeded_key
from tools.society.virtualclock import run_virtual

D = 900
T0 = 1_772_323_200


@dataclass
class Heater:
    """A device that draws what it is told and can be made to fail. It announces nothing."""

    clock: Clock
    power_w: int = 0
    silent: bool = False
    refuses: bool = False
    imported_ws: int = 0
    at_s: int = T0
    commands: list[tuple[int, int]] = field(default_factory=list)
    reads: int = 0

    async def read(self) -> Reading:
        if self.silent:
            raise DeviceSilent("heater", "no answer")
        self.reads += 1
        self._advance()
        return Reading(self.at_s, self.power_w, self.imported_ws // 3600, 0)

    async def set_power(self, power_w: int) -> None:
        if self.refuses:
            raise DeviceRefused("heater", "no")
        self._advance()
        self.power_w = power_w
        self.commands.append((self.at_s, power_w))

    def _advance(self) -> None:
        at_s = now_s(self.clock)
        self.imported_ws += self.power_w * (at_s - self.at_s)
        self.at_s = at_s


class AnnouncingHeater(Heater):
    """The same, and it tells when its power changes."""

    changed: asyncio.Event | None = None

    async def wait_change(self, until_s: int) -> bool:
        self.changed = asyncio.Event()
        await self.changed.wait()
        return True


class Plain(Appliance[Reading]):
    """Wants 1,000 W in even slots and nothing in odd ones."""

    steers = True

    def __init__(self, heater: Heater) -> None:
        super().__init__({"device": heater})
        self.heater = heater
        self.steered: list[int] = []
        self.ask_after_s: int | None = None

    async def look(self, reading: Reading) -> Reading:
        return reading

    def bid(self, state: Reading, seen: Seen) -> Decision:
        return Decision((), (), "It does not trade.")

    def steer(self, state: Reading, seen: Seen) -> Setpoint:
        now = seen.market.now_s
        self.steered.append(now)
        on = now // D % 2 == 0
        until_s = None if self.ask_after_s is None else now + self.ask_after_s
        return Setpoint(1_000 if on else 0, "Even slot." if on else "Odd slot.", until_s)

    def situation(self, state: Reading) -> int:
        return state.power_w

    def command(self, setpoint: Setpoint, state: Reading) -> Command | None:
        power_w = setpoint.power_w or 0
        return Command(power_w, partial(self.heater.set_power, power_w))

    def safe_command(self) -> Command:
        return Command(0, partial(self.heater.set_power, 0))


@dataclass
class Bench:
    clock: Clock
    heater: Heater
    appliance: Plain
    controller: Controller
    observer: Observer
    status: Status
    explanations: Explanations
    journal: Journal
    reported: list[int]
    running: asyncio.Task[None]


Test = Callable[[Bench], Coroutine[Any, Any, None]]


def bench(
    folder: Path,
    test: Test,
    heater_type: type[Heater] = Heater,
    samples: bool = False,
    set_clock: bool = True,
    max_mib: int = 0,
) -> None:
    async def main(clock: Clock) -> None:
        heater, timetable, status = heater_type(clock), Timetable(D, 60), Status("heater")
        key = seeded_key(1, "heater")
        opening = Journal.open(
            folder / "j.db",
            device=bytes(20),
            sign=key.sign,
            clock=clock,
            boot_id=bytes(16),
            options=JournalOptions(max_mib=max_mib),
        )
        async with opening as journal:
            appliance, explanations = Plain(heater), Explanations()
            time = time_keeper(clock if set_clock else DeviceClock(FakeSystem(clock, is_synchronised=False)), status)
            feeder = Feeder(SlotMeter(D), D)
            observer = Observer(appliance, clock, status, feeder, time, Redating(feeder, time), D)
            reported: list[int] = []
            keeper, sealer = Keeper(journal, clock, status), Sealer("kit", bytes(20), key.sign)
            recorder = Recorder(
                observer,
                keeper,
                sealer,
                Noticer(keeper, sealer, timetable, clock, time, lambda: None),
                clock,
                time,
                status,
                explanations,
                None,
                reported=lambda: reported.append(now_s(clock)),
                every_sample=samples,
            )

            def seen(at_s: int) -> Seen:
                return Seen(MarketView(at_s, D, 60, (), (), ()), None, (), ())

            controller = Controller(appliance, observer, recorder, timetable, clock, status, seen=seen, occasion=lambda: None)
            task = asyncio.create_task(controller.run())
            try:
                await test(Bench(clock, heater, appliance, controller, observer, status, explanations, journal, reported, task))
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    run_virtual(main, T0)


async def until(clock: Clock, at_s: int) -> None:
    await asyncio.sleep((at_s * NS_PER_S - clock.now_ns()) / NS_PER_S)


async def energies(journal: Journal) -> Sequence[int]:
    stored = await journal.read_records(Stream.ENERGY)
    return [entries.decode_energy(record.record.body).net_wh for record in stored]


def test_setpoints_follow_the_slots_and_each_slot_is_written_down(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 3 * D + 5)
        assert await energies(b.journal) == [250, 0, 250]
        switched = [
            command for i, command in enumerate(b.heater.commands) if not i or command[1] != b.heater.commands[i - 1][1]
        ]
        assert switched == [(T0, 1_000), (T0 + D, 0), (T0 + 2 * D, 1_000), (T0 + 3 * D, 0)]
        assert b.reported == [T0 + D, T0 + 2 * D, T0 + 3 * D]
        assert b.journal.outbox.count() == 3
        assert [r.text for r in b.explanations.changes if r.deed is Deed.STEER] == ["Even slot.", "Odd slot."] * 2

    bench(tmp_path, test)


def test_a_device_that_announces_nothing_is_sampled_every_second_and_told_again_in_time(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 100)
        assert 95 <= b.heater.reads <= 102
        times = [at_s for at_s, _ in b.heater.commands]
        assert all(later - earlier <= RESEND_S + 1 for earlier, later in pairwise(times))
        assert len(times) == 4

    bench(tmp_path, test)


def test_a_device_that_announces_is_left_alone_until_it_does(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 500)
        looks, steers = b.heater.reads, len(b.appliance.steered)
        assert looks <= 2
        b.heater.power_w = 700  # somebody turned the knob
        assert isinstance(b.heater, AnnouncingHeater)
        assert b.heater.changed is not None
        b.heater.changed.set()
        await until(b.clock, T0 + 502)
        assert b.heater.reads == looks + 1
        assert len(b.appliance.steered) == steers + 1

    bench(tmp_path, test, AnnouncingHeater)


def test_the_strategy_is_asked_again_when_it_wants_to_be(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        b.appliance.ask_after_s = 60
        await until(b.clock, T0 + 301)
        assert b.appliance.steered[:1] == [T0]
        assert len(b.appliance.steered) in (6, 7)

    bench(tmp_path, test, AnnouncingHeater)


def test_a_nudge_is_heard_at_once(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 200)
        b.controller.nudge()
        await until(b.clock, T0 + 201)
        assert b.appliance.steered[-1] == T0 + 200

    bench(tmp_path, test, AnnouncingHeater)


def test_a_silent_sensor_degrades_then_makes_safe_and_comes_back(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 300)
        b.heater.silent = True
        await until(b.clock, T0 + 320)
        assert Trouble.SENSOR in b.status
        assert b.heater.power_w == 1_000
        await until(b.clock, T0 + 300 + 3 * SAFE_AFTER_S)
        assert b.heater.power_w == 0
        b.heater.silent = False
        await until(b.clock, T0 + 600)
        assert b.status.snapshot() == {}
        assert b.heater.power_w == 1_000
        await until(b.clock, T0 + D + 1)
        assert len(await energies(b.journal)) == 1

    bench(tmp_path, test)


def test_a_slot_whose_edge_nobody_saw_is_not_made_up(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 800)
        b.heater.silent = True
        await until(b.clock, T0 + D + 100)
        b.heater.silent = False
        await until(b.clock, T0 + D + 200)
        assert Trouble.REGISTER in b.status
        await until(b.clock, T0 + 2 * D + 1)
        assert await energies(b.journal) == []
        await until(b.clock, T0 + 3 * D + 1)
        assert await energies(b.journal) == [250]
        assert Trouble.REGISTER not in b.status
        events = await b.journal.read_records(Stream.EVENT)
        assert any(b"Nobody watched the meter" in event.record.body for event in events)

    bench(tmp_path, test)


def test_a_command_that_fails_is_seen_and_given_again(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        b.heater.refuses = True
        await until(b.clock, T0 + 15)
        assert Trouble.CONTROL in b.status
        b.heater.refuses = False
        await until(b.clock, T0 + 40)
        assert b.status.snapshot() == {}
        assert b.heater.power_w == 1_000

    bench(tmp_path, test, AnnouncingHeater)


def test_every_sample_is_kept_when_asked_for_and_one_per_slot_otherwise(tmp_path: Path) -> None:
    async def count(b: Bench) -> int:
        await until(b.clock, T0 + D + 1)
        return len(await b.journal.read_records(Stream.SAMPLE, limit=10_000))

    async def all_of_them(b: Bench) -> None:
        assert await count(b) > 850

    async def one_per_slot(b: Bench) -> None:
        assert await count(b) == 2

    for name, test, samples in (("all", all_of_them, True), ("slot", one_per_slot, False)):
        (tmp_path / name).mkdir()
        bench(tmp_path / name, test, samples=samples)


def test_with_a_clock_that_was_never_set_samples_are_kept_and_no_slot_is_guessed(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 2 * D + 1)
        assert await energies(b.journal) == []
        assert b.journal.outbox.count() == 0
        samples = [stored.record for stored in await b.journal.read_records(Stream.SAMPLE, limit=1_000)]
        assert len(samples) == 2 * D // SAMPLE_EVERY_S + 1
        assert {record.wall_ns for record in samples} == {0}
        assert {b.monotonic_ns - a.monotonic_ns for a, b in pairwise(samples)} == {SAMPLE_EVERY_S * NS_PER_S}

    bench(tmp_path, test, set_clock=False)


def test_with_a_disk_that_takes_nothing_it_steers_on_and_says_so(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await b.journal._read(lambda connection: connection.execute("PRAGMA query_only = 1"))
        await until(b.clock, T0 + 10 * D + 5)
        assert "readonly" in b.status.snapshot()[Trouble.JOURNAL].cause
        assert b.heater.power_w == 1_000
        await until(b.clock, T0 + 11 * D + 5)
        assert b.heater.power_w == 0
        assert len(b.observer.history) == 11

    bench(tmp_path, test, samples=True)


def test_a_small_journal_gives_up_samples_and_keeps_every_slot(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 10 * D + 5)
        assert Trouble.JOURNAL not in b.status
        assert len(await b.journal.read_records(Stream.ENERGY, limit=1_000)) == len(b.observer.history)
        assert (await b.journal.metrics()).evicted[Stream.SAMPLE] > 1_000

    bench(tmp_path, test, samples=True, max_mib=1)


def test_safe_at_the_end_even_if_the_device_does_not_obey(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        await until(b.clock, T0 + 10)
        await b.controller.make_safe()
        assert b.heater.power_w == 0
        b.heater.refuses = True
        await b.controller.make_safe()
        assert Trouble.CONTROL in b.status

    bench(tmp_path, test, AnnouncingHeater)


class HangingHeater(AnnouncingHeater):
    """Takes half a minute for a command, once told to hang."""

    hangs: bool = False

    async def set_power(self, power_w: int) -> None:
        if self.hangs:
            await asyncio.sleep(30)
        await super().set_power(power_w)


def test_the_end_does_not_wait_long_for_a_device_that_hangs(tmp_path: Path) -> None:
    async def test(b: Bench) -> None:
        assert isinstance(b.heater, HangingHeater)
        await until(b.clock, T0 + 100)
        b.heater.hangs = True
        b.running.cancel()
        await asyncio.gather(b.running, return_exceptions=True)
        assert now_s(b.clock) <= T0 + 100 + SAFE_WITHIN_S
        assert "no safe state" in b.status.snapshot()[Trouble.CONTROL].cause

    bench(tmp_path, test, HangingHeater)
