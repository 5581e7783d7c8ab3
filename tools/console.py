"""How every command talks: data on stdout, talk on stderr, one set of exit codes, and errors that say what to do next.

A command module has two functions: `add_parser(subparsers)` and `run(args) -> int`, which returns an exit code or raises
CommandError.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

SCHEMA_VERSION: Final = 1
"""Of the JSON that commands print. It grows when a field changes its meaning or goes, not when one is added."""


class ExitCode(IntEnum):
    """What the shell gets to see. The numbers never change."""

    OK = 0
    DEFECT = 1
    """A defect of ours: nobody foresaw this."""
    USAGE = 2
    PRECONDITION = 3
    DEVICE_REFUSED = 4
    NETWORK = 5
    IDENTITY = 6
    """Keys, signatures or proofs do not fit."""
    PARTIAL = 7
    """A part of the work was done; the output says which."""
    INTERRUPTED = 130


class CommandError(Exception):
    """A command ends without success: why, and what the person at the keyboard can do about it."""

    retry = False

    def __init__(self, exit_code: ExitCode, cause: str, next_step: str) -> None:
        super().__init__(cause)
        self.exit_code = exit_code
        self.cause = cause
        self.next_step = next_step


def add_command(subparsers: Any, name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command or one of its verbs: the summary stands in the list of commands, and above the command's own help."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    return parser


def talk(text: str) -> None:
    """Tell the person at the keyboard something that is not the answer."""
    print(text, file=sys.stderr, flush=True)


def emit(data: Mapping[str, object], text: str, as_json: bool) -> None:
    """Print an answer: as one line of JSON, or as text."""
    print(json.dumps({"schema_version": SCHEMA_VERSION, **data}) if as_json else text, flush=True)
