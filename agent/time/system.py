"""The operating system's clock, and whether anybody sets it: what the kernel says of its own synchronisation.

A controller has no battery-backed clock: after a power cut the system shows the time of its last stop, of its build, or 1970,
until chrony (NTS) or another time service has set it. The kernel knows whether that was done, and how far off it may be.
"""

from __future__ import annotations

import ctypes
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from agent.clock import NS_PER_S, SystemClock
from agent.vocabulary import Clock

LOOK_EVERY_S: Final = 10
"""How often a controller's clock is looked at; a jump is noticed by whoever asks for the time first."""
ON_ITS_OWN_WORD_NS: Final = 5 * NS_PER_S
"""How far off a clock is assumed to be that is believed without being synchronised."""
_TIME_ERROR: Final = 5
_NS_PER_US: Final = 1_000
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Synchronisation:
    """Whether the system's clock may be believed, how far off it may be then, and in words why."""

    is_synchronised: bool
    uncertainty_ns: int
    cause: str


class SystemTime(Clock, Protocol):
    """A clock that knows whether it is synchronised. `look_every_s` None: that never changes."""

    look_every_s: int | None

    def synchronisation(self) -> Synchronisation:
        """Ask again. Does not block."""


class KernelTime(SystemClock):
    """The machine's clock. With `is_trusted` it is believed though the kernel does not call it synchronised: somebody else
    sets it (a hypervisor, a clock with a battery)."""

    look_every_s: int | None = LOOK_EVERY_S

    def __init__(self, *, is_trusted: bool = False) -> None:
        self._is_trusted = is_trusted

    def synchronisation(self) -> Synchronisation:
        found = ask_kernel()
        if self._is_trusted and not found.is_synchronised:
            return Synchronisation(True, ON_ITS_OWN_WORD_NS, f"believed by configuration; {found.cause}")
        return found


class AlwaysRight:
    """A clock that cannot be wrong: that of a simulation."""

    look_every_s: int | None = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def monotonic_ns(self) -> int:
        return self._clock.monotonic_ns()

    def synchronisation(self) -> Synchronisation:
        return Synchronisation(True, 0, "simulated")


class _Timeval(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("microseconds", ctypes.c_long)]


class _Timex(ctypes.Structure):
    """struct timex of <sys/timex.h>; `modes` 0 only reads."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("rest", ctypes.c_byte * 128),
    ]


def ask_kernel() -> Synchronisation:
    """What the kernel says of its clock. Source: adjtimex(2); maxerror is in microseconds and grows while nobody sets it.

    A systemd unit with ProtectClock=yes, or whose SystemCallFilter leaves out adjtimex, keeps this process from asking.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "adjtimex"):
        return Synchronisation(False, 0, "this system does not tell whether its clock is synchronised")
    timex = _Timex()
    state = library.adjtimex(ctypes.byref(timex))
    if state < 0:
        reason = os.strerror(ctypes.get_errno())
        return Synchronisation(False, 0, f"the kernel does not tell whether its clock is synchronised: {reason}")
    if state == _TIME_ERROR:
        return Synchronisation(False, 0, "the kernel says that its clock is not synchronised")
    return Synchronisation(True, timex.maxerror * _NS_PER_US, f"synchronised, at most {timex.maxerror} us off")


def boot_id_of_machine() -> bytes:
    """Which boot of the machine this is, 16 bytes: within it the monotonic clock goes on, over restarts of the agent too."""
    try:
        return uuid.UUID(_BOOT_ID.read_text(encoding="ascii").strip()).bytes
    except (OSError, ValueError):
        return os.urandom(16)  # anchors then hold for this process alone
