"""A battery, with or without a meter at the grid connection to balance on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from agent.appliances.base import GRID, Appliance, Command, Drivers, Seen, need
from agent.trade.market import NO_MARKET, Wants
from agent.vocabulary import Decision, Reading, Setpoint
from drivers.abilities import Announces, ChargeLevel, Meter, PowerSetpoint
from drivers.errors import DriverError
from strategies import battery, passive
from strategies.battery import BatteryRules, BatterySnapshot

HISTORY_EVERY_SLOTS = 4


@dataclass(frozen=True, slots=True)
class BatteryState:
    """`grid_power_w` is the building's net power now, None without a meter there or while it is silent."""

    stored_wh: int
    power_w: int
    grid_power_w: int | None


class Battery(Appliance[BatteryState]):
    """Follows its position, and the building when it has a meter for it."""

    steers = True

    def __init__(self, drivers: Drivers, rules: BatteryRules, is_passive: bool) -> None:
        super().__init__(drivers)
        self._inverter = need(drivers, PowerSetpoint)
        self._charge = need(drivers, ChargeLevel)
        self._grid = need(drivers, Meter, GRID) if GRID in drivers else None
        self._rules = rules
        self._is_passive = is_passive
        self.bids_openly = rules.opening == "floor" and not is_passive

    def watched(self) -> Sequence[Announces]:
        meters: tuple[object, ...] = (self.meter, self._grid)
        return [meter for meter in meters if isinstance(meter, Announces)]

    async def look(self, reading: Reading) -> BatteryState:
        return BatteryState(await self._charge.stored_wh(), reading.power_w, await self._grid_power_w())

    async def _grid_power_w(self) -> int | None:
        self.missing = None
        if self._grid is None:
            return None
        try:
            return (await self._grid.read()).power_w
        except DriverError as error:
            self.missing = f"{error}; the battery follows its trades without balancing"
            return None

    def bid(self, state: BatteryState, seen: Seen) -> Decision:
        if self._is_passive:
            return passive.bid(seen.market)
        return battery.bid(self._snapshot(state, seen), self._rules)

    def steer(self, state: BatteryState, seen: Seen) -> Setpoint:
        if self._is_passive:
            return passive.steer_battery(self._snapshot(state, seen), self._rules)
        return battery.steer(self._snapshot(state, seen), self._rules)

    def wants(self, state: BatteryState) -> Wants:
        if self._is_passive:
            return NO_MARKET
        quotes = self._rules.gates_ahead if self.bids_openly else 1
        return Wants(quotes, history_every=HISTORY_EVERY_SLOTS, tariffs=True)

    def situation(self, state: BatteryState) -> Hashable:
        return state.power_w, state.grid_power_w

    def command(self, setpoint: Setpoint, state: BatteryState) -> Command | None:
        return None if setpoint.power_w is None else _power(self._inverter, setpoint.power_w)

    def safe_command(self) -> Command | None:
        return _power(self._inverter, 0)

    def _snapshot(self, state: BatteryState, seen: Seen) -> BatterySnapshot:
        own = state.stored_wh, state.power_w, state.grid_power_w
        return BatterySnapshot(seen.market, seen.position_now, seen.leftover_now, *own)


def _power(inverter: PowerSetpoint, power_w: int) -> Command:
    return Command(("power", power_w), partial(inverter.set_power, power_w))
