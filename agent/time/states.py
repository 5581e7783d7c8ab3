"""How well a device knows the time: a table. What is not in it is an error of ours.

UNKNOWN    nothing but the date of the software
FLOOR      a time that has certainly passed; what it is now, nobody says, or sources contradict each other
ANCHORED   what time it is, and how far that may be off
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TimeState(StrEnum):
    """How well the time is known."""

    UNKNOWN = "unknown"
    FLOOR = "floor"
    ANCHORED = "anchored"


class TimeEvent(StrEnum):
    """What an assessment of all sources found."""

    PASSED = "passed"
    """A time is known to have passed, and no date."""
    DATED = "dated"
    """A date, exact enough to trade and to cut slots upon."""
    CONTRADICTED = "contradicted"
    """Sources contradict each other."""
    FADED = "faded"
    """No date any more, or none that is exact enough."""


NEXT: Final = {
    (TimeState.UNKNOWN, TimeEvent.PASSED): TimeState.FLOOR,
    (TimeState.UNKNOWN, TimeEvent.DATED): TimeState.ANCHORED,
    (TimeState.UNKNOWN, TimeEvent.CONTRADICTED): TimeState.FLOOR,
    (TimeState.UNKNOWN, TimeEvent.FADED): TimeState.UNKNOWN,
    (TimeState.FLOOR, TimeEvent.PASSED): TimeState.FLOOR,
    (TimeState.FLOOR, TimeEvent.DATED): TimeState.ANCHORED,
    (TimeState.FLOOR, TimeEvent.CONTRADICTED): TimeState.FLOOR,
    (TimeState.FLOOR, TimeEvent.FADED): TimeState.FLOOR,
    (TimeState.ANCHORED, TimeEvent.PASSED): TimeState.ANCHORED,
    (TimeState.ANCHORED, TimeEvent.DATED): TimeState.ANCHORED,
    (TimeState.ANCHORED, TimeEvent.CONTRADICTED): TimeState.FLOOR,
    (TimeState.ANCHORED, TimeEvent.FADED): TimeState.FLOOR,
}
