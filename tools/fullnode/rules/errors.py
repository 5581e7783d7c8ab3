"""What can be wrong with what a node is started from. Refused transactions are results, not errors.

LedgerError
├── GenesisError    a field of the genesis is missing, unknown or out of bounds
└── StorageError    the stored state cannot be used
"""

from __future__ import annotations


class LedgerError(Exception):
    """Base of all. `retry` says whether the same call can succeed later without a change by somebody."""

    retry = False


class GenesisError(LedgerError):
    """A field of the genesis is not what it has to be."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field
        self.expected = expected


class StorageError(LedgerError):
    """The stored state is not one that these rules can continue."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
