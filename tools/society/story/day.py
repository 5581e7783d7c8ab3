"""The day of the story: sun, people, prices and owners' wishes. Nothing else in it is given; the rest is what the agents do.

A day pressed into five hours of 1-minute slots: three homes, a roof array of an outside company, a battery in the basement,
one washer, one freezer, one EV charger. Times count slots from the start. docs/story.md tells the story.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final

from agent.vocabulary import Kind
from tools.society.cast import ARRAY, BATTERY, Cast, build_cast
from tools.society.options import Wish
from tools.society.record import Outage
from tools.society.scenario import BatterySpec, EvSession, FreezerSpec, Scenario, WasherJob

START_S: Final = 1_781_935_200
"""20 June 2026, 06:00 UTC."""
SLOT_S: Final = 60
SLOTS: Final = 320

WASHER: Final = "home-01-washer"
EV: Final = "home-01-ev"
FREEZER: Final = "home-02-freezer"
CUT_OFF: Final = "home-03-base-load"
"""The apartment whose network fails for an hour."""
BASE_LOADS: Final = ("home-01-base-load", "home-02-base-load", "home-03-base-load")

SUNRISE, SUNSET, EVENING, NIGHT, MORNING = 10, 122, 126, 205, 240
WASH_READY, WASH_SLOTS = 36, 30
PLUG_IN, DEPARTURE = 177, 310
CUT_FROM, CUT_UNTIL = 195, 255

MWH: Final = 1_000
"""Milliwatt-hours in a watt-hour."""

EV_STORED_WH, EV_CAPACITY_WH, EV_RESERVE_WH = 20_000, 40_000, 18_500


STAGE: Final = (
    (0, "The night ends; everybody sleeps or is out. The utility stands in every book."),
    (SUNRISE, "The sun rises."),
    (WASH_READY, "A resident loads the washer in home 1 and goes to work."),
    (SUNSET, "The sun sets."),
    (EVENING, "People come home: cooking, light, television."),
    (PLUG_IN, "The resident of home 1 parks, plugs the car in and leaves tomorrow."),
    (CUT_FROM, "The network of home 3 fails."),
    (NIGHT, "People go to bed."),
    (MORNING, "Morning: electricity is cheaper."),
    (CUT_UNTIL, "The network of home 3 is back."),
    (DEPARTURE, "The car leaves."),
)
"""(slot, what weather and people do in it)."""


class Variant(StrEnum):
    """How the battery's threshold T stands to the utility's ask P while the sun shines."""

    BELOW = "below"
    ABOVE = "above"


THRESHOLD_UEUR_KWH: Final = {Variant.BELOW: 80_000, Variant.ABOVE: 90_000}

FULL_COST_UEUR_KWH: Final = 120_000
BID_UEUR_KWH: Final = 70_000
ASKS: Final = ((0, 90_000), (72, 75_000), (EVENING, 280_000), (NIGHT, 160_000), (MORNING, 110_000))
"""(first slot, the utility's ask from it on)."""
SUN_WH: Final = ((0, 0), (SUNRISE, 20), (SUNRISE + 2, 40), (SUNSET, 20), (SUNSET + 2, 0))
"""(first slot, what the array can deliver per slot from it on)."""
HOME_WH: Final = ((0, 0), (EVENING, 40), (NIGHT, 2))
"""(first slot, what each home uses per slot from it on): everybody is out by day."""


def story_scenario() -> Scenario:
    """The day as a scenario like any other."""
    return Scenario(
        file="story",
        name="story",
        note="One day in a housing society, pressed into five hours; weather, people and prices are made up.",
        attribution=(),
        start_s=START_S,
        slot_duration_s=SLOT_S,
        slots=SLOTS,
        ask_ueur_kwh=_steps(ASKS),
        bid_ueur_kwh=(BID_UEUR_KWH,) * SLOTS,
        pv_mwh=tuple(wh * MWH for wh in _steps(SUN_WH)),
        load_mwh=(tuple(wh * MWH for wh in _steps(HOME_WH)),) * len(BASE_LOADS),
        battery=BatterySpec(
            capacity_mwh=1_800 * MWH,
            power_w=2_400,
            eta_charge_ppm=950_000,
            eta_discharge_ppm=950_000,
            initial_mwh=0,
            final_mwh_at_least=0,
        ),
        ev_sessions=(
            EvSession(
                user="resident of home 1",
                first_slot=PLUG_IN,
                end_slot=DEPARTURE,
                energy_mwh=0,
                max_w=22_000,
                discharge_w=6_000,
                stored_mwh=EV_STORED_WH * MWH,
                capacity_mwh=EV_CAPACITY_WH * MWH,
            ),
        ),
        washer_jobs=(WasherJob(WASH_READY, WASH_READY + 2 + WASH_SLOTS, (40 * MWH,) * WASH_SLOTS),),
        reference=None,
        freezer=FreezerSpec(power_w=120, start_mc=-19_900),
    )


def _steps(steps: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """A value per slot from (first slot, value) pairs."""
    ends = [first for first, _ in steps[1:]] + [SLOTS]
    return tuple(value for (first, value), end in zip(steps, ends, strict=True) for _ in range(first, end))


def story_cast(scenario: Scenario, seed: int) -> Cast:
    """Of washers and freezers there is one each."""
    cast = build_cast(scenario, seed)
    alone = {Kind.WASHER: WASHER, Kind.FREEZER: FREEZER}
    return replace(cast, devices=tuple(device for device in cast.devices if alone.get(device.kind, device.name) == device.name))


def wishes(variant: Variant) -> dict[str, Wish]:
    """What the owners set, by device. Who decides later in a minute sees what the others did in it."""
    threshold = THRESHOLD_UEUR_KWH[variant]
    return {
        BATTERY: Wish({"opening": "floor", "gates_ahead": 8, "threshold_ueur_kwh": threshold}, lead_s=40),
        WASHER: Wish({"opening": "open", "gates_ahead": 16}, lead_s=30),
        EV: Wish({"gates_ahead": 15, "reserve_wh": EV_RESERVE_WH}, lead_s=30),
        FREEZER: Wish({"buy_ahead": True, "gates_ahead": 24}, lead_s=20),
        ARRAY: Wish({"opening": "open", "gates_ahead": 24, "full_cost_ueur_kwh": FULL_COST_UEUR_KWH}, lead_s=12),
    }


def story_outages(scenario: Scenario) -> tuple[Outage, ...]:
    return (Outage(CUT_OFF, scenario.slot_s(CUT_FROM), scenario.slot_s(CUT_UNTIL)),)
