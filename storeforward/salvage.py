"""Everything that can be proven to have been in a damaged journal: its records, and the items of its outbox.

A record proves itself: it begins with bytes that nothing else begins with, says how long it is, and is signed. A sample is
not, but is named by its hash in the record after it. So records are looked for in every page of the file and of its log, also
in pages that SQLite would not read any more, and what does not verify is left out. Items cannot prove themselves to the
journal, which knows no ledger: whoever takes them checks the transaction's own signature. Named values are not looked for:
nothing vouches for them, and a wrong register would be billed.

The damaged file is only read. Memory: some 100 bytes per page of it, and the items that had not reached the ledger.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgpack

from storeforward.findings import Findings
from storeforward.items import LAST_OPEN, Item, ItemState, Priority
from storeforward.records import VERSION, Record, SalvagedRecord, Stream, record_hash
from storeforward.signatures import SIGNATURE_BYTES, Verify
from storeforward.sqlitefile import Read, Row, SqliteFile, is_sound

_RECORD_COLUMNS: Final = 5
_SAMPLE_COLUMNS: Final = 2
_ITEM_COLUMNS: Final = 14
_UNDECIDED: Final = frozenset((*(state for state in ItemState if state <= LAST_OPEN), ItemState.REFUSED))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Bytes that read as a record of this device. The lower the rank, the more the file itself holds it for the right one."""

    record: Record
    rank: int
    data: bytes
    signature: bytes | None
    proven_height: int | None


@contextmanager
def opened(path: Path, device: bytes, verify: Verify) -> Iterator[Salvage]:
    """Look into the database at `path` and its log. Raises OSError where there is no such file, and for nothing else."""
    with ExitStack() as stack:
        read, size = _reader(path, stack)
        log = path.with_name(path.name + "-wal")
        read_log, log_size = _reader(log, stack) if log.exists() else (_nothing, 0)
        yield Salvage(SqliteFile(read, size, read_log, log_size), device, verify, path.name)


class Salvage:
    """What is found. Iterate over `records()` once; then `findings` are complete."""

    def __init__(self, file: SqliteFile, device: bytes, verify: Verify, origin: str) -> None:
        self._file = file
        self._mark = b"\x9a" + msgpack.packb(VERSION) + msgpack.packb(device)  # how every record of this device begins
        self._device = device
        self._verify = verify
        self._origin = origin
        self.findings = Findings()
        self.items: list[Item] = []
        """Items that were open or refused, in the order in which they were stored. Nothing vouches for them yet."""
        self.items_about: set[int] = set()
        """The records that an item was about, decided or not."""
        self._places: list[tuple[int, int]] = []
        self._look_through()

    def _look_through(self) -> None:
        """One pass over all pages: the items, and which page holds records from which number on."""
        newest: dict[int, tuple[int, Item | None]] = {}
        for place, block in enumerate(self._file.blocks):
            page = self._file.load(block)
            if not block.in_log:
                self.findings.pages += 1
                self.findings.unreadable_pages += not is_sound(page, is_first=block.page == 1)
            rows = list(self._file.rows(page))
            candidates = self._candidates(page, rows, block.rank)
            if candidates:
                self._places.append((min(candidate.record.seq for candidate in candidates), place))
            for item in filter(None, map(_item, rows)):
                if item.record_seq is not None:
                    self.items_about.add(item.record_seq)
                if item.id not in newest or block.rank < newest[item.id][0]:
                    newest[item.id] = block.rank, item if item.state in _UNDECIDED else None
        self._places.sort()
        self.items = [item for _, (_, item) in sorted(newest.items()) if item is not None]

    def records(self) -> Iterator[SalvagedRecord]:
        """All records that verify, by their numbers; each number once."""
        samples: list[_Candidate] = []  # of the newest sample's number: the right one is the one that a later record names
        for candidates in self._by_seq():
            if candidates[0].record.stream is Stream.SAMPLE:
                yield from self._named(samples, (candidate.record.previous for candidate in candidates))
                self.findings.doubtful += bool(samples)
                samples = candidates
                continue
            signed = next((candidate for candidate in candidates if self._is_signed(candidate)), None)
            if signed is None:
                self.findings.doubtful += 1
                continue
            yield from self._named(samples, (signed.record.samples,))
            yield self._sure(signed)
        self.findings.doubtful += bool(samples)

    def _named(self, samples: list[_Candidate], hashes: Iterable[bytes]) -> Iterator[SalvagedRecord]:
        """The sample that a later record names, if it does; then it is taken off the list."""
        named = set(hashes)
        for sample in samples:
            if record_hash(sample.data) in named:
                samples.clear()
                yield self._sure(sample)
                return

    def _sure(self, candidate: _Candidate) -> SalvagedRecord:
        self.findings.take(candidate.record)
        signature = None if candidate.record.stream is Stream.SAMPLE else candidate.signature
        return SalvagedRecord(candidate.record, candidate.data, signature, candidate.proven_height, self._origin)

    def _is_signed(self, candidate: _Candidate) -> bool:
        return candidate.signature is not None and self._verify(candidate.data, candidate.signature)

    def _by_seq(self) -> Iterator[list[_Candidate]]:
        """All candidates of one number together, the best first, number after number. Pages are loaded as they are needed."""
        waiting: list[tuple[int, int, int, _Candidate]] = []
        places = iter(self._places)
        upcoming = next(places, None)
        count = 0
        while waiting or upcoming is not None:
            while upcoming is not None and (not waiting or upcoming[0] <= waiting[0][0]):
                block = self._file.blocks[upcoming[1]]
                page = self._file.load(block)
                for candidate in self._candidates(page, list(self._file.rows(page)), block.rank):
                    count += 1  # so that candidates themselves are never compared
                    heapq.heappush(waiting, (candidate.record.seq, candidate.rank, count, candidate))
                upcoming = next(places, None)
            seq = waiting[0][0]
            same = []
            while waiting and waiting[0][0] == seq:
                same.append(heapq.heappop(waiting)[-1])
            yield same

    def _candidates(self, page: bytes, rows: Sequence[Row], rank: int) -> list[_Candidate]:
        """What may be a record in a page: its rows first, then whatever begins like a record, in rows or not."""
        found = [candidate for row in rows if (candidate := self._from_row(row, 2 * rank)) is not None]
        known = {candidate.data for candidate in found}
        at = page.find(self._mark)
        while at >= 0:
            carved = self._carved(page, at, 2 * rank + 1)
            if carved is not None and carved.data not in known:
                found.append(carved)
            at = page.find(self._mark, at + 1)
        return found

    def _from_row(self, row: Row, rank: int) -> _Candidate | None:
        if len(row.columns) == _SAMPLE_COLUMNS:
            data, signature, height = row.columns[-1], None, None
        elif len(row.columns) == _RECORD_COLUMNS:
            data, signature, height = row.columns[2:]
        else:
            return None
        if not isinstance(data, bytes) or not isinstance(signature, bytes | None) or not isinstance(height, int | None):
            return None
        return self._candidate(data, signature, height, rank)

    def _carved(self, page: bytes, at: int, rank: int) -> _Candidate | None:
        """A record that begins at a place in a page; in a row its signature follows at once."""
        unpacker = msgpack.Unpacker()
        unpacker.feed(page[at:])
        try:
            unpacker.skip()
        except (msgpack.exceptions.UnpackException, ValueError):
            return None
        end = at + unpacker.tell()
        return self._candidate(page[at:end], page[end : end + SIGNATURE_BYTES], None, rank)

    def _candidate(self, data: bytes, signature: bytes | None, height: int | None, rank: int) -> _Candidate | None:
        try:
            record = Record.decode(data)
        except ValueError:
            return None
        return _Candidate(record, rank, data, signature, height) if record.device == self._device else None


def _item(row: Row) -> Item | None:
    """The item in a row of that table; None for any other row, and for one that makes no sense."""
    if len(row.columns) != _ITEM_COLUMNS:
        return None
    _, priority, state, kind, slot_s, seq, reference, tx, expires_height, record_seq, attempts, height, code, detail = (
        row.columns
    )
    if not (isinstance(priority, int) and isinstance(state, int) and isinstance(kind, int) and isinstance(slot_s, int)):
        return None
    if not (isinstance(seq, int) and isinstance(expires_height, int) and isinstance(attempts, int)):
        return None
    if not (isinstance(record_seq, int | None) and isinstance(height, int | None) and isinstance(code, int | None)):
        return None
    if not (isinstance(reference, bytes) and isinstance(tx, bytes) and isinstance(detail, str | None)):
        return None
    if priority not in set(Priority) or state not in set(ItemState):
        return None
    return Item(
        row.number,
        Priority(priority),
        ItemState(state),
        kind,
        slot_s,
        seq,
        reference,
        tx,
        expires_height,
        record_seq,
        attempts,
        height,
        code,
        detail,
    )


def _reader(path: Path, stack: ExitStack) -> tuple[Read, int]:
    """How to read a file, and its size. A sector that the disk does not give reads as nothing."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    stack.callback(os.close, handle)

    def read(offset: int, length: int) -> bytes:
        try:
            return os.pread(handle, length, offset)
        except OSError:
            return b""

    return read, os.fstat(handle).st_size


def _nothing(offset: int, length: int) -> bytes:
    return b""
