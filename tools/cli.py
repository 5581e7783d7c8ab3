"""`homewatt`: one command line for everything. Each command is a module, loaded only when it is asked for."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from tools.console import CommandError, ExitCode, talk


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the module that carries it out (`add_parser`, `run`), and what `--help` says of it."""

    module: str
    summary: str


COMMANDS: Final[dict[str, Command]] = {
    "node": Command("tools.node_command", "prepare or run a full node of the ledger"),
    "agent": Command("tools.agent_command", "run the agent of one appliance"),
    "light": Command("tools.light.command", "show, verify or renew what an agent trusts"),
    "journal": Command("tools.journal.command", "look at an agent's journal, verify, export or repair it"),
    "time": Command("tools.time_command", "show what a device believes of the time, or tell it"),
    "society": Command("tools.society.command", "run a whole housing society on recorded data"),
    "version": Command("tools.version_command", "show the versions that a report of a problem should name"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_debug = "--debug" in arguments  # known before the parser is, because loading a command can fail too
    try:
        args = _parser(_command_in(arguments)).parse_args(arguments)
        code = int(import_module(COMMANDS[args.command].module).run(args))
        sys.stdout.flush()
        return code
    except CommandError as error:
        return _fail(error.exit_code, error.cause, error.next_step, is_debug)
    except ModuleNotFoundError as error:
        cause = f"this command needs the Python package {error.name}"
        return _fail(ExitCode.PRECONDITION, cause, "pip install 'homewatt[tools]', which a controller does not need", is_debug)
    except KeyboardInterrupt:
        talk("homewatt: interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it flushes
        return ExitCode.OK
    except Exception as error:
        next_step = "report this, with what `homewatt --debug ...` prints"
        return _fail(ExitCode.DEFECT, f"unexpected {type(error).__name__}: {error}", next_step, is_debug)


def _fail(code: ExitCode, cause: str, next_step: str, is_debug: bool) -> int:
    talk(f"homewatt: {cause}\n  next: {next_step}")
    if is_debug:
        traceback.print_exc()
    return code


def _command_in(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _parser(command: str | None) -> argparse.ArgumentParser:
    """The parser with the one command's own options; of the others it knows the names."""
    parser = argparse.ArgumentParser(
        prog="homewatt",
        description="Appliances of a housing society trade electricity with each other, and prove every watt-hour.",
        epilog="Data on stdout, talk on stderr. Exit codes: 0 ok, 1 defect, 2 usage, 3 precondition, 4 device refused,"
        " 5 network, 6 identity, 7 partial, 130 interrupted.",
    )
    parser.add_argument("--debug", action="store_true", help="show where an error came from")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, entry in COMMANDS.items():
        if name == command:
            import_module(entry.module).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=entry.summary)
    return parser


if __name__ == "__main__":
    sys.exit(main())
