"""The call: everything that docs/ledger.md, "The call", says about it, over random books."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Tariff
from tools.fullnode.rules.auction import CallOrder, share_out, uniform_price_call

Rows = list[tuple[int, int]]
BID, ASK = 80_000, 100_000
TARIFF = Tariff(0, ASK, BID)
# Few different limits and energies, so that ties and exact fits are common.
limits = st.one_of(st.integers(BID, ASK), st.sampled_from([BID, 85_000, 90_000, 95_000, ASK]))
rows = st.lists(st.tuples(limits, st.integers(1, 30)), max_size=12)


def book(side: Sequence[tuple[int, int]]) -> list[CallOrder]:
    return [CallOrder(b"", limit, energy_wh, position) for position, (limit, energy_wh) in enumerate(side)]


def eager_wh(price: int, buys: Sequence[CallOrder], sells: Sequence[CallOrder]) -> tuple[int, int]:
    """Energy of the buys above a price and of the sells below it: what an equilibrium has to serve."""
    must_buy = sum(order.energy_wh for order in buys if order.limit_ueur_kwh > price)
    must_sell = sum(order.energy_wh for order in sells if order.limit_ueur_kwh < price)
    return must_buy, must_sell


@given(rows, rows)
def test_both_sides_trade_the_same_and_as_much_as_crosses(buy_rows: Rows, sell_rows: Rows) -> None:
    buys, sells = book(buy_rows), book(sell_rows)
    result = uniform_price_call(buys, sells, TARIFF)
    assert sum(result.buy_fills_wh) == sum(result.sell_fills_wh) == result.traded_wh
    most = max(
        min(
            sum(order.energy_wh for order in buys if order.limit_ueur_kwh >= price),
            sum(order.energy_wh for order in sells if order.limit_ueur_kwh <= price),
        )
        for price in [ASK, BID, *(order.limit_ueur_kwh for order in buys + sells)]
    )
    assert result.traded_wh == most
    assert (result.price_ueur_kwh is None) == (most == 0)


@given(rows, rows)
def test_the_price_is_an_equilibrium_inside_the_tariff(buy_rows: Rows, sell_rows: Rows) -> None:
    buys, sells = book(buy_rows), book(sell_rows)
    result = uniform_price_call(buys, sells, TARIFF)
    price = result.price_ueur_kwh
    if price is None:
        return
    assert BID <= price <= ASK
    for order, fill in zip(buys, result.buy_fills_wh, strict=True):
        assert 0 <= fill <= order.energy_wh
        assert fill == 0 or order.limit_ueur_kwh >= price, "nobody pays more than its limit"
        assert fill == order.energy_wh or order.limit_ueur_kwh <= price, "who bids above the price is served in full"
    for order, fill in zip(sells, result.sell_fills_wh, strict=True):
        assert 0 <= fill <= order.energy_wh
        assert fill == 0 or order.limit_ueur_kwh <= price
        assert fill == order.energy_wh or order.limit_ueur_kwh >= price
    must_buy, must_sell = eager_wh(price, buys, sells)
    assert must_buy <= result.traded_wh
    assert must_sell <= result.traded_wh


@given(rows, rows)
def test_equal_orders_are_treated_equally_within_one_wh(buy_rows: Rows, sell_rows: Rows) -> None:
    buys, sells = book(buy_rows), book(sell_rows)
    result = uniform_price_call(buys, sells, TARIFF)
    for side, fills in ((buys, result.buy_fills_wh), (sells, result.sell_fills_wh)):
        seen: dict[tuple[int, int], list[int]] = {}
        for order, fill in zip(side, fills, strict=True):
            seen.setdefault((order.limit_ueur_kwh, order.energy_wh), []).append(fill)
        for equal in seen.values():
            assert max(equal) - min(equal) <= 1
            assert equal == sorted(equal, reverse=True), "the odd Wh goes to the earlier"


@given(rows, rows)
def test_the_order_of_the_arguments_does_not_matter(buy_rows: Rows, sell_rows: Rows) -> None:
    buys, sells = book(buy_rows), book(sell_rows)
    result = uniform_price_call(buys, sells, TARIFF)
    turned = uniform_price_call(buys[::-1], sells[::-1], TARIFF)
    assert turned.price_ueur_kwh == result.price_ueur_kwh
    assert turned.buy_fills_wh[::-1] == result.buy_fills_wh
    assert turned.sell_fills_wh[::-1] == result.sell_fills_wh


def test_a_part_left_over_counts_as_unfilled() -> None:
    """The buy at 90,000 is filled in part, so the price is its own, not the middle of the marginal pair."""
    result = uniform_price_call(book([(90_000, 10)]), book([(82_000, 4)]), TARIFF)
    assert (result.price_ueur_kwh, result.buy_fills_wh, result.sell_fills_wh) == (90_000, (4,), (4,))


def test_an_exact_fit_takes_the_middle_bounded_by_the_tariff() -> None:
    result = uniform_price_call(book([(ASK, 5)]), book([(BID, 5)]), TARIFF)
    assert result.price_ueur_kwh == (ASK + BID) // 2


def test_the_first_unfilled_orders_narrow_the_interval() -> None:
    result = uniform_price_call(book([(95_000, 5), (91_000, 5)]), book([(82_000, 5), (93_000, 5)]), TARIFF)
    assert result.price_ueur_kwh == (91_000 + 93_000) // 2


def test_negative_prices_floor_downwards() -> None:
    result = uniform_price_call(book([(-4, 5)]), book([(-7, 5)]), Tariff(0, 0, -100))
    assert result.price_ueur_kwh == -6


def test_ties_at_the_margin_share_in_proportion_and_the_odd_wh_in_ledger_order() -> None:
    result = uniform_price_call(book([(90_000, 10)]), book([(85_000, 6), (85_000, 6), (85_000, 3)]), TARIFF)
    assert result.sell_fills_wh == (4, 4, 2)
    result = uniform_price_call(book([(90_000, 11)]), book([(85_000, 6), (85_000, 6), (85_000, 3)]), TARIFF)
    assert result.sell_fills_wh == (5, 4, 2)


@given(st.lists(st.integers(0, 50), max_size=10), st.data())
def test_sharing_out_gives_all_and_to_nobody_more_than_wanted(wanted: list[int], data: st.DataObject) -> None:
    available = data.draw(st.integers(0, sum(wanted)))
    shares = share_out(available, wanted)
    assert sum(shares) == available
    assert all(0 <= share <= want for share, want in zip(shares, wanted, strict=True))
    total = sum(wanted)
    assert all(abs(share * total - want * available) < total for share, want in zip(shares, wanted, strict=True) if total)
