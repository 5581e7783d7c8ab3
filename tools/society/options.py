"""What a society run is asked to do. Everything that decides its outcome is here; reading it is pure.

OptionError   an option that does not fit: which one, and what was expected
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from agent.vocabulary import Kind
from tools.society.record import Outage
from tools.society.scenario import Scenario

HOUR_S: Final = 3600
HEARTBEAT_S: Final = 900
"""On an accelerated clock empty blocks are rare; agents take a header for fresh over twice this time."""

Strategies = Literal["default", "passive"]


class OptionError(ValueError):
    """An option that cannot be carried out."""

    retry = False

    def __init__(self, option: str, expected: str) -> None:
        super().__init__(f"{option}: {expected}")
        self.option = option
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Wish:
    """What an owner set otherwise than usual: some rules of the device's strategy, and how long before a gate it decides."""

    rules: Mapping[str, object]
    lead_s: int


@dataclass(frozen=True, slots=True)
class SocietyOptions:
    """How a window of a scenario is played."""

    seed: int = 1
    strategies: Strategies = "default"
    balance: bool = True
    """Whether the battery has a meter at the grid connection and balances on it."""
    samples: bool = False
    """Journal every sample instead of one per slot."""
    journal_dir: Path | None = None
    """Where the journals go; None: memory-backed temporary storage that is removed at the end."""
    heartbeat_s: int = HEARTBEAT_S
    spread_s: int = 0
    """Seconds over which the agents spread their orders: in one process nothing is gained by it, and each costs a block."""
    outages: tuple[Outage, ...] = ()
    liar: str | None = None
    """The node that lies; None: all are honest."""
    wishes: Mapping[str, Wish] = field(default_factory=dict)
    """By device; of all others the rules are those of `tools.society.rules`."""


def read_outage(text: str, scenario: Scenario, devices: Collection[str]) -> Outage:
    """Read DEVICE:FROM:TO, hours from the window's start. Raises OptionError."""
    device, _, hours = text.rpartition(":")
    device, _, first = device.rpartition(":")
    if device not in devices:
        raise OptionError("--offline", f"expected one of the devices {', '.join(devices)}; got {device or text!r}")
    try:
        from_h, until_h = float(first), float(hours)
    except ValueError:
        raise OptionError("--offline", f"expected DEVICE:FROM:TO with hours as numbers, got {text!r}") from None
    if not 0 <= from_h < until_h:
        raise OptionError("--offline", f"expected 0 <= FROM < TO, got {text!r}")
    return Outage(device, scenario.start_s + round(from_h * HOUR_S), scenario.start_s + round(until_h * HOUR_S))


def read_kinds(names: Sequence[str]) -> frozenset[Kind]:
    """The kinds of appliance that --without names, with or without commas between them. Raises OptionError."""
    kinds = set()
    for name in (part.strip() for text in names for part in text.split(",")):
        try:
            kinds.add(Kind(name.replace("-", "_")))
        except ValueError:
            known = ", ".join(Kind)
            raise OptionError("--without", f"expected kinds of appliance out of {known}; got {name!r}") from None
    return frozenset(kinds)
