"""What an agent takes of its device: memory, processor, threads, and the time to its first durable sample.

    python -m tools.bench.footprint [--seconds N]

A full node and the agents of a utility, a grid meter, a home and a battery run as processes of their own, as
`homewatt society --write` sets them up, but with slots of a minute, so that they trade fifteen times as often as in the field.
The battery's drivers hold no building and announce nothing: it is asked every second, and journals every sample. The others
have the simulated building, which no agent in the field has; what it takes is measured apart.

Targets: 45 MiB resident without the building; 1 % of a core with a sample and its entry in the journal every second, and
trading; a first sample on the disk 2 s after the start of the process.
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import IO, Final

from agent.appliances.base import DEVICE, GRID
from agent.clock import SystemClock, now_s
from agent.config import DriverConfig, JournalConfig, read_agent_config
from tools.bench.footprint_devices import BATTERY, METER
from tools.bench.footprint_memory import IS_THERE, Resident, processor_s, resident, threads
from tools.bench.storeforward_start import cold_start_rows
from tools.bench.table import DIRECTORY, Bench
from tools.configfile import agent_toml
from tools.society.options import SocietyOptions
from tools.society.scenario import Scenario
from tools.society.scenariofile import load_scenario
from tools.society.write import write_society

AGENTS: Final = ("utility", "grid-meter", "home-01-base-load", "battery")
SLOT_S: Final = 60
STOP_WITHIN_S: Final = 10.0
STARTS: Final = 3
STOPPED: Final = 128 + signal.SIGTERM
KIB_PER_MIB: Final = 1_024

_HOMEWATT: Final = (sys.executable, "-c", "import sys; from tools.cli import main; sys.exit(main())")
"""As the installed command does it; -m would load modules that it does not."""
_AGENT: Final = (sys.executable, "-c", "import sys; from tools.bench.footprint_child import run_agent; sys.exit(run_agent())")


@dataclass(frozen=True, slots=True)
class Footprint:
    """One agent's process at the end of a window, and the share of a core that it used in it."""

    memory: Resident
    core_share: float
    threads: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A society in a folder. `start_s`: the Unix second at which the first slot that is traded begins."""

    folder: Path
    listen: str
    start_s: int

    def config(self, agent: str) -> Path:
        return self.folder / "agents" / f"{agent}.toml"


def write_trial(folder: Path) -> Trial:
    """Write the society with the battery's drivers and samples as said above."""
    listen = f"127.0.0.1:{free_port()}"
    week = load_scenario(Path(str(resources.files("tools.society"))) / "data" / "week_a.json.gz")
    start_s = write_society(folder, in_minutes(week), SocietyOptions(), SystemClock(), listen).start_s
    trial = Trial(folder, listen, start_s)
    path = trial.config("battery")
    battery = read_agent_config(path)
    drivers = {DEVICE: DriverConfig(BATTERY), GRID: DriverConfig(METER)}
    journal = JournalConfig(battery.journal.path, samples="all")
    path.write_text(agent_toml(replace(battery, drivers=drivers, journal=journal)), encoding="utf-8")
    return trial


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def in_minutes(scenario: Scenario) -> Scenario:
    """The same powers in slots of a minute."""
    part = scenario.slot_duration_s // SLOT_S

    def share(energies_mwh: Sequence[int]) -> tuple[int, ...]:
        return tuple(energy_mwh // part for energy_mwh in energies_mwh)

    return replace(
        scenario,
        slot_duration_s=SLOT_S,
        pv_mwh=share(scenario.pv_mwh),
        load_mwh=tuple(map(share, scenario.load_mwh)),
        ev_sessions=tuple(replace(session, energy_mwh=session.energy_mwh // part) for session in scenario.ev_sessions),
        washer_jobs=tuple(replace(job, energy_mwh=share(job.energy_mwh)) for job in scenario.washer_jobs),
    )


@contextmanager
def started(command: Sequence[str], log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has said that it is up; stopped in the end, whatever happens. Raises RuntimeError with its log."""
    with (
        log.open("w+", encoding="utf-8") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as child,
    ):
        try:
            if child.stdout is None or not child.stdout.readline():
                raise RuntimeError(f"{' '.join(command)} did not start: {_text(said)}")
            yield child
            if child.poll() is not None:
                raise RuntimeError(f"{' '.join(command)} ended: {_text(said)}")
        finally:
            child.terminate()
            try:
                child.wait(STOP_WITHIN_S)
            finally:
                child.kill()


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


def measure(trial: Trial, agents: Sequence[str], from_s: int, seconds: float) -> dict[str, Footprint]:
    """Run node and agents; what each agent takes in the `seconds` from the Unix second `from_s` on, or from now on."""
    with ExitStack() as stack:
        node = (*_HOMEWATT, "node", "start", "--home", str(trial.folder / "node"), "--listen", trial.listen, "--json")
        stack.enter_context(started(node, trial.folder / "node.log"))
        pids = {}
        for name in agents:
            agent = (*_AGENT, "agent", "--config", str(trial.config(name)), "--json")
            pids[name] = stack.enter_context(started(agent, trial.folder / f"{name}.log")).pid
        time.sleep(max(0, from_s - now_s(SystemClock())))
        began_s, used_s = time.monotonic(), {name: processor_s(pid) for name, pid in pids.items()}
        time.sleep(seconds)
        took_s = time.monotonic() - began_s
        return {
            name: Footprint(resident(pid), (processor_s(pid) - used_s[name]) / took_s, threads(pid))
            for name, pid in pids.items()
        }


def sent_by(trial: Trial, agent: str) -> int:
    """How many orders or postings stand in an agent's journal."""
    command = (*_HOMEWATT, "journal", "status", "--config", str(trial.config(agent)), "--json")
    status = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return int(status["streams"].get("order", {"records": 0})["records"])


def building_kib(trial: Trial, agent: str) -> int:
    """What the simulated building takes of an agent's process."""
    command = (sys.executable, "-m", "tools.bench.footprint_child", str(trial.config(agent)))
    return int(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def rows(bench: Bench, folder: Path, agents: Sequence[str], seconds: float, *, waits: bool = True) -> None:
    """All figures. `waits`: until the first slot is traded."""
    trial = write_trial(folder / "society")
    for name, found in measure(trial, agents, trial.start_s if waits else 0, seconds).items():
        memory = found.memory
        bench.row(f"{name}: resident", "MiB", memory.all_kib / KIB_PER_MIB)
        bench.row(f"{name}: of it anonymous", "MiB", memory.anonymous_kib / KIB_PER_MIB)
        bench.row(f"{name}: of it programs and libraries", "MiB", memory.file_kib / KIB_PER_MIB)
        bench.row(f"{name}: resident, with what it shares counted in parts", "MiB", memory.shared_out_kib / KIB_PER_MIB)
        if "simulated" in trial.config(name).read_text(encoding="utf-8"):
            bench.row(f"{name}: simulated drivers in a process like it", "MiB", building_kib(trial, name) / KIB_PER_MIB)
        bench.row(f"{name}: of one core", "%", found.core_share * 100)
        bench.row(f"{name}: threads", "", found.threads)
        bench.row(f"{name}: orders or postings since the start", "", sent_by(trial, name))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.footprint", description="What an agent takes of its device.")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="how long to measure once they trade (default: %(default)s)"
    )
    args = parser.parse_args()
    if not IS_THERE:
        print("footprint: not measured, this system has no /proc/PID/smaps_rollup")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # so that the processes are stopped then too
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    bench = Bench("footprint")
    with tempfile.TemporaryDirectory(prefix="footprint-", dir=DIRECTORY) as name:
        rows(bench, Path(name), AGENTS, args.seconds)
        cold_start_rows(bench, Path(name), STARTS)
    print(bench.write())


if __name__ == "__main__":
    main()
