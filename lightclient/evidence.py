"""Evidence of an attack on light clients, in the form that full nodes take: who signed two chains, and how.

It is formed from two blocks that both verify and the last block that both chains share. Where they come from is the
detector's matter, who is told the client's. Source: CometBFT v0.38 light/detector.go (newLightClientAttackEvidence),
types/evidence.go (LightClientAttackEvidence).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lightclient.blocks import LightBlock, Validator


class AttackKind(StrEnum):
    """The three ways to sign two chains; there is no fourth."""

    LUNATIC = "lunatic"
    """The header does not follow from the chain: wrong validators, parameters, state or results."""
    EQUIVOCATION = "equivocation"
    """Two blocks signed in one round."""
    AMNESIA = "amnesia"
    """Two blocks signed in different rounds, a lock forgotten; nobody can tell from two commits who did."""


@dataclass(frozen=True, slots=True)
class AttackEvidence:
    """Against those who signed `conflicting`. `byzantine` is empty for amnesia, and ordered by power, then address."""

    kind: AttackKind
    conflicting: LightBlock
    common_height: int
    byzantine: tuple[Validator, ...]
    total_power: int
    time_ns: int
