"""Following one chain: what is trusted, and how it grows.

A thin shell: verifier.py judges headers, bisection.py says which to fetch, crosscheck.py asks the witnesses, nodes.py knows
whom to ask, halt.py ends it when an attack was proven. This module fetches, orders and remembers.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NoReturn

from agent.vocabulary import Clock
from lightclient import rules
from lightclient.bisection import Bisection
from lightclient.blocks import Header, LightBlock
from lightclient.crosscheck import AttackSeen, CrossCheck, carry_out
from lightclient.errors import (
    ConflictingHeader,
    DamagedStore,
    HeaderUnknown,
    HeightTooHigh,
    LightClientError,
    NodeBehind,
    NodeError,
    StaleHeader,
    VerificationError,
)
from lightclient.halt import Halt
from lightclient.hashing import header_hash
from lightclient.nodes import Nodes
from lightclient.options import Options, TrustAnchor
from lightclient.provider import Provider
from lightclient.state import SYNCED, LightState, Situation, situation_after
from lightclient.store import LightStore
from lightclient.verifier import Invalid, verify_anchor

_NOT_STARTED = Situation(LightState.BEHIND, "nothing was verified yet since the start", "wait for the first update")
_log = logging.getLogger(__name__)


class Follower:
    """What a light client trusts of its chain. headers_verified counts since the start."""

    def __init__(self, nodes: Nodes, anchor: TrustAnchor, options: Options, clock: Clock, store: LightStore) -> None:
        self._nodes = nodes
        self._check = CrossCheck(nodes, options)
        self._halt = Halt(nodes, self._check, clock, store)
        self._anchor = anchor
        self._options = options
        self._clock = clock
        self._store = store
        self._signed: TrustAnchor | None = None
        self._trusted: LightBlock | None = None
        self._updating = asyncio.Lock()
        self.situation = _NOT_STARTED
        self.headers_verified = 0

    @property
    def verified(self) -> Header | None:
        """The newest header that is verified and confirmed; None before the first update."""
        return self._trusted.header if self._trusted is not None else None

    async def refuse_under_attack(self) -> None:
        """Raise UnderAttack where an attack was proven: nothing that a node says is believed any more. Raises DamagedStore."""
        await self._halt.refuse()

    def refuse_stale(self, header: Header) -> None:
        """Raise StaleHeader for one that is too old to act upon."""
        age_ns = self._now_ns() - header.time_ns
        if age_ns > self._options.freshness_ns:
            raise StaleHeader(header.height, age_ns, self._options.freshness_ns)

    async def update(self) -> Header:
        """The newest header; see LightClient.update."""
        async with self._updating:
            try:
                await self._halt.refuse_until_anchored()
                trusted = await self._start()
                rules.check_trusting_period(trusted.header, self._options, self._now_ns())
                header = await self._nodes.ask(lambda node: self._newest(node, self._trusted or trusted))
                await self._halt.refuse()  # another task may have seen an attack meanwhile
            except LightClientError as error:
                self.situation = situation_after(error)
                raise
            self.situation = SYNCED
            return header

    async def header_at(self, height: int, most_back: int | None = None) -> Header:
        """The header of any height up to the newest; see LightClient.header_at.

        most_back: how far below what is kept it may lie; each height there costs a call. Raises HeaderUnknown beyond.
        """
        await self.refuse_under_attack()
        newest = self.verified or await self.update()
        if height > newest.height:
            newest = await self.update()
        if not 1 <= height <= newest.height:
            raise HeightTooHigh(height)
        below = await self._store.at_or_below(height)
        if below is None:
            lowest = await self._store.lowest() or self._trusted
            return await self._backwards(lowest.header if lowest is not None else newest, height, most_back)
        if below.height == height:
            return below.header
        return await self._nodes.ask(lambda node: self._forwards(node, below, height))

    def _now_ns(self) -> int:
        """Known time only moves forward: a clock that fell back does not make old headers young again."""
        now_ns = self._clock.now_ns()
        return now_ns if self._trusted is None else max(now_ns, self._trusted.header.time_ns)

    async def _start(self) -> LightBlock:
        """What is trusted at the start of an update: what was verified last, else the anchor.

        A client that was expired or under attack looks into its store again: a person may have left a new anchor there.
        """
        state = self.situation.state
        if self._trusted is None or state in (LightState.EXPIRED, LightState.UNDER_ATTACK):
            signed = await self._store.anchor()
            if signed != self._signed or state is LightState.UNDER_ATTACK:
                self._trusted = None
            self._signed = signed
        if self._trusted is not None:
            return self._trusted
        anchor = self._anchor if self._signed is None or self._signed.height < self._anchor.height else self._signed
        kept = await self._store.newest()
        if kept is not None and _goes_beyond(kept, anchor) and kept.header.chain_id == self._options.chain_id:
            self._trusted = kept
            return kept
        block = await self._nodes.ask(lambda node: self._anchored(node, anchor))
        await self._remember([block])
        return block

    async def _anchored(self, node: Provider, anchor: TrustAnchor) -> LightBlock:
        block = await node.light_block(anchor.height)
        verdict = verify_anchor(anchor, block, self._options)
        if isinstance(verdict, Invalid):
            raise verdict.reason
        self.headers_verified += 1
        return block

    async def _newest(self, node: Provider, trusted: LightBlock) -> Header:
        """The newest header that this node shows, if it is fresh. What is verified and confirmed is remembered in any case."""
        newest = await node.latest()
        if newest.height < trusted.height:
            raise NodeBehind(trusted.height, newest.height)
        if newest.height > trusted.height:
            trusted = await self._verify(node, trusted, await node.with_validators(newest))
        elif newest.header != trusted.header:
            await self._changed_its_mind(node, trusted)
        self.refuse_stale(trusted.header)
        self._nodes.praise(node)
        return trusted.header

    async def _forwards(self, node: Provider, below: LightBlock, height: int) -> Header:
        return (await self._verify(node, below, await node.light_block(height))).header

    async def _verify(self, node: Provider, trusted: LightBlock, target: LightBlock) -> LightBlock:
        """The target, verified from what is trusted, confirmed and remembered."""
        now_ns = self._now_ns()
        bisection = Bisection(trusted, target, self._options, now_ns)
        await carry_out(bisection, node)
        self.headers_verified += len(bisection.trace) - 1
        try:
            await self._check.confirm(bisection.trace, node, now_ns)
        except AttackSeen as attack:
            await self._stop(attack)
        await self._remember(bisection.trace[1:])
        return target

    async def _changed_its_mind(self, node: Provider, trusted: LightBlock) -> NoReturn:
        """The node shows another header where one is trusted. Raises UnderAttack where that one verifies too."""
        now_ns = self._now_ns()
        other = await node.light_block(trusted.height)
        below = await self._store.at_or_below(trusted.height - 1)
        if below is not None:
            try:
                divergence = await self._check.examine([below, trusted], other, node, now_ns)
            except (NodeError, VerificationError) as error:
                _log.info("%s shows another header, which does not verify: %s", node.name, error)
            else:
                supporter = next(iter(self._nodes.but(node)), node)
                await self._stop(AttackSeen(divergence, supporter, node, now_ns))
        raise ConflictingHeader(trusted.height, trusted.signed_header.hash, header_hash(other.header))

    async def _stop(self, attack: AttackSeen) -> NoReturn:
        try:
            await self._halt.begin(attack)
        except LightClientError as error:
            self.situation = situation_after(error)
            raise

    async def _backwards(self, above: Header, height: int, most_back: int | None) -> Header:
        """From a verified header down, each by the hash that the one above it names. What one node gave, the next need not."""
        if most_back is not None and above.height - height > most_back:
            raise HeaderUnknown(height, f"it lies more than {most_back} below height {above.height}, the lowest that is kept")

        async def ask(node: Provider) -> Header:
            nonlocal above
            while above.height > height:
                below = await node.header(above.height - 1)
                rules.check_linked(above, below)
                above = below
            return above

        return await self._nodes.ask(ask)

    async def _remember(self, blocks: Sequence[LightBlock]) -> None:
        """Trust the highest of them. A disk that fails costs the next start some fetches, not this run its trust."""
        newest = blocks[-1]
        if self._trusted is None or newest.height > self._trusted.height:
            self._trusted = newest
        try:
            await self._store.save(blocks)
        except DamagedStore as error:
            _log.warning("what is trusted is kept in memory only: %s", error)


def _goes_beyond(kept: LightBlock, anchor: TrustAnchor) -> bool:
    return kept.height > anchor.height or (kept.height, kept.signed_header.hash) == (anchor.height, anchor.hash)
