"""Escrow: what an account must hold back so that it can always pay for falling back on the utility. Pure.

A buy locks wh x max(0, limit, limit - bid), a sell wh x max(0, ask - limit, -limit); locks round up, payments floor.
An account's lock is always the sum over its standing orders and its unsettled receipts, and of what silent devices were
paid for their trades. Source: docs/ledger.md, "Escrow".
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.vocabulary import Receipt, Side, Tariff


def lock_ueur(tariff: Tariff, side: Side, price_ueur_kwh: int, energy_wh: int) -> int:
    """Lock of an order at its limit, or of a receipt at its price."""
    if side is Side.BUY:
        rate_ueur_kwh = max(0, price_ueur_kwh, price_ueur_kwh - tariff.bid_ueur_kwh)
    else:
        rate_ueur_kwh = max(0, tariff.ask_ueur_kwh - price_ueur_kwh, -price_ueur_kwh)
    return -(-energy_wh * rate_ueur_kwh // 1000)


def receipts_lock_ueur(tariff: Tariff, receipts: Iterable[Receipt]) -> int:
    """Lock of all receipts of a device in one slot."""
    return sum(lock_ueur(tariff, r.side, r.price_ueur_kwh, r.energy_wh) for r in receipts)


def held_ueur(trades_ueur: int) -> int:
    """What a device that was silent at settlement got on balance for its trades (`trades_ueur` is what it paid): as long as
    nothing shows that it delivered, it may still owe the ask for all of it."""
    return max(0, -trades_ueur)
