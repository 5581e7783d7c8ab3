"""`homewatt node`: prepare the directory of a full node, and run it.

On stdout stands what was made or started, as text or, with --json, as one JSON object per line; all talk is on stderr.
SIGTERM ends a node cleanly with 0, Ctrl-C with 130.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path
from typing import Any, Final

from agent.clock import SystemClock
from tools.console import CommandError, ExitCode, add_command, emit, talk
from tools.fullnode.engine.blockstore import BlockStoreError
from tools.fullnode.engine.genesis_doc import GenesisFileError, load_genesis
from tools.fullnode.engine.home import BadKeyFile, HomeError, HomeInUse, NodeHome, NoHome, init_home, load_node_id
from tools.fullnode.engine.solo import EngineError, WrongValidator
from tools.fullnode.rules.errors import GenesisError, LedgerError
from tools.fullnode.rules.genesis import read_genesis
from tools.signals import stop_signals

DEFAULT_LISTEN: Final = "127.0.0.1:26657"


def add_parser(subparsers: Any) -> None:
    """Add `node` and its verbs."""
    node = add_command(subparsers, "node", "prepare or run a full node of the ledger")
    verbs = node.add_subparsers(dest="verb", required=True, metavar="VERB")

    init = add_command(verbs, "init", "write keys and genesis into a directory; what is there already stays")
    init.add_argument("--home", type=Path, required=True, metavar="DIR", help="the node's directory")
    init.add_argument(
        "--genesis",
        type=Path,
        required=True,
        metavar="FILE",
        help="genesis; with no validators in it this node is the only one",
    )
    init.add_argument("--json", action="store_true", help="answer in JSON")

    start = add_command(verbs, "start", "run the node until it is told to stop")
    start.add_argument("--home", type=Path, required=True, metavar="DIR", help="the node's directory")
    start.add_argument("--engine", choices=("solo",), default="solo", help="who makes the blocks (default: solo)")
    start.add_argument(
        "--listen", type=_address, default=DEFAULT_LISTEN, metavar="HOST:PORT", help=f"default: {DEFAULT_LISTEN}"
    )
    start.add_argument("--archive", action="store_true", help="keep all blocks and all that leaves the state")
    start.add_argument("--json", action="store_true", help="answer in JSON")


def run(args: argparse.Namespace) -> int:
    """Carry the command out and give the exit code. Raises CommandError."""
    home = NodeHome(args.home)
    try:
        if args.verb == "init":
            return _init(home, args.genesis, args.json)
        host, port = args.listen
        return asyncio.run(_serve(home, host, port, args.archive, args.json))
    except GenesisError as error:
        file = args.genesis if args.verb == "init" else home.genesis
        raise CommandError(ExitCode.USAGE, f"{file}: {error}", "correct that field") from error
    except GenesisFileError as error:
        raise CommandError(ExitCode.USAGE, str(error), "correct that field") from error
    except NoHome as error:
        next_step = f"run `homewatt node init --home {args.home} --genesis FILE`"
        raise CommandError(ExitCode.PRECONDITION, str(error), next_step) from error
    except HomeInUse as error:
        raise CommandError(ExitCode.PRECONDITION, str(error), "stop the other node first") from error
    except (BadKeyFile, WrongValidator) as error:
        next_step = "put back the key that the genesis names, or start over in an empty directory"
        raise CommandError(ExitCode.IDENTITY, str(error), next_step) from error
    except (HomeError, EngineError, BlockStoreError, LedgerError) as error:
        next_step = "restore the directory from a copy, or start over in an empty one"
        raise CommandError(ExitCode.PRECONDITION, str(error), next_step) from error
    except OSError as error:
        raise CommandError(ExitCode.NETWORK, str(error), "free the address, or choose another with --listen") from error


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host.strip("[]"), int(port)


def _init(home: NodeHome, genesis_file: Path, as_json: bool) -> int:
    genesis = load_genesis(genesis_file)
    read_genesis(genesis.chain_id, genesis.app_state)
    genesis = init_home(home, genesis)
    node_id = load_node_id(home)
    made = {"home": str(home.root), "chain_id": genesis.chain_id, "node_id": node_id}
    emit(made, f"{home.root}: node {node_id} of {genesis.chain_id}", as_json)
    return ExitCode.OK


async def _serve(home: NodeHome, host: str, port: int, archive: bool, as_json: bool) -> int:
    """Run until a signal comes; what is committed is on disk at any time."""
    try:
        from tools.fullnode.engine.node import open_solo_node  # the one part of the command that needs an extra
    except ModuleNotFoundError as error:
        raise CommandError(ExitCode.PRECONDITION, f"{error.name} is not installed", "pip install 'homewatt[node]'") from error
    with stop_signals() as stopped:
        async with open_solo_node(home, host, port, SystemClock(), archive) as node:
            engine = node.engine
            started = {
                "chain_id": engine.genesis.chain_id,
                "node_id": node.identity.node_id,
                "listen": f"{node.host}:{node.port}",
                "height": engine.height,
                "app_hash": engine.app_hash.hex(),
            }
            emit(started, f"{started['chain_id']} at height {engine.height}: http://{started['listen']}", as_json)
            running = asyncio.create_task(engine.run())
            await asyncio.wait((running, stopped), return_when=asyncio.FIRST_COMPLETED)
            if not stopped.done():
                await running  # the engine ended by itself: raise why
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            talk(f"stopped at height {engine.height}")
    return stopped.result()
