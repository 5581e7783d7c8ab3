"""Whole societies for some hours: real node, real agents, a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent.vocabulary import Kind
from tests.tools.society.kit import hours, week_a
from tools.cli import main
from tools.society.baseline import baseline
from tools.society.house import start_s
from tools.society.options import SocietyOptions
from tools.society.page.data import page_data
from tools.society.page.render import render
from tools.society.progress import open_progress
from tools.society.record import Outage, RunRecord
from tools.society.report import report
from tools.society.run import SocietyRun, play_society
from tools.society.scenario import Scenario
from tools.society.virtualclock import VirtualClock, run_virtual

SUNNY_H = 10
"""Of the first day of the week: the sun is up, the homes cook."""


def play(scenario: Scenario, options: SocietyOptions | None = None) -> RunRecord:
    return play_society(scenario, options or SocietyOptions(), quiet=True)


def figures(record: RunRecord) -> dict[str, object]:
    return report(record, baseline(record.scenario, record.cast), None)


def test_the_same_seed_gives_the_same_ledger_and_another_seed_another() -> None:
    scenario = hours(week_a(), SUNNY_H, 2, homes=2)
    first, again, other = (play(scenario, SocietyOptions(seed=seed)) for seed in (1, 1, 2))
    assert first.app_hash == again.app_hash
    assert first.height == again.height
    assert first.app_hash != other.app_hash


def test_appliances_trade_and_every_ueur_is_accounted_for() -> None:
    record = play(hours(week_a(), SUNNY_H, 4, homes=3))
    shown = figures(record)
    assert record.book.settled == 16
    assert sum(record.book.sales.by_pair_wh.values()) > 0
    assert shown["conservation_error_ueur"] == 0
    assert shown["refused"] == 0
    assert shown["missing_readings"] == 0
    assert record.proofs_verified > 16 * len(record.cast.metered)


def test_what_the_meters_say_adds_up_in_every_slot() -> None:
    record = play(hours(week_a(), SUNNY_H, 3, homes=3))
    book = record.book
    for slot in range(book.slots):
        net_wh = book.columns.grid_import_wh[slot] - book.columns.grid_export_wh[slot]
        devices_wh = sum(columns.metered_wh[slot] for columns in book.devices.values())
        assert abs(net_wh - devices_wh) <= len(book.devices), "registers are whole Wh"
        assert sum(columns.position_wh[slot] for columns in book.devices.values()) == 0


def test_passive_appliances_cost_what_netting_costs() -> None:
    scenario = week_a().window(0, 1)
    record = play(scenario, SocietyOptions(strategies="passive"))
    shown = figures(record)
    assert shown["cost_eur"] == pytest.approx(shown["cost_netting_eur"], rel=0.005)
    assert shown["messages_per_device_slot"] == 0
    for bill in shown["bills"]:  # type: ignore[attr-defined]
        if bill["party"] != "society":
            assert bill["with_eur"] == pytest.approx(bill["without_eur"], abs=0.01)


def test_an_agent_without_network_delivers_everything_when_it_is_back() -> None:
    scenario = hours(week_a(), SUNNY_H, 6, homes=2)
    start = scenario.start_s
    outage = Outage("battery", start + 3600, start + 4 * 3600)
    record = play(scenario, SocietyOptions(outages=(outage,)))
    shown = figures(record)
    battery = record.cast.of_kind(Kind.BATTERY)[0].device_id
    assert shown["late_readings"] == 9, "twelve readings waited; a slot settles an hour after its end at the latest"
    assert shown["missing_readings"] == 0
    assert shown["conservation_error_ueur"] == 0
    assert all(record.book.devices[battery].position_wh[slot] == 0 for slot in range(5, 16)), "no network, no trades"
    assert shown["offline"] == [{"device": "battery", "from_s": start + 3600, "until_s": start + 4 * 3600}]


def test_an_interrupted_run_leaves_a_partial_record(tmp_path: Path) -> None:
    scenario = hours(week_a(), SUNNY_H, 6, homes=2)

    async def main_until(clock: VirtualClock) -> RunRecord:
        run = SocietyRun(scenario, SocietyOptions(), clock, tmp_path)
        with open_progress(scenario.slots, 96, quiet=True) as progress:
            playing = asyncio.create_task(run.play(progress))
            asyncio.get_running_loop().call_later(2 * 3600, playing.cancel)
            return await playing

    record = run_virtual(main_until, start_s(scenario))
    shown = figures(record)
    assert record.partial
    assert 0 < record.book.settled < scenario.slots
    assert shown["partial"] is True
    assert "partial" in render(page_data(record, shown))


def test_freezers_take_part_and_keep_their_temperature() -> None:
    scenario = replace(hours(week_a(), SUNNY_H, 4, homes=2), absent=frozenset({Kind.EV, Kind.WASHER}))
    record = play(scenario)
    assert len(record.cast.of_kind(Kind.FREEZER)) == 2
    assert record.comfort.freezer_s_too_warm == 0
    lowest, highest = (pick(map(pick, record.series.temperatures_mc.values())) for pick in (min, max))
    assert -20_500 <= lowest < highest <= -15_500


def test_the_command_writes_figures_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "not there yet" / "report.json"
    page = tmp_path / "report.html"
    everything_else = ["--without", "freezer,ev,washer", "--strategies", "passive"]
    assert main(["society", "--days", "1", *everything_else, "--json", str(file), "--report", str(page)]) == 0
    shown = json.loads(file.read_text())
    assert shown["slots_settled"] == 96
    assert shown["captured"] is None
    assert page.stat().st_size > 20_000
    table = capsys.readouterr().out
    assert "cost with the market" in table
    assert "home-16" in table


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--offline", "toaster:1:2"], "toaster"),
        (["--offline", "battery:2:1"], "FROM < TO"),
        (["--offline", "battery:a:b"], "numbers"),
        (["--without", "toaster"], "toaster"),
        (["--without", "grid_meter"], "grid_meter"),
        (["--scenario", "nowhere.json"], "nowhere.json"),
        (["--start-day", "9"], "9"),
        (["--realtime", "0"], "--realtime"),
    ],
)
def test_an_option_that_does_not_fit_ends_with_2_and_says_why(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["society", *arguments]) == 2
    talk = capsys.readouterr().err
    assert named in talk
    assert "next:" in talk


def test_a_report_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a file"
    file.write_text("")
    assert main(["society", "--days", "7", "--report", str(file / "report.html")]) == 3
    assert main(["society", "--days", "7", "--json", str(tmp_path)]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("next: choose another file") == 2


def test_ctrl_c_stops_the_command_and_still_reports() -> None:
    command = [sys.executable, "-m", "tools.cli", "society", "--days", "2", "--without", "freezer", "--json", "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert "day 1 of 2" in running.stderr.readline(), "a line per day where there is no terminal"
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    shown = json.loads(out)
    assert shown["partial"] is True
    assert 90 <= shown["slots_settled"] < 192
    assert shown["conservation_error_ueur"] == 0
    assert 0 < shown["cost_netting_eur"] < shown["cost_no_market_eur"]
