"""What can be wrong with a simulated device, and when. The device itself works on; its answers do not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from agent.vocabulary import Reading

SILENCE_S: Final = 2
"""How long a caller waits for a silent device before DeviceSilent is raised."""


class FaultKind(StrEnum):
    """The kinds of fault."""

    SILENT = "silent"
    """No answer: reads and commands raise DeviceSilent, changes are not announced."""
    STUCK = "stuck"
    """Every measurement repeats what it was when it was first read; commands still work."""
    WRONG_SIGN = "wrong_sign"
    """A meter that was connected the wrong way round: power has the wrong sign, each register counts the other's energy."""
    LATE = "late"
    """Answers and commands take `late_s` seconds; what is measured is measured before."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault from `from_s` (inclusive) to `to_s` (exclusive), Unix seconds."""

    kind: FaultKind
    from_s: int
    to_s: int
    late_s: int = 0


def fault_at(faults: tuple[Fault, ...], now_us: int) -> Fault | None:
    """The first fault that holds now."""
    return next((fault for fault in faults if fault.from_s * 1_000_000 <= now_us < fault.to_s * 1_000_000), None)


class ReversedMeter:
    """Shows the registers of a meter that is the wrong way round from time to time. Neither of them ever goes back."""

    def __init__(self) -> None:
        self._true: Reading | None = None
        self._shown_import_wh = 0
        self._shown_export_wh = 0

    def show(self, true: Reading, reversed_now: bool) -> Reading:
        """What the meter shows; what it counted since the last call goes where it now counts."""
        last = self._true or replace(true, import_wh=0, export_wh=0)
        imported_wh, exported_wh = true.import_wh - last.import_wh, true.export_wh - last.export_wh
        if reversed_now:
            imported_wh, exported_wh = exported_wh, imported_wh
        self._true = true
        self._shown_import_wh += imported_wh
        self._shown_export_wh += exported_wh
        power_w = -true.power_w if reversed_now else true.power_w
        return Reading(true.taken_at_s, power_w, self._shown_import_wh, self._shown_export_wh)
