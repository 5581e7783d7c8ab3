"""Turns the data of a run into report.html: one page that carries its data, style and script, and asks no network.

`PageData` is the contract between the run, which gathers it, and the page's script, which draws it. All lists that are called
"per slot" have one entry per slot of the run.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from importlib import resources
from typing import Any, TypedDict


class Prices(TypedDict):
    """Per slot, ueur/kWh; `call` is None where nothing was matched."""

    ask: list[int]
    bid: list[int]
    call: list[int | None]


class EnergyBySource(TypedDict):
    """Per slot, Wh, none negative. Rounding aside, load = solar + battery_out + grid_import - battery_in - grid_export."""

    load: list[int]
    solar: list[int]
    battery_out: list[int]
    battery_in: list[int]
    grid_import: list[int]
    grid_export: list[int]


class Imbalance(TypedDict):
    """Per slot, Wh, none negative: what devices took beyond their positions, and what they left of them."""

    short: list[int]
    long: list[int]


class DeviceLane(TypedDict):
    """One device. Powers are means over the slot, signed as everywhere; `reasons` holds [slot, index into texts], ascending."""

    name: str
    kind: str
    party: str
    power_w: list[int | None]
    position_w: list[int] | None
    """Power that the device had traded for; None for devices that do not trade."""
    reasons: list[list[int]]
    offline: list[list[int]]
    """[first slot, slot after the last] without network."""


class BatteryLane(TypedDict):
    """Charge at the end of each slot."""

    stored_wh: list[int | None]
    capacity_wh: int
    offline: list[list[int]]


class FreezerLane(TypedDict):
    """Temperature at the end of each slot, thousandths of a degree Celsius."""

    name: str
    temperature_mc: list[int | None]


class EvStay(TypedDict):
    """One stay of a car at its charger."""

    device: str
    from_slot: int
    to_slot: int
    needed_wh: int
    delivered_wh: int


class Sales(TypedDict):
    """wh[seller][buyer] over the whole run, both in the order of `names` (parties)."""

    names: list[str]
    wh: list[list[int]]


class Bill(TypedDict):
    party: str
    with_eur: float
    without_eur: float


class PageData(TypedDict):
    """All that the page shows. `figures` is report.json, whole."""

    title: str
    partial: bool
    t0_s: int
    slot_s: int
    slots: int
    attribution: list[str]
    figures: dict[str, Any]
    prices: Prices
    energy_wh: EnergyBySource
    imbalance_wh: Imbalance
    devices: list[DeviceLane]
    texts: list[str]
    battery: BatteryLane | None
    freezers: list[FreezerLane]
    freezer_band_mc: list[int]
    ev_sessions: list[EvStay]
    sales: Sales
    bills: list[Bill]


def _asset(name: str) -> str:
    return resources.files("tools.society.page").joinpath(name).read_text(encoding="utf-8")


def render(data: PageData) -> str:
    """The page as text. The data are deflated: reasons repeat each other, which makes them a tenth as long."""
    packed = zlib.compress(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode(), level=9)
    page = _asset("report.html")
    parts = {
        "title": html.escape(data["title"]),
        "style": _asset("report.css"),
        "script": _asset("chart.js") + _asset("report.js"),
        "data": base64.b64encode(packed).decode("ascii"),
    }
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    return page
