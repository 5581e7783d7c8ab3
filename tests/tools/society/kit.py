"""Small societies for tests: some hours of the week that the repository carries, or a few homes made by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib import resources
from pathlib import Path

from agent.vocabulary import Kind
from tools.society.scenario import Scenario
from tools.society.scenariofile import load_scenario


def week_a() -> Scenario:
    """A week of scenario A without freezers, which its references do not know either."""
    return load_scenario(Path(str(resources.files("tools.society"))) / "data" / "week_a.json.gz").without({Kind.FREEZER})


def hours(scenario: Scenario, first_hour: int, count: int, homes: int, without: Collection[Kind] = ()) -> Scenario:
    """Some hours of the first homes. The sun and the battery shrink with the number of homes."""
    per_hour = 3600 // scenario.slot_duration_s
    first, end = first_hour * per_hour, (first_hour + count) * per_hour
    battery = scenario.battery
    assert battery is not None
    share = homes / scenario.homes
    users = scenario.ev_users[:homes]
    part = replace(
        scenario,
        start_s=scenario.slot_s(first),
        slots=end - first,
        ask_ueur_kwh=scenario.ask_ueur_kwh[first:end],
        bid_ueur_kwh=scenario.bid_ueur_kwh[first:end],
        pv_mwh=tuple(round(energy * share) for energy in scenario.pv_mwh[first:end]),
        load_mwh=tuple(home[first:end] for home in scenario.load_mwh[:homes]),
        battery=replace(
            battery,
            capacity_mwh=round(battery.capacity_mwh * share),
            power_w=round(battery.power_w * share),
            initial_mwh=round(battery.initial_mwh * share),
        ),
        ev_sessions=tuple(
            replace(session, first_slot=session.first_slot - first, end_slot=session.end_slot - first)
            for session in scenario.ev_sessions
            if session.user in users and first <= session.first_slot and session.end_slot <= end
        ),
        washer_jobs=tuple(
            replace(job, ready_slot=job.ready_slot - first, end_by_slot=job.end_by_slot - first)
            for job in scenario.washer_jobs
            if first <= job.ready_slot and job.end_by_slot <= end
        )[:homes],
        known_users=users,
        reference=None,
    )
    return part.without(without)
