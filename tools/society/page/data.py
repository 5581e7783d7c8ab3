"""Gathers the data of the report page from a run. The shape is `tools.society.page.render.PageData`."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from agent.vocabulary import Kind
from tools.society.ledgerbook import NO_PRICE, DeviceColumns
from tools.society.page.render import BatteryLane, DeviceLane, EnergyBySource, EvStay, Imbalance, PageData, Sales
from tools.society.record import UNKNOWN, Outage, RunRecord

LOADS = (Kind.BASE_LOAD, Kind.WASHER, Kind.FREEZER, Kind.EV)


def page_data(record: RunRecord, figures: dict[str, Any]) -> PageData:
    """Everything that report.html shows; `figures` is report.json."""
    scenario = record.scenario
    call = record.book.columns.call_ueur_kwh
    return PageData(
        title=scenario.name,
        partial=record.partial,
        t0_s=scenario.start_s,
        slot_s=scenario.slot_duration_s,
        slots=record.book.slots,
        attribution=list(scenario.attribution),
        figures=figures,
        prices={
            "ask": list(scenario.ask_ueur_kwh),
            "bid": list(scenario.bid_ueur_kwh),
            "call": [None if price == NO_PRICE else price for price in call],
        },
        energy_wh=_energies(record),
        imbalance_wh=_imbalances(record),
        devices=_devices(record),
        texts=record.series.texts,
        battery=_battery(record),
        freezers=[
            {"name": name, "temperature_mc": _known(temperatures)}
            for name, temperatures in record.series.temperatures_mc.items()
        ],
        freezer_band_mc=[scenario.freezer.coldest_mc, scenario.freezer.warmest_mc],
        ev_sessions=[
            EvStay(
                device=stay.device,
                from_slot=stay.from_slot,
                to_slot=stay.to_slot,
                needed_wh=stay.needed_wh,
                delivered_wh=stay.delivered_wh,
            )
            for stay in record.comfort.ev_stays
        ],
        sales=_sales(record),
        bills=figures["bills"],
    )


def _known(values: array[int]) -> list[int | None]:
    return [None if value == UNKNOWN else value for value in values]


def _offline(record: RunRecord, device: str) -> list[list[int]]:
    return [_in_slots(record, outage) for outage in record.outages if outage.device == device]


def _in_slots(record: RunRecord, outage: Outage) -> list[int]:
    scenario = record.scenario
    first = (outage.from_s - scenario.start_s) // scenario.slot_duration_s
    end = -((scenario.start_s - outage.until_s) // scenario.slot_duration_s)
    return [max(0, first), min(record.book.slots, end)]


def _columns_of(record: RunRecord, *kinds: Kind) -> list[DeviceColumns]:
    return [record.book.devices[device.device_id] for device in record.cast.metered if device.kind in kinds]


def _sum(rows: Iterable[Sequence[int]], slots: int) -> list[int]:
    totals = [0] * slots
    for row in rows:
        totals = [total + value for total, value in zip(totals, row, strict=True)]
    return totals


def _energies(record: RunRecord) -> EnergyBySource:
    slots = record.book.slots
    battery = _sum((columns.metered_wh for columns in _columns_of(record, Kind.BATTERY)), slots)
    return EnergyBySource(
        load=_sum((columns.metered_wh for columns in _columns_of(record, *LOADS)), slots),
        solar=[-value for value in _sum((columns.metered_wh for columns in _columns_of(record, Kind.SOLAR)), slots)],
        battery_out=[max(0, -value) for value in battery],
        battery_in=[max(0, value) for value in battery],
        grid_import=list(record.book.columns.grid_import_wh),
        grid_export=list(record.book.columns.grid_export_wh),
    )


def _devices(record: RunRecord) -> list[DeviceLane]:
    grid, duration_s = record.book.columns, record.scenario.slot_duration_s
    settled = [ask != NO_PRICE for ask in grid.ask_ueur_kwh]

    def power_w(energy_wh: Sequence[int]) -> list[int | None]:
        return [wh * 3600 // duration_s if known else None for wh, known in zip(energy_wh, settled, strict=True)]

    rows = []
    for device in record.cast.devices:
        columns = record.book.devices.get(device.device_id)
        traded = columns.position_wh if columns and any(columns.position_wh) else None
        if device.kind is Kind.GRID_METER:
            energy_wh = [taken - given for taken, given in zip(grid.grid_import_wh, grid.grid_export_wh, strict=True)]
        else:
            energy_wh = list(columns.metered_wh) if columns else [0] * record.book.slots
        rows.append(
            DeviceLane(
                name=device.name,
                kind=str(device.kind),
                party=device.beneficiary,
                power_w=power_w(energy_wh),
                position_w=None if traded is None else [wh * 3600 // duration_s for wh in traded],
                reasons=[list(change) for change in record.series.reasons.get(device.name, [])],
                offline=_offline(record, device.name),
            )
        )
    return rows


def _battery(record: RunRecord) -> BatteryLane | None:
    if record.battery is None:
        return None
    return BatteryLane(
        stored_wh=_known(record.series.stored_wh),
        capacity_wh=record.battery.capacity_wh,
        offline=_offline(record, record.cast.of_kind(Kind.BATTERY)[0].name),
    )


def _imbalances(record: RunRecord) -> Imbalance:
    slots = record.book.slots
    rows = [columns.imbalance_wh for columns in record.book.devices.values()]
    return Imbalance(
        short=_sum(([max(0, wh) for wh in row] for row in rows), slots),
        long=_sum(([max(0, -wh) for wh in row] for row in rows), slots),
    )


def _sales(record: RunRecord) -> Sales:
    """Parties that traded, in the order of the cast."""
    party_of = {device.device_id: device.beneficiary for device in record.cast.devices}
    totals: dict[tuple[str, str], int] = {}
    for (seller, buyer), energy_wh in record.book.sales.by_pair_wh.items():
        pair = party_of[seller], party_of[buyer]
        totals[pair] = totals.get(pair, 0) + energy_wh
    names = [party for party in record.cast.parties if any(party in pair for pair in totals)]
    return Sales(names=names, wh=[[totals.get((seller, buyer), 0) for buyer in names] for seller in names])
