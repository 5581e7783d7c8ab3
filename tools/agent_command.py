"""`homewatt agent`: run the agent of one appliance against any node, until it is told to stop.

SIGTERM ends it cleanly with 0, Ctrl-C with 130; the appliance is left in its safe state. Its log goes to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from agent.appliances.base import MissingAbility
from agent.config import AgentConfig, read_agent_config
from agent.errors import ConfigError, KeyMissing, KeyStoreError
from agent.lifecycle import run_agent
from drivers.errors import DriverError, DriverMisconfigured
from storeforward.errors import JournalError, JournalInUse
from tools.console import CommandError, ExitCode, emit, talk
from tools.signals import stop_signals


def add_parser(subparsers: Any) -> None:
    """Add `agent`."""
    agent = subparsers.add_parser("agent", help="run the agent of one appliance")
    agent.add_argument("--config", type=Path, required=True, metavar="FILE", help="its configuration (docs/config.md)")
    agent.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")  # to stderr
    try:
        config = read_agent_config(args.config)
        return asyncio.run(_serve(config, args.json))
    except ConfigError as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that entry; docs/config.md explains each") from error
    except (DriverMisconfigured, MissingAbility) as error:
        cause = f"{args.config}: [driver] {error}"
        raise CommandError(ExitCode.USAGE, cause, "correct the driver's name or options") from error
    except KeyMissing as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "put the device's key there, or correct [key] file") from error
    except KeyStoreError as error:
        raise CommandError(
            ExitCode.IDENTITY, str(error), "chmod 600 the file if nobody else has read it, or replace it"
        ) from error
    except JournalInUse as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "stop the agent that runs already") from error
    except JournalError as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "see to [journal] path: folder, rights, version") from error
    except DriverError as error:
        raise CommandError(ExitCode.DEVICE_REFUSED, str(error), "see to the device and its connection") from error


async def _serve(config: AgentConfig, as_json: bool) -> int:
    started: dict[str, object] = {
        "device": config.device.name,
        "kind": config.device.kind,
        "chain_id": config.device.chain_id,
        "node": config.ledger.nodes[0],
    }
    with stop_signals() as stopped:
        running = asyncio.create_task(run_agent(config), name="agent")
        emit(started, f"{config.device.name} ({config.device.kind}) of {config.device.chain_id}: {started['node']}", as_json)
        await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running  # where it ended by itself, this raises why
    talk("stopped")
    return stopped.result() if stopped.done() else ExitCode.OK
