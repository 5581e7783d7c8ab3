"""What the market's rules promise, held against the recorded week: it pays neither to stay away from the market nor to play.

One party departs from its strategies, all others keep to theirs (`tools.bench.incentives`). docs/market.md says which
promises hold every day and which only over time.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from agent.vocabulary import Kind, Order, Side, Tariff
from tools.bench.incentives import (
    BentRace,
    Quiet,
    Tactic,
    asking,
    gain_ueur,
    never_trading,
    ordering,
    others_gain_ueur,
    shading,
)
from tools.bench.race import Options, Race
from tools.bench.race_figures import Outcome
from tools.bench.race_world import UEUR, WEEK, World, load_world

FIRST_DAY, DAYS = 1, 3
CENT_UEUR = UEUR // 100
EV_HOME, ERRATIC_HOME = "home 5", "home 14"
"""One with a car on all of these days; one without, whose use is hardest to foresee and whom playing tempts most."""
MOST_UEUR_PER_DAY = 5 * CENT_UEUR
"""What a home may gain by playing: cents. The most that was seen stands in docs/market.md."""


def played(race: Race) -> Outcome:
    """Run a race and see that all who take part together paid what the grid meter says, to the ueur."""
    outcome = race.run()
    grid_ueur = 0
    for slot, tariff in enumerate(race.world.tariffs):
        net_wh = sum(meter.history[slot].net_wh for meter in race.meters)
        thousandths = net_wh * (tariff.ask_ueur_kwh if net_wh > 0 else tariff.bid_ueur_kwh)
        grid_ueur += thousandths // 1000 if net_wh > 0 else -(-thousandths // 1000)
    assert sum(outcome.party_ueur.values()) + outcome.society_ueur == grid_ueur == outcome.grid_ueur
    return outcome


def played_with(world: World, tactic: Tactic) -> Outcome:
    return played(BentRace(world, Options(), tactic))


@pytest.fixture(scope="module")
def week() -> World:
    return load_world(WEEK)


@pytest.fixture(scope="module")
def days(week: World) -> World:
    return week.days(FIRST_DAY, DAYS)


@pytest.fixture(scope="module")
def honest(days: World) -> Outcome:
    return played(Race(days, Options()))


@pytest.fixture(scope="module")
def honest_week(week: World) -> Outcome:
    return played(Race(week, Options()))


@pytest.mark.parametrize("quiet", ["waits", "alone", "as if"])
def test_a_battery_that_never_trades_loses_whatever_it_does(days: World, honest: Outcome, quiet: Quiet) -> None:
    assert gain_ueur(honest, played_with(days, never_trading("battery", quiet)), "battery") < 0


def test_the_array_loses_by_never_trading(week: World, honest_week: Outcome) -> None:
    """Over the week. On a day with more sun than use the absence of the only seller can pay it: docs/market.md says why."""
    assert gain_ueur(honest_week, played_with(week, never_trading("array", "waits")), "array") < 0


@pytest.mark.parametrize(
    ("home", "quiet"), [(EV_HOME, "waits"), (EV_HOME, "alone"), (EV_HOME, "as if"), (ERRATIC_HOME, "waits")]
)
def test_a_home_loses_by_never_trading(days: World, honest: Outcome, home: str, quiet: Quiet) -> None:
    silent = played_with(days, never_trading(home, quiet))
    assert gain_ueur(honest, silent, home) < 0
    assert (silent.unmet_ev_wh, silent.late_washers) == (honest.unmet_ev_wh, honest.late_washers)


@pytest.mark.parametrize("percent", [10, 20, 30])
@pytest.mark.parametrize("home", [EV_HOME, ERRATIC_HOME])
def test_a_home_gains_at_most_cents_by_shading_its_limits(days: World, honest: Outcome, home: str, percent: int) -> None:
    assert gain_ueur(honest, played_with(days, shading(home, percent)), home) <= MOST_UEUR_PER_DAY * DAYS


@pytest.mark.parametrize("percent", [70, 130])
@pytest.mark.parametrize("home", [EV_HOME, ERRATIC_HOME])
def test_a_home_gains_at_most_cents_by_ordering_another_amount_than_it_expects(
    days: World, honest: Outcome, home: str, percent: int
) -> None:
    assert gain_ueur(honest, played_with(days, ordering(home, percent, Kind.BASE_LOAD)), home) <= MOST_UEUR_PER_DAY * DAYS


def test_balancing_pays_its_owner_and_all_others(days: World, honest: Outcome) -> None:
    follower = played(Race(days, Options(balance=False)))
    assert gain_ueur(follower, honest, "battery") > 0
    assert others_gain_ueur(follower, honest, "battery") > 0


def test_balancing_saves_the_others_more_than_it_may_cost_its_owner(week: World) -> None:
    """The last three days hold one on which the sun broke off and helping cost the owner: docs/market.md."""
    cloudy = week.days(4, 3)
    follower, balancer = (played(Race(cloudy, Options(balance=balance))) for balance in (False, True))
    owner_ueur = gain_ueur(follower, balancer, "battery")
    assert others_gain_ueur(follower, balancer, "battery") > max(0, -owner_ueur)


def test_nobody_is_worse_off_than_without_the_market(week: World, days: World, honest: Outcome, honest_week: Outcome) -> None:
    for world, traded in ((days, honest), (week, honest_week)):
        assert traded.worse_than(played(Race(world, Options("passive")))) == {}
        assert traded.society_ueur < 0, "the society's account lives on the deviations; it must not pay for them"


TARIFF = Tariff(0, 130_000, 40_000)


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_shaded_limits_are_worse_for_the_others_and_stay_within_the_tariff(side: Side) -> None:
    order = Order(0, side, 500, 100_000)
    shades = [shading("home 1", percent).bend(Kind.BASE_LOAD, order, TARIFF) for percent in (0, 10, 20, 90)]
    limits = [shaded.limit_ueur_kwh for shaded in shades if shaded]
    assert limits[0] == 100_000
    assert limits[-1] == (TARIFF.bid_ueur_kwh if side is Side.BUY else TARIFF.ask_ueur_kwh)
    assert all(a > b if side is Side.BUY else a < b for a, b in pairwise(limits))


def test_an_asking_price_moves_sells_alone() -> None:
    buy, cheap, dear = (
        Order(0, side, 500, limit) for side, limit in ((Side.BUY, 50_000), (Side.SELL, 50_000), (Side.SELL, 99_000))
    )
    ask = asking("array", 50).bend
    assert ask(Kind.SOLAR, buy, TARIFF) == buy
    assert ask(Kind.SOLAR, dear, TARIFF) == dear
    assert ask(Kind.SOLAR, cheap, TARIFF) == Order(0, Side.SELL, 500, 85_000)


def test_ordering_another_amount_leaves_other_appliances_alone() -> None:
    bend = ordering("home 1", 70, Kind.BASE_LOAD).bend
    assert bend(Kind.BASE_LOAD, Order(0, Side.BUY, 500, 1), TARIFF) == Order(0, Side.BUY, 350, 1)
    assert bend(Kind.WASHER, Order(0, Side.BUY, 500, 1), TARIFF) == Order(0, Side.BUY, 500, 1)
    assert bend(Kind.BASE_LOAD, Order(0, Side.BUY, 1, 1), TARIFF) is None
