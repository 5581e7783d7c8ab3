"""A light client's store in a folder of small files: what is trusted survives restarts and power cuts.

Nothing but the serial is kept in memory; each question lists the folder and reads the files that answer it. Order is all
there is to crash safety: what is new is durable before what is old goes. Names and contents are storedfiles.py's matter.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from lightclient import storedfiles
from lightclient.blocks import LightBlock, ValidatorSet
from lightclient.disk import NEW_SUFFIX, Disk, LocalDisk
from lightclient.errors import DamagedStore, MalformedHeader, NodeGarbage
from lightclient.options import TrustAnchor
from lightclient.store import KEPT_BLOCKS, AttackRecord
from lightclient.storedfiles import ANCHOR_NAME, BlockFile

UNREADABLE_ATTACK: Final = AttackRecord("unknown", 0, ("unknown", "unknown"), 0, ())
"""Stands for an attack whose file is damaged: that there was one is in its name, and that is what trading halts for."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class FileStore:
    """The LightStore in `folder`, which is made with the first thing to keep.

    One process saves blocks there; others may look, and re-anchor: this one notices when it asks for attack or anchor.
    A damaged file is set aside, and the next lower block answers. DamagedStore means that the folder itself cannot be read
    or written.
    """

    def __init__(self, folder: Path, kept_blocks: int = KEPT_BLOCKS, disk: Disk | None = None) -> None:
        if kept_blocks < 2:
            raise ValueError("a store keeps the lowest and the newest block at least")
        self._folder = folder
        self._kept_blocks = kept_blocks
        self._disk = disk or LocalDisk()
        self._serial: int | None = None
        self._damaged: dict[str, None] = {}
        # A caller who was cancelled leaves its thread at work: the next one's waits here.
        self._one_at_a_time = threading.Lock()

    @property
    def damaged(self) -> tuple[str, ...]:
        """The damaged files met so far, by the names under which they lie now."""
        return tuple(self._damaged)

    async def newest(self) -> LightBlock | None:
        return await self._run(lambda: self._first_readable(reversed(self._files())))

    async def at_or_below(self, height: int) -> LightBlock | None:
        return await self._run(lambda: self._first_readable(file for file in reversed(self._files()) if file.height <= height))

    async def lowest(self) -> LightBlock | None:
        return await self._run(lambda: self._first_readable(self._files()))

    async def save(self, blocks: Sequence[LightBlock]) -> None:
        if blocks:
            await self._run(lambda: self._save(blocks))

    async def anchor(self) -> TrustAnchor | None:
        return await self._run(self._follow_anchor)

    async def re_anchor(self, anchor: TrustAnchor) -> None:
        await self._run(lambda: self._re_anchor(anchor))

    async def attack(self) -> AttackRecord | None:
        return await self._run(self._read_attack)

    async def note_attack(self, record: AttackRecord) -> None:
        await self._run(lambda: self._note_attack(record))

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.to_thread(self._guarded, work)

    def _guarded(self, work: Callable[[], _T]) -> _T:
        with self._one_at_a_time:
            try:
                return work()
            except OSError as error:
                raise DamagedStore(str(self._folder), error.strerror or str(error)) from error

    def _files(self) -> list[BlockFile]:
        """The blocks of the anchor that this store goes by, lowest first."""
        serial = self._own_serial()
        return [file for file in storedfiles.block_files(self._disk.names(self._folder)) if file.serial == serial]

    def _own_serial(self) -> int:
        if self._serial is None:
            self._follow_anchor()
        return self._serial or 0

    def _follow_anchor(self) -> TrustAnchor | None:
        """Go by the anchor that lies there now; what was kept under an earlier one counts no more."""
        stored = self._load(ANCHOR_NAME, storedfiles.decode_anchor)
        if stored is None:
            # None yet, or it was damaged: then what was verified under the last one is as good as before.
            names = self._disk.names(self._folder)
            serials = [file.serial for file in storedfiles.block_files(names)]
            self._serial = max([*serials, *storedfiles.attack_serials(names)], default=0)
            return None
        self._serial, anchor = stored
        return anchor

    def _first_readable(self, files: Iterable[BlockFile]) -> LightBlock | None:
        return next((block for block in map(self._read_block, files) if block is not None), None)

    def _read_block(self, file: BlockFile) -> LightBlock | None:
        """None where the block is damaged or its set is missing, which the next `save` of that set brings back."""
        validators = self._read_validators(file.validators_hash)
        if validators is None:
            return None
        return self._load(file.name, lambda data: storedfiles.decode_block(data, file, validators))

    def _read_validators(self, validators_hash: str) -> ValidatorSet | None:
        name = storedfiles.validators_name(validators_hash)
        return self._load(name, lambda data: storedfiles.decode_validators(data, validators_hash))

    def _load(self, name: str, decode: Callable[[bytes], _T]) -> _T | None:
        """What a file holds; None where it is missing or damaged, and then it is set aside."""
        try:
            return decode(self._disk.read(self._folder / name))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._set_aside(name, os.strerror(errno.EIO))
        except (NodeGarbage, MalformedHeader) as error:
            self._set_aside(name, str(error))
        return None

    def _set_aside(self, name: str, reason: str) -> None:
        now_named = self._disk.set_aside(self._folder / name)
        if now_named not in self._damaged:
            self._damaged[now_named] = None
            _log.warning("%s: %s is damaged and set aside as %s: %s", self._folder, name, now_named, reason)

    def _save(self, blocks: Sequence[LightBlock]) -> None:
        self._disk.make(self._folder)
        serial = self._own_serial()
        names = self._disk.names(self._folder)
        files = {file.height: file for file in storedfiles.block_files(names) if file.serial == serial}
        given = {block.height: block for block in blocks}
        heights = sorted(files.keys() | given.keys())
        kept = {heights[0], *heights[1 - self._kept_blocks :]}
        written = set(names)
        for height in sorted(kept & given.keys()):
            file = files[height] = storedfiles.block_file(serial, given[height])
            set_name = storedfiles.validators_name(file.validators_hash)
            if set_name not in written:
                self._disk.write(self._folder / set_name, storedfiles.encode_validators(given[height].validators))
                written.add(set_name)
            self._disk.write(self._folder / file.name, storedfiles.encode_signed_header(given[height].signed_header))
        self._disk.sync(self._folder)
        self._prune(names, serial, [files[height] for height in kept])

    def _re_anchor(self, anchor: TrustAnchor) -> None:
        self._disk.make(self._folder)
        self._follow_anchor()
        serial = self._own_serial() + 1
        self._disk.write(self._folder / ANCHOR_NAME, storedfiles.encode_anchor(serial, anchor))
        self._disk.sync(self._folder)
        self._serial = serial
        self._prune(self._disk.names(self._folder), serial, [])

    def _prune(self, names: Sequence[str], serial: int, kept: Sequence[BlockFile]) -> None:
        """Remove what nobody needs; it need not be durable, the next time does it again.

        What belongs to a later serial stays: another process has re-anchored, and this one has not noticed yet.
        """
        blocks = storedfiles.block_files(names)
        stay = [*kept, *(file for file in blocks if file.serial > serial)]
        needed = {file.name for file in stay} | {storedfiles.validators_name(file.validators_hash) for file in stay}
        surplus = [file.name for file in blocks]
        surplus += [storedfiles.attack_name(earlier) for earlier in storedfiles.attack_serials(names) if earlier < serial]
        surplus += [name for name in names if storedfiles.is_validators(name)]
        surplus += [name for name in names if name.endswith(NEW_SUFFIX)]
        for name in surplus:
            if name not in needed:
                self._disk.remove(self._folder / name)

    def _read_attack(self) -> AttackRecord | None:
        self._follow_anchor()
        name = storedfiles.attack_name(self._own_serial())
        if name not in self._disk.names(self._folder):
            return None
        try:
            return storedfiles.decode_attack(self._disk.read(self._folder / name))
        except (OSError, NodeGarbage) as error:  # left in its place, so that the next start halts too
            if name not in self._damaged:
                self._damaged[name] = None
                _log.error("%s: %s is damaged: %s", self._folder, name, error)
            return UNREADABLE_ATTACK

    def _note_attack(self, record: AttackRecord) -> None:
        self._disk.make(self._folder)
        name = storedfiles.attack_name(self._own_serial())
        self._disk.write(self._folder / name, storedfiles.encode_attack(record))
        self._disk.sync(self._folder)
