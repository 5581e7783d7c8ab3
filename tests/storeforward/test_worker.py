"""The journal's thread: jobs in their order, answers in the loop, and nothing that keeps a process from ending."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import pytest

from storeforward.worker import Worker
from tests.storeforward.kit import run
from tools.society.virtualclock import VirtualClock


def in_both_loops(main: Callable[[Worker], Awaitable[None]]) -> None:
    """With asyncio's own loop, and with one that has its own way with threads."""

    async def body(clock: VirtualClock | None) -> None:
        with Worker("worker", asyncio.get_running_loop()) as worker:
            await main(worker)

    asyncio.run(body(None))
    run(body)


def test_jobs_run_in_one_thread_in_their_order_and_answer_in_the_loop() -> None:
    async def main(worker: Worker) -> None:
        seen: list[tuple[int, str]] = []
        heard: list[str] = []

        def job(number: int) -> int:
            seen.append((number, threading.current_thread().name))
            return number

        def then(answer: asyncio.Future[int]) -> None:
            heard.append(f"{answer.result()} {threading.current_thread().name}")

        answers = []
        for number in range(0, 20, 2):
            answers.append(worker.run(lambda number=number: job(number), then))  # type: ignore[misc]
            worker.tell(lambda number=number: job(number + 1))  # type: ignore[misc]
        assert await asyncio.gather(*answers) == list(range(0, 20, 2))
        await worker.run(lambda: None)
        assert seen == [(number, "worker") for number in range(20)]
        assert heard == [f"{number} MainThread" for number in range(0, 20, 2)]

    in_both_loops(main)


def test_what_a_job_raises_reaches_who_asked_for_it() -> None:
    async def main(worker: Worker) -> None:
        heard: list[BaseException | None] = []
        with pytest.raises(ValueError, match="no number"):
            await worker.run(lambda: int("no number"), lambda answer: heard.append(answer.exception()))
        assert [type(error) for error in heard] == [ValueError]
        assert await worker.run(lambda: 7) == 7

    in_both_loops(main)


def test_a_job_that_nobody_waits_for_may_fail_and_the_next_one_runs(caplog: pytest.LogCaptureFixture) -> None:
    async def main(worker: Worker) -> None:
        worker.tell(lambda: int("no number"))
        assert await worker.run(lambda: 7) == 7

    with caplog.at_level(logging.ERROR):
        in_both_loops(main)
    assert [message for message in caplog.messages if "nobody waits for failed" in message]


def test_who_does_not_wait_any_more_hears_nothing_and_the_job_is_done() -> None:
    async def body() -> list[int]:
        done: list[int] = []
        heard: list[bool] = []
        with Worker("worker", asyncio.get_running_loop()) as worker:
            begin = threading.Event()
            worker.tell(lambda: begin.wait(10))
            answer = worker.run(lambda: done.append(1), lambda answer: heard.append(answer.cancelled()))
            answer.cancel()
            begin.set()
            await worker.run(lambda: done.append(2))
        assert heard == [True]
        return done

    assert asyncio.run(body()) == [1, 2]


def test_a_loop_that_ended_early_keeps_nobody(caplog: pytest.LogCaptureFixture) -> None:
    begin = threading.Event()

    async def body() -> Worker:
        worker = Worker("worker", asyncio.get_running_loop())
        worker.run(lambda: begin.wait(10))
        return worker

    worker = asyncio.run(body())
    begin.set()
    worker.shutdown()
    assert "the event loop ended before a job did" in caplog.text
