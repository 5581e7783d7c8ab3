"""Event loops that own the time: one jumps from timer to timer, one runs at a multiple of real time.

`VirtualLoop` moves its time only when nothing is ready, no thread job runs and nobody declared an outside call in flight
(`busy`). Then it jumps to the next timer. So a day lasts as long as its work, and no code in it can tell.

Two runs of the same coroutine see the same order of everything: results of thread jobs reach the loop in the order in which
the jobs were given to it, and only when nothing else is ready, however fast the threads were. A job must therefore not wait
for something that the loop is still to do. Timers of one instant fire in the order of the names of the tasks that set them:
so who comes first does not hang on what any task did before, such as a second try at another node.

Sockets: what travels between two sockets of the same process arrives without help. A call to another process holds the
time only inside `with loop.busy():`.

Deadlock (RuntimeError)   nothing is ready, scheduled or outstanding: the program would wait for ever
"""

from __future__ import annotations

import asyncio
import heapq
import re
import selectors
from asyncio.events import TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_threads
from contextlib import contextmanager
from contextvars import Context
from functools import partial
from itertools import count
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")
Events = list[tuple[selectors.SelectorKey, int]]

US_PER_S = 1_000_000
NS_PER_US = 1_000
THREADS = 4
"""Of the default executor. Results are taken in order, so more threads than cores gain nothing."""
NOT_NAMED: Final = re.compile(r"Task-[0-9]+")
"""What asyncio calls a task that nobody named: it counts all tasks of the process, so that no two runs agree."""


class Deadlock(RuntimeError):
    """Nothing is ready, scheduled or outstanding. Trying again does not help."""

    retry = False


class _Selector(selectors.DefaultSelector):
    """Polls; what to do when there is nothing to do is decided by `idle(timeout)`."""

    idle: Callable[[float | None], Events]

    def select(self, timeout: float | None = None) -> Events:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):  # asyncio asks with 0 while a callback is ready
            return events
        return self.idle(timeout)

    def block(self, seconds: float | None) -> Events:
        """Wait in real time for a file descriptor or a call from another thread."""
        return super().select(seconds)


class _Timer(TimerHandle):
    """A timer with its place among all: microsecond, name of the task that set it, and which of its timers it is."""

    __slots__ = ("_place",)
    _scheduled: bool  # asyncio's: whether the loop counts it among its timers

    def __init__(self, place: tuple[int, str, int], *timer: Any) -> None:
        super().__init__(*timer)
        self._place = place

    def __lt__(self, other: object) -> bool:
        return isinstance(other, _Timer) and self._place < other._place


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time stands still while anything works, and jumps when everything waits. Starts at 0 s."""

    _scheduled: list[TimerHandle]  # asyncio's: the heap of timers

    def __init__(self) -> None:
        self._now_us = 0
        self._busy = 0
        self._timers_set = count()
        self._jobs: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()
        self._waiting = _Selector()
        self._waiting.idle = self._idle
        super().__init__(self._waiting)
        # Time is counted in whole microseconds: a timer within half of one of now counts as due. asyncio has no other knob.
        self._clock_resolution = 1 / US_PER_S
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="virtual")
        self.set_default_executor(self._threads)

    def time(self) -> float:
        return self._now_us / US_PER_S

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Arguments]], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> TimerHandle:
        """As asyncio's, which leaves the order of timers of one instant open."""
        task = asyncio.current_task(self)
        name = "" if task is None or NOT_NAMED.fullmatch(task.get_name()) else task.get_name()
        timer = _Timer((round(when * US_PER_S), name, next(self._timers_set)), when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Hold the time while a call to the outside is in flight."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Arguments]], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """As asyncio's; the time stands still until the job has ended, also when nobody waits for it any more."""
        job = (executor or self._threads).submit(func, *args)
        result: asyncio.Future[Result] = self.create_future()
        result.add_done_callback(partial(_withdraw, job))
        self._jobs.append((job, result))
        return result

    async def shutdown_default_executor(self, *args: Any, **options: Any) -> None:
        with self.busy():  # it ends through a thread of its own, which no timer announces
            await super().shutdown_default_executor(*args, **options)

    def _idle(self, timeout: float | None) -> Events:
        if self._jobs:
            self._deliver_oldest()
            return []
        if self._busy:
            return self._waiting.block(None)
        if timeout is None:
            if len(self._waiting.get_map()) > 1:  # more than the loop's own wake-up pipe: somebody may still call
                return self._waiting.block(None)
            waiting = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self)))
            raise Deadlock(f"every task waits and no timer is set, so nothing can ever happen again. Waiting: {waiting}")
        self._now_us += max(1, round(timeout * US_PER_S))
        return []

    def _deliver_oldest(self) -> None:
        job, result = self._jobs.popleft()
        wait_for_threads((job,))
        if result.done():
            return
        if job.cancelled():
            result.cancel()
        elif (error := job.exception()) is not None:
            result.set_exception(error)
        else:
            result.set_result(job.result())


def _withdraw(job: Future[Any], result: asyncio.Future[Any]) -> None:
    if result.cancelled():
        job.cancel()


class ScaledLoop(asyncio.SelectorEventLoop):
    """An event loop whose time runs `factor` times as fast as real time. Starts at 0 s."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._started_s = super().time()
        self._waiting = _Selector()
        self._waiting.idle = self._idle
        super().__init__(self._waiting)

    def time(self) -> float:
        return (super().time() - self._started_s) * self._factor

    @contextmanager
    def busy(self) -> Iterator[None]:
        """As `VirtualLoop.busy`; real time waits for nobody, so this holds nothing."""
        yield

    def _idle(self, timeout: float | None) -> Events:
        return self._waiting.block(None if timeout is None else timeout / self._factor)


SocietyLoop = VirtualLoop | ScaledLoop


class VirtualClock:
    """The `agent.vocabulary.Clock` of a society run: the loop's time, counted from a moment of the calendar."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ns: int) -> None:
        self._loop = loop
        self._start_ns = start_ns

    def now_ns(self) -> int:
        return self._start_ns + self.monotonic_ns()

    def monotonic_ns(self) -> int:
        return round(self._loop.time() * US_PER_S) * NS_PER_US


def run_virtual(
    main: Callable[[VirtualClock], Coroutine[Any, Any, Result]], start_s: int, factor: float | None = None
) -> Result:
    """Run `main(clock)` from the Unix second `start_s` on; without `factor` on virtual time, else that much faster than real.

    Ctrl-C cancels `main`, lets it clean up, and then raises KeyboardInterrupt unless `main` returned all the same.
    Raises ValueError for a factor that is not above 0.
    """
    if factor is not None and not factor > 0:
        raise ValueError(f"expected a factor above 0, got {factor}")

    def new_loop() -> SocietyLoop:
        return VirtualLoop() if factor is None else ScaledLoop(factor)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main(VirtualClock(runner.get_loop(), start_s * US_PER_S * NS_PER_US)))
