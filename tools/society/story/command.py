"""`homewatt society --scenario story`: tells the day as it happens, then which rows were met. Exit code 1 if one was not."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from strategies.words import cents
from tools.console import SCHEMA_VERSION, ExitCode, talk
from tools.society.options import OptionError
from tools.society.story.day import ASKS, THRESHOLD_UEUR_KWH, WASH_READY, Variant
from tools.society.story.play import Story, play_story

STDOUT: Final = "-"
BOTH: Final = "both"
NOT_FOR_THE_STORY: Final[dict[str, object]] = {
    "start_day": 0,
    "days": None,
    "without": [],
    "offline": [],
    "liar": None,
    "strategies": "default",
    "no_balance": False,
    "samples": False,
    "journal_dir": None,
    "report": None,
    "optimum": False,
    "write": None,
    "page_data": None,
}
"""Options of other scenarios, with what they are when nobody gives them: the story's day is what it is."""


def add_story_options(group: Any) -> None:
    """Add what only the story has."""
    group.add_argument(
        "--variant",
        choices=(*Variant, BOTH),
        help="of the story: the battery's threshold below or above the utility's ask (default: both)",
    )


def refuse_variant(args: argparse.Namespace) -> None:
    """Raise OptionError where a variant is asked of another scenario."""
    if args.variant is not None:
        raise OptionError("--variant", "expected with --scenario story alone")


def run_story(args: argparse.Namespace) -> int:
    """Play the variants asked for. Raises OptionError for an option that the story does not have."""
    for name, usual in NOT_FOR_THE_STORY.items():
        if getattr(args, name) != usual:
            raise OptionError(f"--{name.replace('_', '-')}", "expected without --scenario story, which is played as it is")
    if args.realtime is not None and not args.realtime > 0:
        raise OptionError("--realtime", f"expected a factor above 0, got {args.realtime:g}")
    variants = tuple(Variant) if args.variant in (None, BOTH) else (Variant(args.variant),)
    say: Callable[[str], None] = talk if args.json == STDOUT else _print
    stories: list[Story] = []
    for variant in variants:
        say(_heading(variant))
        story = play_story(variant, say, args.seed, args.realtime)
        stories.append(story)
        for checked in story.checked:
            say(str(checked))
        if story.partial:
            break
    _write(args.json, stories)
    if any(story.partial for story in stories):
        return ExitCode.INTERRUPTED
    return ExitCode.OK if all(story.met for story in stories) else ExitCode.DEFECT


def _print(text: str) -> None:
    print(text, flush=True)


def _heading(variant: Variant) -> str:
    ask = next(price for first, price in reversed(ASKS) if first <= WASH_READY)
    sign = "<" if variant is Variant.BELOW else ">="
    threshold = cents(THRESHOLD_UEUR_KWH[variant])
    return f"\nThe battery's threshold T = {threshold}, the utility asks P = {cents(ask)}: T {sign} P.\n"


def _write(target: str | None, stories: list[Story]) -> None:
    if target is None:
        return
    data = json.dumps({"schema_version": SCHEMA_VERSION, "variants": [story.as_json() for story in stories]})
    if target == STDOUT:
        _print(data)
    else:
        Path(target).write_text(data + "\n", encoding="utf-8")
