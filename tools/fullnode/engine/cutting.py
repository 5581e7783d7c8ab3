"""When the solo engine cuts a block. Pure: it knows no clock and waits for nothing.

A block is cut half a second after the first transaction, when the application says that something is due, once more after
a block that changed the app_hash (so that the new state is signed), and at the latest after the heartbeat. What CometBFT
does with `create_empty_blocks = false` and a `create_empty_blocks_interval` is the same but for the second rule.
"""

from __future__ import annotations

from dataclasses import dataclass

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BlockPolicy:
    """How long the engine gathers transactions, and how long it stays silent. Blocks are at least `gather_ns` apart."""

    gather_ns: int = _NS // 2
    heartbeat_ns: int = 5 * _NS


@dataclass(frozen=True, slots=True)
class Pending:
    """What the engine knows when it asks for the time of its next block."""

    last_block_ns: int
    """Header time of the last block."""
    unproven: bool
    """The last block left a state that only the next header lets clients prove."""
    first_tx_ns: int | None
    """Arrival of the oldest waiting transaction."""
    due_s: int | None
    """Header time from which the application changes state by itself."""


def next_cut_ns(policy: BlockPolicy, pending: Pending) -> int:
    """Unix time in nanoseconds of the next block; a time gone by means now."""
    soonest_ns = pending.last_block_ns + policy.gather_ns
    wishes = [pending.last_block_ns + policy.heartbeat_ns]
    if pending.unproven:
        wishes.append(soonest_ns)
    if pending.first_tx_ns is not None:
        wishes.append(max(pending.first_tx_ns + policy.gather_ns, soonest_ns))
    if pending.due_s is not None:
        wishes.append(max(pending.due_s * _NS, soonest_ns))
    return min(wishes)
