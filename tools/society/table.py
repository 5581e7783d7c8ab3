"""The table at the end of a run, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def _euro(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} EUR"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value * 100:.1f} %"


def figures_table(figures: Mapping[str, Any]) -> str:
    """The headline figures of report.json and the bills, one line each."""
    rows = list(_headlines(figures))
    lines = aligned(rows)
    bills = [("party", "no market", "market", "saved")]
    for bill in figures["bills"]:
        saved = bill["without_eur"] - bill["with_eur"]
        bills.append((bill["party"], _euro(bill["without_eur"]), _euro(bill["with_eur"]), _euro(saved)))
    return "\n".join([*lines, "", *aligned(bills), *_lies(figures["liar"])])


def _lies(liar: Mapping[str, Any] | None) -> Iterator[str]:
    """What the lying node told, and the alarm; nothing where all were honest."""
    if liar is not None:
        told = ((kind, str(times)) for kind, times in liar["lies"].items())
        yield from ("", *aligned([(f"lies of {liar['node']}", "told"), *told]), "", f"ALARM: {liar['alarm']}")


def _headlines(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    days = figures["slots"] * figures["slot_duration_s"] / 86_400
    yield "scenario", f"{figures['scenario']}, {days:g} days" + (" (interrupted: partial)" if figures["partial"] else "")
    yield "cost without a market", _euro(figures["cost_no_market_eur"])
    yield "cost with netting only", _euro(figures["cost_netting_eur"])
    yield "cost with the market", _euro(figures["cost_eur"])
    if figures["cost_optimum_eur"] is not None:
        yield "cost, had all known the future", _euro(figures["cost_optimum_eur"])
        yield "captured (of flexibility)", f"{_percent(figures['captured'])} ({_percent(figures['flexibility_captured'])})"
    sufficiency, consumption = _percent(figures["self_sufficiency"]), _percent(figures["self_consumption"])
    yield "self-sufficiency, self-consumption", f"{sufficiency}, {consumption}"
    yield "grid peak", f"{figures['grid_peak_kw']:.1f} kW"
    yield "unmet EV energy", f"{figures['unmet_ev_kwh']:.2f} of {figures['needed_ev_kwh']:.1f} kWh"
    yield "late washers", str(figures["late_washers"])
    yield "freezers too warm", f"{figures['freezer_minutes_too_warm']:g} min"
    yield "messages per device and slot", f"{figures['messages_per_device_slot']:.2f}, {figures['races_lost']} races lost"
    yield "imbalance", f"{figures['imbalance_kwh']:.1f} kWh, {_euro(figures['imbalance_cost_eur'])}"
    yield "ledger", f"{figures['blocks']} blocks, {figures['transactions']} transactions, {figures['refused']} refused"
    yield "verified by the agents", f"{figures['headers_verified']} headers, {figures['proofs_verified']} proofs"
    for outage in figures["offline"]:
        hours = (outage["until_s"] - outage["from_s"]) / 3600
        yield f"offline: {outage['device']}", f"{hours:g} h"
    yield "late readings", f"{figures['late_readings']} delivered, {figures['missing_readings']} missing"
    yield "money made or lost", f"{figures['conservation_error_ueur']} ueur"
    yield "run", f"{figures['wall_s']:.1f} s, {figures['peak_rss_mb']:.0f} MB"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
