"""The task that writes the figures into a file, again and again, and takes the file away at the end.

Whoever reads the file sees it whole: it is written beside and renamed. It is not flushed: it belongs on a memory disk.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.metrics.exposition import render
from agent.metrics.figures import AgentFigures, Instant, agent_families, journal_families
from agent.time.keeping import TimeKeeper
from storeforward.errors import JournalDamaged, StorageFailed
from storeforward.journal import Journal

_log = logging.getLogger(__name__)

REMOVE_WITHIN_S: Final = 1
"""At a stop nothing waits longer for a disk that hangs."""


class MetricsFile:
    """One file. Its methods block, and may be called from any thread; once removed it is not written any more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._beside = path.with_name(f"{path.name}.tmp")
        self._lock = threading.Lock()
        self._is_removed = False

    def write(self, text: str) -> None:
        """Put a whole text in the place of the one before. Raises OSError."""
        with self._lock:
            if not self._is_removed:
                self._beside.write_text(text, encoding="utf-8")
                os.replace(self._beside, self._path)

    def remove(self) -> None:
        """Take it away, for an agent that does not run has no figures."""
        with self._lock:
            self._is_removed = True
            for path in (self._beside, self._path):
                with suppress(OSError):
                    path.unlink()


class MetricsWriter:
    """Writes the figures of the agent `name` every `every_s` seconds. What cannot be written or read is told in the log, once
    for each cause in a row, and tried again."""

    def __init__(
        self,
        name: str,
        file: Path,
        every_s: int,
        journal: Journal,
        time: TimeKeeper,
        figures: Callable[[], AgentFigures],
    ) -> None:
        self._name = name
        self._path = file
        self._file = MetricsFile(file)
        self._every_s = every_s
        self._journal = journal
        self._time = time
        self._figures = figures
        self._cause = ""

    async def run(self) -> None:
        """Write until cancelled. Raises JournalDamaged."""
        try:
            while True:
                await self._write()
                await asyncio.sleep(self._every_s)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(REMOVE_WITHIN_S):
                    await asyncio.to_thread(self._file.remove)

    async def _write(self) -> None:
        cause = ""
        families = agent_families(self._figures())
        try:
            journal = await self._journal.metrics()
            at = Instant(self._time.clock.monotonic_ns(), self._time.wall_ns())
            families += journal_families(journal, at)
        except JournalDamaged:
            raise
        except StorageFailed as error:
            cause = f"without the journal's: {error}"
        try:
            await asyncio.to_thread(self._file.write, render(families, {"device": self._name}))
        except OSError as error:
            cause = f"{self._path} cannot be written: {error.strerror}"
        if cause and cause != self._cause:
            _log.warning("%s: figures: %s", self._name, cause)
        self._cause = cause
