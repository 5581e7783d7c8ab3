"""`python -m tools.conformance light-client DIR`: what the light client makes of other people's test files.

Prints `passed N of M` per kind and every failure by file and case. Exit code 0: all passed; 1: something failed; 3: nothing
in the folder was recognised.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from tools.conformance import report
from tools.conformance.findings import Findings
from tools.conformance.recognition import Unit, recognise
from tools.console import CommandError, ExitCode, emit, talk

PROGRESS_EVERY_S: Final = 5.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    args = _parser().parse_args(argv)
    try:
        return _run(args.folder, args.jobs, args.json, args.verbose)
    except CommandError as error:
        talk(f"conformance: {error.cause}\n  next: {error.next_step}")
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.conformance", description="Run other people's test files.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    light = commands.add_parser(
        "light-client",
        help="run the light client over a folder of test files",
        description="Model-based steps (tendermint-rs), chain folders HEIGHT/signed_block.json or HEIGHT/commit.json with"
        " HEIGHT/validators_1.json, ICS23 tables and proofs, Ed25519 edge cases; each file is recognised by its shape.",
    )
    light.add_argument("folder", type=Path, metavar="DIR", help="folder to walk through")
    light.add_argument("--json", action="store_true", help="print one line of JSON")
    light.add_argument("--verbose", action="store_true", help="name the files that are not recognised")
    light.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes (default: one per core)")
    return parser


def _run(folder: Path, jobs: int, as_json: bool, verbose: bool) -> int:
    if not folder.is_dir():
        raise CommandError(ExitCode.USAGE, f"{folder} is not a folder", "name a folder that holds test files")
    recognised = recognise(folder.resolve())
    if not recognised.units:
        cause = f"none of the {len(recognised.unrecognised)} files in {folder} is a test file of a known kind"
        raise CommandError(ExitCode.PRECONDITION, cause, "see --help for the kinds, --verbose for why a file is none of them")
    findings = Findings()
    for part in _with_progress(_findings(recognised.units, jobs), len(recognised.units)):
        findings.add(part)
    text = report.as_text(findings, recognised.unrecognised, verbose)
    emit(report.as_data(findings, recognised.unrecognised), text, as_json)
    return ExitCode.OK if findings.all_passed else ExitCode.DEFECT


def _findings(units: Sequence[Unit], jobs: int) -> Iterator[Findings]:
    """The findings of every unit, in their order."""
    if jobs <= 1 or len(units) == 1:
        yield from (unit() for unit in units)
        return
    with ProcessPoolExecutor(min(jobs, len(units))) as pool:
        yield from pool.map(_call, units)


def _call(unit: Unit) -> Findings:
    return unit()


def _with_progress(parts: Iterator[Findings], total: int) -> Iterator[Findings]:
    said_s = time.monotonic()
    for done, part in enumerate(parts, start=1):
        yield part
        if time.monotonic() - said_s >= PROGRESS_EVERY_S:
            said_s = time.monotonic()
            talk(f"{done} of {total} parts done")


if __name__ == "__main__":
    sys.exit(main())
