"""The utility: turns its day-ahead prices into tariffs, and posts those that are known and not yet posted."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Tariff
from strategies.words import DAY_S, time_of_day


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


def post(seen: UtilitySnapshot, rules: UtilityRules) -> Posting:
    """Post every tariff that is public by now and not on the ledger yet, oldest first, as many as one transaction takes."""
    public_until_s = min(known_until_s(seen.now_s, rules), seen.now_s + rules.ahead_s)
    due = tuple(price for price in seen.prices if seen.posted_until_s <= price.slot_s < public_until_s)[: rules.most_slots]
    if due:
        until_s = due[-1].slot_s + seen.duration_s
        reason = f"Prices until {time_of_day(until_s)} are public: {len(due)} tariffs posted."
        return Posting(due, reason, ask_again_s=seen.now_s)
    publication_s = next_publication_s(seen.now_s, rules)
    return Posting((), f"All public prices are posted; the next are known at {time_of_day(publication_s)}.", publication_s)


def known_until_s(now_s: int, rules: UtilityRules) -> int:
    """The end of the last delivery day whose prices are public."""
    day_start_s = now_s - (now_s - rules.delivery_day_starts_s) % DAY_S
    published = next_publication_s(day_start_s, rules) <= now_s
    return day_start_s + (2 if published else 1) * DAY_S


def next_publication_s(now_s: int, rules: UtilityRules) -> int:
    """The first publication after `now_s`."""
    return now_s + DAY_S - (now_s - rules.publication_s) % DAY_S
