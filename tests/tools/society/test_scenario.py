"""Scenario files: what is read, what is refused and where, homes of washers and cars, windows, kinds left out, extracts."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Kind
from tools.society import extract as extraction
from tools.society.scenario import Scenario, ScenarioError
from tools.society.scenariofile import load_scenario, read_scenario

ROOT = Path(__file__).parents[3]
WEEK = ROOT / "tools" / "society" / "data" / "week_a.json.gz"
DAY_SLOTS = 96


def building(days: int = 3, homes: int = 2) -> dict[str, Any]:
    slots = days * DAY_SLOTS
    return {
        "name": "two homes",
        "t0_utc": "2026-06-01T22:00:00Z",
        "slot_minutes": 15,
        "slots": slots,
        "grid_buy_eur_per_kwh": [0.31] * slots,
        "grid_sell_eur_per_kwh": [-0.01] * slots,
        "pv_kwh": [k / 10 for k in range(slots)],
        "load_kwh": [[0.039751 + home] * slots for home in range(homes)],
        "battery": {"capacity_kwh": 10, "power_kw": 3, "eta_charge": 0.95, "eta_discharge": 0.9, "initial_kwh": 5},
        "ev_sessions": [
            {"user": "zoe", "first_slot": 100, "end_slot": 150, "energy_kwh": 8.95, "max_kw": 7.2},
            {"user": "ada", "first_slot": 20, "end_slot": 40, "energy_kwh": 2, "max_kw": 3.6},
            {"user": "zoe", "first_slot": 40, "end_slot": 100, "energy_kwh": 1, "max_kw": 7.2},
        ],
        "washer_jobs": [
            {"ready_slot": 100, "end_by_slot": 120, "kwh_per_slot": [0.171617, 0.000568]},
            {"ready_slot": 10, "end_by_slot": 30, "kwh_per_slot": [0.4]},
            {"ready_slot": 10, "end_by_slot": 30, "kwh_per_slot": [0.5]},
            {"ready_slot": 29, "end_by_slot": 60, "kwh_per_slot": [0.6]},
        ][: 2 + homes],
    }


def read(raw: Any) -> Scenario:
    return read_scenario("building.json", raw)


def test_energies_powers_and_prices_become_exact_integers() -> None:
    raw = building()
    del raw["washer_jobs"][3]
    scenario = read(raw)
    assert scenario.start_s == 1_780_351_200
    assert (scenario.slot_duration_s, scenario.slots, scenario.days, scenario.homes) == (900, 288, 3, 2)
    assert (scenario.ask_ueur_kwh[0], scenario.bid_ueur_kwh[0]) == (310_000, -10_000)
    assert scenario.load_mwh[1][7] == 1_039_751
    assert scenario.pv_mwh[3] == 300_000
    assert scenario.battery is not None
    assert (scenario.battery.capacity_mwh, scenario.battery.power_w, scenario.battery.eta_discharge_ppm) == (
        10**7,
        3000,
        900_000,
    )
    assert scenario.battery.final_mwh_at_least == 0
    assert scenario.washer_jobs[0].energy_mwh == (171_617, 568)
    assert scenario.ev_sessions[0].max_w == 7200


def test_charger_i_stands_in_home_i_in_the_order_of_user_names() -> None:
    raw = building()
    del raw["washer_jobs"][3]
    scenario = read(raw)
    assert scenario.ev_users == ("ada", "zoe")
    assert [session.first_slot for session in scenario.ev_sessions_of(1)] == [40, 100]
    assert scenario.ev_sessions_of(2) == ()


def test_washer_jobs_rotate_over_homes_that_are_free() -> None:
    raw = building(homes=3)
    raw["washer_jobs"] = [
        {"ready_slot": 29, "end_by_slot": 60, "kwh_per_slot": [0.3]},  # home 2: it is its turn
        {"ready_slot": 10, "end_by_slot": 80, "kwh_per_slot": [0.2]},  # home 1
        {"ready_slot": 10, "end_by_slot": 30, "kwh_per_slot": [0.1]},  # home 0: earlier end
        {"ready_slot": 30, "end_by_slot": 50, "kwh_per_slot": [0.4]},  # home 0 again: its window is over
        {"ready_slot": 60, "end_by_slot": 70, "kwh_per_slot": [0.5]},  # home 1 still waits: home 2
    ]
    scenario = read(raw)
    assert [[job.energy_mwh[0] // 100_000 for job in scenario.washer_jobs_of(home)] for home in range(3)] == [
        [1, 4],
        [2],
        [3, 5],
    ]


def test_no_free_home_is_an_error() -> None:
    with pytest.raises(ScenarioError, match=r"washer_jobs\[3\]: expected a home whose washer is free from slot 29 to 60"):
        read(building(homes=2))


def test_more_users_than_homes_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"ev_sessions: expected at most one user per home: 2 users, 1 homes"):
        read(building(homes=1) | {"washer_jobs": []})


def test_a_building_needs_neither_sun_nor_battery_nor_cars() -> None:
    raw = building()
    for key in ("pv_kwh", "battery", "ev_sessions", "washer_jobs"):
        del raw[key]
    scenario = read(raw)
    assert [kind for kind in Kind if not scenario.has(kind)] == [Kind.SOLAR, Kind.BATTERY, Kind.WASHER, Kind.EV]
    assert set(scenario.pv_mwh) == {0}


def test_a_car_may_tell_of_its_battery() -> None:
    raw = building(homes=3)
    raw["ev_sessions"][0] |= {"capacity_kwh": 60, "stored_kwh": 30, "discharge_kw": 7}
    session = read(raw).ev_sessions[0]
    assert (session.capacity_mwh, session.stored_mwh, session.discharge_w) == (60_000_000, 30_000_000, 7_000)


def spoil(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(raw: dict[str, Any]) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place: Any = raw
        for part in parents:
            place = place[part]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (spoil("slots", KeyError), "slots: expected, but it is missing"),
        (spoil("slots", True), "slots: expected a whole number from 1 to 10000000, got true"),
        (spoil("slots", 287), r"grid_buy_eur_per_kwh: expected 287 entries, as many as slots, got 288"),
        (spoil("slot_minutes", 10), "slot_minutes: expected 1, 5 or 15, got 10"),
        (spoil("ev_session", []), "ev_session: unknown field; known are name, "),
        (spoil("t0_utc", "2026-06-01T22:00:00"), "t0_utc: expected UTC as in"),
        (spoil("t0_utc", "2026-02-30T22:00:00Z"), "t0_utc: expected a date that exists"),
        (spoil("t0_utc", "2026-06-01T22:07:00Z"), "t0_utc: expected the start of a slot of 15 min"),
        (spoil("load_kwh", []), "load_kwh: expected at least one home"),
        (spoil("load_kwh/1/5", -0.1), r"load_kwh\[1\]\[5\]: expected a number from 0 to 1e\+06, got -0.1"),
        (spoil("load_kwh/1/5", float("nan")), r"load_kwh\[1\]\[5\]: expected a number"),
        (spoil("load_kwh/1/5", "0.1"), r"load_kwh\[1\]\[5\]: expected a number"),
        (spoil("pv_kwh/5", True), r"pv_kwh\[5\]: expected a number"),
        (spoil("grid_buy_eur_per_kwh/7", 11), r"grid_buy_eur_per_kwh\[7\]: expected a number from -10 to 10, got 11"),
        (spoil("grid_sell_eur_per_kwh/7", 0.32), r"grid_sell_eur_per_kwh\[7\]: expected at most what the utility asks, 0.31"),
        (spoil("battery/eta_charge", 1.1), r"battery.eta_charge: expected a number from 0.01 to 1, got 1.1"),
        (spoil("battery/initial_kwh", 11), r"battery.initial_kwh: expected a number from 0 to 10, got 11"),
        (spoil("battery/power_kw", KeyError), "battery.power_kw: expected, but it is missing"),
        (spoil("battery/colour", "red"), "battery.colour: unknown field"),
        (spoil("ev_sessions/0/end_slot", 100), r"ev_sessions\[0\].end_slot: expected a whole number from 101 to 288, got 100"),
        (spoil("ev_sessions/0/end_slot", 289), r"ev_sessions\[0\].end_slot: expected a whole number"),
        (spoil("ev_sessions/0/user", ""), r"ev_sessions\[0\].user: expected text"),
        (
            spoil("ev_sessions/2/end_slot", 101),
            r"ev_sessions\[0\].first_slot: expected at least 101, when the earlier car of zoe",
        ),
        (spoil("ev_sessions/0/discharge_kw", 3), r"ev_sessions\[0\].capacity_kwh: expected, because the session tells"),
        (spoil("washer_jobs/0/end_by_slot", 101), r"washer_jobs\[0\].end_by_slot: expected a whole number from 102"),
        (spoil("washer_jobs/0/kwh_per_slot", []), r"washer_jobs\[0\].kwh_per_slot: expected at least one slot"),
        (spoil("washer_jobs", {}), "washer_jobs: expected a list, got {}"),
        (spoil("attribution", [1]), r"attribution\[0\]: expected text, got 1"),
        (spoil("reference", {"no_market_eur": "cheap"}), "reference.no_market_eur: expected a number"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(change: Callable[[dict[str, Any]], None], message: str) -> None:
    raw = building(homes=3)
    change(raw)
    with pytest.raises(ScenarioError, match=message) as failure:
        read(raw)
    assert str(failure.value).startswith("building.json: ")


def test_a_car_that_has_no_room_for_its_need_is_refused() -> None:
    raw = building(homes=3)
    raw["ev_sessions"][0] |= {"capacity_kwh": 10, "stored_kwh": 5}
    with pytest.raises(ScenarioError, match=r"ev_sessions\[0\].energy_kwh: expected at most what has room, 5, got 8.95"):
        read(raw)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.json", None, "cannot be read: No such file"),
        ("plain.json", b"{", "expected JSON"),
        ("latin.json", b'{"name": "\xff"}', "expected JSON"),
        ("packed.json.gz", b"{}", "cannot be read"),
        ("torn.json.gz", gzip.compress(b"{}" * 100, mtime=0)[:20], "expected gzip"),
        ("list.json", b"[]", "expected an object"),
    ],
)
def test_a_file_that_is_no_scenario(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ScenarioError, match=message):
        load_scenario(tmp_path / name)


def scalars(raw: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Places of all values that are no containers; of long lists the first three."""
    if isinstance(raw, dict):
        return [place for key, value in raw.items() for place in scalars(value, (*path, key))]
    if isinstance(raw, list):
        return [place for index, value in enumerate(raw[:3]) for place in scalars(value, (*path, index))]
    return [path]


PLACES = scalars(building(homes=3))


@given(st.sampled_from(PLACES), st.sampled_from([None, True, "?", [], {}, float("inf"), -1e12, 1e12]))
def test_no_wrong_value_of_any_field_is_more_than_a_scenario_error(place: tuple[Any, ...], value: Any) -> None:
    raw = building(homes=3)
    target: Any = raw
    for part in place[:-1]:
        target = target[part]
    target[place[-1]] = value
    if place[-1] in ("user", "name", "note") and value == "?":
        read(raw)
        return
    with pytest.raises(ScenarioError) as failure:
        read(raw)
    assert failure.value.place.startswith(str(place[0]))


def test_a_window_keeps_what_lies_wholly_inside() -> None:
    raw = building(homes=3) | {"reference": {"no_market_eur": 1, "netting_no_flex_eur": 2, "optimum_milp_eur": 3}}
    scenario = read(raw)
    assert scenario.reference is not None
    part = scenario.window(1, 1)
    assert (part.slots, part.start_s - scenario.start_s) == (96, 86_400)
    assert part.pv_mwh == scenario.pv_mwh[96:192]
    assert [(session.user, session.first_slot, session.end_slot) for session in part.ev_sessions] == [("zoe", 4, 54)]
    assert [job.ready_slot for job in part.washer_jobs] == [4]
    assert part.reference is None
    assert part.ev_users == scenario.ev_users, "a charger stays, and stays in its home, when nobody comes"
    assert part.without({Kind.EV}).ev_users == ()
    assert scenario.window(0, 3) == scenario
    assert scenario.window(2).slots == 96


@pytest.mark.parametrize(("start_day", "days"), [(-1, 1), (0, 4), (3, 1), (0, 0), (3, None)])
def test_a_window_outside_is_refused(start_day: int, days: int | None) -> None:
    with pytest.raises(ScenarioError, match="it covers 3 days; asked for"):
        read(building(homes=3)).window(start_day, days)


def test_kinds_can_be_left_out() -> None:
    raw = building(homes=3) | {"reference": {"no_market_eur": 1}}
    scenario = read(raw).without([Kind.FREEZER])
    assert not scenario.has(Kind.FREEZER)
    assert scenario.reference is not None
    bare = scenario.without([Kind.SOLAR, Kind.BATTERY, Kind.EV, Kind.WASHER, Kind.BASE_LOAD])
    assert not any(bare.pv_mwh)
    assert not any(map(any, bare.load_mwh))
    assert (bare.battery, bare.ev_sessions, bare.washer_jobs, bare.homes) == (None, (), (), 3)
    assert bare.reference is None
    with pytest.raises(ScenarioError, match="utility cannot be left out; these can: base_load, battery"):
        scenario.without([Kind.UTILITY])


def test_the_carried_week_is_whole_attributed_and_small() -> None:
    week = load_scenario(WEEK)
    assert (week.days, week.homes, week.slots) == (7, 16, 672)
    assert all(week.has(kind) for kind in Kind)
    assert len(week.attribution) == 4
    assert WEEK.stat().st_size < 300_000


def test_an_extract_is_the_window(tmp_path: Path) -> None:
    source, target = tmp_path / "in.json", tmp_path / "out.json.gz"
    raw = building(homes=3) | {"reference": {"no_market_eur": 1}}
    before = copy.deepcopy(raw)
    source.write_text(json.dumps(raw))
    assert extraction.main([str(source), str(target), "--start-day", "1", "--days", "2", "--name", "part"]) == 0
    assert raw == before
    part, whole = load_scenario(target), read(raw).window(1, 2)
    assert part.name == "part"
    for field in (
        "start_s",
        "slots",
        "ask_ueur_kwh",
        "pv_mwh",
        "load_mwh",
        "battery",
        "ev_sessions",
        "washer_jobs",
        "reference",
    ):
        assert getattr(part, field) == getattr(whole, field)


def test_an_extract_of_days_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.json"
    source.write_text(json.dumps(building(homes=3)))
    assert extraction.main([str(source), str(tmp_path / "out.json"), "--start-day", "3", "--days", "2"]) == 2
    assert "it covers 3 days" in capsys.readouterr().err


def test_the_example_of_the_documentation_is_a_scenario() -> None:
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "scenario.md").read_text(encoding="utf-8"), re.DOTALL)
    assert [read(json.loads(block)).homes for block in blocks] == [2]
