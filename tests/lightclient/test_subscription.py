"""When a node is asked for block events, on virtual time: minutes pass at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from lightclient.subscription import SUBSCRIBE, UNSUBSCRIBE, Subscription
from tools.society.virtualclock import run_virtual

WATCHDOG_S = 60.0
IDLE_S = 120.0


class Line:
    """A connection that notes what is said over it, and when (seconds since the start)."""

    def __init__(self, subscription: Subscription) -> None:
        self.said: list[tuple[float, str]] = []
        self.start_s = asyncio.get_running_loop().time()
        self._task = asyncio.create_task(subscription.tend(self._say))

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time() - self.start_s

    async def _say(self, method: str) -> None:
        self.said.append((self.now_s, method))

    async def drop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def play(story: Callable[[Subscription, Line], Awaitable[None]]) -> None:
    async def main(_: object) -> None:
        subscription = Subscription(WATCHDOG_S, IDLE_S)
        line = Line(subscription)
        await story(subscription, line)
        await line.drop()

    run_virtual(main, start_s=0)


def test_nobody_waits_and_nothing_is_said() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        await asyncio.sleep(10_000)
        assert line.said == []

    play(story)


def test_the_first_who_waits_subscribes_and_every_event_wakes_all() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        for number in range(1, 4):
            waiting = [asyncio.create_task(subscription.wait(number - 1)) for _ in range(3)]
            await asyncio.sleep(5)
            subscription.event_came()
            assert await asyncio.gather(*waiting) == [number] * 3
        assert line.said == [(0, SUBSCRIBE)]
        assert await subscription.wait(0) == 3  # it was missed by nobody

    play(story)


def test_a_subscription_that_went_quiet_wakes_and_is_renewed() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        waiting = asyncio.create_task(subscription.wait(0))
        await asyncio.sleep(30)
        subscription.event_came()
        assert (await waiting, line.now_s) == (1, 30)
        assert (await subscription.wait(1), line.now_s) == (2, 90)
        await asyncio.sleep(0)
        assert line.said == [(0, SUBSCRIBE), (90, UNSUBSCRIBE), (90, SUBSCRIBE)]
        assert (await subscription.wait(2), line.now_s) == (3, 150)

    play(story)


def test_waiting_a_little_again_and_again_renews_it_too() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        for _ in range(13):  # 5 s of waiting, 2 s of other work
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await subscription.wait(subscription.events.count)
            await asyncio.sleep(2)
        assert line.said == [(0, SUBSCRIBE), (60, UNSUBSCRIBE), (60, SUBSCRIBE)]
        assert subscription.events.count == 1

    play(story)


def test_a_wait_ends_while_there_is_no_connection() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        await line.drop()
        assert (await subscription.wait(0), line.now_s) == (1, 60)
        assert (await subscription.wait(1), line.now_s) == (2, 120)

    play(story)


def test_a_new_connection_is_subscribed_only_where_it_is_wanted() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        await line.drop()
        unwanted = Line(subscription)
        await asyncio.sleep(1)
        await unwanted.drop()
        waiting = asyncio.create_task(subscription.wait(0))
        await asyncio.sleep(1)
        wanted = Line(subscription)
        await asyncio.sleep(1)
        assert (unwanted.said, [method for _, method in wanted.said]) == ([], [SUBSCRIBE])
        subscription.event_came()
        await waiting
        await wanted.drop()

    play(story)


def test_it_ends_when_nobody_has_waited_for_a_while_and_begins_again() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        waiting = asyncio.create_task(subscription.wait(0))
        await asyncio.sleep(1)
        for _ in range(300):
            subscription.event_came()
            await asyncio.sleep(1)
        await waiting
        assert line.said == [(0, SUBSCRIBE), (121, UNSUBSCRIBE)]
        waiting = asyncio.create_task(subscription.wait(subscription.events.count))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert line.said[2:] == [(301, SUBSCRIBE)]
        waiting.cancel()

    play(story)


def test_it_stays_while_somebody_waits_now_and_then() -> None:
    async def story(subscription: Subscription, line: Line) -> None:
        for _ in range(5):
            waiting = asyncio.create_task(subscription.wait(subscription.events.count))
            await asyncio.sleep(1)
            for _ in range(100):
                subscription.event_came()
                await asyncio.sleep(1)
            await waiting
        assert line.said == [(0, SUBSCRIBE)]

    play(story)
