"""Worths of a store: what one more unit in it saves, from the first unit to the last.

Batteries and freezers are both stores with convex costs, and a convex cost is fully described by its slope. A *worth list*
holds (worth, length) pieces with falling worth. Adding a choice to a store (to charge, to cool, to discharge within a slot)
is merging the pieces of the choice into those of the store and sorting: the best use comes first. No decision is ever tried.
"""

from __future__ import annotations

from collections.abc import Sequence

Piece = tuple[int, int]
"""(worth in ueur per kWh, length in the store's units)"""


def merge(store: Sequence[Piece], choice: Sequence[Piece]) -> list[Piece]:
    """Pieces of both, best first."""
    return sorted((*store, *choice), reverse=True)


def steps(pieces: Sequence[Piece], skip: int, step: int, count: int, beyond: int) -> list[int]:
    """Mean worths of `count` equal steps, after leaving out the first `skip` units; past the end the worth is `beyond`."""
    worths: list[int] = []
    room, value = step, 0
    for worth, length in pieces:
        if skip:
            left_out = min(skip, length)
            skip -= left_out
            length -= left_out
        while length >= room:
            worths.append((value + worth * room) // step)
            length -= room
            room, value = step, 0
        value += worth * length
        room -= length
        if len(worths) >= count:
            return worths[:count]
    while len(worths) < count:
        worths.append((value + beyond * room) // step)
        room, value = step, 0
    return worths
