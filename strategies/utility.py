"""The utility: turns its day-ahead prices into tariffs, and posts those that are known and not yet posted."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Tariff


@dataclass(frozen=True, slots=True)
class UtilityRules:
    """How a tariff is made public. Day-ahead prices of a delivery day become known at a fixed time of the day before."""

    publication_s: int = 12 * 3600
    """Second of the UTC day at which the next delivery day's prices are known (13:00 CET)."""
    delivery_day_starts_s: int = 23 * 3600
    """Second of the UTC day at which a delivery day starts (midnight CET)."""
    ahead_s: int = 36 * 3600
    """The ledger takes tariffs at most this far ahead."""
    most_slots: int = 144
    """The ledger takes at most so many slots in one transaction."""


@dataclass(frozen=True, slots=True)
class UtilitySnapshot:
    """`prices` are the utility's own asks and bids as it will know them, ascending, without holes; `posted_until_s` is the
    end of the last slot whose tariff stands on the ledger (or the start of the first slot that can still get one)."""

    now_s: int
    duration_s: int
    posted_until_s: int
    prices: tuple[Tariff, ...]


@dataclass(frozen=True, slots=True)
class Posting:
    """What to post now (consecutive slots, possibly none), why, and when to ask again."""

    tariffs: tuple[Tariff, ...]
    reason: str
    ask_again_s: int


def post(seen: UtilitySnapshot, rules: UtilityRules) -> Posting: ...
