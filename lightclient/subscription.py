"""When one connection subscribes to new blocks: as soon as somebody waits for one, and until nobody has for a while.

A subscription costs a node and a device about 1.3 kB per block, and a witness needs none. Nodes lose events without a word
(cometbft's event bus drops slow readers), so a quiet subscription is renewed, and whoever waits is woken to look for himself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from lightclient.transport import BlockEvents

SUBSCRIBE: Final = "subscribe"
UNSUBSCRIBE: Final = "unsubscribe"


class Subscription:
    """The wish for block events, over all connections to one node.

    watchdog_s: after so long without an event, those who wait are woken and the subscription is renewed.
    idle_s: after so long without anybody waiting, the next event ends the subscription.
    """

    def __init__(self, watchdog_s: float, idle_s: float) -> None:
        self.events = BlockEvents()
        self._watchdog_s = watchdog_s
        self._idle_s = idle_s
        self._wanted = False
        self._waiters = 0
        self._left_s = 0.0
        self._quiet_since_s = 0.0
        self._changed = asyncio.Event()

    async def wait(self, after: int) -> int:
        """Wait until there have been more than `after` wake-ups, at most for `watchdog_s`; return how many."""
        loop = asyncio.get_running_loop()
        if not self._wanted:
            self._wanted = True
            self._renew(loop.time())
        self._waiters += 1
        try:
            async with asyncio.timeout_at(self._quiet_since_s + self._watchdog_s):
                return await self.events.wait(after)
        except TimeoutError:
            self._renew(loop.time())
            self.events.announce()
            return self.events.count
        finally:
            self._waiters -= 1
            self._left_s = loop.time()

    def event_came(self) -> None:
        """The node said something about its subscription: an event, or its first answer. Blocks may have passed before."""
        now_s = asyncio.get_running_loop().time()
        self._quiet_since_s = now_s
        if self._wanted and not self._waiters and now_s - self._left_s >= self._idle_s:
            self._wanted = False
            self._changed.set()
        self.events.announce()

    async def tend(self, say: Callable[[str], Awaitable[None]]) -> None:
        """Keep a fresh connection subscribed as wished, until cancelled; `say` sends SUBSCRIBE or UNSUBSCRIBE to the node."""
        subscribed = False
        if self._wanted:
            self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            if subscribed:
                await say(UNSUBSCRIBE)
            subscribed = self._wanted
            if subscribed:
                await say(SUBSCRIBE)

    def _renew(self, now_s: float) -> None:
        self._quiet_since_s = now_s
        self._changed.set()
