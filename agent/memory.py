"""What an agent's process tells the C library about memory. With another library than glibc it does nothing.

Together they save 0.9 MiB (`make bench-footprint`).
"""

from __future__ import annotations

import ctypes
from contextlib import suppress
from typing import Final

_M_ARENA_MAX: Final = -8
"""Source: glibc's malloc.h, mallopt(3)."""


def share_one_heap() -> None:
    """Let the threads that begin from now on use the heap that is there, instead of one each.

    Heaps of their own save threads from waiting for each other. Here they hold the interpreter's lock for nearly all that they
    allocate, and wait anyway.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give back what was freed and lies between what is in use, as imports leave it. Source: malloc_trim(3)."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
