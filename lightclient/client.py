"""The light client as an agent uses it: follow the chain, read what is proven, hand in transactions.

It believes nothing that a node says: headers are verified and confirmed by witnesses (follower.py), values, transactions and
results are proven against them (proving.py), and what one node fails to prove is asked of the next (nodes.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from agent.vocabulary import Clock
from lightclient.blocks import ExecTxResult, Header
from lightclient.errors import (
    DamagedStore,
    HeaderUnknown,
    LightClientError,
    NodeError,
    NothingCommitted,
    UnderAttack,
)
from lightclient.follower import Follower
from lightclient.nodes import Alarm, Nodes, worst
from lightclient.options import Options, TrustAnchor
from lightclient.pool import NodeView
from lightclient.provider import CheckOutcome, Provider
from lightclient.proving import Proven, ProvenTx, prove_results, prove_tx, prove_value
from lightclient.state import Situation
from lightclient.store import LightStore
from lightclient.transport import Transport

FIRST_PROVABLE: Final = 2
"""Height of the first header that commits to a state."""
BROADCAST_TO: Final = 2
"""Nodes that are handed each transaction: one that swallows it does no harm."""
FURTHEST_BACK: Final = 1_000
"""How far below what is kept an answer may lead: each height costs a call, and a node may name any."""


class LightClient:
    """Follows one chain through several nodes. Safe to use from several tasks of one event loop.

    nodes: by name; the first is the first primary, the others are its witnesses. Fewer than three need
    `options.single_operator`. proofs_verified counts what was proven since the start.
    """

    def __init__(
        self, nodes: Mapping[str, Transport], anchor: TrustAnchor, options: Options, clock: Clock, store: LightStore
    ) -> None:
        if len(nodes) < 3 and not options.single_operator:
            raise ValueError("a light client has a primary and two witnesses, unless there is a single operator")
        self._nodes = Nodes(nodes, options.chain_id, clock)
        self._follower = Follower(self._nodes, anchor, options, clock, store)
        self._events_seen: dict[str, int] = {}
        self.proofs_verified = 0

    @property
    def headers_verified(self) -> int:
        """Headers verified since the start, those that witnesses merely confirmed not counted."""
        return self._follower.headers_verified

    @property
    def verified(self) -> Header | None:
        """The newest header that is verified and confirmed; None before the first update."""
        return self._follower.verified

    @property
    def situation(self) -> Situation:
        """The state that a person sees, after the last update."""
        return self._follower.situation

    @property
    def alarms(self) -> Sequence[Alarm]:
        """What nodes were caught at, newest last."""
        return tuple(self._nodes.alarms)

    def nodes(self) -> tuple[NodeView, ...]:
        """How each node stands now."""
        return self._nodes.view()

    async def update(self) -> Header:
        """Fetch the newest header, verify it, have it confirmed by the witnesses, and remember it.

        Raises NodeError, VerificationError, NotCrossChecked, NodeBehind, UnderAttack, DamagedStore, and StaleHeader where the
        header holds but is older than freshness_ns; it is remembered all the same.
        """
        self._events_seen = {node.name: node.transport.block_events for node in self._nodes.everyone}
        return await self._follower.update()

    async def header_at(self, height: int) -> Header:
        """The header of any height up to the newest: forwards from the closest one kept below, else backwards by hash links.

        Raises as `update` does, and HeightTooHigh.
        """
        return await self._follower.header_at(height)

    async def get(self, key: bytes) -> Proven:
        """What `key` held when the newest verified header was made; see get_many."""
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[bytes], header: Header | None = None) -> list[Proven]:
        """What the keys held, proven against `header`, which update() returned, or against the newest verified one.

        Raises NodeError, ProofError, UnderAttack, DamagedStore; NothingCommitted before there is a verified header above
        height 1; StaleHeader where no `header` is named and the newest verified one is too old to act upon.
        """
        await self._follower.refuse_under_attack()
        against = header if header is not None else self.verified
        if against is None or against.height < FIRST_PROVABLE:
            raise NothingCommitted(f"no state is proven before the header at height {FIRST_PROVABLE}")
        if header is None:
            self._follower.refuse_stale(against)
        return await self._nodes.ask(lambda node: self._prove_all(node, keys, against))

    async def prove_tx(self, tx_hash: bytes) -> ProvenTx:
        """The transaction and its place in a verified block.

        Raises NodeError, ProofError, UnderAttack, DamagedStore; HeaderUnknown where no node names a block whose header holds.
        """
        await self._follower.refuse_under_attack()

        async def ask(node: Provider) -> ProvenTx:
            answer = await node.tx(tx_hash)
            return prove_tx(answer, tx_hash, await self._header_named(answer.height))

        proven = await self._nodes.ask(ask)
        self.proofs_verified += 1
        return proven

    async def prove_results(self, height: int) -> tuple[ExecTxResult, ...]:
        """The results of all transactions of a block, as the header above it commits to them.

        Code, data and gas are covered; logs and events are not, and are not returned. Raises as `header_at` does, and
        ProofError.
        """
        above = await self.header_at(height + 1)

        async def ask(node: Provider) -> tuple[ExecTxResult, ...]:
            return prove_results(await node.block_results(height), above)

        results = await self._nodes.ask(ask)
        self.proofs_verified += 1
        return results

    async def broadcast(self, tx: bytes) -> CheckOutcome:
        """Hand a transaction to two nodes; accepted by one is accepted. Known already is no failure.

        Raises NodeError where no node took it, UnderAttack and DamagedStore.
        """
        await self._follower.refuse_under_attack()
        outcomes: list[CheckOutcome] = []
        failures: list[LightClientError] = []
        for node in self._nodes.in_turn():
            try:
                outcomes.append(await node.broadcast(tx))
            except NodeError as error:
                self._nodes.blame(node, error)
                failures.append(error)
            if len(outcomes) == BROADCAST_TO:
                break
        if not outcomes:
            raise worst(failures)
        return next((outcome for outcome in outcomes if outcome.code == 0), outcomes[0])

    async def wait_block(self) -> None:
        """Wait for a wake-up since the last update() began. A lost or lying node gives none: the caller sets a time-out."""
        primary = self._nodes.primary
        await primary.transport.wait_block(self._events_seen.get(primary.name, 0))

    async def _header_named(self, height: int) -> Header:
        """The header of a height that some node named; nobody else is blamed on its word, nor it for what others lack."""
        try:
            return await self._follower.header_at(height, FURTHEST_BACK)
        except (UnderAttack, DamagedStore, HeaderUnknown):
            raise
        except LightClientError as error:
            raise HeaderUnknown(height, str(error)) from error

    async def _prove_all(self, node: Provider, keys: Sequence[bytes], header: Header) -> list[Proven]:
        answers = await asyncio.gather(*(self._prove(node, key, header) for key in keys), return_exceptions=True)
        proven: list[Proven] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            proven.append(answer)
        return proven

    async def _prove(self, node: Provider, key: bytes, header: Header) -> Proven:
        proven = prove_value(await node.query(key, header.height - 1), key, header)
        self.proofs_verified += 1
        return proven
