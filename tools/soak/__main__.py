"""All campaigns that try to make the journal lose something. The first thing lost ends the run with 1, and what was
found is kept in build/soak.

    python -m tools.soak [--quick] [--seed N] [--only CAMPAIGN ...] [--folder DIR]

Figures are printed and written to build/soak/CAMPAIGN.json. What a machine lacks a campaign for is said in one line, and the
run ends with 3 after the other campaigns.
"""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from tools.console import ExitCode
from tools.soak import boundedcuts, clockless, coldstart, ext4cuts, kills, outage, powercuts, secondprocess
from tools.soak.campaign import DIRECTORY, Outcome, Unavailable, Violation

Campaign = Callable[[Path, int, bool, Callable[[str], None]], Outcome]
CAMPAIGNS: Final[dict[str, Campaign]] = {
    secondprocess.CAMPAIGN: lambda folder, seed, quick, tell: secondprocess.run(folder, seed),
    coldstart.CAMPAIGN: lambda folder, seed, quick, tell: coldstart.run(folder, seed, 3 if quick else 20),
    powercuts.CAMPAIGN: lambda folder, seed, quick, tell: powercuts.run(
        folder, seed, 1_000 if quick else 10_000, 500 if quick else 1_500, tell
    ),
    boundedcuts.CAMPAIGN: lambda folder, seed, quick, tell: boundedcuts.run(
        folder, seed, 100 if quick else 2_000, 900 if quick else 2_000, tell
    ),
    ext4cuts.CAMPAIGN: lambda folder, seed, quick, tell: ext4cuts.run(
        folder, seed, 50 if quick else 1_000, 60 if quick else 400, tell
    ),
    kills.CAMPAIGN: lambda folder, seed, quick, tell: kills.run(folder, seed, 30 if quick else 510, tell),
    outage.CAMPAIGN: lambda folder, seed, quick, tell: outage.run(folder, seed, outage.SHORT if quick else outage.WEEK, tell),
    outage.REBOOTS: lambda folder, seed, quick, tell: outage.run(
        folder, seed, replace(outage.SHORT if quick else outage.WEEK, campaign=outage.REBOOTS, restarts=3), tell
    ),
    clockless.CAMPAIGN: lambda folder, seed, quick, tell: clockless.run(
        folder, seed, clockless.SHORT if quick else clockless.WEEK, tell
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description="Try to make the journal lose something.")
    parser.add_argument("--quick", action="store_true", help="the short form that the tests run")
    parser.add_argument("--seed", type=int, default=1, help="chooses every moment of every cut and kill (default: 1)")
    parser.add_argument("--only", choices=CAMPAIGNS, nargs="+", default=list(CAMPAIGNS), help="these campaigns alone")
    parser.add_argument("--folder", type=Path, help="where journals are written (default: the system's temporary folder)")
    args = parser.parse_args()
    logging.disable()  # what journals and nodes have to say of so many deaths is no news here
    code = ExitCode.OK
    for name in args.only:
        started_s = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="homewatt-soak-", dir=args.folder) as folder:
            try:
                outcome = CAMPAIGNS[name](Path(folder), args.seed, args.quick, _tell)
            except Violation as violation:
                print(f"VIOLATION {violation}\n  next: look at {_keep(Path(folder), name)}", flush=True)
                return ExitCode.DEFECT
            except Unavailable as lacking:
                print(f"{name}: left out: {lacking}", flush=True)
                code = ExitCode.PRECONDITION
                continue
        print(f"{outcome.table()}\n  {outcome.write()}, {time.monotonic() - started_s:.0f} s", flush=True)
    return code


def _keep(folder: Path, name: str) -> Path:
    """Copy what a campaign left to where it stays; files with holes are big, so they are packed."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    return Path(shutil.make_archive(str(DIRECTORY / f"violation-{name}"), "gztar", folder))


def _tell(line: str) -> None:
    print(f"  ... {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
