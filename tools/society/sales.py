"""Who sold to whom. A uniform-price call has no pairs; walking both sorted sides makes some, for the report only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agent.vocabulary import Side, Tariff
from lightclient.values import OrderRecord
from tools.fullnode.rules.auction import CallOrder, uniform_price_call


@dataclass(slots=True)
class Sales:
    """Energy traded inside the society, per pair of devices, over the whole window."""

    by_pair_wh: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """(seller, buyer) -> Wh."""

    def add(self, seller: bytes, buyer: bytes, energy_wh: int) -> None:
        self.by_pair_wh[seller, buyer] = self.by_pair_wh.get((seller, buyer), 0) + energy_wh

    def add_call(self, standing: Sequence[OrderRecord], tariff: Tariff) -> None:
        for seller, buyer, energy_wh in pairs_of_call(standing, tariff):
            self.add(seller, buyer, energy_wh)


def pairs_of_call(standing: Sequence[OrderRecord], tariff: Tariff) -> Iterator[tuple[bytes, bytes, int]]:
    """Match what stands at a gate as the ledger does; yield (seller, buyer, energy_wh), dearest and cheapest first."""
    in_call = [record for record in standing if not record.all_or_nothing]
    buys = sorted((r for r in in_call if r.side == Side.BUY), key=lambda r: (-r.limit_ueur_kwh, r.position))
    sells = sorted((r for r in in_call if r.side == Side.SELL), key=lambda r: (r.limit_ueur_kwh, r.position))
    result = uniform_price_call([_call_order(r) for r in buys], [_call_order(r) for r in sells], tariff)
    takers = [(record.device, wh) for record, wh in zip(buys, result.buy_fills_wh, strict=True) if wh]
    givers = [(record.device, wh) for record, wh in zip(sells, result.sell_fills_wh, strict=True) if wh]
    yield from _walk(givers, takers)


def _call_order(record: OrderRecord) -> CallOrder:
    return CallOrder(b"", record.limit_ueur_kwh, record.remaining_wh, record.position)


def _walk(givers: Sequence[tuple[bytes, int]], takers: Sequence[tuple[bytes, int]]) -> Iterator[tuple[bytes, bytes, int]]:
    """Both lists add up to the same energy."""
    remaining = iter(givers)
    seller, offered_wh = next(remaining, (b"", 0))
    for buyer, wanted_wh in takers:
        while wanted_wh:
            if not offered_wh:
                seller, offered_wh = next(remaining)
            energy_wh = min(wanted_wh, offered_wh)
            yield seller, buyer, energy_wh
            wanted_wh -= energy_wh
            offered_wh -= energy_wh
