"""`homewatt time`: what a device believes of the time and why, and how a person tells it.

`status` looks at a private copy of the journal and asks this machine's kernel, so an agent may run meanwhile. `set` leaves a
request that the running agent takes up, or the next one before the machine is started again.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any, Final

from agent.clock import NS_PER_S
from agent.config import AgentConfig, read_agent_config
from agent.errors import ConfigError
from agent.lifecycle import BUILT_AFTER_NS
from agent.time.operator import request_path, write_request
from agent.time.system import KernelTime, boot_id_of_machine
from lightclient.rfc3339 import format_ns, parse_ns
from storeforward.errors import JournalError
from storeforward.files import is_locked
from tools.console import CommandError, ExitCode, add_command, emit
from tools.journal.command import copied
from tools.journal.explaining import explained
from tools.time_status import show_status

UNCERTAINTY_S: Final = 5
"""How far off a watch is assumed to be."""
NOT_SIGNED: Final = "nobody signs this but the device itself: it says that it was told so, not that it is so"


def add_parser(subparsers: Any) -> None:
    """Add `time` and its verbs."""
    time = add_command(subparsers, "time", "show what a device believes of the time, or tell it")
    verbs = time.add_subparsers(dest="verb", required=True, metavar="VERB")
    status = add_command(verbs, "status", "what is believed, who says so, what waits for a date, what did not settle")
    told = add_command(verbs, "set", "tell the device what time it is now, where nobody else does")
    told.add_argument("utc", type=_utc, metavar="UTC", help="such as 2026-11-21T13:05:00Z")
    told.add_argument(
        "--uncertainty",
        type=_seconds,
        default=UNCERTAINTY_S,
        metavar="S",
        help=f"how far off it may be (default: {UNCERTAINTY_S})",
    )
    for verb in (status, told):
        verb.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's configuration")
        verb.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    logging.getLogger("agent").addHandler(logging.NullHandler())  # the answer says it all
    try:
        config = read_agent_config(args.config)
        if args.verb == "set":
            return _set(config, args.utc, args.uncertainty, args.json)
        with copied(config) as connection:
            return show_status(config, connection, args.json)
    except ConfigError as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that entry; docs/config.md explains each") from error
    except JournalError as error:
        raise explained(error) from error


def _set(config: AgentConfig, utc_ns: int, uncertainty_s: int, as_json: bool) -> int:
    if utc_ns < BUILT_AFTER_NS:
        cause = f"{format_ns(utc_ns)} is before {format_ns(BUILT_AFTER_NS)}, and no controller with this software is older"
        raise CommandError(ExitCode.USAGE, cause, "give the time that it is now, in UTC")
    path, kernel = request_path(config.journal.path), KernelTime()
    try:
        write_request(path, boot_id_of_machine(), kernel.monotonic_ns(), utc_ns, uncertainty_s * NS_PER_S)
    except OSError as error:
        cause = f"{path}: {error.strerror or error}"
        raise CommandError(ExitCode.PRECONDITION, cause, "see to [journal] path: folder, rights, room") from error
    runs = is_locked(config.journal.path)
    when = "the running agent takes it up within seconds" if runs else "the next agent takes it up, unless the machine restarts"
    data = {"utc": format_ns(utc_ns), "uncertainty_s": uncertainty_s, "agent_runs": runs, "request": str(path)}
    text = f"it is {format_ns(utc_ns)}, give or take {uncertainty_s} s; {when}\n  note: {NOT_SIGNED}"
    emit(data, text, as_json)
    return ExitCode.OK


def _utc(text: str) -> int:
    try:
        return parse_ns(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected a time in UTC such as 2026-11-21T13:05:00Z, got {text!r}") from error


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 3_600:
        raise argparse.ArgumentTypeError(f"expected seconds from 1 to 3600, got {text!r}")
    return int(text)
