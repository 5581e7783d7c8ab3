"""Items of the outbox: signed transactions on their way to the ledger, and the states that they go through.

An item is open until the ledger's answer is proven or its expiry is. A refusal that is not proven is a hint and no state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from storeforward.errors import AlreadyDecided
from storeforward.records import RecordRef


class Priority(IntEnum):
    """What is sent first. Orders are few and worthless after their gate; billing goes before telemetry."""

    TRADE = 0
    BILLING = 1
    TELEMETRY = 2


class ItemState(IntEnum):
    """Where an item is on its way."""

    QUEUED = 0
    SENT = 1
    SEEN = 2
    """A node reports it in its pool or in a block; not proven yet."""
    PROVEN = 3
    REFUSED = 4
    """The ledger's refusal is proven: a dead letter, kept with its reason."""
    EXPIRED = 5
    """A verified height lies beyond `expires_height` and the ledger never had it."""


LAST_OPEN: Final = ItemState.SEEN

_ON_THE_WAY: Final = frozenset((ItemState.SENT, ItemState.SEEN, ItemState.PROVEN, ItemState.REFUSED, ItemState.EXPIRED))
NEXT: Final[dict[ItemState, frozenset[ItemState]]] = {
    ItemState.QUEUED: _ON_THE_WAY,
    ItemState.SENT: _ON_THE_WAY,
    ItemState.SEEN: _ON_THE_WAY,
    ItemState.PROVEN: frozenset((ItemState.PROVEN,)),
    ItemState.REFUSED: frozenset((ItemState.REFUSED,)),
    ItemState.EXPIRED: frozenset((ItemState.EXPIRED,)),
}
"""What a mark may do. Only a renewal leads back to QUEUED. Hearing a final result again changes nothing."""


def check_mark(item_id: int, state: ItemState, wanted: ItemState) -> None:
    """Raise AlreadyDecided unless the table allows it."""
    if wanted not in NEXT[state]:
        raise AlreadyDecided(item_id, state.name, wanted.name)


def check_renewal(item_id: int, state: ItemState) -> None:
    """What is proven on the ledger must not be sent again under another hash. Raises AlreadyDecided."""
    if state is ItemState.PROVEN:
        raise AlreadyDecided(item_id, state.name, ItemState.QUEUED.name)


MakeTx = Callable[[bytes], bytes]
"""Makes and signs a transaction around a record's hash. Runs in the journal's thread; touches nothing but its arguments."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """A transaction to be stored and then sent.

    `tx` is the signed transaction, or makes it from the hash of the record that it is about. `record` names that one: by its
    index in the records of the same change, or by its place where it was stored before; None: about no record. `reference` is
    unique and chosen before the first attempt: an order's id, a payload's hash; None: the hash of that record. `kind`,
    `slot_s` and `seq` (0 for what carries none) are kept so that whoever looks for the proof need not decode the transaction.
    """

    priority: Priority
    kind: int
    slot_s: int
    seq: int
    reference: bytes | None
    tx: bytes | MakeTx
    expires_height: int
    record: int | RecordRef | None = None

    def __post_init__(self) -> None:
        if self.record is None and (callable(self.tx) or self.reference is None):
            raise ValueError("without a record the transaction and its reference must be given")


@dataclass(frozen=True, slots=True)
class Item:
    """A transaction in the outbox. `tx` is empty once proven: the ledger has it then."""

    id: int
    priority: Priority
    state: ItemState
    kind: int
    slot_s: int
    seq: int
    reference: bytes
    tx: bytes
    expires_height: int
    record_seq: int | None
    attempts: int
    """How often this transaction was sent: after a renewal it counts from 0 again."""
    height: int | None
    """Height of the block that decided it, None before that and for what expired."""
    code: int | None
    """The ledger's result code, 0 for success."""
    detail: str | None
    due_ns: int = 0
    """Monotonic ns at which it is to be sent (again)."""


@dataclass(frozen=True, slots=True)
class Mark:
    """News of an item. `height` and `code` of the proven result, `detail` a sentence for people."""

    item_id: int
    state: ItemState
    height: int | None = None
    code: int | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.state is ItemState.QUEUED:
            raise ValueError("only a renewal puts an item back into the queue")


@dataclass(frozen=True, slots=True)
class Renewal:
    """Send an item again as a new transaction: a reading whose expiry has passed, a dead letter that was repaired."""

    item_id: int
    reference: bytes
    tx: bytes
    expires_height: int
