"""Where a run stands, while it runs: a bar on a terminal, a line per day elsewhere. Talk goes to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tools.society.ledgerbook import NO_PRICE


class Progress(Protocol):
    """Is told the number of slots played and the last call price."""

    def advance(self, slots: int, price_ueur_kwh: int) -> None: ...


def price_text(price_ueur_kwh: int) -> str:
    return "no call" if price_ueur_kwh == NO_PRICE else f"{price_ueur_kwh / 10_000:.2f} ct/kWh"


class _Silent:
    def advance(self, slots: int, price_ueur_kwh: int) -> None:
        """Says nothing."""


class _Lines:
    """One line per day of the window."""

    def __init__(self, slots: int, per_day: int) -> None:
        self._slots = slots
        self._per_day = per_day

    def advance(self, slots: int, price_ueur_kwh: int) -> None:
        if slots and (slots % self._per_day == 0 or slots == self._slots):
            days = slots / self._per_day
            print(f"day {days:g} of {self._slots / self._per_day:g} played, {price_text(price_ueur_kwh)}", file=sys.stderr)


class _Bar:
    def __init__(self, bar: Any, task: Any, per_day: int) -> None:
        self._bar = bar
        self._task = task
        self._per_day = per_day
        self._started_s = time.monotonic()

    def advance(self, slots: int, price_ueur_kwh: int) -> None:
        rate = slots / max(time.monotonic() - self._started_s, 1e-3)
        self._bar.update(
            self._task,
            completed=slots,
            day=min(slots, self._bar.tasks[0].total - 1) // self._per_day + 1,
            price=price_text(price_ueur_kwh),
            rate=f"{rate:.1f} slots/s",
        )


@contextmanager
def open_progress(slots: int, per_day: int, *, quiet: bool = False) -> Iterator[Progress]:
    """A bar where stderr is a terminal and rich is installed, else lines."""
    if quiet:
        yield _Silent()
        return
    bar = _rich_bar() if sys.stderr.isatty() else None
    if bar is None:
        yield _Lines(slots, per_day)
        return
    with bar:
        yield _Bar(bar, bar.add_task("", total=slots, day=1, price="", rate=""), per_day)


def _rich_bar() -> Any:
    """A progress bar; None without rich, which is an extra."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None
    columns = (
        TextColumn("day {task.fields[day]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[price]:>15}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
