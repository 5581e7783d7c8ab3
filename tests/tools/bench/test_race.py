"""The strategy race on a small made-up building: energy and money add up, comfort holds, trading helps."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.vocabulary import Tariff
from tools.bench import race as command
from tools.bench.race import Options, Race, race
from tools.bench.race_figures import Outcome, figures
from tools.bench.race_world import WEEK, BatteryPlant, Job, Session, World, load_spot, load_world, registered

START_S = 1_613_343_600
DAYS = 4
SLOTS = DAYS * 96


def building() -> World:
    """Four homes, sun at noon, one car a day, one wash a day, a battery: dear evenings, cheap nights."""
    sun = [max(0, 3_000 - abs(k % 96 - 50) * 150) for k in range(SLOTS)]
    loads = [
        tuple(150 + 50 * home + (400 if 70 <= k % 96 < 88 else 0) + (k * 7 + home) % 30 for k in range(SLOTS))
        for home in range(4)
    ]
    asks = [200_000 if 68 <= k % 96 < 92 else 120_000 for k in range(SLOTS)]
    return World(
        start_s=START_S,
        duration_s=900,
        slots=SLOTS,
        tariffs=tuple(Tariff(START_S + k * 900, ask, 40_000) for k, ask in enumerate(asks)),
        sun_wh=tuple(sun),
        loads_wh=tuple(loads),
        sessions=(tuple(Session(day * 96 + 66, day * 96 + 94, 9_000, 7_200) for day in range(DAYS)), ()),
        jobs=(tuple(Job(day * 96 + 30, day * 96 + 60, (500, 100, 50)) for day in range(DAYS)), (), (), ()),
        battery_capacity_wh=20_000,
        battery_power_w=5_000,
        battery_start_wh=10_000,
    )


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    world = building()
    return {
        "still": Race(world, Options("passive", freezers=True)).run(),
        "programme": Race(world, Options("programme", freezers=True)).run(),
        "middle": Race(world, Options("middle", balance=False, freezers=True)).run(),
        "history": Race(world, Options("programme", plan=False, freezers=True)).run(),
    }


@pytest.mark.parametrize("name", ["still", "programme", "middle", "history"])
def test_money_adds_up_and_comfort_holds(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    assert sum(outcome.party_ueur.values()) + outcome.society_ueur == outcome.grid_ueur
    assert sum(outcome.kind_ueur.values()) == sum(outcome.party_ueur.values())
    assert outcome.unmet_ev_wh <= DAYS
    assert outcome.late_washers == 0
    assert outcome.freezer_c[0] >= -20.1
    assert outcome.freezer_c[1] <= -16.0


@pytest.mark.parametrize("name", ["programme", "middle", "history"])
def test_trading_saves(outcomes: dict[str, Outcome], name: str) -> None:
    assert outcomes[name].cost_ueur < outcomes["still"].cost_ueur * 9 // 10
    assert outcomes[name].messages < 2 * outcomes[name].devices * SLOTS


def test_balancing_saves_on_real_days() -> None:
    """Two days of the week that the repository carries."""
    world = load_world(WEEK).days(0, 2)
    following, balancing = (Race(world, Options(balance=balance)).run() for balance in (False, True))
    assert balancing.cost_ueur < following.cost_ueur
    assert balancing.worse_than(Race(world, Options("passive")).run()) == {}


def test_the_same_race_twice_gives_the_same_figures() -> None:
    world = building().window(0, 96)
    first, again = (list(figures(world, *race(world, Options()))) for _ in range(2))
    assert first == again


def test_without_arguments_more_than_days_the_carried_week_is_raced_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["race", "--days", "1"])
    command.main()
    rows = json.loads((tmp_path / "build" / "bench" / "race.json").read_text())
    values = {row["figure"]: (row["value"], row["unit"]) for row in rows}
    assert values["washes finished late"] == (0, "washes")
    assert 0 < values["cost"][0] < values["cost without market, every device at the utility's prices"][0]


def test_the_shares_of_the_optimum_are_reported_where_it_is_known() -> None:
    """Alone 10 EUR, netting 8, raced 5, optimum 4: of 6 EUR that could be saved 5 are, of the 4 beyond netting 3."""
    still, raced = Outcome(grid_ueur=8_000_000, devices=1), Outcome(grid_ueur=5_000_000, devices=1)
    still.alone_ueur["base_load"] = 10_000_000
    shares = {name: value for name, unit, value in figures(replace(building(), optimum_eur=4.0), raced, still) if unit == "%"}
    assert list(shares.values()) == [pytest.approx(100 * 5 / 6), pytest.approx(75)]


def test_days_are_counted_from_the_start_and_end_with_the_world() -> None:
    world = replace(building(), optimum_eur=1.0)
    assert world.days(0, None) is world
    part = world.days(DAYS - 1, 3)
    assert (part.start_s, part.slots, part.optimum_eur) == (START_S + (DAYS - 1) * 86_400, 96, None)
    assert world.days(1, None).slots == SLOTS - 96


def test_a_passive_building_pays_the_tariff_for_its_sum() -> None:
    world = building()
    outcome = Race(world, Options("passive")).run()
    assert outcome.stored_ueur == 0
    alone = sum(outcome.alone_ueur.values())
    assert outcome.grid_ueur < alone
    assert outcome.unmet_ev_wh == 0


def test_a_window_leaves_out_what_reaches_beyond_it() -> None:
    part = building().window(0, 80)
    assert part.slots == len(part.tariffs) == len(part.sun_wh) == 80
    assert part.sessions == ((), ())
    assert [len(jobs) for jobs in part.jobs] == [1, 0, 0, 0]


@given(kwh=st.lists(st.floats(0, 5, allow_nan=False), max_size=50))
def test_registers_lose_nothing(kwh: list[float]) -> None:
    assert abs(sum(registered(kwh)) - sum(kwh) * 1000) <= 1 + len(kwh) / 1000


@given(powers=st.lists(st.integers(-8_000, 8_000), max_size=40))
def test_the_battery_stays_within_its_limits(powers: list[int]) -> None:
    plant = BatteryPlant(20_000_000, 5_000, 10_000_000)
    for power_w in powers:
        net_wh = plant.run(power_w, 900)
        assert -1_250 <= net_wh <= 1_250
        assert 0 <= plant.stored_mwh <= 20_000_000


def test_a_scenario_file_is_read(tmp_path: Path) -> None:
    raw = {
        "t0_utc": "2021-02-14T23:00:00Z",
        "slot_minutes": 15,
        "slots": 8,
        "grid_buy_eur_per_kwh": [0.13] * 8,
        "grid_sell_eur_per_kwh": [0.04] * 8,
        "pv_kwh": [0.5] * 8,
        "load_kwh": [[0.1] * 8, [0.2] * 8],
        "battery": {"capacity_kwh": 60.0, "power_kw": 20.0, "initial_kwh": 30.0},
        "ev_sessions": [{"user": "b", "first_slot": 1, "end_slot": 5, "energy_kwh": 1.8, "max_kw": 7.2}],
        "washer_jobs": [{"ready_slot": 1, "end_by_slot": 8, "kwh_per_slot": [0.5, 0.1]}] * 2,
    }
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(raw))
    world = load_world(path)
    assert world.tariffs[0] == Tariff(START_S, 130_000, 40_000)
    assert world.sessions == ((Session(1, 5, 1_800, 7_200),),)
    assert [len(home) for home in world.jobs] == [1, 1]
    assert sum(world.sun_wh) == 4_000


def test_prices_of_another_year_keep_weekday_and_hour(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    rows = [f"2019-01-{day:02d}T{hour:02d}:00Z,{day + hour / 100}" for day in range(1, 31) for hour in range(24)]
    with gzip.open(path, "wt") as out:
        out.write("\n".join(["time_utc,price_eur_per_mwh", *rows]))
    spot = load_spot(path, 1_546_300_800 + 364 * 86_400, 900, 8)
    assert spot == [1_000] * 4 + [1_010] * 4
    moved = building().window(0, 8).with_spot([-5_000] * 8, 90_000)
    assert (moved.tariffs[0].ask_ueur_kwh, moved.tariffs[0].bid_ueur_kwh) == (85_000, 0)
