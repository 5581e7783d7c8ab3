"""Reads rows out of the bytes of an SQLite database and its write-ahead log, however damaged they are. Pure; writes nothing.

SQLite itself gives up at the first page that makes no sense, and changes a file that it opens. Here every block of a page's
size is taken for itself: what looks like a leaf of a table gives the rows that can be read. Nothing is checked here beyond
the form: whether a row is true is for whoever knows what is in it.
Source: https://www.sqlite.org/fileformat2.html, sections 1.6 (B-tree pages), 2.1 (record format), 4.1 to 4.4 (WAL).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

PAGE_BYTES: Final = 4096
"""The journal's page size, which is SQLite's default."""
WAL_HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
_WAL_MAGIC: Final = {0x377F0682: "<", 0x377F0683: ">"}
"""The WAL's first word also says in which byte order its checksums count."""
_TABLE_LEAF: Final = 13
_PAGE_KINDS: Final = frozenset((2, 5, 10, _TABLE_LEAF))
_MOST_LOCAL: Final = PAGE_BYTES - 35
_LEAST_LOCAL: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_OVERFLOW: Final = PAGE_BYTES - 4
_MOST_PAYLOAD: Final = 1 << 20
"""A longer row is taken for damage."""
_INTEGER_BYTES: Final = (0, 1, 2, 3, 4, 6, 8)

Value = int | float | bytes | str | None
Read = Callable[[int, int], bytes]
"""(offset, length): that part of a file; less where it ends, nothing where the disk cannot read it."""


@dataclass(frozen=True, slots=True)
class Block:
    """A page in one of its versions. Of several, the one with the lowest `rank` is the newest that was committed."""

    rank: int
    in_log: bool
    offset: int
    page: int


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table; a column that is the row's own number reads None."""

    number: int
    columns: tuple[Value, ...]


class SqliteFile:
    """The pages of a database and of its log. `size` and `log_size` are in bytes."""

    def __init__(self, read: Read, size: int, read_log: Read, log_size: int) -> None:
        self._read = read
        self._read_log = read_log
        pages = -(-size // PAGE_BYTES)
        committed, others = _frames(read_log, log_size)
        newest = committed[::-1]
        stale = others[::-1]
        self.blocks = [Block(rank, True, offset, page) for rank, (offset, page) in enumerate(newest)]
        self.blocks += [Block(len(newest), False, index * PAGE_BYTES, index + 1) for index in range(pages)]
        self.blocks += [Block(len(newest) + 1 + rank, True, offset, page) for rank, (offset, page) in enumerate(stale)]
        self._in_log = {page: offset for offset, page in committed}
        self._pages = pages

    def load(self, block: Block) -> bytes:
        """The bytes of a page; zeros stand for what is not there."""
        return (self._read_log if block.in_log else self._read)(block.offset, PAGE_BYTES).ljust(PAGE_BYTES, b"\0")

    def rows(self, page: bytes) -> Iterator[Row]:
        """The rows of a leaf of a table, as far as they can be read; of any other page none."""
        if page[0] != _TABLE_LEAF:
            return
        (cells,) = struct.unpack_from(">H", page, 3)
        for place in range(min(cells, (PAGE_BYTES - 8) // 2)):
            (start,) = struct.unpack_from(">H", page, 8 + 2 * place)
            try:
                yield self._row(page, start)
            except (IndexError, ValueError, struct.error):
                continue

    def _row(self, page: bytes, start: int) -> Row:
        size, at = _varint(page, start)
        number, at = _varint(page, at)
        if not 0 < size <= _MOST_PAYLOAD:
            raise ValueError(f"a row of {size} bytes")
        local = size
        if size > _MOST_LOCAL:
            local = _LEAST_LOCAL + (size - _LEAST_LOCAL) % _OVERFLOW
            local = local if local <= _MOST_LOCAL else _LEAST_LOCAL
        payload = page[at : at + local]
        if len(payload) < local:
            raise ValueError("a row beyond the end of its page")
        if local < size:
            (following,) = struct.unpack_from(">I", page, at + local)
            payload += self._overflow(following, size - local)
        return Row(number, _columns(payload))

    def _overflow(self, number: int, missing: int) -> bytes:
        """The rest of a row that does not fit its page: a list of pages, each with the number of the next."""
        parts = []
        while missing > 0:
            if not 0 < number <= max(self._pages, max(self._in_log, default=0)):
                raise ValueError(f"there is no page {number}")
            offset = self._in_log.get(number)
            block = Block(0, False, (number - 1) * PAGE_BYTES, number) if offset is None else Block(0, True, offset, number)
            page = self.load(block)
            parts.append(page[4 : 4 + min(missing, _OVERFLOW)])
            missing -= _OVERFLOW
            (number,) = struct.unpack_from(">I", page)
        return b"".join(parts)


def is_sound(page: bytes, *, is_first: bool) -> bool:
    """Whether a page of the database looks like one: for the report alone. Pages of overflow begin with a small number."""
    if is_first:
        return page.startswith(b"SQLite format 3\0")
    return page[0] in _PAGE_KINDS or (page[0] == 0 and page.count(0) < PAGE_BYTES)


def _frames(read: Read, size: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(offset, page) of the frames of a log: those whose transaction was committed, and all others, each in the log's order.

    Only what SQLite itself would take counts as committed: with the header's salts, an unbroken checksum, up to the last
    frame that ends a transaction. Behind that lie frames of older times, and of transactions that nobody was told of.
    """
    header = read(0, WAL_HEADER_BYTES)
    frames: list[tuple[int, int]] = []
    committed = 0
    order = None
    salts = b""
    sums = (0, 0)
    if len(header) == WAL_HEADER_BYTES:
        (magic,) = struct.unpack_from(">I", header)
        order, salts = _WAL_MAGIC.get(magic), header[16:24]
        if order is not None:
            sums = _checksum(order, header[:24], sums)
            if sums != struct.unpack_from(">II", header, 24):
                order = None
    for start in range(WAL_HEADER_BYTES, size, FRAME_HEADER_BYTES + PAGE_BYTES):
        frame = read(start, FRAME_HEADER_BYTES + PAGE_BYTES)
        if len(frame) <= FRAME_HEADER_BYTES:
            break
        page, pages_after_commit = struct.unpack_from(">II", frame)
        frames.append((start + FRAME_HEADER_BYTES, page))
        if order is not None:
            is_whole = frame[8:16] == salts and len(frame) == FRAME_HEADER_BYTES + PAGE_BYTES
            if is_whole:
                sums = _checksum(order, frame[FRAME_HEADER_BYTES:], _checksum(order, frame[:8], sums))
            if not is_whole or sums != struct.unpack_from(">II", frame, 16):
                order = None
            elif pages_after_commit:
                committed = len(frames)
    return frames[:committed], frames[committed:]


def _checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends. Raises IndexError."""
    value = 0
    for place in range(8):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64 if value >> 63 else 0), at + 9


def _columns(payload: bytes) -> tuple[Value, ...]:
    """The values of a row. Raises ValueError, IndexError, struct.error."""
    header, at = _varint(payload, 0)
    if header > len(payload):
        raise ValueError("the row ends within its header")
    columns: list[Value] = []
    body = header
    while at < header:
        kind, at = _varint(payload, at)
        value, body = _value(payload, body, kind)
        columns.append(value)
    if body != len(payload):
        raise ValueError("the row is longer or shorter than its header says")
    return tuple(columns)


def _value(payload: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, at
    if kind in (8, 9):
        return kind - 8, at
    if kind == 7:
        (number,) = struct.unpack_from(">d", payload, at)
        return float(number), at + 8
    length = _INTEGER_BYTES[kind] if kind < 7 else (kind - 12) // 2
    part = payload[at : at + length]
    if kind in (10, 11) or len(part) != length:
        raise ValueError("a value beyond the end of its row")
    if kind < 7:
        return int.from_bytes(part, "big", signed=True), at + length
    return (part.decode("utf-8") if kind % 2 else part), at + length
