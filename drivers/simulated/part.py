"""What all simulated appliances are to the plant: a power that is constant between changes, and two exact registers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Final

US_PER_S: Final = 1_000_000
MW_PER_W: Final = 1_000
NJ_PER_MWH: Final = 3_600_000_000
"""Nanojoules (mW x us) per milliwatt-hour."""
NJ_PER_WH: Final = 1_000 * NJ_PER_MWH


class Part(ABC):
    """One appliance. Between two changes its power is constant; it changes at `next_us` by itself, or by a command.

    The plant calls `accrue` up to the instant of a change, then makes the change. `changes` counts what an observer can see:
    the power, a cable, a loaded drum. Power is positive from the grid into the appliance.
    """

    def __init__(self, start_us: int) -> None:
        self.at_us = start_us
        self.power_mw = 0
        self.import_nj = 0
        self.export_nj = 0
        self.next_us: int | None = None
        self.changes = 0
        self.waiters: set[asyncio.Future[bool]] = set()
        """Futures of those who wait for the next change; the plant resolves them."""
        self.unattended = True
        """No driver was opened: the appliance does what it would do without an agent."""

    def accrue(self, to_us: int) -> None:
        """Count the energy up to `to_us`, at the power that held since."""
        energy_nj = self.power_mw * (to_us - self.at_us)
        if energy_nj > 0:
            self.import_nj += energy_nj
        else:
            self.export_nj -= energy_nj
        self.at_us = to_us

    def run_at(self, power_mw: int) -> None:
        """Change the power, and count that as a change if it is one."""
        if power_mw != self.power_mw:
            self.power_mw = power_mw
            self.changes += 1

    @abstractmethod
    def turn(self, at_us: int) -> None:
        """Make the change that is due at `next_us`, and set the next one, no earlier than that."""


class Trace:
    """A recorded power, slot by slot; 0 before and after."""

    def __init__(self, start_s: int, slot_s: int, slot_mwh: tuple[int, ...]) -> None:
        powers = [energy_mwh * 3600 // slot_s for energy_mwh in slot_mwh]  # exact: a slot is 1, 5 or 15 minutes
        before = [0, *powers]
        self._steps = [
            ((start_s + slot * slot_s) * US_PER_S, power_mw)
            for slot, power_mw in enumerate([*powers, 0])
            if power_mw != before[slot]
        ]
        self._taken = 0

    def next_us(self) -> int | None:
        """When the power changes next; None: never again."""
        return self._steps[self._taken][0] if self._taken < len(self._steps) else None

    def take(self) -> int:
        """The power from that instant on."""
        power_mw = self._steps[self._taken][1]
        self._taken += 1
        return power_mw
