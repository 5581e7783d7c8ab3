"""What the kernel says of a process: its memory, its processor time, its threads. Source: proc(5)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
IS_THERE: Final = (PROC / "self" / "smaps_rollup").exists()
_AFTER_NAME: Final = 3
"""Number of the first field of `stat` behind the name, which may hold spaces."""
_UTIME, _STIME, _THREADS = 14, 15, 20


@dataclass(frozen=True, slots=True)
class Resident:
    """Resident memory of one process in KiB. `file_kib` are pages of programs and libraries: the kernel can drop them, and
    processes share them; `shared_out_kib` is all of it with each shared page counted in equal parts (Pss)."""

    all_kib: int
    anonymous_kib: int
    shared_out_kib: int

    @property
    def file_kib(self) -> int:
        return self.all_kib - self.anonymous_kib


def resident(process: int | str) -> Resident:
    """Of a process by its number, or "self". Raises OSError when it is gone or somebody else's."""
    lines = (PROC / str(process) / "smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return Resident(sizes["Rss"], sizes["Anonymous"], sizes["Pss"])


def processor_s(process: int) -> float:
    """Processor time that a process has used since its start, in steps of 10 ms. Raises OSError."""
    fields = _stat(process)
    return (int(fields[_UTIME]) + int(fields[_STIME])) / os.sysconf("SC_CLK_TCK")


def threads(process: int) -> int:
    """How many threads a process has. Raises OSError."""
    return int(_stat(process)[_THREADS])


def _stat(process: int) -> dict[int, str]:
    """The fields of `stat` behind the name, by the numbers of the manual."""
    text = (PROC / str(process) / "stat").read_text(encoding="utf-8")
    return dict(enumerate(text.rpartition(")")[2].split(), start=_AFTER_NAME))
