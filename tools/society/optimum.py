"""The least that a building could have paid, had it known the future: a mixed-integer programme solved by HiGHS.

It is the yardstick of the report, never a market. Per slot: import, export, curtailed sun, battery charge and discharge; per
EV session its energy per slot; per washer job one start slot (0/1); per freezer its duty, with temperatures between its
limits. Energies in kWh, money in EUR: this is a bound, nothing here is signed or paid. Needs the extra `optimum`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

from agent.vocabulary import Kind
from tools.society.baseline import pull_k, time_constant_s
from tools.society.scenario import MWH_PER_KWH, EvSession, Scenario, WasherJob

INFINITY: Final = math.inf


class NoOptimum(Exception):
    """The solver is not installed, or found no optimum; `cause` says which."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


@dataclass(slots=True)
class _Programme:
    """A linear programme in rows: minimise cost x subject to lower <= A x <= upper, built column by column."""

    cost: list[float] = field(default_factory=list)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_low: list[float] = field(default_factory=list)
    row_high: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    columns: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    def column(self, low: float, high: float, cost: float = 0.0, whole: bool = False) -> int:
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(whole)
        return len(self.cost) - 1

    def row(self, low: float, high: float, terms: list[tuple[int, float]]) -> None:
        self.columns.extend(column for column, _ in terms)
        self.factors.extend(factor for _, factor in terms)
        self.starts.append(len(self.columns))
        self.row_low.append(low)
        self.row_high.append(high)


def optimum_eur(scenario: Scenario) -> float:
    """Cost of the optimum over the scenario's window in EUR. Raises NoOptimum."""
    programme = _Programme()
    _building(programme, scenario, _flexible_loads(programme, scenario))
    return _solve(programme)


Terms = list[list[tuple[int, float]]]
"""Per slot the columns that draw energy in it, each with its factor (kWh in the slot per unit of the column)."""


def _flexible_loads(programme: _Programme, scenario: Scenario) -> Terms:
    draws: Terms = [[] for _ in range(scenario.slots)]
    for session in scenario.ev_sessions:
        _ev_session(programme, scenario, session, draws)
    for job in scenario.washer_jobs:
        _washer_job(programme, job, draws)
    if scenario.has(Kind.FREEZER):
        _freezers(programme, scenario, draws)
    return draws


def _ev_session(programme: _Programme, scenario: Scenario, session: EvSession, draws: Terms) -> None:
    most_kwh = session.max_w * scenario.slot_duration_s / 3_600_000
    terms = []
    for slot in range(session.first_slot, session.end_slot):
        column = programme.column(0.0, most_kwh)
        draws[slot].append((column, 1.0))
        terms.append((column, 1.0))
    needed_kwh = min(session.energy_mwh / MWH_PER_KWH, most_kwh * len(terms))
    programme.row(needed_kwh, needed_kwh, terms)


def _washer_job(programme: _Programme, job: WasherJob, draws: Terms) -> None:
    terms = []
    for start in range(job.ready_slot, job.end_by_slot - len(job.energy_mwh) + 1):
        column = programme.column(0.0, 1.0, whole=True)
        terms.append((column, 1.0))
        for offset, energy_mwh in enumerate(job.energy_mwh):
            draws[start + offset].append((column, energy_mwh / MWH_PER_KWH))
    programme.row(1.0, 1.0, terms)


def _freezers(programme: _Programme, scenario: Scenario, draws: Terms) -> None:
    """All freezers are alike, so one stands for all. A slot's end temperature follows from its start's and the duty.

    In the end the air is as cold as at the start.
    """
    spec, duration_s = scenario.freezer, scenario.slot_duration_s
    keep = math.exp(-duration_s / time_constant_s(spec))
    pull, drift = (1 - keep) * pull_k(spec), (1 - keep) * spec.room_mc / 1000
    full_kwh = scenario.homes * spec.power_w * duration_s / 3_600_000
    before: int | None = None
    for slot in range(scenario.slots):
        duty = programme.column(0.0, 1.0)
        draws[slot].append((duty, full_kwh))
        warmest_mc = spec.start_mc if slot == scenario.slots - 1 else spec.warmest_mc
        after = programme.column(spec.coldest_mc / 1000, warmest_mc / 1000)
        if before is None:
            fixed = drift + keep * spec.start_mc / 1000
            programme.row(fixed, fixed, [(after, 1.0), (duty, pull)])
        else:
            programme.row(drift, drift, [(after, 1.0), (duty, pull), (before, -keep)])
        before = after


def _building(programme: _Programme, scenario: Scenario, draws: Terms) -> None:
    """The balance of every slot at the grid connection, with sun and battery."""
    battery = scenario.battery
    most_kwh = battery.power_w * scenario.slot_duration_s / 3_600_000 if battery else 0.0
    before: int | None = None
    for slot in range(scenario.slots):
        pv_kwh = scenario.pv_mwh[slot] / MWH_PER_KWH
        load_kwh = sum(home[slot] for home in scenario.load_mwh) / MWH_PER_KWH
        bought = programme.column(0.0, INFINITY, scenario.ask_ueur_kwh[slot] / 1e6)
        sold = programme.column(0.0, INFINITY, -scenario.bid_ueur_kwh[slot] / 1e6)
        curtailed = programme.column(0.0, pv_kwh)
        terms = [(bought, 1.0), (sold, -1.0), (curtailed, -1.0), *((column, -factor) for column, factor in draws[slot])]
        if battery:
            last = slot == scenario.slots - 1
            charge = programme.column(0.0, most_kwh)
            discharge = programme.column(0.0, most_kwh)
            floor_kwh = battery.final_mwh_at_least / MWH_PER_KWH if last else 0.0
            after = programme.column(floor_kwh, battery.capacity_mwh / MWH_PER_KWH)
            terms += [(charge, -1.0), (discharge, 1.0)]
            flow = [(after, 1.0), (charge, -battery.eta_charge), (discharge, 1 / battery.eta_discharge)]
            start_kwh = battery.initial_mwh / MWH_PER_KWH if before is None else 0.0
            programme.row(start_kwh, start_kwh, flow if before is None else [*flow, (before, -1.0)])
            before = after
        programme.row(load_kwh - pv_kwh, load_kwh - pv_kwh, terms)


def _solve(programme: _Programme) -> float:
    try:
        import highspy
    except ImportError as error:
        raise NoOptimum("the solver is not installed: pip install 'homewatt[optimum]'") from error
    problem: Any = highspy.HighsLp()
    problem.num_col_, problem.num_row_ = len(programme.cost), len(programme.row_low)
    problem.col_cost_, problem.col_lower_, problem.col_upper_ = programme.cost, programme.low, programme.high
    problem.row_lower_, problem.row_upper_ = programme.row_low, programme.row_high
    problem.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    problem.a_matrix_.start_, problem.a_matrix_.index_ = programme.starts, programme.columns
    problem.a_matrix_.value_ = programme.factors
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    problem.integrality_ = [kinds[whole] for whole in programme.whole]
    make_solver: Any = highspy.Highs
    solver = make_solver()
    solver.silent()
    solver.passModel(problem)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise NoOptimum(f"the solver stopped with: {solver.modelStatusToString(solver.getModelStatus())}")
    return float(solver.getInfo().objective_function_value)
