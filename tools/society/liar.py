"""A node that lies: an honest front, whose answers are bent on their way out now and then, and a count of what was told.

It tells the truth most of the time, because a node that only lies is out at the first header: the lies about values and
transactions would never be asked for. When it lies, it tells each kind in its turn. Seed and order of the calls decide all.
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

LIES_ONE_IN: Final = 3
"""Calls, of those that can be lied to."""


class LyingFront:
    """A front of the node `name` that lies. `told` counts the lies by kind."""

    def __init__(self, name: str, fronts: Mapping[str, LocalFront], seed: int) -> None:
        """`fronts`: the honest ones of all nodes, this one's among them."""
        self.name = name
        self.told: Counter[str] = Counter()
        self._honest = fronts[name]
        self._peer = next(front for other, front in fronts.items() if other != name)
        self._seed = seed
        self._calls = 0
        self._turns: Counter[str] = Counter()

    async def handle(self, body: bytes) -> bytes:
        """A response, true or not. Raises NodeSilent."""
        self._calls += 1
        noise = derive(self._seed, f"{self.name}, call {self._calls}")
        if noise[-1] % LIES_ONE_IN:
            return self._honest.answer(body)
        request = json.loads(body)
        peer_id = self._peer.identity.node_id
        return self._lie(Call(request["id"], request["method"], request["params"], self._honest.answer, peer_id, noise))

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Honest: a wake-up is believed by nobody."""
        return self._honest.subscribe(wake)

    def _lie(self, call: Call) -> bytes:
        """The lie whose turn it is, or the next that fits."""
        lies = (*LIES.get(call.method, ()), *LIES_ABOUT_ANYTHING)
        while True:  # lies about anything fit every call
            lie = lies[self._turns[call.method] % len(lies)]
            self._turns[call.method] += 1
            with suppress(Untold):
                response = lie(call)
                break
        self.told[lie.__name__.replace("_", " ")] += 1
        if response is None:
            raise NodeSilent(f"{self.name} closed the connection")
        return response


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
