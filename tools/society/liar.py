"""A node that lies: an honest front, whose answers are bent on their way out now and then, and a count of what was told.

It tells the truth most of the time, because a node that only lies is out at the first header: the lies about values and
transactions would never be asked for. When it lies, it tells what it has told least often of all that fits the question.
Seed and order of the calls decide everything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

from agent.lifecycle import Agent
from lightclient.blocks import Header
from lightclient.errors import NodeSilent
from lightclient.hashing import header_hash
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.rpc.local import LocalFront
from tools.society.keys import derive
from tools.society.lies import LIES, LIES_ABOUT_ANYTHING, Call, Untold
from tools.society.record import LiarRecord

LIES_ONE_IN: Final = 8
"""Calls, of all that reach it."""


class LyingFront:
    """A front of the node `name` that lies. `told` counts the lies by kind."""

    def __init__(self, name: str, fronts: Mapping[str, LocalFront], seed: int) -> None:
        """`fronts`: the honest ones of all nodes, this one's among them."""
        self.name = name
        self.told: Counter[str] = Counter()
        self._honest = fronts[name]
        self._peer_id = next(front.identity.node_id for other, front in fronts.items() if other != name)
        self._seed = seed
        self._calls = 0

    async def handle(self, body: bytes) -> bytes:
        """A response, true or not. Raises NodeSilent."""
        self._calls += 1
        noise = derive(self._seed, f"{self.name}, call {self._calls}")
        if noise[-1] % LIES_ONE_IN:
            return self._honest.answer(body)
        request = json.loads(body)
        return self._lie(Call(request["id"], request["method"], request["params"], self._honest.answer, self._peer_id, noise))

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Honest: a wake-up is believed by nobody."""
        return self._honest.subscribe(wake)

    def _lie(self, call: Call) -> bytes:
        """The lie that was told least often, or the next that fits. Raises NodeSilent."""
        lies = {lie.__name__.replace("_", " "): lie for lie in (*LIES.get(call.method, ()), *LIES_ABOUT_ANYTHING)}
        for kind in sorted(lies, key=lambda kind: self.told[kind]):
            with suppress(Untold):
                response = lies[kind](call)
                self.told[kind] += 1
                if response is None:
                    raise NodeSilent(f"{self.name} closed the connection")
                return response
        raise AssertionError("an answer that breaks off fits every call")


def judge(liar: LyingFront, agents: Mapping[str, Agent], store: BlockStore) -> LiarRecord:
    """What the lies came to: who caught the node, and who believes in a header that is not of the chain."""
    return LiarRecord(
        node=liar.name,
        told=dict(sorted(liar.told.items())),
        agents=len(agents),
        caught_by=tuple(
            name for name, agent in agents.items() if any(alarm.node == liar.name for alarm in agent.client.alarms)
        ),
        believed_by=tuple(name for name, agent in agents.items() if _is_misled(agent.client.verified, store)),
    )


def _is_misled(newest: Header | None, store: BlockStore) -> bool:
    if newest is None or newest.height < store.base:  # it was away for longer than blocks are kept
        return False
    return store.height_of(header_hash(newest)) != newest.height
