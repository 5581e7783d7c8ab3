"""The uniform-price call: what is left in a book at its gate is matched at one price. Pure; it knows no accounts, no state.

Buys stand by limit descending, sells ascending, and are matched while they cross. The price is the middle of the
equilibrium interval, bounded by the utility's tariff. Source: docs/ledger.md, "The call".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from agent.vocabulary import Tariff


@dataclass(frozen=True, slots=True)
class CallOrder:
    """What stands of an order when the call begins. `position` is its place in ledger order, which decides the last Wh."""

    order_id: bytes
    limit_ueur_kwh: int
    energy_wh: int
    position: int


@dataclass(frozen=True, slots=True)
class CallResult:
    """Outcome of a call. The fills stand in the order of the arguments; either side's fills add up to `traded_wh`."""

    price_ueur_kwh: int | None
    """None: nothing was matched."""
    traded_wh: int
    buy_fills_wh: tuple[int, ...]
    sell_fills_wh: tuple[int, ...]


def uniform_price_call(buys: Sequence[CallOrder], sells: Sequence[CallOrder], tariff: Tariff) -> CallResult:
    """Match buys and sells of one slot. All limits lie within the tariff's bid and ask, all energies are above 0."""
    dearest = sorted(range(len(buys)), key=lambda i: (-buys[i].limit_ueur_kwh, buys[i].position))
    cheapest = sorted(range(len(sells)), key=lambda i: (sells[i].limit_ueur_kwh, sells[i].position))
    traded_wh = _crossing_wh([buys[i] for i in dearest], [sells[i] for i in cheapest])
    if traded_wh == 0:
        return CallResult(None, 0, (0,) * len(buys), (0,) * len(sells))
    buy_fills, last_buy, unfilled_buy = _fill(buys, dearest, traded_wh)
    sell_fills, last_sell, unfilled_sell = _fill(sells, cheapest, traded_wh)
    lo = max(last_sell, tariff.bid_ueur_kwh if unfilled_buy is None else max(unfilled_buy, tariff.bid_ueur_kwh))
    hi = min(last_buy, tariff.ask_ueur_kwh if unfilled_sell is None else min(unfilled_sell, tariff.ask_ueur_kwh))
    return CallResult((lo + hi) // 2, traded_wh, tuple(buy_fills), tuple(sell_fills))


def _crossing_wh(buys: Sequence[CallOrder], sells: Sequence[CallOrder]) -> int:
    """The energy at which the sorted sides stop crossing."""
    if not buys or not sells:
        return 0
    matched_wh = buy = sell = 0
    buy_left, sell_left = buys[0].energy_wh, sells[0].energy_wh
    while buys[buy].limit_ueur_kwh >= sells[sell].limit_ueur_kwh:
        step = min(buy_left, sell_left)
        matched_wh += step
        buy_left -= step
        sell_left -= step
        if not buy_left:
            buy += 1
            if buy == len(buys):
                break
            buy_left = buys[buy].energy_wh
        if not sell_left:
            sell += 1
            if sell == len(sells):
                break
            sell_left = sells[sell].energy_wh
    return matched_wh


def _fill(orders: Sequence[CallOrder], best_first: Sequence[int], traded_wh: int) -> tuple[list[int], int, int | None]:
    """Hand `traded_wh` out along one sorted side: (fills, limit of the last matched, limit of the first unfilled or None)."""
    fills = [0] * len(orders)
    left_wh, last_limit = traded_wh, 0
    for limit, tied in groupby(best_first, key=lambda i: orders[i].limit_ueur_kwh):
        if left_wh == 0:
            return fills, last_limit, limit
        level = list(tied)
        last_limit = limit
        total_wh = sum(orders[i].energy_wh for i in level)
        if left_wh < total_wh:
            for i, share_wh in zip(level, share_out(left_wh, [orders[i].energy_wh for i in level]), strict=True):
                fills[i] = share_wh
            return fills, limit, limit
        for i in level:
            fills[i] = orders[i].energy_wh
        left_wh -= total_wh
    return fills, last_limit, None


def share_out(available_wh: int, wanted_wh: Sequence[int]) -> list[int]:
    """Share `available_wh` <= sum(wanted) in proportion, floored; what is left goes one Wh each in the order given."""
    total_wh = sum(wanted_wh)
    if available_wh == 0 or total_wh == 0:
        return [0] * len(wanted_wh)
    shares = [wh * available_wh // total_wh for wh in wanted_wh]
    left_wh = available_wh - sum(shares)
    for i, wh in enumerate(wanted_wh):
        if left_wh == 0:
            break
        if shares[i] < wh:
            shares[i] += 1
            left_wh -= 1
    return shares
