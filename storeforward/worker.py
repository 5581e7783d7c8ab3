"""The one thread in which a journal's database is worked on, and the shortest way there and back.

A change is stored when the disk says so and its caller knows it. In between lie two changes of thread; through a
ThreadPoolExecutor and its futures they take tens of microseconds more, where a whole commit may take a hundred.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

Answer = TypeVar("Answer")


class Worker(Executor):
    """Runs jobs one after another, in the order in which they were handed in. Ends with its `with` block."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        # A loop with its own way of waiting for threads (a simulated clock has) is left to it.
        self._is_plain = type(loop).run_in_executor is asyncio.BaseEventLoop.run_in_executor
        self._thread = Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    def run(
        self, job: Callable[[], Answer], then: Callable[[asyncio.Future[Answer]], object] | None = None
    ) -> asyncio.Future[Answer]:
        """Run a job, and `then` in the loop when it has ended, in the order of the jobs. Called in the loop."""
        if not self._is_plain:
            answer = self._loop.run_in_executor(self, job)
            if then is not None:
                answer.add_done_callback(then)
            return answer
        answer = self._loop.create_future()
        self._jobs.put(partial(self._answer, job, answer, then))
        return answer

    def tell(self, job: Callable[[], object]) -> None:
        """Run a job that nobody waits for, behind those that were handed in before."""
        self._jobs.put(job)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As any executor does it."""
        future: Future[Any] = Future()
        self._jobs.put(partial(_fulfil, future, partial(fn, *args, **kwargs)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End when all jobs are done."""
        self._jobs.put(None)
        if wait:
            self._thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception:
                _log.exception("%s: a job that nobody waits for failed", self._thread.name)

    def _answer(
        self, job: Callable[[], Answer], answer: asyncio.Future[Answer], then: Callable[[asyncio.Future[Answer]], object] | None
    ) -> None:
        try:
            settle = partial(_settle, answer, then, answer.set_result, job())
        except Exception as error:
            settle = partial(_settle, answer, then, answer.set_exception, error)
        try:
            self._loop.call_soon_threadsafe(settle)
        except RuntimeError:  # the loop was closed without waiting: there is nobody left to hear it
            _log.warning("%s: the event loop ended before a job did", self._thread.name)


def _settle(
    answer: asyncio.Future[Answer],
    then: Callable[[asyncio.Future[Answer]], object] | None,
    settle: Callable[[Any], None],
    outcome: object,
) -> None:
    if not answer.cancelled():
        settle(outcome)
    if then is not None:
        then(answer)


def _fulfil(future: Future[Any], job: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = job()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
