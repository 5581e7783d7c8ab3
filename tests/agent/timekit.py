"""What tests of time share: an operating system's clock that can be wrong, jump, lose its synchronisation, or be suspended."""

from __future__ import annotations

from dataclasses import dataclass

from agent.clock import NS_PER_S
from agent.status import Status
from agent.time.deviceclock import DeviceClock
from agent.time.keeping import TimeKeeper
from agent.time.ledger import LedgerTime
from agent.time.system import Synchronisation
from agent.vocabulary import Clock

BOOT_ID = bytes(16)
HEARTBEAT_S = 5
DRIFT_S = 10
BUILT_NS = 1_767_225_600 * NS_PER_S


@dataclass
class FakeSystem:
    """Shows the true time of `clock` plus `off_s`; the monotonic clock counts from the boot, `ppm` too fast."""

    clock: Clock
    off_s: float = 0.0
    is_synchronised: bool = True
    uncertainty_ns: int = 0
    booted_ns: int = 0
    ppm: int = 0
    look_every_s: int | None = 10

    def __post_init__(self) -> None:
        self.booted_ns = self.booted_ns or self.clock.now_ns() - 7 * NS_PER_S

    def now_ns(self) -> int:
        return self.clock.now_ns() + round(self.off_s * NS_PER_S)

    def monotonic_ns(self) -> int:
        passed_ns = self.clock.now_ns() - self.booted_ns
        return passed_ns + passed_ns * self.ppm // 1_000_000

    def synchronisation(self) -> Synchronisation:
        cause = "synchronised" if self.is_synchronised else "the kernel says that its clock is not synchronised"
        return Synchronisation(self.is_synchronised, self.uncertainty_ns, cause)


KERNEL_PPM = 500
KERNEL_LIMIT_NS = 16 * NS_PER_S
"""Linux, kernel/time/ntp.c: MAXFREQ, and NTP_PHASE_LIMIT, beyond which a clock counts as not synchronised."""


@dataclass
class LinuxSystem(FakeSystem):
    """A Linux machine whose time service keeps rate and time right while it reaches its servers. `lose_servers`: from then on
    both clocks run `ppm` too fast, and what the kernel says of them gets worse."""

    uncertainty_ns: int = 30_000_000
    lost_ns: int | None = None

    def lose_servers(self, ppm: int) -> None:
        self.lost_ns, self.ppm = self.clock.now_ns(), ppm

    def find_servers(self) -> None:
        self.booted_ns -= self._strayed_ns
        self.lost_ns, self.ppm = None, 0

    @property
    def _unattended_ns(self) -> int:
        return 0 if self.lost_ns is None else self.clock.now_ns() - self.lost_ns

    @property
    def _strayed_ns(self) -> int:
        return self._unattended_ns * self.ppm // 1_000_000

    def now_ns(self) -> int:
        return self.clock.now_ns() + self._strayed_ns

    def monotonic_ns(self) -> int:
        return self.clock.now_ns() - self.booted_ns + self._strayed_ns

    def synchronisation(self) -> Synchronisation:
        error_ns = self.uncertainty_ns + self._unattended_ns * KERNEL_PPM // 1_000_000
        is_synchronised = error_ns <= KERNEL_LIMIT_NS
        cause = "synchronised" if is_synchronised else "the kernel says that its clock is not synchronised"
        return Synchronisation(is_synchronised, error_ns if is_synchronised else 0, cause)


@dataclass
class HandClock:
    """A clock that is set by hand."""

    ns: int

    def now_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


def time_keeper(clock: Clock, status: Status | None = None, boot_id: bytes = BOOT_ID) -> TimeKeeper:
    """A time keeper around a clock that is always right, or around a DeviceClock; of a device without a past."""
    time = bare_time_keeper(clock, status, boot_id)
    time.restore(0, ())
    return time


def bare_time_keeper(clock: Clock, status: Status | None = None, boot_id: bytes = BOOT_ID) -> TimeKeeper:
    """One that was not given what the journal knows."""
    ledger = LedgerTime(boot_id, HEARTBEAT_S, DRIFT_S)
    return TimeKeeper(DeviceClock.of(clock), status or Status("kit"), boot_id, ledger, BUILT_NS)
