"""Handing evidence of an attack to the nodes, until each of them has taken it.

Once is not enough: a node judges evidence about a block by the commit in the block after it, and an attack is mostly seen at
the newest height, where there is none yet ("don't have commit at height"). It is handed in again with every wake-up until a
node takes it. Source: CometBFT v0.38.25 evidence/verify.go, and answers of a network of it (tests/vectors).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lightclient.detector import Divergence
from lightclient.errors import NodeError, NodeGarbage, VerificationError
from lightclient.evidence import AttackEvidence, AttackKind, evidence_hash, hash_of_json, make_evidence, to_json
from lightclient.nodes import Nodes
from lightclient.provider import Provider
from lightclient.store import AttackRecord

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Open:
    """Evidence that some nodes have not taken yet. What was resumed from a record has no divergence any more."""

    evidence: Mapping[str, Any]
    hash: bytes
    receivers: list[Provider]
    divergence: Divergence | None = None


class Reporter:
    """The evidence of one attack, and who has it. `accepted_by` names the nodes that took some."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._open: list[_Open] = []
        self.accepted_by: tuple[str, ...] = ()

    def add(self, divergence: Divergence, accused: Provider) -> AttackEvidence:
        """Form evidence for everybody but the node whose chain it is against.

        Evidence of amnesia is formed and kept, and not handed in: it names nobody, and a node of CometBFT 0.38.25 that takes it
        proposes blocks from then on that its peers refuse.
        """
        evidence = make_evidence(divergence)
        if evidence.byzantine:
            receivers = [node for node in self._nodes.everyone if node is not accused]
            self._open.append(_Open(to_json(evidence), evidence_hash(evidence), receivers, divergence))
        return evidence

    def resume(self, record: AttackRecord) -> None:
        """Go on after a restart with what was not taken before it."""
        if self._open or self.accepted_by:
            return
        self.accepted_by = record.accepted_by
        receivers = [node for node in self._nodes.everyone if node.name not in record.accepted_by]
        for evidence in record.evidence:
            try:
                if evidence["value"]["ByzantineValidators"]:
                    self._open.append(_Open(evidence, hash_of_json(evidence), list(receivers)))
            except (KeyError, TypeError, NodeGarbage) as error:
                _log.warning("kept evidence cannot be read: %r", error)

    async def send(self) -> bool:
        """Hand in what is open, to each node that has not taken it. Whether `accepted_by` has grown."""
        before = self.accepted_by
        for report in self._open:
            for receiver in list(report.receivers):
                try:
                    await receiver.report(*await self._fitting(report, receiver))
                except NodeError as error:
                    _log.info("%s has not taken the evidence yet: %s", receiver.name, error)
                    continue
                report.receivers.remove(receiver)
                if receiver.name not in self.accepted_by:
                    self.accepted_by = (*self.accepted_by, receiver.name)
        self._open = [report for report in self._open if report.receivers]
        return self.accepted_by != before

    async def _fitting(self, report: _Open, receiver: Provider) -> tuple[Mapping[str, Any], bytes]:
        """The evidence as this node can check it, and its hash.

        Who signed twice is judged by the commit that its own chain has kept, which may hold other votes than the one that was
        newest when the attack was seen.
        """
        divergence = report.divergence
        if divergence is None:
            return report.evidence, report.hash
        evidence = make_evidence(divergence)
        if evidence.kind is not AttackKind.EQUIVOCATION:
            return report.evidence, report.hash
        try:
            kept = await receiver.light_block(divergence.trusted.height)
        except VerificationError:
            return report.evidence, report.hash
        if kept.header == divergence.trusted.header:
            evidence = make_evidence(replace(divergence, trusted=kept))
        return to_json(evidence), evidence_hash(evidence)
