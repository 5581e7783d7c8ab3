"""What follows from a proven attack: it is remembered, nobody is believed any more, and the nodes are given the evidence.

In that order: what is known survives a crash before any node, which may dawdle, is asked again. Only a new anchor ends it.
Whether there was an attack is not decided here.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NoReturn

from agent.vocabulary import Clock
from lightclient.crosscheck import AttackSeen, CrossCheck
from lightclient.errors import DamagedStore, NodeError, UnderAttack, VerificationError
from lightclient.evidence import to_json
from lightclient.nodes import Nodes
from lightclient.options import TrustAnchor
from lightclient.reporting import Reporter
from lightclient.store import AttackRecord, LightStore

_log = logging.getLogger(__name__)


class Halt:
    """Whether one client is halted, over restarts."""

    def __init__(self, nodes: Nodes, check: CrossCheck, clock: Clock, store: LightStore) -> None:
        self._nodes = nodes
        self._check = check
        self._clock = clock
        self._store = store
        self._reporter = Reporter(nodes)
        self._record: AttackRecord | None = None
        self._has_looked = False
        self._is_kept = True
        self._anchor_then: TrustAnchor | None = None

    async def refuse(self) -> None:
        """Raise UnderAttack where an attack was proven, before the last start too. Raises DamagedStore."""
        if not self._has_looked:
            self._record, self._anchor_then = await self._store.attack(), await self._store.anchor()
            self._has_looked = self._is_kept = True
        if self._record is not None:
            raise UnderAttack(self._record.kind, self._record.height, self._record.nodes)

    async def refuse_until_anchored(self) -> None:
        """As `refuse`, but see first whether there is a new anchor, and else hand in what some node has not taken yet."""
        if self._record is not None and await self._is_over():
            self._record, self._reporter = None, Reporter(self._nodes)
            self._has_looked = False
        try:
            await self.refuse()
        except UnderAttack:
            await self._hand_in()
            raise

    async def begin(self, attack: AttackSeen) -> NoReturn:
        """Halt. Raises UnderAttack once the nodes were told what can be told now."""
        await self.refuse()
        against_accused = self._reporter.add(attack.divergence, attack.accused)
        record = AttackRecord(
            kind=str(against_accused.kind),
            height=attack.divergence.conflicting.height,
            nodes=(attack.accused.name, attack.witness.name),
            seen_at_ns=self._clock.now_ns(),
            evidence=(to_json(against_accused),),
        )
        _log.error("%s attack at height %d, by %s or %s: halted", record.kind, record.height, *record.nodes)
        await self._remember(record)
        try:
            mirrored = await self._check.mirror(attack)
        except (NodeError, VerificationError) as error:
            _log.warning("no evidence against %s: %s", attack.witness.name, error)  # the accused shows its chain no more
        else:
            against_witness = self._reporter.add(mirrored, attack.witness)
            await self._remember(replace(record, evidence=(*record.evidence, to_json(against_witness))))
        await self._hand_in()
        raise UnderAttack(record.kind, record.height, record.nodes)

    async def _is_over(self) -> bool:
        """Whether there was a new anchor since. A store that failed to note the attack knows only which anchor it has."""
        try:
            if self._is_kept:
                return await self._store.attack() is None
            return await self._store.anchor() != self._anchor_then
        except DamagedStore as error:
            _log.warning("whether there is a new anchor cannot be seen: %s", error)
            return False

    async def _hand_in(self) -> None:
        if self._record is None:
            return
        self._reporter.resume(self._record)
        grown = await self._reporter.send()
        if (grown or not self._is_kept) and not await self._is_over():
            await self._remember(replace(self._record, accepted_by=self._reporter.accepted_by))

    async def _remember(self, record: AttackRecord) -> None:
        self._record = record
        try:
            await self._store.note_attack(record)
            self._is_kept = True
        except DamagedStore as error:
            self._is_kept = False
            _log.error("the attack is remembered until the next start only: %s", error)
