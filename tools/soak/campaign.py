"""What all campaigns share: a violation ends the run and what was found is kept; figures become a table and a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storeforward.records import StoredRecord
from tools.society.keys import seeded_key

DIRECTORY: Final = Path("build/soak")
KEY: Final = seeded_key(1, "soak")
MEMORY_BACKED: Final = Path("/dev/shm")
"""Where journals are looked at that nobody needs again; a machine may not have it."""
DEVICE: Final = bytes(range(20))


class Violation(Exception):
    """The journal broke a promise. What was found lies in the campaign's folder."""

    retry = False

    def __init__(self, campaign: str, seed: int, where: str, what: str) -> None:
        super().__init__(f"{campaign}: seed {seed}, {where}: {what}")
        self.campaign = campaign
        self.seed = seed
        self.where = where
        self.what = what


class Unavailable(Exception):
    """This machine lacks what a campaign needs; the message says what to install."""

    retry = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A campaign that found nothing: its figures by what they count."""

    campaign: str
    seed: int
    figures: Mapping[str, int | float]

    def table(self) -> str:
        rows = [f"  {what:<64} {value:>12,}" for what, value in self.figures.items()]
        return "\n".join((f"{self.campaign} (seed {self.seed}): nothing lost", *rows))

    def write(self) -> Path:
        """Write the figures as JSON and return where."""
        DIRECTORY.mkdir(parents=True, exist_ok=True)
        path = DIRECTORY / f"{self.campaign}.json"
        path.write_text(json.dumps({"campaign": self.campaign, "seed": self.seed, **self.figures}, indent=1) + "\n")
        return path


def in_order(streams: list[list[StoredRecord]]) -> list[StoredRecord]:
    """Records of all streams by their sequence numbers."""
    return sorted((stored for stream in streams for stored in stream), key=lambda stored: stored.record.seq)
