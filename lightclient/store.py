"""Where a light client keeps what it trusts, so that it does not have to begin at its anchor again.

The interface, and the store that lives as long as the process; filestore.py is the one that survives it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from lightclient.blocks import LightBlock
from lightclient.options import TrustAnchor

KEPT_BLOCKS: Final = 100
"""How many verified blocks are kept: the lowest, from which older heights are reached, and the newest ones."""


@dataclass(frozen=True, slots=True)
class AttackRecord:
    """An attack that was proven: trading is halted until a signed anchor comes.

    nodes: whom the two chains came from. evidence: against either side, as CometBFT writes it in JSON. accepted_by: the nodes
    that have taken evidence.
    """

    kind: str
    height: int
    nodes: tuple[str, str]
    seen_at_ns: int
    evidence: tuple[dict[str, Any], ...]
    accepted_by: tuple[str, ...] = ()


class LightStore(Protocol):
    """Keeps verified blocks. What it was given is durable on return; every method may raise DamagedStore."""

    async def newest(self) -> LightBlock | None:
        """The highest block kept."""

    async def at_or_below(self, height: int) -> LightBlock | None:
        """The highest block kept whose height is not above `height`."""

    async def lowest(self) -> LightBlock | None:
        """The lowest block kept."""

    async def save(self, blocks: Sequence[LightBlock]) -> None:
        """Keep these verified blocks too; the oldest but the lowest are forgotten where there are too many."""

    async def anchor(self) -> TrustAnchor | None:
        """The anchor of the last `re_anchor`."""

    async def re_anchor(self, anchor: TrustAnchor) -> None:
        """Begin anew from an anchor whose signature was checked: blocks and attack are forgotten."""

    async def attack(self) -> AttackRecord | None:
        """The attack that halts trading, if there was one since the last anchor."""

    async def note_attack(self, record: AttackRecord) -> None:
        """Remember an attack, over restarts too."""


class MemoryStore:
    """Keeps what it is given as long as the process lives."""

    def __init__(self, kept_blocks: int = KEPT_BLOCKS) -> None:
        if kept_blocks < 2:
            raise ValueError("a store keeps the lowest and the newest block at least")
        self._kept_blocks = kept_blocks
        self._blocks: dict[int, LightBlock] = {}
        self._heights: list[int] = []
        self._anchor: TrustAnchor | None = None
        self._attack: AttackRecord | None = None

    async def newest(self) -> LightBlock | None:
        return self._blocks[self._heights[-1]] if self._heights else None

    async def at_or_below(self, height: int) -> LightBlock | None:
        place = bisect_right(self._heights, height)
        return self._blocks[self._heights[place - 1]] if place else None

    async def lowest(self) -> LightBlock | None:
        return self._blocks[self._heights[0]] if self._heights else None

    async def save(self, blocks: Sequence[LightBlock]) -> None:
        self._blocks.update((block.height, block) for block in blocks)
        self._heights = sorted(self._blocks)
        surplus = self._heights[1 : max(1, len(self._heights) - self._kept_blocks + 1)]
        for height in surplus:
            del self._blocks[height]
        if surplus:
            self._heights = sorted(self._blocks)

    async def anchor(self) -> TrustAnchor | None:
        return self._anchor

    async def re_anchor(self, anchor: TrustAnchor) -> None:
        self._blocks.clear()
        self._heights.clear()
        self._anchor, self._attack = anchor, None

    async def attack(self) -> AttackRecord | None:
        return self._attack

    async def note_attack(self, record: AttackRecord) -> None:
        self._attack = record
