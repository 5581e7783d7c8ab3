"""Keys of the ledger's state: an ASCII tag and fixed-width big-endian fields. Source: docs/ledger.md, "State"."""

from __future__ import annotations

from typing import Final

PARAMS: Final = b"params"
"""The society's parameters; written at genesis, so the tree is never empty."""


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def party(party_id: bytes) -> bytes:
    return b"p" + party_id


def account(party_id: bytes) -> bytes:
    return b"a" + party_id


def device(device_id: bytes) -> bytes:
    return b"d" + device_id


def sequence(sender: bytes) -> bytes:
    return b"q" + sender


def result(sender: bytes, seq: int) -> bytes:
    return b"r" + sender + _number(seq)


def tariff(slot_s: int) -> bytes:
    return b"t" + _number(slot_s)


def book(slot_s: int) -> bytes:
    return b"b" + _number(slot_s)


def order(order_id: bytes) -> bytes:
    return b"o" + order_id


def position(device_id: bytes, slot_s: int) -> bytes:
    return b"x" + device_id + _number(slot_s)


def reading(device_id: bytes, slot_s: int) -> bytes:
    return b"e" + device_id + _number(slot_s)


def notice(device_id: bytes, slot_s: int) -> bytes:
    return b"n" + device_id + _number(slot_s)


def settlement(slot_s: int) -> bytes:
    return b"s" + _number(slot_s)


def day_history(day_s: int) -> bytes:
    """Price history of the UTC day that starts at `day_s`."""
    return b"h" + _number(day_s)


def device_digest(device_id: bytes, day_s: int) -> bytes:
    """Digest of what a device's pruned slots of one UTC day held."""
    return b"z" + device_id + _number(day_s)
