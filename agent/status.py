"""What is wrong with this agent right now, for people: named troubles with cause and start. It decides nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_log = logging.getLogger(__name__)


class Trouble(StrEnum):
    """A degraded state. The agent runs on in each of them, with less than all of its abilities."""

    OFFLINE = "offline"
    """No node answers: measuring and controlling go on, records wait in the outbox."""
    BEHIND = "behind"
    """The ledger's newest header is too old to trade upon."""
    NO_TRUST = "no trust"
    """Nothing that any node shows verifies, or no witness confirms what does: no trading."""
    EXPIRED = "trust expired"
    """The trusting period is over: no trading until a signed anchor says where to begin again."""
    UNDER_ATTACK = "under attack"
    """Two nodes show headers that both verify. The evidence is kept and told; no trading until a signed anchor comes."""
    NODE = "a node lied"
    """One node was caught and is left out for a while. The others do: trading goes on."""
    WRONG_TIME = "wrong time"
    """The clock is unset or disagrees with the ledger: no trading, and readings are kept but not sent."""
    SENSOR = "sensor silent"
    CONTROL = "appliance does not obey"
    REGISTER = "registers jumped"
    """Energy was counted that no slot explains; stands until the next slot was measured whole."""
    JOURNAL = "journal cannot write"
    JOURNAL_LOST = "journal begun afresh"
    """The journal was damaged and set aside; stands until the damaged file is taken away and the agent started again."""
    RECORDS = "records not understood"
    """Some are of a form that this version does not know: they stay as they are, and nothing is done upon them."""
    REGISTRY = "not as registered"
    """The ledger's parameters or its record of this device contradict the configuration: no trading."""


@dataclass(frozen=True, slots=True)
class Since:
    """Why a trouble stands, and since when (Unix seconds by the own clock)."""

    cause: str
    since_s: int


class Status:
    """The troubles that stand. Says each loss and each return once in the log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._troubles: dict[Trouble, Since] = {}

    def set(self, trouble: Trouble, cause: str, now_s: int) -> None:
        """Let a trouble stand; a new cause of a standing one replaces the cause and keeps the start."""
        standing = self._troubles.get(trouble)
        if standing is None:
            _log.warning("%s: %s: %s", self._name, trouble, cause)
        self._troubles[trouble] = Since(cause, now_s if standing is None else standing.since_s)

    def clear(self, trouble: Trouble, now_s: int) -> None:
        """End a trouble; nothing happens where it does not stand."""
        ended = self._troubles.pop(trouble, None)
        if ended is not None:
            stood_s = now_s - ended.since_s
            lasted = f"after {stood_s} s" if stood_s >= 0 else "and the clock was set back meanwhile"
            _log.warning("%s: no longer %s, %s", self._name, trouble, lasted)

    def __contains__(self, trouble: Trouble) -> bool:
        return trouble in self._troubles

    def snapshot(self) -> Mapping[Trouble, Since]:
        """All troubles that stand; empty when all is well."""
        return dict(self._troubles)
