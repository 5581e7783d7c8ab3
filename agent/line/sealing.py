"""From a message to the signed bytes of a transaction, in this agent's name."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Sign, SlotEnergy
from lightclient import wire
from lightclient.messages import Message, Notice, OpenReading

NEVER = 0
"""expires_height of a reading or notice: it counts once whenever it arrives."""
VALID_BLOCKS = 1_000
"""Heights have no duration; a thousand is what the ledger's rules suggest."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A transaction as it is stored and sent; `order_id` is the id that its payload gives to an order."""

    tx: bytes
    payload: bytes
    kind: int
    seq: int
    expires_height: int
    order_id: bytes


@dataclass(frozen=True, slots=True)
class Sealer:
    """Signs for one sender of one society."""

    chain_id: str
    sender: bytes
    sign: Sign

    def seal(self, message: Message, seq: int, expires_height: int) -> Sealed:
        payload = wire.encode_payload(
            wire.Envelope(self.chain_id, message.KIND, self.sender, seq, expires_height), message.body()
        )
        tx = wire.encode_tx(payload, self.sign(payload))
        return Sealed(tx, payload, message.KIND, seq, expires_height, wire.order_id(payload))

    def seal_reading(self, slot: SlotEnergy, record_hash: bytes) -> bytes:
        """The transaction that reports a slot. The same slot and record give the same bytes, whenever it is made."""
        registers = slot.import_start_wh, slot.export_start_wh, slot.import_end_wh, slot.export_end_wh
        return self.seal(OpenReading(slot.slot_s, *registers, record_hash), 0, NEVER).tx

    def seal_notice(self, notice: Notice) -> bytes:
        """The transaction that makes known what the journal noted."""
        return self.seal(notice, 0, NEVER).tx
