"""What a building pays without a market: passive appliances, each billed alone (no market) or together (netting).

Passive: EVs charge at plug-in at full power, washers start when ready, the battery rests, freezers follow their thermostats.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.vocabulary import Kind
from tools.society.cast import Cast
from tools.society.scenario import MWH_PER_KWH, EvSession, FreezerSpec, Scenario, WasherJob

Energies = list[int]
"""Per slot in mWh; positive: drawn from the grid."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Money without a market, in ueur."""

    no_market_ueur: int
    """Every device buys from and sells to the utility alone."""
    netting_ueur: int
    """The same appliances behind one meter: what they produce and draw in the same slot cancels out."""
    bills_ueur: Mapping[str, int]
    """Per party the part of `no_market_ueur` that its devices pay."""


def baseline(scenario: Scenario, cast: Cast, slots: int | None = None) -> Baseline:
    """The two costs of a window with passive appliances, or of its first slots only."""
    bills = dict.fromkeys(cast.parties, 0)
    total = [0] * (scenario.slots if slots is None else slots)
    for device in cast.devices:
        energies = passive_mwh(scenario, device.kind, device.home)[: len(total)]
        bills[device.beneficiary] += cost_ueur(scenario, energies)
        total = [sum_mwh + energy for sum_mwh, energy in zip(total, energies, strict=True)]
    return Baseline(sum(bills.values()), cost_ueur(scenario, total), bills)


def cost_ueur(scenario: Scenario, energies: Sequence[int]) -> int:
    """What the utility bills for these energies: the ask for what is drawn, the bid for what is given, slot by slot."""
    prices = zip(energies, scenario.ask_ueur_kwh, scenario.bid_ueur_kwh, strict=False)  # the first slots may be all
    return sum(energy * (ask if energy > 0 else bid) for energy, ask, bid in prices) // MWH_PER_KWH


def passive_mwh(scenario: Scenario, kind: Kind, home: int | None) -> Energies:
    """What a passive device draws per slot; meters of the building and devices that rest draw nothing."""
    if home is None:
        return [-energy for energy in scenario.pv_mwh] if kind is Kind.SOLAR else [0] * scenario.slots
    match kind:
        case Kind.BASE_LOAD:
            return list(scenario.load_mwh[home])
        case Kind.EV:
            return _charge_at_plug_in(scenario, scenario.ev_sessions_of(home))
        case Kind.WASHER:
            return _start_when_ready(scenario, scenario.washer_jobs_of(home))
        case Kind.FREEZER:
            return thermostat_mwh(scenario)
        case _:
            raise ValueError(f"no home has a device of kind {kind}")


def _charge_at_plug_in(scenario: Scenario, sessions: Iterable[EvSession]) -> Energies:
    energies = [0] * scenario.slots
    for session in sessions:
        missing_mwh = session.energy_mwh
        most_mwh = session.max_w * scenario.slot_duration_s * 1000 // 3600
        for slot in range(session.first_slot, session.end_slot):
            energies[slot] = min(missing_mwh, most_mwh)
            missing_mwh -= energies[slot]
    return energies


def _start_when_ready(scenario: Scenario, jobs: Iterable[WasherJob]) -> Energies:
    energies = [0] * scenario.slots
    for job in jobs:
        for offset, energy in enumerate(job.energy_mwh):
            energies[job.ready_slot + offset] += energy
    return energies


def thermostat_mwh(scenario: Scenario) -> Energies:
    """A freezer that switches on at its warmest and off at its coldest temperature."""
    spec, energies = scenario.freezer, []
    air_c, on = spec.start_mc / 1000, False
    for _ in range(scenario.slots):
        left_s, on_s = float(scenario.slot_duration_s), 0.0
        while left_s > 0:
            edge_c = (spec.coldest_mc if on else spec.warmest_mc) / 1000
            step_s = min(left_s, seconds_to(spec, air_c, edge_c, on))
            air_c = air_after(spec, air_c, on, step_s)
            on_s += step_s if on else 0.0
            left_s -= step_s
            if left_s > 0:
                air_c, on = edge_c, not on
        energies.append(round(spec.power_w * on_s * 1000 / 3600))
    return energies


def time_constant_s(spec: FreezerSpec) -> float:
    """How slowly a freezer follows the room: heat capacity over leak."""
    return spec.heat_j_k / (spec.leak_mw_k / 1000)


def pull_k(spec: FreezerSpec) -> float:
    """How far below the room an unceasing compressor would bring the air."""
    return spec.power_w * spec.cop_permille / spec.leak_mw_k


def air_after(spec: FreezerSpec, air_c: float, on: bool, seconds: float) -> float:
    """Temperature after some time with the compressor on or off."""
    target_c = spec.room_mc / 1000 - (pull_k(spec) if on else 0.0)
    return target_c + (air_c - target_c) * math.exp(-seconds / time_constant_s(spec))


def seconds_to(spec: FreezerSpec, air_c: float, edge_c: float, on: bool) -> float:
    """Time until the air reaches an edge; 0 where it is already beyond it."""
    target_c = spec.room_mc / 1000 - (pull_k(spec) if on else 0.0)
    return max(0.0, time_constant_s(spec) * math.log((air_c - target_c) / (edge_c - target_c)))
