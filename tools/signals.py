"""Stopping: what runs until it is told to stop is told by SIGTERM (a service manager) or SIGINT (Ctrl-C)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tools.console import ExitCode

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_signals() -> Iterator[asyncio.Future[ExitCode]]:
    """A future that holds, once a signal has come, the exit code of a clean stop. Needs a running event loop."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[ExitCode] = loop.create_future()

    def stop(code: ExitCode) -> None:
        if not stopped.done():
            stopped.set_result(code)

    loop.add_signal_handler(signal.SIGTERM, stop, ExitCode.OK)
    loop.add_signal_handler(signal.SIGINT, stop, ExitCode.INTERRUPTED)
    try:
        yield stopped
    finally:
        for which in STOP_SIGNALS:
            loop.remove_signal_handler(which)
