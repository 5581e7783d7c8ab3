"""Worths, the programme and forecasts: against plain search, and at their edges."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import forecast, outlook
from strategies.facts import StorageFacts
from strategies.programme import LEVELS, Stage, price_path, step_wh, worths_after
from strategies.worth import merge, steps
from tests.strategies.markets import ASK, BID, NEXT_SLOT_S, NOW_SLOT_S, SLOT_S, market, own_slots, price_lines

STORAGE = StorageFacts(60_000, 20_000, 20_000)
Pieces = list[tuple[int, int]]
"""(worth, length) pairs."""
pieces = st.lists(st.tuples(st.integers(-1000, 1000), st.integers(0, 50)), max_size=12)


@given(first=pieces, second=pieces)
def test_merging_keeps_every_unit_and_falls(first: Pieces, second: Pieces) -> None:
    merged = merge(first, second)
    assert [worth for worth, _ in merged] == sorted((worth for worth, _ in merged), reverse=True)
    assert sum(length for _, length in merged) == sum(length for _, length in (*first, *second))


@given(first=pieces, skip=st.integers(0, 100), step=st.integers(1, 30), count=st.integers(1, 10))
def test_steps_are_the_means_of_the_units_they_cover(first: Pieces, skip: int, step: int, count: int) -> None:
    units = [worth for worth, length in first for _ in range(length)][skip:] + [-7] * step * count
    expected = [sum(units[i * step : (i + 1) * step]) // step for i in range(count)]
    assert steps(first, skip, step, count, beyond=-7) == expected


stages = st.builds(
    lambda low, spread, nets: Stage(3600, low + spread, low, tuple(nets)),
    st.integers(-100_000, 200_000),
    st.integers(0, 150_000),
    st.lists(st.integers(-30_000, 30_000), min_size=1, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(ahead=st.lists(stages, min_size=2, max_size=6), end=st.integers(-50_000, 200_000))
def test_a_fuller_battery_is_worth_less_per_kwh_at_every_stage(ahead: list[Stage], end: int) -> None:
    for worths in worths_after(STORAGE, ahead, [end] * LEVELS):
        assert all(lower >= higher - 1 for lower, higher in pairwise(worths))


@settings(max_examples=30, deadline=None)
@given(
    low=st.integers(0, 100_000),
    spread=st.integers(1, 100_000),
    net=st.integers(-15_000, 15_000),
    end=st.integers(0, 200_000),
    level=st.integers(0, LEVELS - 1),
)
def test_one_stage_agrees_with_trying_every_move(low: int, spread: int, net: int, end: int, level: int) -> None:
    """The difference of the least costs at neighbouring levels is the worth of the step between them."""
    stage = Stage(3600, low + spread, low, (net,))
    worth = worths_after(STORAGE, [stage, stage], [end] * LEVELS)[0][level]
    fine_wh = 20

    def least_cost(level_wh: int) -> float:
        best = float("inf")
        for after_wh in range(0, 60_001, fine_wh):
            change_wh = after_wh - level_wh
            own_wh = change_wh / 0.95 if change_wh > 0 else change_wh * 0.95
            if abs(own_wh) <= 20_000:
                total_wh = net + own_wh
                cost = total_wh * (stage.ask_ueur_kwh if total_wh > 0 else stage.bid_ueur_kwh)
                best = min(best, cost - after_wh * end)
        return best

    step = step_wh(STORAGE)
    tried = (least_cost(level * step) - least_cost((level + 1) * step)) / step
    assert abs(tried - worth) <= (end + low + spread) * fine_wh / step + 2


def test_prices_lie_between_bid_and_ask_and_follow_the_charge() -> None:
    ahead = [Stage(3600, 130_000, 40_000, (net - 500, net, net + 500)) for net in (4_000, -9_000, 4_000, 6_000) * 3]
    empty = price_path(STORAGE, ahead, [80_000] * LEVELS, 0)
    full = price_path(STORAGE, ahead, [80_000] * LEVELS, 60_000)
    assert all(40_000 <= price <= 130_000 for price in empty + full)
    assert all(f <= e for f, e in zip(full, empty, strict=True))


def test_no_history_expects_what_is_seen() -> None:
    empty = forecast.Series(0, ())
    assert forecast.expect_sun_w(empty, NOW_SLOT_S, 1_234, NEXT_SLOT_S, 4) == [1_234] * 4
    assert forecast.expect_home_wh((), NOW_SLOT_S, 77, NEXT_SLOT_S) == 77


def test_a_day_like_the_others_is_expected_to_go_on_like_them() -> None:
    day = [100] * 32 + [-900] * 32 + [200] * 32
    series = forecast.own_series(own_slots(day * 7), SLOT_S)
    expected = forecast.expect_sun_w(series, NOW_SLOT_S, 400, NEXT_SLOT_S, 90)
    assert expected[8:20] == [400] * 12
    assert expected[45:55] == [-3_600] * 10


def test_holes_in_the_history_are_left_out() -> None:
    holed = tuple(slot for i, slot in enumerate(own_slots([100] * 672)) if i % 3)
    assert forecast.expect_home_wh(holed, NOW_SLOT_S, 100, NEXT_SLOT_S) == 100


def test_short_slots_are_averaged_into_quarters() -> None:
    lines = price_lines([50] * 4, end_s=NOW_SLOT_S)
    shorter = [(line.slot_s, line.net_load_wh) for line in lines]
    assert forecast.net_load_series(lines, 300).powers_w == (600,) * len(shorter)


def test_tariffs_not_posted_repeat_the_day_before() -> None:
    asks = [100_000 + i for i in range(96)]
    ahead = outlook.tariffs_ahead(market(asks=asks), NOW_SLOT_S + 96 * SLOT_S, 3)
    assert [tariff.ask_ueur_kwh for tariff in ahead] == asks[:3]
    assert outlook.tariffs_ahead(market(asks=(), quotes=()), NOW_SLOT_S, 3) == []


def test_the_last_call_price_tells_the_charge() -> None:
    storage = STORAGE
    view = market(history=price_lines(([2_000] * 32 + [-6_000] * 32 + [3_000] * 32) * 7, call=ASK))
    ahead = outlook.stages(view, NEXT_SLOT_S, None)
    dear = outlook.charge_behind_price(view, storage, ahead)
    cheap_lines = price_lines(([2_000] * 32 + [-6_000] * 32 + [3_000] * 32) * 7, call=BID)
    cheap = outlook.charge_behind_price(market(history=cheap_lines), storage, ahead)
    assert dear < cheap
    assert outlook.charge_behind_price(market(), storage, ahead) == storage.capacity_wh // 2


def test_prices_from_history_keep_their_place_between_bid_and_ask() -> None:
    view = market(history=price_lines([1_000] * 672, call=(ASK + BID) // 2))
    assert outlook.prices_from_history(view, NEXT_SLOT_S, 2) == [(ASK + BID) // 2] * 2
    assert outlook.prices_from_history(market(), NEXT_SLOT_S, 2) == [ASK] * 2
