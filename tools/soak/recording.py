"""The recorder's side in Python: build it, run a program under it, read its log (its layout is told in recorder.c)."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from tools.soak.campaign import Unavailable

RECORDER: Final = Path(__file__).with_name("recorder.c")
_HEAD: Final = struct.Struct("=cQQI")


class Operation(Enum):
    """What was done to a file or name."""

    WRITE = b"W"
    TRUNCATE = b"T"
    SYNC = b"S"
    NAME = b"N"
    MOVE = b"M"
    UNLINK = b"U"


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation that returned. `number` is an offset (WRITE) or a size (TRUNCATE); `data` the bytes or names."""

    operation: Operation
    inode: int
    number: int
    data: bytes

    @property
    def name(self) -> str:
        return self.data.decode()


def compile_preload(source: Path, folder: Path) -> Path:
    """Build a library for LD_PRELOAD. Raises Unavailable, CalledProcessError."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Unavailable("it needs a C compiler (Debian: apt install gcc libc6-dev)")
    library = folder / f"{source.stem}.so"
    subprocess.run([compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


def recorded_environment(library: Path, folder: Path, log: Path) -> Mapping[str, str]:
    """The environment in which a program's doings under `folder` go to `log`."""
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "HOMEWATT_RECORD_UNDER": str(folder),
        "HOMEWATT_RECORD_TO": str(log),
    }


def read_log(log: Path) -> Iterator[Entry]:
    """All entries in order. Raises ValueError for a log that ends within an entry."""
    data = log.read_bytes()
    at = 0
    while at < len(data):
        operation, inode, number, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size + length
        if at > len(data):
            raise ValueError(f"{log} ends within an entry")
        yield Entry(Operation(operation), inode, number, data[at - length : at])
