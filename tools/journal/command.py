"""`homewatt journal`: what an agent has kept; whether it is whole; a copy for others; and repairs while the agent is stopped.

status, show, verify and export look at a private copy, so an agent may run meanwhile. salvage and requeue change the journal.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from agent.config import AgentConfig, read_agent_config
from agent.errors import ConfigError, KeyMissing, KeyStoreError
from storeforward.errors import JournalError
from storeforward.inspection import inspect
from storeforward.records import Stream
from tools.console import CommandError, ExitCode, add_command
from tools.journal.explaining import explained
from tools.journal.exporting import export
from tools.journal.repairing import requeue, salvage
from tools.journal.showing import Wanted, show
from tools.journal.status import show_status
from tools.journal.verifying import verify
from tools.journal.words import stream_name

STREAMS: Final = {stream_name(stream): stream for stream in Stream}
SCRATCH: Final = Path("/var/tmp")


def add_parser(subparsers: Any) -> None:
    """Add `journal` and its verbs."""
    journal = add_command(subparsers, "journal", "look at an agent's journal, verify, export or repair it")
    verbs = journal.add_subparsers(dest="verb", required=True, metavar="VERB")

    status = add_command(
        verbs,
        "status",
        "size, records, what waits, dead letters, what went, when it was last read through, wear, damaged files",
    )

    shown = add_command(verbs, "show", "records in words, or the transactions that the ledger refused")
    shown.add_argument("--stream", choices=sorted(STREAMS), help="only this stream")
    shown.add_argument("--since", type=_number, default=0, metavar="SEQ", help="only records from this number on")
    shown.add_argument(
        "--limit", type=_number, default=50, metavar="N", help="at most so many, the newest (default: 50; 0: all)"
    )
    shown.add_argument("--dead-letters", action="store_true", help="refused transactions with the reason, instead of records")
    shown.add_argument("--salvaged", action="store_true", help="records out of damaged files, instead of the journal's own")

    verified = add_command(
        verbs, "verify", "walk through all pages, signatures, hash chains and gaps; ends with 6 where something was altered"
    )
    verified.add_argument("--public-key", type=_key, metavar="HEX", help="the device's key, where its key file is not at hand")

    exported = add_command(verbs, "export", "records as JSON lines that anyone can verify (docs/journal.md)")
    exported.add_argument("--since-seq", type=_number, default=0, metavar="SEQ", help="only records from this number on")
    exported.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: stdout)")

    salvaged = add_command(verbs, "salvage", "take back what a damaged journal holds; the agent must be stopped")
    salvaged.add_argument("damaged", type=Path, nargs="*", metavar="DAMAGED", help="which files (default: all set aside)")
    salvaged.add_argument("--samples", action="store_true", help="keep samples too")

    again = add_command(verbs, "requeue", "send refused readings again; the agent must be stopped")
    again.add_argument("items", type=_number, nargs="+", metavar="ITEM", help="numbers that `show --dead-letters` gives")

    for verb in (status, shown, verified, exported, salvaged, again):
        verb.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's configuration")
        verb.add_argument("--json", action="store_true", help="answer in JSON (an export is JSON in any case)")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    try:
        return _run(args, read_agent_config(args.config))
    except ConfigError as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that entry; docs/config.md explains each") from error
    except KeyMissing as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "put the device's key there, or give --public-key") from error
    except KeyStoreError as error:
        raise CommandError(ExitCode.IDENTITY, str(error), "chmod 600 the file if nobody else has read it") from error
    except JournalError as error:
        raise explained(error) from error
    except FileNotFoundError as error:
        raise CommandError(
            ExitCode.USAGE, f"{error.filename}: no such file", "see what `homewatt journal status` lists"
        ) from error


def _run(args: argparse.Namespace, config: AgentConfig) -> int:
    match args.verb:
        case "salvage":
            return asyncio.run(salvage(config, args.damaged, args.samples, args.json))
        case "requeue":
            return asyncio.run(requeue(config, args.items, args.json))
    with copied(config) as connection:
        match args.verb:
            case "status":
                return show_status(config, connection, args.json)
            case "show":
                stream = STREAMS.get(args.stream)
                wanted = Wanted(stream, args.since, args.limit, args.dead_letters, args.salvaged)
                return show(config, connection, wanted, args.json)
            case "verify":
                return verify(config, connection, args.public_key, args.json)
            case _:
                return export(config, connection, args.since_seq, args.out)


@contextmanager
def copied(config: AgentConfig) -> Iterator[sqlite3.Connection]:
    """The journal at this moment, in a copy. It may be large, and /tmp may be memory."""
    scratch = Path(os.environ.get("TMPDIR", SCRATCH))
    with inspect(config.journal.path, scratch, time.sleep) as connection:
        yield connection


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"expected a number from 0 up, got {text!r}")
    return int(text)


def _key(text: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != 33:
        raise argparse.ArgumentTypeError("expected 66 hexadecimal digits: a compressed P-256 key")
    return key
