"""What a light client is told before it starts: which chain, whom to trust at first, and how much to believe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """A header that was handed over by a trusted way, by height and hash. Everything else is verified from it."""

    height: int
    hash: bytes

    def __post_init__(self) -> None:
        if self.height < 1 or len(self.hash) != 32:
            raise ValueError("an anchor is a height from 1 up and a hash of 32 bytes")


@dataclass(frozen=True, slots=True)
class Options:
    """How much a client believes.

    trusting_period_ns: how long a verified header can vouch for later ones; below the chain's evidence age, so that a
        validator who lies can still be punished.
    freshness_ns: how old the newest header may be to act upon it.
    drift_ns: how far a header's time may lie ahead of the own clock.
    trust_level: share of the trusted power that must have signed a header that skips heights; from 1/3 to 1.
    witness_patience_ns: how long to wait for a witness that does not have the newest header yet.
    single_operator: the owner's word that there is nobody to contradict: fewer than two witnesses are allowed, even none.
    """

    chain_id: str
    trusting_period_ns: int
    freshness_ns: int
    drift_ns: int = 10 * 10**9
    trust_level: tuple[int, int] = (1, 3)
    witness_patience_ns: int = 3 * 10**9
    single_operator: bool = False

    def __post_init__(self) -> None:
        part, whole = self.trust_level
        if not (0 < part <= whole <= 3 * part):
            raise ValueError(f"trust level {part}/{whole} does not lie between 1/3 and 1")
        if self.trusting_period_ns <= 0 or self.freshness_ns <= 0 or self.drift_ns < 0 or self.witness_patience_ns < 0:
            raise ValueError("trusting period and freshness are above 0, drift and patience not below")
