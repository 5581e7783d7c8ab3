"""Damaged journals that stand beside the one in use: says so, and takes back what is in them while the agent already measures.

Trading waits for it, because what was sent before must be known; measuring and controlling do not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgpack

from agent.clock import now_s
from agent.config import JournalConfig
from agent.journaling import entries
from agent.journaling.recording import METER_STATE
from agent.line.sealing import Sealer
from agent.observing import Observer
from agent.status import Status, Trouble
from agent.vocabulary import Clock, SlotEnergy
from storeforward.changes import Changes
from storeforward.errors import StorageFailed
from storeforward.files import asides
from storeforward.journal import Journal
from storeforward.signatures import verifier

_log = logging.getLogger(__name__)

TAKEN_BACK: Final = "taken back"
"""Named value of the journal: what was taken back of each damaged file, in words, by the file's name, size and time."""
DAMAGE: Final = "damage"
"""What the event is about that tells of it."""
UNDATED: Final = 0
"""Time of an event that must be told, though nobody may know the time."""
NUMBERS_USED: Final = "numbers used"
"""Named value of the journal: the highest sequence number that a damaged one is known to have used."""


def remembered(values: Mapping[str, bytes]) -> dict[str, str]:
    """What was taken back, in words, by `identity`: out of a journal's named values."""
    return dict(msgpack.unpackb(values.get(TAKEN_BACK, b"\x80")))


async def remember(journal: Journal, damaged: Path, text: str) -> None:
    """Note what was taken back of a file, so that no start goes through it again. Files that were taken away are forgotten."""
    before = remembered(journal.values)
    told = {identity(file) for file in asides(journal.path)} & before.keys()
    kept = {name: before[name] for name in told} | {identity(damaged): text}
    event = entries.event(DAMAGE, f"{damaged.name}: {text}", UNDATED)
    await journal.apply(Changes((event,), values=((TAKEN_BACK, bytes(msgpack.packb(kept))),)))


def identity(damaged: Path) -> str:
    """A name is used again once its file was taken away; with size and time it is not."""
    try:
        status = damaged.stat()
    except FileNotFoundError:  # taken away just now
        return damaged.name
    return f"{damaged.name} {status.st_size} {status.st_mtime_ns}"


class Damage:
    """What is wrong with this agent's journals. `repaired` is called once it was repaired: trading may begin, and readings may
    wait to be sent."""

    def __init__(
        self,
        journal: Journal,
        config: JournalConfig,
        public_key: bytes,
        sealer: Sealer,
        clock: Clock,
        status: Status,
        repaired: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._config = config
        self._verify = verifier(public_key)
        self._sealer = sealer
        self._clock = clock
        self._status = status
        self._repaired = repaired
        self._observer: Observer | None = None
        self._is_new_meter = METER_STATE not in journal.values
        self._history: list[SlotEnergy] = []
        self._told = remembered(journal.values)
        journal.skip_seq(int(journal.values.get(NUMBERS_USED, b"0")))
        self._waiting = [file for file in asides(journal.path) if identity(file) not in self._told]
        self.is_repaired = not self._waiting
        """Whether all is known that can be known of the past."""
        self._tell()

    def watch(self, observer: Observer) -> None:
        """Let the registers and the history of this observer go on from what is found."""
        self._observer = observer

    async def repair(self) -> None:
        """Take back what the damaged files hold. One that cannot be read, or for which there is no room, holds nobody up."""
        if not self._waiting:
            return
        from agent.journaling.salvaging import Limits, take_back  # only here: most agents never have a damaged journal

        for damaged in self._waiting:
            name = identity(damaged)
            try:
                share = Limits.of(self._config, used_bytes=await self._journal.salvaged_bytes())
                taken = await take_back(self._journal, damaged, self._sealer, self._verify, share)
                await remember(self._journal, damaged, taken.text)
            except (OSError, StorageFailed) as error:
                self._told[name] = f"nothing more could be taken back: {error}"
                _log.error("journal %s: %s: %s", self._journal.path, damaged.name, error)
                continue
            self._told[name] = taken.text
            _log.warning("journal %s: of %s: %s", self._journal.path, damaged.name, taken.text)
            self._continue(list(taken.energies))
        self.is_repaired = True
        self._tell()
        self._repaired()

    def _continue(self, energies: list[SlotEnergy]) -> None:
        """Registers never fall below the newest one that was signed, unless a slot was measured from lower ones meanwhile."""
        if self._observer is None or not energies:
            return
        self._history += energies
        if self._is_new_meter and not self._observer.history:
            newest = max(energies, key=lambda slot: slot.slot_s)
            self._observer.meter.continue_from(newest.import_end_wh, newest.export_end_wh)

    def complete_history(self) -> None:
        """Put the slots that were found before the observer's own."""
        if self._observer is None or not self._history:
            return
        history = self._observer.history
        slots = {slot.slot_s: slot for slot in (*self._history, *history)}
        history.clear()
        history.extend(slots[slot_s] for slot_s in sorted(slots))
        self._history = []

    def _tell(self) -> None:
        """Let the status say which files stand aside, until somebody takes them away."""
        files = asides(self._journal.path)
        if not files:
            return
        parts = [f"{file}: {self._told.get(identity(file), 'is being gone through')}" for file in files]
        cause = (
            f"{self._journal.path} was damaged (a power cut, a worn card), stands aside, and a fresh one was begun. "
            + ". ".join(parts)
            + ". Next: keep a copy of what stands aside for whoever must prove what is in it, check the card, take the files"
            " away and restart the agent"
        )
        self._status.set(Trouble.JOURNAL_LOST, cause, now_s(self._clock))
