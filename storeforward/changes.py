"""What one call to the journal changes, all of it or nothing, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from storeforward.items import Mark, NewItem, Renewal
from storeforward.records import NewRecord, RecordRef, SalvagedRecord, Stream


@dataclass(frozen=True, slots=True)
class Changes:
    """One atomic change. `values` sets small named values; None removes a name. `salvaged` are records of another time of this
    journal, which are kept apart from its own."""

    records: tuple[NewRecord, ...] = ()
    enqueue: tuple[NewItem, ...] = ()
    marks: tuple[Mark, ...] = ()
    renewals: tuple[Renewal, ...] = ()
    values: tuple[tuple[str, bytes | None], ...] = ()
    salvaged: tuple[SalvagedRecord, ...] = ()

    @property
    def can_wait(self) -> bool:
        """Whether this is nothing but samples, which share a transaction with those that follow shortly."""
        return (
            bool(self.records)
            and all(record.stream is Stream.SAMPLE for record in self.records)
            and not (self.enqueue or self.marks or self.renewals or self.values or self.salvaged)
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """Where the records and items of a change went, in the order given. It is on the disk."""

    records: tuple[RecordRef, ...]
    items: tuple[int, ...]
