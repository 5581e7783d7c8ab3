"""How fast a backlog is handed in: so many a second and no more, however much waits. No I/O and no clock."""

from __future__ import annotations

from typing import Final

from agent.clock import NS_PER_S

BURST: Final = 16
"""How many pass at once after a quiet time: what four hours without a network leave, with slots of a quarter of an hour."""


class Pace:
    """Lets `per_s` pass in a second, after a quiet time `burst` at once."""

    def __init__(self, per_s: int, burst: int = BURST) -> None:
        self._step_ns = NS_PER_S // per_s
        self._slack_ns = (burst - 1) * self._step_ns
        self._full_ns = 0
        """When all that has passed would have passed, had it kept to the pace from one to the next."""

    def wait_ns(self, now_ns: int) -> int:
        """How long the next one has to wait, 0 where it may pass."""
        return max(0, self._full_ns - self._slack_ns - now_ns)

    def passed(self, now_ns: int) -> None:
        """One has passed."""
        self._full_ns = max(self._full_ns, now_ns) + self._step_ns
