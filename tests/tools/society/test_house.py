"""A scenario's building, left alone, draws at the grid connection what the scenario's lists add up to."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

from agent.vocabulary import Clock, Kind
from drivers.simulated.building import SimulatedBuilding
from drivers.simulated.part import NJ_PER_MWH
from tools.society.cast import build_cast
from tools.society.house import building_of
from tools.society.scenario import Scenario
from tools.society.scenariofile import load_scenario
from tools.society.virtualclock import run_virtual

WEEK = Path(__file__).parents[3] / "tools" / "society" / "data" / "week_a.json.gz"


def metered_net_mwh(scenario: Scenario) -> list[float]:
    """Net import per slot, as the grid meter counts it when nobody attends to anything."""

    async def main(clock: Clock) -> list[float]:
        building = SimulatedBuilding(building_of(scenario, build_cast(scenario, seed=1)), clock)
        edges = []
        for _ in range(scenario.slots + 1):
            building.measure(building.grid)
            edges.append(building.grid.import_nj - building.grid.export_nj)
            await asyncio.sleep(scenario.slot_duration_s)
        return [(after - before) / NJ_PER_MWH for before, after in pairwise(edges)]

    return run_virtual(main, scenario.start_s)


def listed_net_mwh(scenario: Scenario) -> list[float]:
    """The same from the lists: cars charge at once as fast as they may, washers start when they are loaded."""
    net = [float(sum(home[slot] for home in scenario.load_mwh) - scenario.pv_mwh[slot]) for slot in range(scenario.slots)]
    for job in scenario.washer_jobs:
        for offset, energy_mwh in enumerate(job.energy_mwh):
            net[job.ready_slot + offset] += energy_mwh
    for session in scenario.ev_sessions:
        left_mwh, most_mwh = session.energy_mwh, session.max_w * scenario.slot_duration_s * 1000 // 3600
        for slot in range(session.first_slot, session.end_slot):
            net[slot] += min(left_mwh, most_mwh)
            left_mwh -= min(left_mwh, most_mwh)
    return net


def test_the_unattended_building_is_the_sum_of_its_scenario() -> None:
    week = load_scenario(WEEK).without([Kind.FREEZER])
    metered, listed = metered_net_mwh(week), listed_net_mwh(week)
    assert max(abs(one - other) for one, other in zip(metered, listed, strict=True)) < 0.01


def test_kinds_that_were_left_out_are_not_in_the_building() -> None:
    week = load_scenario(WEEK).without([Kind.SOLAR, Kind.BATTERY, Kind.WASHER, Kind.EV, Kind.FREEZER])
    homes = {f"home-{home:02d}-base-load" for home in range(1, 17)}
    assert set(building_of(week, build_cast(week, seed=1)).devices) == {"grid-meter", *homes}
