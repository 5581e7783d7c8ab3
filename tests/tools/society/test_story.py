"""The story in both variants, row by row; and that a row is not met by a day that went otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import copy
from functools import cache
from pathlib import Path

import pytest

import agent
from agent.vocabulary import Side
from tools import cli
from tools.console import ExitCode
from tools.society.cast import ARRAY, BATTERY
from tools.society.story import command
from tools.society.story.day import EV, FREEZER, STAGE, WASHER, Variant
from tools.society.story.play import ROWS, Story, check, play_story
from tools.society.story.witness import Facts


@cache
def story(variant: Variant) -> Story:
    return play_story(variant, lambda _line: None)


@pytest.mark.parametrize("variant", Variant)
def test_every_row_happens_as_told(variant: Variant) -> None:
    checked = story(variant).checked
    assert [row.row.number for row in checked] == list(range(18))
    assert [str(row) for row in checked if not row.met] == []


def test_the_variants_differ_where_the_story_says_so() -> None:
    below = story(Variant.BELOW).facts
    failed = [row.number for row in ROWS if not check(row, below, Variant.ABOVE).met]
    assert failed == [4, 9, 10]


def without(device: str) -> Callable[[Facts], None]:
    def forget(facts: Facts) -> None:
        facts.acts = [act for act in facts.acts if act.device != device]

    return forget


def _unposted(facts: Facts) -> None:
    facts.proven_tariffs = {slot: tariff for slot, tariff in facts.proven_tariffs.items() if slot != 7}


def _somebody_elses_record(facts: Facts) -> None:
    facts.at_settlement = {slot: {**records, BATTERY: b""} for slot, records in facts.at_settlement.items()}


def _untraded(facts: Facts) -> None:
    facts.traded = {}


def _without_resale(facts: Facts) -> None:
    facts.acts = [act for act in facts.acts if act.device != FREEZER or act.side is Side.BUY]


@pytest.mark.parametrize(
    ("number", "spoil"),
    [
        (0, _unposted),
        (1, without(ARRAY)),
        (2, without(ARRAY)),
        (3, without(ARRAY)),
        (4, without(BATTERY)),
        (5, _untraded),
        (6, without(WASHER)),
        (7, without(WASHER)),
        (8, _untraded),
        (9, without(WASHER)),
        (10, _untraded),
        (12, without(EV)),
        (13, without(EV)),
        (14, without(EV)),
        (15, _untraded),
        (16, _without_resale),
        (17, _somebody_elses_record),
    ],
)
def test_another_day_does_not_meet_the_row(number: int, spoil: Callable[[Facts], None]) -> None:
    facts = copy(story(Variant.BELOW).facts)
    spoil(facts)
    assert not check(ROWS[number], facts, Variant.BELOW).met


def test_it_is_told_in_order_with_prices_and_reasons() -> None:
    lines = story(Variant.BELOW).lines
    told = [line.text for line in lines]
    assert [text for text in told if text in {stage for _, stage in STAGE}] == [stage for _, stage in STAGE]
    assert told.index("The washer bids 7.2 ct: 640 Wh of 16 slots.") < told.index(
        "The array takes the bid of the washer at 7.2 ct: 40 Wh."
    )
    assert all(line.why for line in lines if " bids " in line.text or " takes " in line.text)


def test_no_agent_knows_of_the_story() -> None:
    root = Path(agent.__file__).parent.parent
    folders = ("agent", "drivers", "strategies", "lightclient", "storeforward")
    sources = [path for folder in folders for path in (root / folder).rglob("*.py")]
    assert len(sources) > 50
    assert [path.name for path in sources if re.search(r"\bstory\b", path.read_text(encoding="utf-8"))] == []


def told_badly(variant: Variant, say: Callable[[str], None], seed: int, factor: float | None) -> Story:
    """The same day with one row not met."""
    good = story(variant)
    return Story(variant, good.lines, (check(ROWS[9], good.facts, Variant.ABOVE),), good.facts, partial=False)


def test_a_row_that_is_not_met_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "play_story", told_badly)
    assert cli.main(["society", "--scenario", "story", "--variant", "below"]) == ExitCode.DEFECT
    assert "NOT MET  9" in capsys.readouterr().out


def test_json_has_rows_and_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command, "play_story", lambda variant, *_: story(variant))
    assert cli.main(["society", "--scenario", "story", "--json", "-"]) == ExitCode.OK
    variants = json.loads(capsys.readouterr().out)["variants"]
    assert [variant["variant"] for variant in variants] == ["below", "above"]
    assert all(row["met"] and row["found"] for variant in variants for row in variant["rows"])


@pytest.mark.parametrize("options", [["--days", "1"], ["--without", "ev"], ["--report", "x.html"], ["--realtime", "0"]])
def test_the_story_is_played_as_it_is(options: list[str]) -> None:
    assert cli.main(["society", "--scenario", "story", *options]) == ExitCode.USAGE


def test_other_scenarios_have_no_variants() -> None:
    assert cli.main(["society", "--variant", "below"]) == ExitCode.USAGE
