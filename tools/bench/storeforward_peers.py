"""Other people's store-and-forward beside ours: the same records, the same disk, the same minutes, each in its own environment.

Every store gets its environment under build/bench/peers, made on the first run by pip with the versions below. What each store
is asked to do stands in peers/serving.py. That records arrive is checked before any time is believed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tools.bench.table import DIRECTORY, Bench
from tools.soak.campaign import Unavailable
from tools.soak.recording import RECORDER, Operation, compile_preload, read_log, recorded_environment

ENVIRONMENTS: Final = DIRECTORY / "peers"
REPOSITORY: Final = Path(__file__).parents[2]
BACKLOG: Final = 25_000
LIVES_S: Final = (0.1, 0.6)
"""A store lives at random for so long after its first acknowledgement before it is killed."""
RATE: Final = 100
PATIENCE_S: Final = 600
ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Peer:
    """A store: how it is called in tables, its module with arguments, and what pip installs for it (nothing: our environment).

    `in_kills` are the arguments for runs that are killed, where they differ.
    """

    name: str
    module: str
    kind: tuple[str, ...] = ()
    package: str | None = None
    in_kills: tuple[str, ...] | None = None


THINGSBOARD: Final = "thingsboard-gateway==3.8.5"
PERSIST_QUEUE: Final = "persist-queue==1.1.0"
PEERS: Final = (
    Peer("homewatt", "ours"),
    Peer("thingsboard-gateway sqlite", "thingsboard", ("sqlite",), THINGSBOARD),
    Peer("thingsboard-gateway file", "thingsboard", ("file",), THINGSBOARD, in_kills=("wide-file",)),
    Peer("persist-queue SQLiteAckQueue", "persistqueue", ("ack",), PERSIST_QUEUE),
    Peer("persist-queue Queue", "persistqueue", ("file",), PERSIST_QUEUE),
    Peer("VOLTTRON historian cache", "volttron", (), "volttron-lib-base-historian==2.0.0rc4"),
)


@dataclass(frozen=True, slots=True)
class Work:
    """How much is asked of each store. The throughput's records fit into one file of every store."""

    singles: int = 1_000
    grouped: int = 9_000
    batch: int = 100
    backlog: int = BACKLOG
    kills: int = 20


QUICK: Final = Work(singles=200, grouped=2_000, kills=3)


class PeerFailed(Exception):
    """A store did not answer as it should; the message has the end of what it said."""

    retry = False


def peer_rows(bench: Bench, folder: Path, work: Work, peers: Sequence[Peer] = PEERS) -> None:
    """Throughput, syncs, backlog and kills of each store. Throughput is the best of several rounds, in which the stores take
    turns: what else the machine and its disk have to do at a moment is nobody's merit or fault."""
    for peer in peers:
        environment(peer)
    rounds = [[throughput(peer, folder / f"round-{number}" / peer.module, work) for peer in peers] for number in range(ROUNDS)]
    for peer, measured in zip(peers, zip(*rounds, strict=True), strict=True):
        for figure in measured[0]:
            bench.row(f"{peer.name}: {figure}", "records/s", max(speeds[figure] for speeds in measured))
    for peer in peers:
        place = folder / peer.name.replace(" ", "-")
        for figure, unit, value in durability(peer, place, work):
            bench.row(f"{peer.name}: {figure}", unit, value)


def throughput(peer: Peer, folder: Path, work: Work) -> dict[str, float]:
    """Records per second by figure. Raises PeerFailed where not all of them come out again, in order."""
    single = fill(peer, folder / "single" / "-".join(peer.kind), work.singles, 1)
    grouped = fill(peer, folder / "grouped" / "-".join(peer.kind), work.grouped, work.batch)
    for answer, count in ((single, work.singles), (grouped, work.grouped)):
        if answer["acknowledged"] != count or answer["delivered"] != count or not answer["in_order"]:
            raise PeerFailed(f"{peer.name} took {count} records and handed out {answer}")
    return {
        "put one by one, until on the disk": work.singles / single["settled_s"],
        f"put {work.batch} at a time, until on the disk": work.grouped / grouped["settled_s"],
        f"put {work.batch} at a time, until acknowledged": work.grouped / grouped["put_s"],
        "handed out and acknowledged": work.grouped / grouped["drained_s"],
    }


def durability(peer: Peer, folder: Path, work: Work) -> list[tuple[str, str, float]]:
    """What a store asks of the disk, what it delivers of a backlog, and what it loses when it is killed."""
    rows = [(figure, "per record", value) for figure, value in syncs(peer, folder / "syncs", work).items()]
    backlog = fill(peer, folder / "backlog", work.backlog, work.batch)
    rows.append((f"of a backlog of {work.backlog:,} delivered", "records", backlog["distinct"]))
    for rate, how in ((RATE, f"at {RATE}/s"), (0, "in a burst")):
        lost = [killed(peer, folder / f"kill-{rate}-{n}", rate, random.Random(n)) for n in range(work.kills)]
        rows.append((f"acknowledged records lost over {work.kills} kills {how}", "records", sum(lost)))
        rows.append((f"kills {how} that lost something", f"of {work.kills}", sum(map(bool, lost))))
    return rows


def environment(peer: Peer) -> Path:
    """The interpreter of a store's own environment, which is made where there is none."""
    if peer.package is None:
        return Path(sys.executable)
    home = ENVIRONMENTS / peer.package.replace("==", "-")
    python, ready = home.absolute() / "bin" / "python", home / ".ready"
    if not ready.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer.package]
        subprocess.run(pip, check=True, timeout=PATIENCE_S)
        ready.touch()
    return python


def fill(peer: Peer, folder: Path, count: int, batch: int) -> dict[str, Any]:
    """Let a store take and hand out records."""
    return dict(json.loads(ask(peer, peer.kind, "fill", folder, str(count), str(batch))))


def syncs(peer: Peer, folder: Path, work: Work) -> dict[str, float]:
    """How often a store asks the disk to keep what it wrote, and how much it writes, while it takes records. Recorded below
    the store, at the system calls; nothing where there is no compiler for the recorder."""
    folder.mkdir(parents=True)
    counts = {}
    try:
        library = compile_preload(RECORDER, folder)
    except Unavailable as lacking:
        print(f"syncs: not measured, {lacking}")
        return {}
    for batch, how in ((1, "one by one"), (work.batch, f"{work.batch} at a time")):
        place, log = folder / f"by-{batch}", folder / f"by-{batch}.log"
        variables = dict(recorded_environment(library, place.absolute(), log.absolute()))
        arguments = ("take", place, str(work.singles), str(batch))
        ask(peer, peer.kind, *arguments, variables=variables)
        entries = list(read_log(log))
        synced = sum(entry.operation is Operation.SYNC for entry in entries)
        counts[f"syncs, {how}"] = synced / work.singles
        written = sum(len(entry.data) for entry in entries if entry.operation is Operation.WRITE)
        counts[f"bytes written, {how}"] = written / work.singles
    return counts


def killed(peer: Peer, folder: Path, rate: int, chance: random.Random) -> int:
    """Kill a store that takes records, and count those that it had acknowledged and does not hand out any more.

    Raises PeerFailed where it hands out what nobody gave it.
    """
    folder.mkdir(parents=True)
    kind = peer.kind if peer.in_kills is None else peer.in_kills
    command = command_of(peer, kind, "live", folder, str(rate))
    with subprocess.Popen(command, cwd=REPOSITORY, env=environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        os.set_blocking(process.stdout.fileno(), False)
        heard = bytearray(first)
        until_s = time.monotonic() + chance.uniform(*LIVES_S)
        while (left_s := until_s - time.monotonic()) > 0:
            heard += process.stdout.read() or b""  # or its pipe is full, and it waits instead of taking records
            time.sleep(min(left_s, 0.01))
        process.kill()
        process.wait()
        os.set_blocking(process.stdout.fileno(), True)
        heard += process.stdout.read()
    if not first:
        raise PeerFailed(f"{peer.name} took nothing")
    acknowledged = int(heard[: heard.rindex(b"\n")].rsplit(b"\n", 1)[-1]) + 1
    delivered = set(json.loads(ask(peer, kind, "drain", folder)))
    return len(set(range(acknowledged)) - delivered)


def command_of(peer: Peer, kind: Sequence[str], command: str, folder: Path, *arguments: str) -> list[str]:
    return [
        str(environment(peer)),
        "-m",
        f"tools.bench.peers.{peer.module}",
        *kind,
        command,
        str(folder.absolute()),
        *arguments,
    ]


def ask(
    peer: Peer,
    kind: Sequence[str],
    command: str,
    folder: Path,
    *arguments: str,
    variables: dict[str, str] | None = None,
) -> str:
    """Run one command of a store to its end; the last line of its answer."""
    argv = command_of(peer, kind, command, folder, *arguments)
    env = environ() if variables is None else {**variables, **_PATH}
    ran = subprocess.run(argv, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    if ran.returncode or not ran.stdout.strip():
        raise PeerFailed(f"{peer.name}, {command}: {ran.stderr.strip()[-2_000:]}")
    return ran.stdout.strip().splitlines()[-1]


_PATH: Final = {"PYTHONPATH": str(REPOSITORY)}


def environ() -> dict[str, str]:
    return {**os.environ, **_PATH}
