"""The story: one day of a society, replayed with the real agents in two variants, told as it happens and checked row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightclient.client import LightClient
from lightclient.options import Options, TrustAnchor
from lightclient.store import MemoryStore
from tools.society.house import start_s
from tools.society.options import SocietyOptions
from tools.society.outage import Network
from tools.society.progress import open_progress
from tools.society.run import SocietyRun, journal_dir
from tools.society.story.day import Variant, story_cast, story_outages, story_scenario, wishes
from tools.society.story.night import NIGHT_ROWS
from tools.society.story.rows import DAY_ROWS, NotMet, Row
from tools.society.story.text import Line, Narrator
from tools.society.story.witness import Facts, Witness
from tools.society.virtualclock import VirtualClock, run_virtual

ROWS = (*DAY_ROWS, *NIGHT_ROWS)
NS = 1_000_000_000
DAY_NS = 86_400 * NS


@dataclass(frozen=True, slots=True)
class Checked:
    """One row of the story: whether it happened as told, and what was found."""

    row: Row
    met: bool
    found: str

    def __str__(self) -> str:
        return f"{'met    ' if self.met else 'NOT MET'} {self.row.number:2}  {self.row.what}\n             {self.found}"


@dataclass(frozen=True, slots=True)
class Story:
    """One variant, played to its end or interrupted (`partial`; then nothing was checked)."""

    variant: Variant
    lines: tuple[Line, ...]
    checked: tuple[Checked, ...]
    facts: Facts
    partial: bool

    @property
    def met(self) -> bool:
        """Whether everything happened as told."""
        return not self.partial and all(checked.met for checked in self.checked)

    def as_json(self) -> dict[str, Any]:
        rows = [{"row": c.row.number, "what": c.row.what, "met": c.met, "found": c.found} for c in self.checked]
        story = [{"at_s": line.at_s, "text": line.text, "why": line.why} for line in self.lines]
        return {"variant": str(self.variant), "met": self.met, "partial": self.partial, "rows": rows, "story": story}


def play_story(variant: Variant, say: Callable[[str], None], seed: int = 1, factor: float | None = None) -> Story:
    """Play one variant; `say` is given each line as it happens. Ctrl-C ends it early."""
    scenario = story_scenario()
    cast, options = (
        story_cast(scenario, seed),
        SocietyOptions(seed=seed, outages=story_outages(scenario), wishes=wishes(variant)),
    )
    narrator = Narrator(say)
    with journal_dir(options) as journals, open_progress(scenario.slots, scenario.slots, quiet=True) as progress:

        async def main(clock: VirtualClock) -> Story:
            run = SocietyRun(scenario, options, clock, journals, cast)
            witness = Witness(run, scenario, narrator.hear)
            record = await run.play(progress)
            checked: tuple[Checked, ...] = ()
            if not record.partial:
                facts = await witness.close(_light_client(run, witness.anchor, options, clock), record)
                checked = tuple(check(row, facts, variant) for row in ROWS)
            return Story(variant, tuple(narrator.lines), checked, witness.facts, record.partial)

        return run_virtual(main, start_s(scenario), factor)


def check(row: Row, facts: Facts, variant: Variant) -> Checked:
    """Hold one row against the facts."""
    try:
        return Checked(row, True, row.check(facts, variant))
    except NotMet as error:
        return Checked(row, False, str(error))


def _light_client(run: SocietyRun, anchor: TrustAnchor, options: SocietyOptions, clock: VirtualClock) -> LightClient:
    """The witness's own light client, which proves what the node says of the state."""
    transports = Network(run.fronts, clock, ()).transports()
    limits = Options(run.cast.chain_id, trusting_period_ns=DAY_NS, freshness_ns=(2 * options.heartbeat_s + 20) * NS)
    return LightClient(transports, anchor, limits, clock, MemoryStore())
