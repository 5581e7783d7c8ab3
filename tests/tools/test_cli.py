"""The command line's contract: what stands where, the exit codes, and errors that say what to do next."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tools import cli
from tools.console import CommandError, ExitCode, emit, talk

Run = Callable[[argparse.Namespace], int]


@pytest.fixture(name="command")
def make_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Puts a command `probe` into the table, which does as it is told."""

    def install(run: Run) -> None:
        def add_parser(subparsers: Any) -> None:
            subparsers.add_parser("probe").add_argument("--json", action="store_true")

        monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("tests.probe", "does as it is told"))
        monkeypatch.setitem(sys.modules, "tests.probe", SimpleNamespace(add_parser=add_parser, run=run))

    return install


def test_data_goes_to_stdout_and_talk_to_stderr(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        talk("working")
        emit({"answer": 42}, "The answer is 42.", args.json)
        return ExitCode.OK

    command(run)
    assert cli.main(["probe"]) == 0
    assert capsys.readouterr() == ("The answer is 42.\n", "working\n")
    assert cli.main(["probe", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "answer": 42}


@pytest.mark.parametrize("code", [code for code in ExitCode if code is not ExitCode.OK])
def test_a_failure_tells_cause_and_next_step(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str], code: ExitCode
) -> None:
    def run(args: argparse.Namespace) -> int:
        raise CommandError(code, "the meter is silent", "look at the cable")

    command(run)
    assert cli.main(["probe"]) == code
    assert capsys.readouterr() == ("", "homewatt: the meter is silent\n  next: look at the cable\n")


def test_the_exit_codes_are_what_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "DEFECT": 1,
        "USAGE": 2,
        "PRECONDITION": 3,
        "DEVICE_REFUSED": 4,
        "NETWORK": 5,
        "IDENTITY": 6,
        "PARTIAL": 7,
        "INTERRUPTED": 130,
    }


def test_a_defect_is_one_line_and_a_traceback_only_on_request(
    command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def run(args: argparse.Namespace) -> int:
        raise ZeroDivisionError("by nothing")

    command(run)
    assert cli.main(["probe"]) == ExitCode.DEFECT
    said = capsys.readouterr().err
    assert said.startswith("homewatt: unexpected ZeroDivisionError: by nothing\n  next: ")
    assert "Traceback" not in said
    assert cli.main(["--debug", "probe"]) == ExitCode.DEFECT
    assert "Traceback" in capsys.readouterr().err


def test_debug_shows_where_a_failure_came_from(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        raise CommandError(ExitCode.NETWORK, "no node answers", "name another") from OSError("connection refused")

    command(run)
    assert cli.main(["--debug", "probe"]) == ExitCode.NETWORK
    assert "OSError: connection refused" in capsys.readouterr().err


def test_ctrl_c(command: Callable[[Run], None], capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    command(run)
    assert cli.main(["probe"]) == ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "homewatt: interrupted\n"


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.COMMANDS, "probe", cli.Command("a_package_that_nobody_has", ""))
    assert cli.main(["probe"]) == ExitCode.PRECONDITION
    assert "needs the Python package a_package_that_nobody_has\n  next: pip install" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["dance"], ["version", "--nonsense"], ["agent"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: homewatt")


def test_help_names_every_command_without_loading_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text and entry.summary in text for name, entry in cli.COMMANDS.items())


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_help_of_a_command_begins_with_what_the_list_says_of_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([name, "--help"])
    assert ended.value.code == 0
    summary = cli.COMMANDS[name].summary
    assert f"\n\n{summary[0].upper()}{summary[1:]}.\n\n" in capsys.readouterr().out


def test_a_command_loads_no_other() -> None:
    code = "import sys; from tools import cli; cli.main(['version']); print('aiohttp' in sys.modules, 'agent' in sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.splitlines()[-1] == "False False"


def test_versions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["version", "--json"]) == 0
    versions = json.loads(capsys.readouterr().out)
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert set(versions) == {"schema_version", "homewatt", "python", "sqlite", "cryptography", "websockets", "system"}


def test_a_reader_that_goes_away_is_no_failure() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as out:
        seen = subprocess.run([sys.executable, "-m", "tools.cli", "version"], stdout=out, stderr=subprocess.PIPE, text=True)
    assert (seen.returncode, seen.stderr) == (0, "")
