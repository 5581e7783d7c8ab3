"""Protobuf, as little of it as CometBFT hashes and ICS23 proofs need. It knows no messages.

Writers follow proto3: a scalar of 0 and empty bytes are left out, a message is written when it is asked for, even empty.
The reader is stricter than proto3: canonical varints, ascending fields, none of them zero or empty. What it accepts has
only this one encoding, so no byte of a proof can be altered without notice.
"""

from __future__ import annotations

from typing import Final

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2

_MAX_VARINT_BYTES: Final = 10
_UINT64: Final = 2**64 - 1


def uvarint(value: int) -> bytes:
    """Encode 0 <= value < 2^64."""
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def integer(number: int, value: int) -> bytes:
    """Field of type int32, int64, uint32, uint64 or enum; negative values take ten bytes (two's complement)."""
    return uvarint(number << 3 | VARINT) + uvarint(value & _UINT64) if value else b""


def fixed64(number: int, value: int) -> bytes:
    """Field of type sfixed64."""
    return uvarint(number << 3 | FIXED64) + value.to_bytes(8, "little", signed=True) if value else b""


def octets(number: int, value: bytes) -> bytes:
    """Field of type bytes or string."""
    return message(number, value) if value else b""


def message(number: int, encoded: bytes) -> bytes:
    """Field that holds a message; present even when the message is empty."""
    return uvarint(number << 3 | BYTES) + uvarint(len(encoded)) + encoded


def delimited(encoded: bytes) -> bytes:
    """A message with its length in front."""
    return uvarint(len(encoded)) + encoded


def read_fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Split a message into (tag, value), tag being `number << 3 | wire type`; varint and bytes fields only.

    Raises ValueError for anything truncated, not canonical, out of order or of another wire type.
    """
    fields: list[tuple[int, int | bytes]] = []
    at, end, last_number = 0, len(data), 0
    while at < end:
        tag, at = read_uvarint(data, at)
        number = tag >> 3
        if number < last_number or number == 0:
            raise ValueError("fields are out of order")
        last_number = number
        value, at = read_uvarint(data, at)
        wire = tag & 7
        if wire == VARINT:
            if value == 0:
                raise ValueError("a scalar of 0 is left out")
            fields.append((tag, value))
        elif wire == BYTES:
            stop = at + value
            if stop > end:
                raise ValueError("field is truncated")
            if value == 0:
                raise ValueError("an empty field is left out")
            fields.append((tag, data[at:stop]))
            at = stop
        else:
            raise ValueError(f"wire type {wire} is not expected")
    return fields


def read_uvarint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, in its shortest form, and where it ends. Raises ValueError."""
    try:
        byte = data[at]
        if byte < 0x80:
            return byte, at + 1
        value, shift, start = 0, 0, at
        while byte >= 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            byte = data[at]
    except IndexError:
        raise ValueError("varint is truncated") from None
    value |= byte << shift
    if byte == 0 or at + 1 - start > _MAX_VARINT_BYTES or value > _UINT64:
        raise ValueError("varint is not canonical")
    return value, at + 1
