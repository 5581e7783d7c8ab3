"""Following one chain: what is trusted, how it grows, and when it stops being believed.

A thin shell: verifier.py judges headers, bisection.py says which to fetch, crosscheck.py asks the witnesses, nodes.py knows
whom to ask. This module fetches, orders and remembers, and halts when an attack was proven.
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
    HeightTooHigh,
    LightClientError,
    NodeBehind,
    StaleHeader,
    UnderAttack,
    VerificationError,
)
from lightclient.hashing import header_hash
from lightclient.nodes import Nodes, worst
from lightclient.options import Options, TrustAnchor
from lightclient.provider import Provider
from lightclient.state import SYNCED, LightState, Situation, situation_after
from lightclient.store import AttackRecord, LightStore
from lightclient.verifier import Invalid, verify_anchor

_NOT_STARTED = Situation(LightState.BEHIND, "nothing was verified yet since the start", "wait for the first update")
_log = logging.getLogger(__name__)


class Follower:
    """What a light client trusts of its chain. headers_verified counts since the start."""

    def __init__(self, nodes: Nodes, anchor: TrustAnchor, options: Options, clock: Clock, store: LightStore) -> None:
        self._nodes = nodes
        self._check = CrossCheck(nodes, options, clock)
        self._anchor = anchor
        self._options = options
        self._clock = clock
        self._store = store
        self._trusted: LightBlock | None = None
        self._attack: AttackRecord | None = None
        self._updating = asyncio.Lock()
        self.situation = _NOT_STARTED
        self.headers_verified = 0

    @property
    def verified(self) -> Header | None:
        """The newest header that is verified and confirmed; None before the first update."""
        return self._trusted.header if self._trusted is not None else None

    def refuse_under_attack(self) -> None:
        """Raise UnderAttack where an attack was proven: nothing that a node says is believed any more."""
        if self._attack is not None:
            raise UnderAttack(self._attack.kind, self._attack.height, self._attack.nodes)

    async def update(self) -> Header:
        """The newest header; see LightClient.update."""
        async with self._updating:
            try:
                header = await self._update()
            except LightClientError as error:
                self.situation = situation_after(error)
                raise
            self.situation = SYNCED
            return header

    async def header_at(self, height: int) -> Header:
        """The header of any height up to the newest; see LightClient.header_at."""
        newest = self.verified or await self.update()
        if height > newest.height:
            newest = await self.update()
        if not 1 <= height <= newest.height:
            raise HeightTooHigh(height)
        async with self._updating:
            below = await self._store.at_or_below(height)
            if below is None:
                return await self._backwards(await self._store.lowest() or await self._start(), height)
            if below.height == height:
                return below.header
            return await self._nodes.ask(lambda node: self._forwards(node, below, height))

    async def _update(self) -> Header:
        trusted = await self._start()
        # Known time only moves forward: a clock that fell back does not make old headers young again.
        now_ns = max(self._clock.now_ns(), trusted.header.time_ns)
        rules.check_trusting_period(trusted.header, self._options, now_ns)
        failures: list[tuple[Provider, LightClientError]] = []
        for node in self._nodes.in_turn():
            try:
                trusted = await self._follow(node, trusted, now_ns)
                self._refuse_stale(trusted.header, now_ns)
            except UnderAttack:
                raise
            except LightClientError as error:
                self._nodes.blame(node, error)
                failures.append((node, error))
                continue
            for failed, why in failures:
                self._nodes.outdone(failed, why)
            self._nodes.praise(node)
            return trusted.header
        raise worst([why for _, why in failures])

    def _refuse_stale(self, header: Header, now_ns: int) -> None:
        age_ns = now_ns - header.time_ns
        if age_ns > self._options.freshness_ns:
            raise StaleHeader(header.height, age_ns, self._options.freshness_ns)

    async def _start(self) -> LightBlock:
        """What is trusted at the start of an update: what was verified last, else the anchor.

        A client that is expired or under attack looks into its store again: a person may have left a new anchor there.
        """
        if self.situation.state in (LightState.EXPIRED, LightState.UNDER_ATTACK):
            self._trusted = None
        if self._trusted is not None:
            return self._trusted
        self._attack = await self._store.attack()
        self.refuse_under_attack()
        signed = await self._store.anchor()
        anchor = self._anchor if signed is None or signed.height < self._anchor.height else signed
        kept = await self._store.newest()
        if kept is not None and _goes_beyond(kept, anchor) and kept.header.chain_id == self._options.chain_id:
            self._trusted = kept
            return kept
        block = await self._nodes.ask(lambda node: self._anchored(node, anchor))
        await self._remember([block])
        return block

    async def _anchored(self, node: Provider, anchor: TrustAnchor) -> LightBlock:
        await self._nodes.introduce(node)
        block = await node.light_block(anchor.height)
        verdict = verify_anchor(anchor, block, self._options)
        if isinstance(verdict, Invalid):
            raise verdict.reason
        self.headers_verified += 1
        return block

    async def _follow(self, node: Provider, trusted: LightBlock, now_ns: int) -> LightBlock:
        """The newest block that this node shows, verified from `trusted`, confirmed and remembered."""
        await self._nodes.introduce(node)
        newest = await node.latest()
        if newest.height < trusted.height:
            raise NodeBehind(trusted.height, newest.height)
        if newest.height == trusted.height:
            if header_hash(newest.header) != trusted.signed_header.hash:
                await self._changed_its_mind(node, trusted, now_ns)
            return trusted
        return await self._verify(node, trusted, await node.with_validators(newest), now_ns)

    async def _forwards(self, node: Provider, below: LightBlock, height: int) -> Header:
        now_ns = max(self._clock.now_ns(), below.header.time_ns)
        return (await self._verify(node, below, await node.light_block(height), now_ns)).header

    async def _verify(self, node: Provider, trusted: LightBlock, target: LightBlock, now_ns: int) -> LightBlock:
        bisection = Bisection(trusted, target, self._options, now_ns)
        await carry_out(bisection, node)
        self.headers_verified += len(bisection.trace) - 1
        try:
            await self._check.confirm(bisection.trace, node, now_ns)
        except AttackSeen as attack:
            await self._halt(attack.record)
        await self._remember(bisection.trace[1:])
        return target

    async def _changed_its_mind(self, node: Provider, trusted: LightBlock, now_ns: int) -> NoReturn:
        """The node shows another header where one is trusted. Raises UnderAttack where that one verifies too."""
        other = await node.light_block(trusted.height)
        below = await self._store.at_or_below(trusted.height - 1)
        if below is not None:
            try:
                divergence = await self._check.examine([below, trusted], other, node, now_ns)
            except VerificationError as error:
                _log.info("%s shows another header, which does not verify: %s", node.name, error)
            else:
                supporter = next(iter(self._nodes.but(node)), node)
                await self._halt(await self._check.report(divergence, supporter, node, now_ns))
        raise ConflictingHeader(trusted.height, trusted.signed_header.hash, header_hash(other.header))

    async def _halt(self, record: AttackRecord) -> NoReturn:
        """Remember the attack, over restarts too, and believe nobody any more."""
        _log.error("%s attack at height %d, by %s or %s: halted", record.kind, record.height, *record.nodes)
        self._attack = record
        try:
            await self._store.note_attack(record)
        except DamagedStore as error:
            _log.error("the attack is remembered until the next start only: %s", error)
        raise UnderAttack(record.kind, record.height, record.nodes)

    async def _backwards(self, start: LightBlock, height: int) -> Header:
        """From a verified header down, each header by the hash that the one above names."""

        async def ask(node: Provider) -> Header:
            above = start.header
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
