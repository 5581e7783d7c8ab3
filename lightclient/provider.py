"""One full node, asked in the terms of the light client. It believes nothing and judges no header.

What it checks is that an answer is about what was asked: height, key, hash and chain are compared. `provider` is what
CometBFT calls it too (light/provider).
"""

from __future__ import annotations

from dataclasses import dataclass

from lightclient.blocks import ValidatorSet
from lightclient.transport import Transport


class ValidatorSets:
    """The last validator sets that were met, by their hash: all providers share them, since a hash fixes its set."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._sets: dict[bytes, ValidatorSet] = {}

    def get(self, validators_hash: bytes) -> ValidatorSet | None:
        return self._sets.get(validators_hash)

    def add(self, validators_hash: bytes, validators: ValidatorSet) -> None:
        """Take a set whose hash was compared."""
        while len(self._sets) >= self._most:
            del self._sets[next(iter(self._sets))]
        self._sets[validators_hash] = validators


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What the node thinks of a transaction handed in: a hint. Final is only a proven result."""

    code: int
    log: str
    tx_hash: bytes
    already_known: bool


class Provider:
    """One node by its name, on one chain."""

    def __init__(self, name: str, transport: Transport, chain_id: str, sets: ValidatorSets) -> None:
        self.name = name
        self.transport = transport
        self._chain_id = chain_id
        self._sets = sets
