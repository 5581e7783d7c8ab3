"""The states of a light client that a person sees, and which error leads to which. It decides nothing else.

synced         a header that is fresh, verified and confirmed
behind         nothing newer is to be had: nodes are silent, lag, or their newest header is too old
no trust       a node showed something that does not verify, or no witness confirms what verifies
expired        the trusting period is over: the client needs a new anchor
under attack   two nodes show headers that both verify: evidence is kept and handed in, and trading halted until a new anchor
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lightclient.errors import (
    DamagedStore,
    HeaderFromFuture,
    LightClientError,
    NodeBehind,
    NodeError,
    NothingCommitted,
    StaleHeader,
    TrustExpired,
    UnderAttack,
)


class LightState(StrEnum):
    """What stands between this device and the ledger."""

    SYNCED = "synced"
    BEHIND = "behind"
    NO_TRUST = "no trust"
    EXPIRED = "expired"
    UNDER_ATTACK = "under attack"


@dataclass(frozen=True, slots=True)
class Situation:
    """A state, why, and what a person can do about it; both texts are empty where all is well."""

    state: LightState
    cause: str = ""
    next_step: str = ""


SYNCED = Situation(LightState.SYNCED)


def situation_after(error: LightClientError) -> Situation:
    """What a failed update means."""
    match error:
        case UnderAttack():
            return Situation(LightState.UNDER_ATTACK, str(error), "homewatt light re-anchor, with an anchor of the society")
        case TrustExpired():
            return Situation(LightState.EXPIRED, str(error), "see to the clock; if it is right: homewatt light re-anchor")
        case HeaderFromFuture():
            return Situation(LightState.NO_TRUST, str(error), "see to the clock, which may be behind")
        case DamagedStore():
            return Situation(LightState.NO_TRUST, str(error), "see to the disk, and to the rights of that folder")
        case StaleHeader() | NodeBehind() | NothingCommitted() | NodeError():
            return Situation(LightState.BEHIND, str(error), "see to the network, and to the nodes that are configured")
        case _:
            return Situation(LightState.NO_TRUST, str(error), "ask the operators of the nodes; see homewatt light status")
