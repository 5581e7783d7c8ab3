"""`homewatt version`: what a report of a problem should name."""

from __future__ import annotations

import argparse
import platform
import sqlite3
from importlib import metadata
from typing import Any

from tools.console import ExitCode, add_command, emit


def add_parser(subparsers: Any) -> None:
    """Add `version`."""
    parser = add_command(subparsers, "version", "show the versions that a report of a problem should name")
    parser.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Print the versions."""
    versions = {
        "homewatt": _installed("homewatt"),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cryptography": _installed("cryptography"),
        "websockets": _installed("websockets"),
        "system": platform.platform(),
    }
    emit(versions, "\n".join(f"{name:<13}{version}" for name, version in versions.items()), args.json)
    return ExitCode.OK


def _installed(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"
