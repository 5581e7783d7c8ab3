"""An EV charger and the car at its plug."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial

from agent.appliances.base import Appliance, Command, Drivers, Seen, need
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from drivers.abilities import Plug, PlugState, PowerSetpoint
from strategies import ev, passive
from strategies.ev import EvRules, EvSnapshot, PluggedCar

HISTORY_EVERY_SLOTS = 4


@dataclass(frozen=True, slots=True)
class EvState:
    """The car at the plug, if any, and the charger's power now."""

    car: PluggedCar | None
    power_w: int


class Ev(Appliance[EvState]):
    """Charges what was bought, and in any case what the departure needs."""

    steers = True

    def __init__(self, drivers: Drivers, rules: EvRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._plug = need(drivers, Plug)
        self._charger = need(drivers, PowerSetpoint)
        self._rules = rules
        self._is_passive = is_passive

    async def look(self, reading: Reading) -> EvState:
        plug = await self._plug.plug_state()
        return EvState(None if plug is None else _car(plug), reading.power_w)

    def bid(self, state: EvState, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return ev.bid(self._snapshot(state, seen), self._rules)

    def steer(self, state: EvState, seen: Seen) -> Setpoint:
        if self._is_passive:
            return passive.steer_ev(self._snapshot(state, seen), self._rules)
        return ev.steer(self._snapshot(state, seen), self._rules)

    def wants(self, state: EvState) -> Wants:
        if self._is_passive:
            return NO_MARKET
        if state.car is None:
            return Wants()
        quotes = self._rules.gates_ahead if state.car.max_discharge_w else 1
        return Wants(quotes, history_every=HISTORY_EVERY_SLOTS, tariffs=True)

    def situation(self, state: EvState) -> Hashable:
        car = state.car
        return None if car is None else (car.plugged_in_s, car.departs_s, car.needs_wh > 0, state.power_w)

    def occasion(self, state: EvState) -> Hashable:
        return None if state.car is None else (state.car.plugged_in_s, state.car.departs_s)

    def command(self, setpoint: Setpoint, state: EvState) -> Command | None:
        if setpoint.power_w is None or state.car is None:
            return None
        # A setpoint ends with the stay, so the same power for the next car is another command.
        value = ("power", state.car.plugged_in_s, setpoint.power_w)
        return Command(value, partial(self._charger.set_power, setpoint.power_w))

    def safe_command(self) -> Command | None:
        return Command(("power", None, 0), partial(self._charger.set_power, 0))

    def _snapshot(self, state: EvState, seen: Seen) -> EvSnapshot:
        return EvSnapshot(seen.market, seen.position_now, seen.leftover_now, state.car, state.power_w)


def _car(plug: PlugState) -> PluggedCar:
    return PluggedCar(
        plugged_in_s=plug.plugged_in_s,
        departs_s=plug.departs_s,
        needs_wh=plug.needs_wh,
        max_charge_w=plug.max_charge_w,
        max_discharge_w=plug.max_discharge_w,
        stored_wh=plug.stored_wh,
        capacity_wh=plug.capacity_wh,
    )
