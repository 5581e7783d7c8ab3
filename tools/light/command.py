"""`homewatt light`: what an agent trusts of the ledger; check it, verify any header, and begin anew from a signed anchor.

It reads the agent's configuration and the folder of what is trusted, which only `re-anchor` writes; an agent may run meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any

from agent.clock import SystemClock
from agent.config import AgentConfig, read_agent_config
from agent.errors import ConfigError, KeyMissing, KeyStoreError
from lightclient.errors import AnchorError, DamagedStore, LightClientError, MalformedAnchor, UnknownAnchorKey
from lightclient.state import situation_after
from tools.console import CommandError, ExitCode, add_command
from tools.light.anchoring import re_anchor, write_anchor
from tools.light.status import EXIT_CODES, show_status
from tools.light.verifying import show_header


def add_parser(subparsers: Any) -> None:
    """Add `light` and its verbs."""
    light = add_command(subparsers, "light", "show, verify or renew what an agent trusts")
    verbs = light.add_subparsers(dest="verb", required=True, metavar="VERB")

    status = add_command(verbs, "status", "what is trusted, until when, and how each node stands")
    status.add_argument("--offline", action="store_true", help="ask no node: only what the agent has kept")

    verify = add_command(verbs, "verify", "show the header of a height, verified")
    verify.add_argument("--height", type=_height, required=True, metavar="N", help="which header")

    anew = add_command(verbs, "re-anchor", "begin anew from an anchor that the society's board has signed")
    anew.add_argument("anchor", type=Path, metavar="ANCHOR", help="the file that `sign-anchor` wrote")

    sign = add_command(verbs, "sign-anchor", "verify the chain and sign a header of it, as the society's board")
    sign.add_argument("--key", type=Path, required=True, metavar="PEM", help="the board's key (P-256, mode 0600)")
    sign.add_argument("--height", type=_height, metavar="N", help="which header (default: the newest)")
    sign.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the anchor")

    for verb in (status, verify, anew, sign):
        verb.add_argument("--config", type=Path, required=True, metavar="FILE", help="the agent's configuration")
        verb.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    try:
        return asyncio.run(_run(args, read_agent_config(args.config)))
    except ConfigError as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that entry; docs/config.md explains each") from error
    except KeyMissing as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "name the board's key with --key") from error
    except KeyStoreError as error:
        raise CommandError(ExitCode.IDENTITY, str(error), "chmod 600 the file if nobody else has read it") from error
    except LightClientError as error:
        raise _explained(error, args) from error


async def _run(args: argparse.Namespace, config: AgentConfig) -> int:
    clock = SystemClock()
    match args.verb:
        case "status":
            return await show_status(config, clock, args.offline, args.json)
        case "verify":
            return await show_header(config, clock, args.height, args.json)
        case "re-anchor":
            return await re_anchor(config, clock, args.anchor, args.json)
        case _:
            return await write_anchor(config, clock, args.key, args.height, args.out, args.json)


def _explained(error: LightClientError, args: argparse.Namespace) -> CommandError:
    """An error with its exit code and what to do about it."""
    cause = str(error)
    match error:
        case DamagedStore():
            return CommandError(ExitCode.PRECONDITION, cause, "see to that folder beside [journal] path: rights, room, disk")
        case MalformedAnchor():
            return CommandError(ExitCode.USAGE, f"{args.anchor}: {cause}", "name the file that the board has signed")
        case UnknownAnchorKey():
            next_step = "do not trust it; if the key is the board's, add it to [ledger] anchor_keys"
            return CommandError(ExitCode.IDENTITY, cause, next_step)
        case AnchorError():
            return CommandError(ExitCode.IDENTITY, cause, "do not trust it; ask the board for the anchor again")
        case _:
            situation = situation_after(error)
            return CommandError(EXIT_CODES[situation.state], cause, situation.next_step)


def _height(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) < 2**63:
        raise argparse.ArgumentTypeError(f"expected a height from 1 up, got {text!r}")
    return int(text)
