"""What the C library is told about memory, and that another one than glibc is left alone."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from agent.memory import give_back, share_one_heap

THREADS_ALLOCATE = """
import re, threading
from agent.memory import share_one_heap
{share}
started = threading.Barrier(5)
def hold():
    kept = [bytes(1_000) for _ in range(100)]
    started.wait()
    started.wait()
threads = [threading.Thread(target=hold) for _ in range(4)]
for thread in threads: thread.start()
started.wait()
heaps = re.findall(r"-[0-9a-f]+ ---p 0+ 00:00 0 *$", open("/proc/self/maps").read(), re.MULTILINE)
print(len(heaps))
started.wait()
"""
"""Each heap of a thread is one stretch of addresses that are reserved and not used yet, and so is the guard of its stack."""


def unused_stretches(share: str) -> int:
    program = THREADS_ALLOCATE.format(share=share)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "mallopt"), reason="heaps as glibc makes them"
)
def test_threads_share_one_heap() -> None:
    assert unused_stretches("share_one_heap()") < unused_stretches("")


def test_another_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    share_one_heap()
    give_back()
