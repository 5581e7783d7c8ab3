"""The figures of report.json. One formula, one function; docs/report.md says the same in words.

Amounts are added up as integers (ueur, Wh) and become EUR and kWh at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from agent.vocabulary import Kind, amount_ueur
from tools.society.baseline import Baseline
from tools.society.ledgerbook import NO_PRICE, DeviceColumns
from tools.society.record import RunRecord

UEUR_PER_EUR: Final = 1_000_000
WH_PER_KWH: Final = 1_000
TOLERATED_SHARE_PERMILLE: Final = 20
TOLERATED_UEUR: Final = 500_000
"""A party is worse off when its bill is above the one without market by more than the larger of the two."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a party paid in the window (negative: received)."""

    party: str
    with_ueur: int
    without_ueur: int

    @property
    def worse_off(self) -> bool:
        allowed = max(abs(self.without_ueur) * TOLERATED_SHARE_PERMILLE // 1000, TOLERATED_UEUR)
        return self.with_ueur - self.without_ueur > allowed

    @property
    def ratio(self) -> float | None:
        """1 + (bill - bill without market) / |bill without market|; None where there was no bill without market."""
        if not self.without_ueur:
            return None
        return 1 + (self.with_ueur - self.without_ueur) / abs(self.without_ueur)


def bills(record: RunRecord, baseline: Baseline) -> list[Bill]:
    """Per party the change of its account, without what it paid for slots outside the window."""
    book, cast = record.book, record.cast
    outside = dict.fromkeys(record.paid_ueur, 0)
    for device in cast.devices:
        outside[device.beneficiary] += book.outside.devices_ueur.get(device.device_id, 0)
    outside[cast.society] += book.outside.society_ueur
    return [
        Bill(party, paid - outside[party], baseline.bills_ueur.get(party, 0))
        for party, paid in record.paid_ueur.items()
        if party != cast.utility
    ]


def grid_bill_ueur(record: RunRecord) -> int:
    """What the building paid the utility: ask x import - bid x export of the grid meter, slot by slot."""
    return sum(record.book.columns.grid_ueur)


def stored_value_ueur(record: RunRecord) -> int:
    """What the battery took out of its store since the start, at the median ask. Source: docs/report.md."""
    if record.battery is None or not record.slots_played:
        return 0
    middle = int(median(record.scenario.ask_ueur_kwh))
    return amount_ueur(middle, record.battery.stored_start_wh - record.battery.stored_end_wh)


def captured(no_benefit_eur: float, cost_eur: float, optimum_eur: float | None) -> float | None:
    """Share of the possible saving that was reached; None without an optimum, or where nothing could be saved."""
    if optimum_eur is None or no_benefit_eur <= optimum_eur:
        return None
    return (no_benefit_eur - cost_eur) / (no_benefit_eur - optimum_eur)


def conservation_error_ueur(record: RunRecord, all_bills: Sequence[Bill]) -> int:
    """Bills of all parties, the society's among them, minus the grid bill: 0, or money was made or lost."""
    return sum(bill.with_ueur for bill in all_bills) - grid_bill_ueur(record)


def demand_wh(record: RunRecord) -> int:
    """What the loads drew: all metered devices but sun and battery."""
    sources = (Kind.SOLAR, Kind.BATTERY)
    return sum(sum(columns.metered_wh) for kind, columns in _by_kind(record) if kind not in sources)


def solar_wh(record: RunRecord) -> int:
    return -sum(sum(columns.metered_wh) for kind, columns in _by_kind(record) if kind is Kind.SOLAR)


def self_sufficiency(record: RunRecord) -> float | None:
    """1 - imported energy / demand."""
    demand = demand_wh(record)
    return 1 - sum(record.book.columns.grid_import_wh) / demand if demand else None


def self_consumption(record: RunRecord) -> float | None:
    """1 - exported energy / solar energy."""
    solar = solar_wh(record)
    return 1 - sum(record.book.columns.grid_export_wh) / solar if solar else None


def grid_peak_kw(record: RunRecord) -> float:
    """The dearest slot's mean power at the grid connection, in either direction."""
    columns = record.book.columns
    peak_wh = max(max(columns.grid_import_wh), max(columns.grid_export_wh))
    return peak_wh * 3600 / record.scenario.slot_duration_s / WH_PER_KWH


def imbalance_wh(record: RunRecord) -> int:
    """Metered minus position without sign, over all devices and slots."""
    return sum(abs(value) for columns in record.book.devices.values() for value in columns.imbalance_wh)


def imbalance_cost_ueur(record: RunRecord) -> int:
    """What all devices paid for their imbalances above the same energy's worth at the slot's call price.

    In a slot without a call nobody could have traded the energy ahead; it costs nothing more than the tariff and counts 0.
    """
    calls = record.book.columns.call_ueur_kwh
    return sum(
        paid - amount_ueur(call, energy)
        for columns in record.book.devices.values()
        for paid, energy, call in zip(columns.imbalance_ueur, columns.imbalance_wh, calls, strict=True)
        if call != NO_PRICE
    )


def messages_per_device_slot(record: RunRecord) -> float:
    """Orders, replacements, cancels and accepts per device that may trade and slot of the window."""
    return record.book.counters.messages / (len(record.cast.metered) * max(record.slots_played, 1))


def worst_bill_ratio(all_bills: Iterable[Bill]) -> float | None:
    """The largest ratio of a bill to the one without market."""
    return max((bill.ratio for bill in all_bills if bill.ratio is not None), default=None)


def _by_kind(record: RunRecord) -> list[tuple[Kind, DeviceColumns]]:
    return [(device.kind, record.book.devices[device.device_id]) for device in record.cast.metered]


def _eur(ueur: int) -> float:
    return ueur / UEUR_PER_EUR


def _rounded(value: float | None, digits: int = 4) -> float | None:
    return None if value is None else round(value, digits)


def report(record: RunRecord, baseline: Baseline, optimum_eur: float | None) -> dict[str, Any]:
    """report.json as a dictionary. Fields and formulas: docs/report.md."""
    all_bills = bills(record, baseline)
    cost_ueur = grid_bill_ueur(record) + stored_value_ueur(record)
    cost_eur, no_market_eur, netting_eur = _eur(cost_ueur), _eur(baseline.no_market_ueur), _eur(baseline.netting_ueur)
    counters = record.book.counters
    return {
        "scenario": record.scenario.name,
        "first_slot_s": record.scenario.start_s,
        "slot_duration_s": record.scenario.slot_duration_s,
        "slots": record.book.slots,
        "slots_settled": record.book.settled,
        "partial": record.partial,
        "seed": record.seed,
        "strategies": record.strategies,
        "balance": record.balance,
        "cost_eur": round(cost_eur, 4),
        "cost_no_market_eur": round(no_market_eur, 4),
        "cost_netting_eur": round(netting_eur, 4),
        "cost_optimum_eur": _rounded(optimum_eur),
        "grid_bill_ueur": grid_bill_ueur(record),
        "stored_value_ueur": stored_value_ueur(record),
        "captured": _rounded(captured(no_market_eur, cost_eur, optimum_eur)),
        "flexibility_captured": _rounded(captured(netting_eur, cost_eur, optimum_eur)),
        "self_sufficiency": _rounded(self_sufficiency(record)),
        "self_consumption": _rounded(self_consumption(record)),
        "grid_peak_kw": round(grid_peak_kw(record), 3),
        "demand_kwh": demand_wh(record) / WH_PER_KWH,
        "solar_kwh": solar_wh(record) / WH_PER_KWH,
        "unmet_ev_kwh": record.comfort.unmet_ev_wh / WH_PER_KWH,
        "needed_ev_kwh": record.comfort.needed_ev_wh / WH_PER_KWH,
        "late_washers": record.comfort.late_washers,
        "freezer_minutes_too_warm": round(record.comfort.freezer_s_too_warm / 60, 1),
        "freezer_minutes_above_band": round(record.comfort.freezer_s_above_band / 60, 1),
        "messages_per_device_slot": round(messages_per_device_slot(record), 4),
        "races_lost": counters.races_lost,
        "imbalance_kwh": imbalance_wh(record) / WH_PER_KWH,
        "imbalance_cost_eur": round(_eur(imbalance_cost_ueur(record)), 4),
        "bills": [
            {
                "party": bill.party,
                "with_eur": _eur(bill.with_ueur),
                "without_eur": _eur(bill.without_ueur),
                "worse_off": bill.worse_off,
            }
            for bill in all_bills
        ],
        "worst_bill_ratio": _rounded(worst_bill_ratio(all_bills)),
        "worse_off": [bill.party for bill in all_bills if bill.worse_off],
        "blocks": counters.blocks,
        "transactions": counters.transactions,
        "readings": counters.readings,
        "notices": counters.notices,
        "late_readings": counters.late_readings,
        "missing_readings": record.book.silent,
        "refused": sum(counters.refused.values()),
        "refused_by_code": dict(sorted(counters.refused.items())),
        "proofs_verified": record.proofs_verified,
        "headers_verified": record.headers_verified,
        "app_hash": record.app_hash.hex(),
        "height": record.height,
        "offline": [outage.as_json() for outage in record.outages],
        "liar": None if record.liar is None else record.liar.as_json(),
        "wall_s": round(record.wall_s, 2),
        "peak_rss_mb": round(record.peak_rss_mb, 1),
        "conservation_error_ueur": conservation_error_ueur(record, all_bills),
    }
