"""The cases of strategies/utility.md."""

from __future__ import annotations

from agent.vocabulary import Tariff
from strategies.utility import Posting, UtilityRules, UtilitySnapshot, known_until_s, post

RULES = UtilityRules()
DAY_S = 86_400
MIDNIGHT_S = 1_613_347_200
"""A midnight, UTC; the delivery day starts an hour before."""
PRICES = tuple(Tariff(MIDNIGHT_S - 3600 + k * 900, 130_000, 40_000) for k in range(300))


def posting(now_s: int, posted_until_s: int) -> Posting:
    return post(UtilitySnapshot(now_s, 900, posted_until_s, PRICES), RULES)


def test_at_the_first_start_it_posts_the_day() -> None:
    posted = posting(MIDNIGHT_S - 3600, MIDNIGHT_S - 3600)
    assert len(posted.tariffs) == 96
    assert posted.reason


def test_before_publication_there_is_nothing_to_post() -> None:
    end_s = MIDNIGHT_S + 23 * 3600
    posted = posting(MIDNIGHT_S + 12 * 3600 - 1, end_s)
    assert (posted.tariffs, posted.ask_again_s) == ((), MIDNIGHT_S + 12 * 3600)
    assert posted.reason


def test_at_publication_it_posts_the_next_delivery_day() -> None:
    end_s = MIDNIGHT_S + 23 * 3600
    posted = posting(MIDNIGHT_S + 12 * 3600, end_s)
    assert [posted.tariffs[0].slot_s, posted.tariffs[-1].slot_s] == [end_s, end_s + DAY_S - 900]


def test_one_transaction_takes_so_many_and_the_rest_follows_at_once() -> None:
    now_s = MIDNIGHT_S + 13 * 3600 - DAY_S
    assert known_until_s(now_s, RULES) == MIDNIGHT_S - 3600 + DAY_S
    posted = post(UtilitySnapshot(now_s, 900, MIDNIGHT_S - 3600, PRICES), UtilityRules(most_slots=50))
    assert len(posted.tariffs) == 50
    assert posted.ask_again_s == now_s
