"""How our client compares with `cometbft light` when both verify the same headers of the same three nodes.

Both trust height 1 and are asked for the headers above it, one by one and upwards, each to be verified and confirmed by two
witnesses. `cometbft light` is asked over HTTP, as it is built to be; a second round, which it answers from its store, tells
what that way costs, and is taken off. The rest is left as it is: it fetches the validators of every header from every node,
ours fetches a set once and asks witnesses for bare headers; it is compiled, ours is not; both write each block to the disk and
wait for it, and both wait for nodes in Python.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession

from tools.bench.lightclient_child import Plan, run_child
from tools.bench.lightclient_node import CHAIN_ID, S_NS, Chain, Validators
from tools.bench.lightclient_sockets import served
from tools.bench.lightclient_traffic import url
from tools.bench.table import Bench

SIZES: Final = (4, 100)
HEIGHTS: Final = 300
OLD_S: Final = 60
"""How old the newest header is, by the real clock, which `cometbft light` goes by."""
START_S: Final = 30.0
US_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """Time that the heights took, by the clock and of the process that verified them."""

    clock_us: float
    processor_us: float


async def ratio_rows(bench: Bench) -> None:
    """Time per header of both, and the ratio; one line where there is no such program."""
    binary = cometbft()
    if binary is None:
        print("ratio to `cometbft light`: not measured, no cometbft in PATH and none named by COMETBFT")
        return
    for size in SIZES:
        chain = Chain(Validators(size), height=HEIGHTS, start_ns=time.time_ns() - (HEIGHTS + OLD_S) * S_NS)
        async with served(chain) as ports:
            await make_answers(ports["node-1"])
            theirs = await cometbft_light(binary, chain, ports)
            in_memory = await our_client(chain, ports, None)
            with tempfile.TemporaryDirectory() as folder:
                ours = await our_client(chain, ports, folder)
        for what, taken in (("homewatt, kept in memory", in_memory), ("homewatt", ours), ("cometbft light", theirs)):
            bench.row(f"{size} validators, {what}: a header, by the clock", "us", taken.clock_us / (HEIGHTS - 1))
            bench.row(f"{size} validators, {what}: a header, processor", "us", taken.processor_us / (HEIGHTS - 1))
        bench.row(f"{size} validators: homewatt / cometbft light, by the clock", "x", ours.clock_us / theirs.clock_us)
        bench.row(f"{size} validators: homewatt / cometbft light, processor", "x", ours.processor_us / theirs.processor_us)


def cometbft() -> str | None:
    """The program, as COMETBFT names it or as PATH has it."""
    return os.environ.get("COMETBFT") or shutil.which("cometbft")


async def our_client(chain: Chain, ports: Mapping[str, int], folder: str | None) -> Taken:
    urls = {name: url(port) for name, port in ports.items()}
    plan = Plan(CHAIN_ID, urls, chain.anchor.hash.hex(), chain.now_ns(), HEIGHTS, folder)
    taken = await run_child("heights", plan)
    return Taken(taken["clock_us"], taken["processor_us"])


async def cometbft_light(binary: str, chain: Chain, ports: Mapping[str, int]) -> Taken:
    async with proxy(binary, chain, ports) as (port, process_id):
        started_us = processor_us(process_id)
        first_us = await ask_heights(port)
        used_us = processor_us(process_id) - started_us
        second_us = await ask_heights(port)
    return Taken(first_us - second_us, used_us)


@contextlib.asynccontextmanager
async def proxy(binary: str, chain: Chain, ports: Mapping[str, int]) -> AsyncIterator[tuple[int, int]]:
    """`cometbft light` within the block: the port that it serves, and its process id. Raises TimeoutError."""
    primary, *witnesses = (f"http://127.0.0.1:{port}" for port in ports.values())
    port = free_port()
    with tempfile.TemporaryDirectory() as home:
        arguments = {
            "--home-dir": home,
            "--home": home,
            "--laddr": f"tcp://127.0.0.1:{port}",
            "--primary": primary,
            "--witnesses": ",".join(witnesses),
            "--height": "1",
            "--hash": chain.anchor.hash.hex(),
        }
        command = [binary, "light", CHAIN_ID, *(word for pair in arguments.items() for word in pair)]
        null = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, stdin=null, stdout=null, stderr=null)
        try:
            async with asyncio.timeout(START_S):
                while not await listens(port):  # noqa: ASYNC110 - another program sets no event
                    await asyncio.sleep(0.05)
            yield port, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def ask_heights(port: int) -> float:
    """Microseconds until the proxy has answered for every height from 2 up."""
    async with ClientSession() as session:
        started_s = time.perf_counter()
        for height in range(2, HEIGHTS + 1):
            await call(session, port, "commit", height)
        return (time.perf_counter() - started_s) * US_PER_S


async def make_answers(port: int) -> None:
    """Have the nodes make and keep all that they will be asked for, so that nobody waits for signatures to be made."""
    async with ClientSession() as session:
        for height in range(1, HEIGHTS + 1):
            for method in ("commit", "header", "validators"):
                await call(session, port, method, height)


async def call(session: ClientSession, port: int, method: str, height: int) -> None:
    """One question about a height. Raises RuntimeError with the refusal, when there is one."""
    params: dict[str, Any] = {"height": str(height)}
    if method == "validators":
        params |= {"page": "1", "per_page": "100"}
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    async with session.post(f"http://127.0.0.1:{port}/", json=request) as response:
        answer = await response.json()
    if "error" in answer:
        raise RuntimeError(f"{method} {height}: {answer['error']}")


async def listens(port: int) -> bool:
    """Whether somebody answers there."""
    try:
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/health"):
            return True
    except ClientError:
        return False


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def processor_us(process_id: int) -> float:
    """Processor time of a process and its threads until now. Source: proc(5), /proc/PID/stat, fields 14 and 15."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * US_PER_S
