"""What a device believes of the time: nobody, the kernel, the ledger, a person, and any of them when they are wrong."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS_PER_S
from agent.status import Status, Trouble
from agent.time.deviceclock import DeviceClock
from agent.time.keeping import TimeKeeper
from agent.time.ledger import HeaderClock, LedgerTime, NewestBlock
from agent.time.states import NEXT, TimeEvent, TimeState
from agent.time.system import AlwaysRight, KernelTime, ask_kernel, boot_id_of_machine
from storeforward.timekeeping import Anchor, Source
from tests.agent.timekit import BOOT_ID, BUILT_NS, DRIFT_S, HEARTBEAT_S, FakeSystem, HandClock, bare_time_keeper, time_keeper

T0_NS = 1_772_323_200 * NS_PER_S
HOUR_S = 3_600
YEARS_70_S = 70 * 365 * 86_400


class World:
    """A device whose machine has been up for 7 s, and a ledger that cuts a block every heartbeat."""

    def __init__(self, **system: object) -> None:
        self.true = HandClock(T0_NS)
        self.system = FakeSystem(self.true, **system)  # type: ignore[arg-type]
        self.status = Status("kit")
        self.time = time_keeper(DeviceClock(self.system), self.status)
        self.height = 1

    def wait(self, seconds: float) -> None:
        self.true.ns += round(seconds * NS_PER_S)
        self.time.look()

    def hear_blocks(self, count: int = 2, age_s: float = 2, every_s: float = HEARTBEAT_S) -> None:
        for _ in range(count):
            self.true.ns += round(every_s * NS_PER_S)
            at_ns = self.system.monotonic_ns()
            self.height += 1
            time_ns = self.true.ns - round(age_s * NS_PER_S)
            self.time.hear_block(NewestBlock(self.height, bytes(32), time_ns, at_ns, at_ns + NS_PER_S // 10))

    def hear_person(self, off_s: float = 0, uncertainty_s: int = 5) -> None:
        at_ns = self.system.monotonic_ns()
        utc_ns = self.true.ns + round(off_s * NS_PER_S)
        self.time.hear_operator(Anchor(Source.OPERATOR, BOOT_ID, at_ns, at_ns, utc_ns, uncertainty_s * NS_PER_S))

    def is_right(self, within_s: float) -> bool:
        """Whether the device's clock and its claim of how right it is are true."""
        now = self.time.now()
        assert now is not None
        assert now.earliest_ns <= self.true.ns <= now.latest_ns
        return abs(self.time.clock.now_ns() - self.true.ns) <= within_s * NS_PER_S

    @property
    def cause(self) -> str:
        return self.status.snapshot()[Trouble.WRONG_TIME].cause


def test_the_table_names_every_state_and_event() -> None:
    assert set(NEXT) == {(state, event) for state in TimeState for event in TimeEvent}


def test_a_clock_that_the_kernel_calls_synchronised_is_believed_at_once() -> None:
    world = World(uncertainty_ns=NS_PER_S // 100)
    assert world.time.state is TimeState.ANCHORED
    assert world.is_right(within_s=0)
    assert world.status.snapshot() == {}
    anchors, events = world.time.take_news()
    assert [anchor.source for anchor in anchors] == [Source.SYSTEM]
    assert events == ["The time is anchored."]


def test_no_clock_at_boot_then_ntp() -> None:
    world = World(off_s=-YEARS_70_S / 2, is_synchronised=False)
    assert world.time.state is TimeState.UNKNOWN
    assert "not synchronised" in world.cause
    assert world.time.wall_ns() is None
    assert world.time.clock.now_ns() == BUILT_NS
    world.wait(30)
    assert world.time.clock.now_ns() == BUILT_NS + 30 * NS_PER_S
    world.system.off_s, world.system.is_synchronised = 0, True
    world.wait(10)
    assert world.time.is_anchored
    assert world.is_right(within_s=0)
    assert Trouble.WRONG_TIME not in world.status
    dated = world.time.date(world.system.monotonic_ns() - 40 * NS_PER_S)
    assert dated is not None
    assert dated.earliest_ns <= T0_NS <= dated.latest_ns


def test_a_synchronised_clock_that_shows_1970_contradicts_what_has_passed() -> None:
    world = World(off_s=-T0_NS / NS_PER_S)
    assert not world.time.is_anchored
    assert world.cause.startswith("the system's clock shows 1970-01-01T00:00:00Z, and 2026-01-01T00:00:00Z has passed")


@pytest.mark.parametrize("off_s", [YEARS_70_S, HOUR_S, -HOUR_S, 60])
def test_a_synchronised_clock_that_the_ledger_contradicts_is_not_believed(off_s: int) -> None:
    """2099, or one hour off: nobody is believed until a person or a corrected clock decides."""
    world = World(off_s=off_s)
    world.hear_blocks()
    assert world.time.state is TimeState.FLOOR
    assert "the ledger and the system are" in world.cause
    assert world.time.floor_ns <= world.true.ns, "a clock that is ahead does not lift the floor"
    world.system.off_s = 0
    world.wait(10)
    assert world.time.is_anchored
    assert world.is_right(within_s=1)


def test_a_person_decides_between_system_and_ledger() -> None:
    world = World(off_s=HOUR_S)
    world.hear_blocks()
    world.hear_person()
    assert world.time.is_anchored
    assert world.is_right(within_s=6)
    assert world.time.dating.sources == {Source.LEDGER, Source.OPERATOR}


def test_a_person_alone_is_believed_and_one_who_errs_is_outvoted() -> None:
    world = World(is_synchronised=False)
    world.hear_person(off_s=7_200)
    assert world.time.is_anchored
    world.hear_blocks()
    assert not world.time.is_anchored
    world.system.is_synchronised = True
    world.wait(10)
    assert world.is_right(within_s=1)
    assert world.time.dating.conflict is not None


def test_the_ledger_alone_tells_the_time_by_two_blocks() -> None:
    world = World(off_s=-YEARS_70_S, is_synchronised=False)
    world.hear_blocks(1)
    assert not world.time.is_anchored
    world.hear_blocks(1)
    assert world.time.is_anchored
    assert world.is_right(within_s=10)
    assert world.time.floor_ns >= T0_NS


def test_blocks_that_come_faster_than_their_times_tell_nothing() -> None:
    """A node that replays old blocks, or catches up."""
    world = World(is_synchronised=False)
    world.hear_blocks(1, age_s=HOUR_S)
    world.hear_blocks(1, age_s=HOUR_S / 2)
    assert not world.time.is_anchored
    world.hear_blocks(1, age_s=2)
    world.hear_blocks(1, age_s=2)
    assert world.is_right(within_s=10)


def test_a_ledger_with_a_slow_heartbeat_is_heard_and_not_exact_enough() -> None:
    world = World(is_synchronised=False)
    world.hear_blocks(3, every_s=120, age_s=100)
    assert not world.time.is_anchored
    assert world.cause.startswith("the time is known to 12")
    assert abs(world.time.clock.now_ns() - world.true.ns) < 130 * NS_PER_S, "the best guess there is"


def test_a_ledger_that_cuts_blocks_slowly_does_not_contradict_a_right_clock() -> None:
    world = World()
    world.hear_blocks(5, every_s=60, age_s=70)
    assert world.time.is_anchored
    assert world.time.dating.conflict is None


def test_a_jump_while_anchored_is_not_passed_on_and_becomes_an_anchor_and_an_event() -> None:
    world = World()
    world.hear_blocks()
    world.time.take_news()
    world.system.off_s = HOUR_S
    assert abs(world.time.clock.now_ns() - world.true.ns) < NS_PER_S, "before anybody has looked"
    world.wait(10)
    assert world.is_right(within_s=1)
    anchors, events = world.time.take_news()
    assert [anchor.source for anchor in anchors] == [Source.SYSTEM]
    assert events == ["The system's clock jumped by +3600.0 s."]
    assert world.time.dating.conflict is not None
    world.system.off_s = 0
    world.wait(10)
    assert world.is_right(within_s=1)
    assert world.time.take_news()[1] == ["The system's clock jumped by -3600.0 s."]


def test_a_small_step_is_followed() -> None:
    world = World()
    world.system.off_s = 2
    world.wait(10)
    assert world.time.is_anchored
    assert world.time.clock.now_ns() == world.true.ns + 2 * NS_PER_S
    assert world.time.take_news()[1] == ["The time is anchored."]


def test_a_jump_that_nobody_confirms_is_believed_neither_way() -> None:
    world = World()
    world.system.off_s = HOUR_S
    world.wait(10)
    assert not world.time.is_anchored
    assert "the system contradicts itself by 3600 s" in world.cause


def test_suspended_time_counts() -> None:
    """CLOCK_BOOTTIME goes on while the machine sleeps; so does the device's clock, with the system's or without."""
    world = World()
    world.system.is_synchronised = False
    world.wait(8 * HOUR_S)
    assert world.time.is_anchored
    assert world.is_right(within_s=1)


def test_a_clock_that_is_not_synchronised_any_more_fades() -> None:
    world = World()
    world.system.is_synchronised = False
    world.wait(3 * 86_400)
    assert world.time.is_anchored
    world.wait(86_400)
    assert world.time.state is TimeState.FLOOR
    assert "known to 17 s" in world.cause
    world.hear_blocks(8, age_s=1)
    world.hear_blocks(8, age_s=5)
    assert world.is_right(within_s=12)


@pytest.mark.parametrize("ppm", [100, -100])
def test_a_crystal_that_drifts_by_100_ppm(ppm: int) -> None:
    world = World(ppm=ppm, uncertainty_ns=NS_PER_S // 100)
    for _ in range(8):
        world.wait(6 * HOUR_S)
    world.system.is_synchronised = False
    world.wait(12 * HOUR_S)
    assert world.is_right(within_s=10)


def test_a_restart_within_a_boot_goes_on_from_its_anchors() -> None:
    world = World()
    anchors, _ = world.time.take_news()
    world.true.ns += HOUR_S * NS_PER_S
    world.system.is_synchronised = False
    restarted = time_keeper(DeviceClock(world.system))
    assert not restarted.is_anchored
    restarted.restore(world.true.ns - 60 * NS_PER_S, anchors)
    assert restarted.is_anchored
    other_boot = time_keeper(DeviceClock(world.system), boot_id=bytes(15) + b"\x01")
    other_boot.restore(world.true.ns - 60 * NS_PER_S, anchors)
    assert other_boot.state is TimeState.FLOOR
    assert other_boot.clock.now_ns() == world.true.ns - 60 * NS_PER_S


def test_what_the_journal_settles_was_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """At a restart the clock alone says nothing, and the anchors of before say it all: nobody hears of a wrong time."""
    world = World()
    anchors, _ = world.time.take_news()
    world.wait(HOUR_S)
    world.system.is_synchronised = False
    caplog.clear()
    restarted = bare_time_keeper(DeviceClock(world.system), world.status)
    assert not restarted.is_anchored
    assert restarted.clock.now_ns() < world.true.ns, "it goes by what is certain meanwhile"
    restarted.restore(world.true.ns - 60 * NS_PER_S, anchors)
    assert restarted.is_anchored
    assert restarted.take_news() == ([], ["The time is anchored."])
    assert world.status.snapshot() == {}
    assert caplog.messages == []


def test_anchors_below_the_floor_are_not_believed() -> None:
    world = World(off_s=-HOUR_S)
    assert world.time.is_anchored
    world.time.passed(world.true.ns)
    world.wait(10)
    assert not world.time.is_anchored


def test_the_device_clock_stands_still_rather_than_go_back_a_little() -> None:
    world = World(is_synchronised=False)
    world.hear_person(off_s=10, uncertainty_s=14)
    before_ns = world.time.clock.now_ns()
    world.hear_person(uncertainty_s=1)
    assert before_ns <= world.time.clock.now_ns() < before_ns + NS_PER_S
    world.wait(60)
    assert world.is_right(within_s=1)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 40_000)),
        st.tuples(st.just("jump"), st.integers(-100_000, 100_000)),
        st.tuples(st.just("sync"), st.integers(0, 1)),
        st.tuples(st.just("blocks"), st.integers(0, 60)),
        st.tuples(st.just("person"), st.integers(-10_000, 10_000)),
    ),
    max_size=12,
)


@given(STEPS)
def test_the_floor_never_falls_and_nothing_is_believed_without_a_reason(steps: list[tuple[str, int]]) -> None:
    world = World(is_synchronised=False)
    floors = [world.time.floor_ns]
    for what, number in steps:
        match what:
            case "wait":
                world.wait(number)
            case "jump":
                world.system.off_s += number
                world.wait(1)
            case "sync":
                world.system.is_synchronised = bool(number)
                world.wait(1)
            case "blocks":
                world.hear_blocks(2, age_s=number)
            case _:
                world.hear_person(number)
        floors.append(world.time.floor_ns)
        assert world.time.is_anchored == (not world.time.why) == (Trouble.WRONG_TIME not in world.status)
        assert (world.time.now() is not None) == (world.time.wall_ns() is not None) == world.time.is_anchored
    assert all(before <= after for before, after in pairwise(floors))


def test_a_light_client_in_doubt_judges_by_its_own_trust() -> None:
    clock = HandClock(5)
    header_clock = HeaderClock(clock, trusting_period_ns=1_000)
    header_clock.is_in_doubt = True
    assert header_clock.now_ns() == 5, "nothing is trusted yet"
    header_clock.trusted_ns = lambda: T0_NS
    assert header_clock.now_ns() == T0_NS + 999
    header_clock.is_in_doubt = False
    assert header_clock.now_ns() == header_clock.monotonic_ns() == 5


def test_one_block_twice_is_one_block() -> None:
    ledger = LedgerTime(BOOT_ID, HEARTBEAT_S, DRIFT_S)
    block = NewestBlock(5, bytes(32), T0_NS, 0, 1)
    assert ledger.hear(block) == ()
    assert not ledger.is_new(5)
    assert ledger.hear(block) == ()


def test_the_kernel_is_asked_and_answers() -> None:
    """Whatever it says on this machine; and an owner's word stands in for it."""
    found = ask_kernel()
    assert found.cause
    trusted = KernelTime(is_trusted=True).synchronisation()
    assert trusted.is_synchronised
    assert trusted.uncertainty_ns >= 0
    assert KernelTime().synchronisation().is_synchronised == found.is_synchronised
    assert len(boot_id_of_machine()) == 16


def test_a_clock_that_is_always_right_is_passed_on() -> None:
    hand = HandClock(T0_NS)
    clock = DeviceClock.of(hand)
    assert DeviceClock.of(clock) is clock
    assert isinstance(clock.system, AlwaysRight)
    time = TimeKeeper(clock, Status("kit"), BOOT_ID, LedgerTime(BOOT_ID, HEARTBEAT_S, DRIFT_S))
    hand.ns += 30 * 86_400 * NS_PER_S
    time.look()
    assert time.is_anchored
    assert clock.now_ns() == hand.ns


def test_how_long_the_time_was_wrong_is_not_told_by_the_wrong_clock(caplog: pytest.LogCaptureFixture) -> None:
    world = World(off_s=-YEARS_70_S / 2, is_synchronised=False)
    world.wait(50)
    world.system.off_s, world.system.is_synchronised = 0, True
    world.wait(10)
    assert "no longer wrong time, after 60 s" in caplog.text
