"""The loop that owns the time: order, threads, sockets, determinism, interruption, speed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.society.virtualclock import Deadlock, VirtualClock, VirtualLoop, run_virtual

START_S = 1_613_343_600
DAY_S = 86_400


def test_time_jumps_to_each_timer_in_turn() -> None:
    async def main(clock: VirtualClock) -> list[tuple[str, int]]:
        seen: list[tuple[str, int]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            seen.append((name, clock.now_ns()))

        await asyncio.gather(sleeper("month", 28 * DAY_S), sleeper("blink", 0.25), sleeper("hour", 3600))
        return seen

    started = time.monotonic()
    assert run_virtual(main, START_S) == [
        ("blink", START_S * 10**9 + 250_000_000),
        ("hour", (START_S + 3600) * 10**9),
        ("month", (START_S + 28 * DAY_S) * 10**9),
    ]
    assert time.monotonic() - started < 5


def test_timers_of_one_instant_fire_by_the_names_of_tasks_whatever_the_tasks_did_before() -> None:
    async def main(clock: VirtualClock) -> list[list[str]]:
        rounds: list[list[str]] = [[] for _ in range(6)]

        async def beat(name: str, detours: int) -> None:
            for number, seen in enumerate(rounds, 1):
                for _ in range(detours):
                    await asyncio.sleep(1e-3)
                    await asyncio.sleep(0)
                await asyncio.sleep(number * 60 - clock.monotonic_ns() / 1e9)
                seen.append(name)

        beats = [("home-02", 7), ("array", 3), ("battery", 0), ("home-01", 5)]
        async with asyncio.TaskGroup() as tasks:
            for name, detours in beats:
                tasks.create_task(beat(name, detours), name=name)
        return rounds

    assert run_virtual(main, START_S) == [["array", "battery", "home-01", "home-02"]] * 6


@given(st.lists(st.integers(1, 60 * DAY_S * 1_000_000), min_size=1, max_size=30), st.integers(0, 40 * DAY_S))
def test_a_timer_set_for_a_microsecond_runs_at_that_microsecond(delays_us: list[int], lead_in_s: int) -> None:
    async def main(clock: VirtualClock) -> list[tuple[int, int]]:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(lead_in_s)
        began_us = clock.monotonic_ns() // 1000
        runs: list[tuple[int, int]] = []

        def run(due_us: int) -> None:
            runs.append((due_us, clock.monotonic_ns() // 1000))

        for delay_us in delays_us:
            loop.call_at((began_us + delay_us) / 1e6, run, delay_us)
        await asyncio.sleep(61 * DAY_S)
        return [(due, ran - began_us) for due, ran in runs]

    assert run_virtual(main, START_S) == [(due, due) for due in sorted(delays_us)]


def test_threads_hold_the_time_still() -> None:
    async def main(clock: VirtualClock) -> tuple[int, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(1)
                ticks += 1

        ticker = asyncio.create_task(tick())
        release = threading.Event()
        threading.Timer(0.05, release.set).start()
        await asyncio.to_thread(release.wait, 5)
        during = ticks
        ticker.cancel()
        return during, clock.monotonic_ns()

    assert run_virtual(main, START_S) == (0, 0)


def test_a_job_that_nobody_waits_for_any_more_still_holds_the_time() -> None:
    async def main(clock: VirtualClock) -> tuple[bool, int]:
        ended = threading.Event()
        release = threading.Event()

        def job() -> None:
            release.wait(5)
            ended.set()

        future = asyncio.get_running_loop().run_in_executor(None, job)
        await asyncio.sleep(0)
        future.cancel()
        threading.Timer(0.05, release.set).start()
        await asyncio.sleep(60)
        return ended.is_set(), clock.monotonic_ns()

    assert run_virtual(main, START_S) == (True, 60 * 10**9)


def test_errors_of_thread_jobs_arrive() -> None:
    async def main(clock: VirtualClock) -> None:
        await asyncio.to_thread(int, "no number")

    with pytest.raises(ValueError, match="no number"):
        run_virtual(main, START_S)


def test_the_order_of_results_does_not_depend_on_the_threads() -> None:
    def work(seed: int) -> int:
        end = time.perf_counter() + random.Random(seed).random() * 0.002
        while time.perf_counter() < end:
            pass
        return seed

    async def main(clock: VirtualClock) -> list[tuple[int, int, int]]:
        seen: list[tuple[int, int, int]] = []

        async def agent(name: int) -> None:
            for step in range(5):
                await asyncio.sleep(name % 3)
                await asyncio.to_thread(work, random.randrange(10**6))
                seen.append((name, step, clock.monotonic_ns()))

        await asyncio.gather(*(agent(name) for name in range(12)))
        return seen

    first = run_virtual(main, START_S)
    assert len(first) == 60
    assert all(run_virtual(main, START_S) == first for _ in range(3))


def test_loopback_sockets_need_no_help() -> None:
    async def main(clock: VirtualClock) -> tuple[bytes, int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readline()
            await asyncio.sleep(2)
            writer.write(asked.upper())
            await writer.drain()
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"book?\n")
        async with asyncio.timeout(10):
            answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return answer, clock.monotonic_ns()

    assert run_virtual(main, START_S) == (b"BOOK?\n", 2 * 10**9)


def test_a_call_to_the_outside_holds_the_time_while_declared() -> None:
    async def main(clock: VirtualClock) -> int:
        loop = cast(VirtualLoop, asyncio.get_running_loop())
        answered = asyncio.Event()
        threading.Timer(0.05, lambda: loop.call_soon_threadsafe(answered.set)).start()  # stands for another process
        with loop.busy():
            async with asyncio.timeout(1):
                await answered.wait()
        return clock.monotonic_ns()

    assert run_virtual(main, START_S) == 0


def test_waiting_for_nothing_is_an_error_that_names_who_waits() -> None:
    async def main(clock: VirtualClock) -> None:
        task = asyncio.create_task(asyncio.Event().wait(), name="forgotten")
        await task

    with pytest.raises(Deadlock, match="forgotten"):
        run_virtual(main, START_S)


@pytest.mark.parametrize("factor", [None, 50.0])
def test_ctrl_c_cancels_main_which_may_still_clean_up(factor: float | None) -> None:
    cleaned: list[int] = []

    async def main(clock: VirtualClock) -> None:
        asyncio.get_running_loop().call_later(7, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(DAY_S)
        finally:
            await asyncio.sleep(1)
            cleaned.append(clock.monotonic_ns() // 10**9)

    with pytest.raises(KeyboardInterrupt):
        run_virtual(main, START_S, factor)
    assert cleaned[0] in (7, 8, 9)


def test_main_may_turn_ctrl_c_into_a_result() -> None:
    async def main(clock: VirtualClock) -> str:
        asyncio.get_running_loop().call_later(7, os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(DAY_S)
        except asyncio.CancelledError:
            return "partial"
        return "whole"

    assert run_virtual(main, START_S) == "partial"


def test_scaled_time_runs_faster_than_real_time() -> None:
    async def main(clock: VirtualClock) -> tuple[int, int]:
        await asyncio.sleep(20)
        await asyncio.to_thread(time.sleep, 0.01)
        return clock.now_ns(), clock.monotonic_ns()

    started = time.monotonic()
    now_ns, passed_ns = run_virtual(main, START_S, factor=200)
    took_s = time.monotonic() - started
    assert passed_ns >= 22 * 10**9
    assert now_ns - START_S * 10**9 == pytest.approx(passed_ns, abs=10**9)
    assert took_s >= 0.11


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_factor_must_be_above_zero(factor: float) -> None:
    async def main(clock: VirtualClock) -> None:
        raise AssertionError

    with pytest.raises(ValueError, match="above 0"):
        run_virtual(main, START_S, factor)
