"""What a transaction must be before its sender is charged for it: decoded, for this chain, from a known sender, signed.

The same bytes are judged when they enter the mempool and again in their block; what may enter is remembered in between, so
its signature is verified once. Source: docs/ledger.md, "Transactions".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from lightclient import wire
from lightclient.messages import Message, decode_body
from lightclient.refusals import Refusal
from tools.fullnode.rules import p256
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.unnumbered import is_unnumbered

REMEMBERED: Final = 5_000
"""As many as a mempool holds. A decoded program takes 13 kB, so this bounds what a flood can fill to 65 MB."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A well-formed, well-signed transaction."""

    payload: bytes
    envelope: wire.Envelope
    message: Message

    @property
    def is_unnumbered(self) -> bool:
        return is_unnumbered(self.message)


class Admission:
    """Decodes and verifies transactions of one chain."""

    def __init__(self, chain_id: str, registry: Registry) -> None:
        self._chain_id = chain_id
        self._registry = registry
        self._remembered: dict[bytes, Admitted] = {}

    def enter(self, tx: bytes) -> Admitted | Refusal:
        """Judge a transaction on its way into the mempool."""
        return self._remembered.get(hashlib.sha256(tx).digest()) or self._judge(tx)

    def remember(self, tx: bytes, admitted: Admitted) -> None:
        """Keep a transaction that has entered the mempool for its block."""
        self._remembered[hashlib.sha256(tx).digest()] = admitted
        if len(self._remembered) > REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def deliver(self, tx: bytes) -> Admitted | Refusal:
        """Judge a transaction of a block."""
        return self._remembered.pop(hashlib.sha256(tx).digest(), None) or self._judge(tx)

    def _judge(self, tx: bytes) -> Admitted | Refusal:
        if len(tx) > wire.MAX_TX_BYTES:
            return Refusal.TOO_LARGE
        try:
            sealed = wire.decode_tx(tx)
            message = decode_body(sealed.envelope.kind, sealed.body)
        except wire.Malformed:
            return Refusal.MALFORMED
        admitted = Admitted(sealed.payload, sealed.envelope, message)
        if admitted.is_unnumbered != (sealed.envelope.seq == 0):
            return Refusal.MALFORMED
        if sealed.envelope.chain_id != self._chain_id:
            return Refusal.WRONG_CHAIN
        key = self._registry.public_keys.get(sealed.envelope.sender)
        if key is None:
            return Refusal.UNKNOWN_SENDER
        return admitted if p256.verify(key, sealed.payload, sealed.signature) else Refusal.BAD_SIGNATURE
