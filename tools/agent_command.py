"""`homewatt agent`: run the agent of one appliance against any node, until it is told to stop.

SIGTERM ends it cleanly with 0, Ctrl-C with 130; the appliance is left in its safe state. What hangs then is abandoned in time
for a service manager, with 7. Its log goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from agent.appliances.base import MissingAbility
from agent.config import AgentConfig, read_agent_config
from agent.errors import ConfigError, KeyMissing, KeyStoreError
from agent.field import run_agent
from drivers.errors import DriverError, DriverMisconfigured
from storeforward.errors import JournalError
from tools.console import CommandError, ExitCode, add_command, emit, talk
from tools.journal.explaining import explained
from tools.signals import STOP_SIGNALS, stop_signals

ABANDON_AFTER_S: Final = 4.5
"""A stop is over after this, whatever hangs: the agent needs 3 s at most, a service manager gives 5 s."""


def add_parser(subparsers: Any) -> None:
    """Add `agent`."""
    agent = add_command(subparsers, "agent", "run the agent of one appliance")
    agent.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration (docs/config.md)")
    agent.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")  # to stderr
    try:
        config = read_agent_config(args.config)
        return asyncio.run(_serve(config, args.json))
    except Exception as error:
        cause = _first_cause(error)
        raise _explained(cause, args.config) or cause from error


def _first_cause(error: Exception) -> Exception:
    """What went wrong first in a group of tasks, of which each takes the others along."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _explained(error: Exception, config: Path) -> CommandError | None:
    """An error with its exit code and what to do about it; None for one that nobody foresaw."""
    cause = str(error)
    match error:
        case ConfigError():
            return CommandError(ExitCode.USAGE, cause, "correct that entry; docs/config.md explains each")
        case DriverMisconfigured() | MissingAbility():
            return CommandError(ExitCode.USAGE, f"{config}: [driver] {cause}", "correct the driver's name or options")
        case KeyMissing():
            return CommandError(ExitCode.PRECONDITION, cause, "put the device's key there, or correct [key] file")
        case KeyStoreError():
            return CommandError(ExitCode.IDENTITY, cause, "chmod 600 the file if nobody else has read it, or replace it")
        case JournalError():
            return explained(error)
        case DriverError():
            return CommandError(ExitCode.DEVICE_REFUSED, cause, "see to the device and its connection")
        case _:
            return None


async def _serve(config: AgentConfig, as_json: bool) -> int:
    started: dict[str, object] = {
        "device": config.device.name,
        "kind": config.device.kind,
        "chain_id": config.device.chain_id,
        "node": config.ledger.nodes[0],
    }

    def tell() -> None:
        emit(started, f"{config.device.name} ({config.device.kind}) of {config.device.chain_id}: {started['node']}", as_json)

    with stop_signals() as stopped:
        _set_deadline()
        running = asyncio.create_task(run_agent(config, tell), name="agent")
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running  # where it ended by itself, this raises why
    talk("stopped")
    return stopped.result() if stopped.done() else ExitCode.OK


def _set_deadline() -> None:
    """From the first stop signal on, let an alarm end the process: it needs neither the event loop nor a thread that hangs.

    The loop still hears of the signal, through the wake-up descriptor that it has given to the interpreter. The alarm is never
    taken back: an interpreter that ends waits for threads, and one of them may be what hangs.
    """

    def start(which: int, frame: FrameType | None) -> None:
        if signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0):
            signal.setitimer(signal.ITIMER_REAL, ABANDON_AFTER_S)

    def abandon(which: int, frame: FrameType | None) -> None:
        talk(
            f"homewatt: not stopped cleanly within {ABANDON_AFTER_S} s: a driver, the disk or the network hangs\n"
            "  next: see the log for what was lost last, and check the appliance; nothing that the journal took is lost"
        )
        os._exit(ExitCode.PARTIAL)

    signal.signal(signal.SIGALRM, abandon)
    for which in STOP_SIGNALS:
        signal.signal(which, start)
