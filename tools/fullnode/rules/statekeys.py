"""Keys and values of the state that only the rules themselves need. Clients never ask for them, but can.

They stand in the state because they decide later results. Source: docs/ledger.md, "State".
"""

from __future__ import annotations

from dataclasses import dataclass

from lightclient.values import Flat
from lightclient.wire import pack, unpack


def closed_at(slot_s: int) -> bytes:
    """Height of the block that closed the slot's book."""
    return b"c" + slot_s.to_bytes(8, "big")


def gap(device: bytes) -> bytes:
    """The gap in a device's readings that no later reading has ended yet."""
    return b"g" + device


def encode_height(height: int) -> bytes:
    return pack([height])


def decode_height(value: bytes) -> int:
    (height,) = unpack(value)
    return int(height)


def encode_digest(digest: bytes) -> bytes:
    return pack([digest])


def decode_digest(value: bytes) -> bytes:
    (digest,) = unpack(value)
    return bytes(digest)


@dataclass(frozen=True, slots=True)
class Gap(Flat):
    """Slots in a row whose dispute time ended without a reading, after one that had a reading."""

    import_wh: int
    """Import register at the end of the last reading."""
    taken_wh: int
    """Energy that was settled as taken in the gap."""
    highest_ask_ueur_kwh: int
    slots: int
