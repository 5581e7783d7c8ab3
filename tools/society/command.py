"""`homewatt society`: play a housing society on recorded data, in this process and on a clock of its own.

Progress is on stderr; on stdout stands the table, or with --json - the figures as JSON. Ctrl-C stops the run, and the report
is about what was played.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

from agent.clock import SystemClock
from agent.errors import KeyStoreError
from agent.vocabulary import Kind
from tools.console import CommandError, ExitCode, add_command, emit, talk
from tools.fullnode.engine.home import HomeError
from tools.society.baseline import baseline
from tools.society.cast import NODES, build_cast
from tools.society.optimum import NoOptimum, optimum_eur
from tools.society.options import OptionError, SocietyOptions, read_kinds, read_outage
from tools.society.page.data import page_data
from tools.society.page.render import PageData, render
from tools.society.record import RunRecord
from tools.society.report import report
from tools.society.run import play_society
from tools.society.scenario import Scenario, ScenarioError
from tools.society.scenariofile import load_scenario
from tools.society.story.command import add_story_options, refuse_variant, run_story
from tools.society.table import figures_table
from tools.society.write import write_society

STORY: Final = "story"
BUNDLED: Final = {"week_a": "week_a.json.gz"}
"""Scenarios that come with the package, by name."""
STDOUT: Final = "-"
LOUD_ABOUT_LIES: Final = ("lightclient", "agent.status")
"""Loggers."""


def add_parser(subparsers: Any) -> None:
    """Add `society` and its options."""
    parser = add_command(subparsers, "society", "run a whole housing society on recorded data")
    what = parser.add_argument_group("what is played")
    names = ", ".join((*BUNDLED, STORY))
    what.add_argument(
        "--scenario", default="week_a", metavar="FILE", help=f"scenario file, or one of {names} (default: week_a)"
    )
    what.add_argument("--start-day", type=int, default=0, metavar="N", help="first day of the scenario to play, from 0")
    what.add_argument("--days", type=int, metavar="N", help="how many days; default: all from the first one on")
    what.add_argument("--without", action="append", default=[], metavar="KIND", help="leave a kind of appliance out")
    what.add_argument(
        "--offline",
        action="append",
        default=[],
        metavar="DEVICE:FROM:TO",
        help="cut a device's network, hours from the start",
    )
    what.add_argument(
        "--liar", choices=NODES, help="one of the three full nodes lies, in every way it can without a validator's key"
    )
    add_story_options(what)
    what.add_argument("--seed", type=int, default=1, metavar="N", help="of all keys; same seed, same ledger (default: 1)")
    how = parser.add_argument_group("how the agents behave")
    how.add_argument("--strategies", choices=("default", "passive"), default="default", help="passive: nobody trades or shifts")
    how.add_argument("--no-balance", action="store_true", help="the battery follows its position and does not balance")
    run = parser.add_argument_group("how it runs")
    run.add_argument(
        "--realtime",
        type=float,
        nargs="?",
        const=1.0,
        metavar="FACTOR",
        help="run at FACTOR times real time (default 1) instead of as fast as possible",
    )
    run.add_argument("--samples", action="store_true", help="journal every sample instead of one per slot")
    run.add_argument("--journal-dir", type=Path, metavar="DIR", help="keep the journals there; default: in memory")
    out = parser.add_argument_group("what comes out")
    out.add_argument("--report", type=Path, metavar="FILE", help="write the report page (HTML)")
    out.add_argument("--json", metavar="FILE", help="write the figures as JSON; - prints them instead of the table")
    out.add_argument("--optimum", action="store_true", help="solve for the least possible cost (needs the extra 'optimum')")
    out.add_argument(
        "--write",
        type=Path,
        metavar="DIR",
        help="play nothing; write genesis, keys and configurations, so that node and agents run as processes of their own",
    )
    out.add_argument("--page-data", type=Path, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Play, and write what was asked for. Raises CommandError."""
    try:
        if args.scenario == STORY:
            return run_story(args)
        scenario = _scenario(args)
        options = _options(args, scenario)
    except (ScenarioError, OptionError) as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that; docs/scenario.md describes scenario files") from error
    if args.write is not None:
        return _write(args.write, scenario, options)
    _make_room(args)
    with _hushed() if options.liar else contextlib.nullcontext():
        record = play_society(scenario, options, args.realtime)
    optimum = None if record.partial else _optimum(args, scenario)
    figures = report(record, baseline(scenario, record.cast, record.book.settled), optimum)
    _hand_over(args, record, figures)
    return ExitCode.INTERRUPTED if record.partial else ExitCode.OK


def _scenario(args: argparse.Namespace) -> Scenario:
    path = Path(args.scenario)
    if args.scenario in BUNDLED:
        with resources.as_file(resources.files("tools.society") / "data" / BUNDLED[args.scenario]) as bundled:
            scenario = load_scenario(bundled)
    else:
        scenario = load_scenario(path)
    days = args.days if args.days is not None else scenario.days - args.start_day
    if args.start_day or args.days is not None:
        scenario = scenario.window(args.start_day, days)
    return scenario.without(read_kinds(args.without))


def _options(args: argparse.Namespace, scenario: Scenario) -> SocietyOptions:
    refuse_variant(args)
    if args.realtime is not None and not args.realtime > 0:
        raise OptionError("--realtime", f"expected a factor above 0, got {args.realtime:g}")
    if args.liar is not None and args.write is not None:
        raise OptionError("--liar", "expected without --write: the nodes of separate processes are honest")
    devices = [device.name for device in build_cast(scenario, args.seed).devices]
    return SocietyOptions(
        seed=args.seed,
        strategies=args.strategies,
        balance=not args.no_balance,
        samples=args.samples,
        journal_dir=args.journal_dir,
        outages=tuple(read_outage(text, scenario, devices) for text in args.offline),
        liar=args.liar,
    )


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Agents that catch a liar say so, some thousand times in a day: the report counts it, progress stays readable."""
    levels = {name: logging.getLogger(name).level for name in LOUD_ABOUT_LIES}
    try:
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _optimum(args: argparse.Namespace, scenario: Scenario) -> float | None:
    """Solved if asked for, else what the scenario's file says of exactly this window and these appliances."""
    if args.optimum:
        try:
            return optimum_eur(scenario)
        except NoOptimum as error:
            talk(f"no optimum: {error.cause}")
            return None
    if scenario.reference is None or scenario.has(Kind.FREEZER):  # references know no freezers
        return None
    return scenario.reference.optimum_eur


def _make_room(args: argparse.Namespace) -> None:
    """Make the folders of what will be written, and notice before a long run that something cannot be."""
    for path in _outputs(args):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, error.strerror or str(error)) from error
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise _cannot_write(path, "cannot be written")


def _outputs(args: argparse.Namespace) -> list[Path]:
    figures = None if args.json in (None, STDOUT) else Path(args.json)
    return [path for path in (args.report, args.page_data, figures) if path is not None]


def _cannot_write(path: Path, why: str) -> CommandError:
    return CommandError(ExitCode.PRECONDITION, f"{path}: {why}", "choose another file")


def _hand_over(args: argparse.Namespace, record: RunRecord, figures: dict[str, Any]) -> None:
    """Show the figures first: a disk that has filled up meanwhile must not cost them."""
    emit(figures, figures_table(figures), as_json=args.json == STDOUT)
    try:
        if args.report is not None or args.page_data is not None:
            _write_page(args, page_data(record, figures))
        if args.json not in (None, STDOUT):
            Path(args.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise _cannot_write(Path(str(error.filename)), error.strerror or str(error)) from error


def _write_page(args: argparse.Namespace, data: PageData) -> None:
    if args.report is not None:
        args.report.write_text(render(data), encoding="utf-8")
        talk(f"report: {args.report.resolve()}")
    if args.page_data is not None:
        args.page_data.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")


def _write(folder: Path, scenario: Scenario, options: SocietyOptions) -> int:
    try:
        write_society(folder, scenario, options, SystemClock())
    except (OSError, KeyStoreError, HomeError) as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "choose an empty directory for --write") from error
    talk(f"written: {folder}; next: see {folder / 'README.txt'}")
    return ExitCode.OK
