"""Settlement of one slot on its meters: who pays what for trades, imbalances and the grid. Pure; it books nothing.

Signs: an imbalance is metered minus position. Above 0 a device is *short* (it took more than it bought and pays), below 0
*long* (it gave more than it sold and gets). Amounts in ueur are what an account pays; negative: what it receives.
Every amount is floored once; the society's account takes what is left, so that the payments of all add up to the
utility's bill to the ueur. Source: docs/ledger.md, "Settlement".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.vocabulary import Receipt, Side, Tariff, amount_ueur
from lightclient.values import SettledOn, SettlementLine, SettlementRecord
from tools.fullnode.rules.auction import share_out


@dataclass(frozen=True, slots=True)
class Metered:
    """What one device did and traded in the slot. The grid meter and the utility's device are not among these."""

    device: bytes
    metered_wh: int | None
    """Imported minus exported; None: silent."""
    receipts: tuple[Receipt, ...]
    leftover_buy_wh: int
    leftover_sell_wh: int
    """What the call left unfilled of the device's orders."""
    is_storage: bool
    sub_meter: bytes = b""
    """Device that measures the apartment above this one; empty: none."""

    @property
    def position_wh(self) -> int:
        return sum(r.energy_wh if r.side is Side.BUY else -r.energy_wh for r in self.receipts)


@dataclass(frozen=True, slots=True)
class GridFlow:
    """What the grid meter counted in the slot."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class SlotOutcome:
    """How a slot was settled."""

    lines: dict[bytes, SettlementLine]
    """Per device that reported. For each the sum of balanced, netted and tariff energy is its imbalance without sign."""
    silent_trades_ueur: dict[bytes, int]
    """What silent devices pay for their trades; they get no line before their reading comes or the dispute time ends."""
    carrier: bytes
    """Device whose line also carries the unexplained energy at the tariff; empty: the society's account carries it."""
    record: SettlementRecord


@dataclass(frozen=True, slots=True)
class DeviationPrices:
    """Prices of energy that is netted inside the society: what the short pay and what the long get."""

    short_ueur_kwh: int
    long_ueur_kwh: int


def deviation_prices(tariff: Tariff, call_ueur_kwh: int | None, share_permille: int) -> DeviationPrices:
    """The call price moved by the share towards the ask for the short, the bid for the long; no call: ask and bid."""
    ask, bid = tariff.ask_ueur_kwh, tariff.bid_ueur_kwh
    if call_ueur_kwh is None:
        return DeviationPrices(ask, bid)
    short = call_ueur_kwh + share_permille * (ask - call_ueur_kwh) // 1000
    long = call_ueur_kwh - share_permille * (call_ueur_kwh - bid) // 1000
    return DeviationPrices(short, long)


def at_tariff_ueur(tariff: Tariff, imbalance_wh: int) -> int:
    """What an imbalance costs at the utility's ask, or brings at its bid."""
    if imbalance_wh >= 0:
        return amount_ueur(tariff.ask_ueur_kwh, imbalance_wh)
    return -amount_ueur(tariff.bid_ueur_kwh, -imbalance_wh)


def trades_ueur(receipts: Sequence[Receipt]) -> int:
    """What a device pays for its trades, each in full at its price."""
    amounts = ((r.side, amount_ueur(r.price_ueur_kwh, r.energy_wh)) for r in receipts)
    return sum(amount if side is Side.BUY else -amount for side, amount in amounts)


def settle_slot(
    tariff: Tariff,
    call_ueur_kwh: int | None,
    share_permille: int,
    meters: Sequence[Metered],
    grid: GridFlow | None,
    meters_expected: int,
) -> SlotOutcome:
    """Settle a slot. `meters` are all devices that have a line, by device id ascending; `grid` None: no grid meter reading.

    `meters_expected` counts the grid meter, where there is one, whether it has reported or not.
    """
    prices = deviation_prices(tariff, call_ueur_kwh, share_permille)
    reported = [(meter, meter.metered_wh) for meter in meters if meter.metered_wh is not None]
    silent = [meter for meter in meters if meter.metered_wh is None]
    imbalances = [metered_wh - meter.position_wh for meter, metered_wh in reported]
    explained_wh = sum(metered_wh for _, metered_wh in reported) + sum(meter.position_wh for meter in silent)
    flow = grid or GridFlow(max(explained_wh, 0), max(-explained_wh, 0))
    unexplained_wh = flow.import_wh - flow.export_wh - explained_wh
    balanced = balanced_parts([meter for meter, _ in reported], imbalances)
    netted = netted_parts(imbalances, balanced) if call_ueur_kwh is not None else [0] * len(imbalances)

    carrier = carrier_of(silent, {meter.device for meter, _ in reported})
    lines = {
        meter.device: _line(meter.receipts, metered_wh, split, prices, tariff)
        for (meter, metered_wh), *split in zip(reported, imbalances, balanced, netted, strict=True)
    }
    if carrier:
        line = lines[carrier]
        lines[carrier] = replace(line, imbalance_ueur=line.imbalance_ueur + at_tariff_ueur(tariff, unexplained_wh))
    silent_trades = {meter.device: trades_ueur(meter.receipts) for meter in silent}

    grid_ueur = amount_ueur(tariff.ask_ueur_kwh, flow.import_wh) - amount_ueur(tariff.bid_ueur_kwh, flow.export_wh)
    devices_ueur = sum(line.trades_ueur + line.imbalance_ueur for line in lines.values()) + sum(silent_trades.values())
    short_wh = sum(wh for wh in imbalances if wh > 0)
    long_wh = -sum(wh for wh in imbalances if wh < 0)
    record = SettlementRecord(
        settled_on=SettledOn.SUM_OF_DEVICES if grid is None else SettledOn.GRID_METER,
        ask_ueur_kwh=tariff.ask_ueur_kwh,
        bid_ueur_kwh=tariff.bid_ueur_kwh,
        call_ueur_kwh=call_ueur_kwh,
        short_ueur_kwh=prices.short_ueur_kwh,
        long_ueur_kwh=prices.long_ueur_kwh,
        grid_import_wh=flow.import_wh,
        grid_export_wh=flow.export_wh,
        storage_net_wh=sum(metered_wh for meter, metered_wh in reported if meter.is_storage),
        short_wh=short_wh,
        long_wh=long_wh,
        balanced_wh=sum(balanced),
        netted_wh=min(short_wh, long_wh) if call_ueur_kwh is not None else 0,
        unexplained_wh=unexplained_wh,
        grid_ueur=grid_ueur,
        society_ueur=grid_ueur - devices_ueur,
        reported=len(reported) + (grid is not None),
        devices=meters_expected,
    )
    return SlotOutcome(lines, silent_trades, carrier, record)


def _line(
    receipts: Sequence[Receipt], metered_wh: int, split: Sequence[int], prices: DeviationPrices, tariff: Tariff
) -> SettlementLine:
    """The line of a device whose imbalance is split into (imbalance, balanced part, netted part)."""
    imbalance_wh, balanced_wh, netted_wh = split
    tariff_wh = abs(imbalance_wh) - balanced_wh - netted_wh
    if imbalance_wh > 0:
        own, others = prices.short_ueur_kwh, prices.long_ueur_kwh
        pays_ueur = amount_ueur(own, netted_wh) + amount_ueur(others, balanced_wh) + at_tariff_ueur(tariff, tariff_wh)
    else:
        own, others = prices.long_ueur_kwh, prices.short_ueur_kwh
        pays_ueur = at_tariff_ueur(tariff, -tariff_wh) - amount_ueur(own, netted_wh) - amount_ueur(others, balanced_wh)
    paid_for_trades = trades_ueur(receipts)
    return SettlementLine(metered_wh, imbalance_wh, balanced_wh, netted_wh, tariff_wh, paid_for_trades, pays_ueur, 0)


def balanced_parts(meters: Sequence[Metered], imbalances: Sequence[int]) -> list[int]:
    """Per device the energy, without sign, by which a storage device balanced the others within what its orders left over.

    Only the side against the sum of all imbalances that are no candidate's can balance, so two storage devices cannot earn
    by working against each other. Several share in proportion to what they could have given.
    """
    could = [
        min(abs(wh), meter.leftover_buy_wh if wh > 0 else meter.leftover_sell_wh) if meter.is_storage else 0
        for meter, wh in zip(meters, imbalances, strict=True)
    ]
    rest_wh = sum(wh for wh, could_wh in zip(imbalances, could, strict=True) if could_wh == 0)
    helps = [could_wh if wh * rest_wh < 0 else 0 for wh, could_wh in zip(imbalances, could, strict=True)]
    needed_wh = abs(sum(wh for wh, could_wh in zip(imbalances, helps, strict=True) if could_wh == 0))
    return share_out(min(needed_wh, sum(helps)), helps)


def netted_parts(imbalances: Sequence[int], balanced: Sequence[int]) -> list[int]:
    """Per device the energy, without sign, that is netted inside the society besides what balanced the others.

    Both sides are netted up to the smaller of short and long: what balanced comes first, the rest floor pro rata, what is
    left one Wh each in the order given.
    """
    short_wh = sum(wh for wh in imbalances if wh > 0)
    long_wh = -sum(wh for wh in imbalances if wh < 0)
    netted = [0] * len(imbalances)
    for sign in (1, -1):
        side = [i for i, wh in enumerate(imbalances) if wh * sign > 0]
        rest = [abs(imbalances[i]) - balanced[i] for i in side]
        available_wh = min(short_wh, long_wh) - sum(balanced[i] for i in side)
        for i, share_wh in zip(side, share_out(available_wh, rest), strict=True):
            netted[i] = share_wh
    return netted


def carrier_of(silent: Sequence[Metered], reported: set[bytes]) -> bytes:
    """The sub-meter that stands above every silent device and has itself reported, else empty."""
    above = {meter.sub_meter for meter in silent}
    if len(above) == 1 and (only := next(iter(above))) in reported:
        return only
    return b""
