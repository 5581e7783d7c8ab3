"""What a run leaves behind: everything that the report and the page are made from, and nothing that still runs."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tools.society.cast import Cast
from tools.society.ledgerbook import LedgerBook
from tools.society.scenario import Scenario

UNKNOWN: Final = -(2**31)
"""Stands in a series where nothing was seen."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A device's agent without network, in slots of the window: from the first to before the second."""

    device: str
    from_s: int
    until_s: int

    def as_json(self) -> dict[str, Any]:
        return {"device": self.device, "from_s": self.from_s, "until_s": self.until_s}


@dataclass(frozen=True, slots=True)
class BatteryStore:
    """The battery's charge at both ends of the window."""

    capacity_wh: int
    stored_start_wh: int
    stored_end_wh: int


@dataclass(frozen=True, slots=True)
class EvStay:
    """A plugged-in car: what it needed until its departure and what it got."""

    device: str
    from_slot: int
    to_slot: int
    needed_wh: int
    delivered_wh: int


@dataclass(frozen=True, slots=True)
class Comfort:
    """What the appliances are there for, as the simulated building saw it."""

    ev_stays: tuple[EvStay, ...]
    late_washers: int
    freezer_s_too_warm: float
    """Seconds above -15 °C, all freezers added up."""
    freezer_s_above_band: float
    """Seconds above the warmest temperature of the band."""

    @property
    def needed_ev_wh(self) -> int:
        return sum(stay.needed_wh for stay in self.ev_stays)

    @property
    def unmet_ev_wh(self) -> int:
        return sum(max(0, stay.needed_wh - stay.delivered_wh) for stay in self.ev_stays)


@dataclass(slots=True)
class Series:
    """What was seen at every slot's start."""

    stored_wh: array[int]
    temperatures_mc: dict[str, array[int]]
    """Per freezer."""
    texts: list[str] = field(default_factory=list)
    reasons: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Per device (slot, index into `texts`), noted when the reason changes."""


@dataclass(frozen=True, slots=True)
class LiarRecord:
    """A node that lied: how often it told what, who caught it, and whose newest header is not one of the chain."""

    node: str
    told: Mapping[str, int]
    agents: int
    caught_by: tuple[str, ...]
    believed_by: tuple[str, ...]

    @property
    def alarm(self) -> str:
        """One sentence for people."""
        lies, caught = sum(self.told.values()), len(self.caught_by)
        believed = f"{len(self.believed_by)} believed it" if self.believed_by else "nobody believed it"
        return f"{self.node} lied {lies} times; {caught} of {self.agents} agents caught it; {believed}"

    def as_json(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "alarm": self.alarm,
            "told": sum(self.told.values()),
            "lies": dict(self.told),
            "agents": self.agents,
            "caught_by": list(self.caught_by),
            "believed_by": list(self.believed_by),
        }


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run, finished or interrupted."""

    scenario: Scenario
    cast: Cast
    book: LedgerBook
    series: Series
    seed: int
    strategies: str
    balance: bool
    partial: bool
    paid_ueur: Mapping[str, int]
    """Per party what left its account since the genesis (negative: what came in)."""
    battery: BatteryStore | None
    comfort: Comfort
    outages: tuple[Outage, ...]
    slots_played: int
    proofs_verified: int
    headers_verified: int
    app_hash: bytes
    height: int
    wall_s: float
    peak_rss_mb: float
    liar: LiarRecord | None = None
