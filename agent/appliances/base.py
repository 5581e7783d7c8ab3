"""What the agent asks of every appliance, whatever its kind.

An adapter reads its drivers' abilities into a frozen state, hands that with the market to its strategy, and turns the
strategy's setpoint into a command. It keeps no time, sends nothing to the ledger, and lets driver errors through.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from agent.trade.market import Wants
from agent.vocabulary import Decision, Order, Position, Reading, Setpoint, SlotEnergy
from drivers.abilities import Announces, Meter
from strategies.view import MarketView

State = TypeVar("State")
Ability = TypeVar("Ability")

DEVICE = "device"
"""Role of the appliance's own driver."""
GRID = "grid"
"""Role of a second meter, at the grid connection."""


class MissingAbility(Exception):
    """A driver cannot do what this kind of appliance needs; another driver must be configured."""

    retry = False

    def __init__(self, role: str, ability: str) -> None:
        super().__init__(f"the driver in the role {role!r} does not have the ability {ability}")
        self.role = role
        self.ability = ability


Drivers = Mapping[str, object]
"""The drivers of one agent by their role."""


def need(drivers: Drivers, ability: Callable[..., Ability], role: str = DEVICE) -> Ability:
    """The driver in a role, which must have an ability (one of the protocols). Raises MissingAbility."""
    protocol = cast(type[Ability], ability)
    driver = drivers.get(role)
    if not isinstance(driver, protocol):
        raise MissingAbility(role, protocol.__name__)
    return driver


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known beside the appliance's own state. `own_history`: metered slots, ascending, up to 8 days."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    own_history: tuple[SlotEnergy, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """What a driver shall be told. Commands with equal `value` are the same and need not be repeated."""

    value: Hashable
    send: Callable[[], Awaitable[None]]


class Appliance(ABC, Generic[State]):
    """One kind of appliance. The defaults are those of an appliance that can be measured and not steered."""

    steers = False
    """Whether there is anything to steer between the slots' edges."""
    trades = True
    """Whether it has positions and settlement lines on the ledger."""
    bids_openly = False
    """Whether it trades with open orders, and so looks at the books once a minute."""

    def __init__(self, drivers: Drivers) -> None:
        self.meter = need(drivers, Meter)
        self.missing: str | None = None
        """Why a sensor that it can do without did not answer at the last look; None: all did."""

    def watched(self) -> Sequence[Announces]:
        """Drivers whose changes matter between the slots' edges; without any, a steered device is sampled at its pace."""
        return [self.meter] if self.steers and isinstance(self.meter, Announces) else []

    @abstractmethod
    async def look(self, reading: Reading) -> State:
        """The appliance's state beside its meter's reading. Raises DriverError."""

    @abstractmethod
    def bid(self, state: State, seen: Seen) -> Decision: ...

    @abstractmethod
    def steer(self, state: State, seen: Seen) -> Setpoint: ...

    def wants(self, state: State) -> Wants:
        """What the next bid wants to see of the market."""
        return Wants()

    def situation(self, state: State) -> Hashable:
        """What must be the same for the last setpoint to hold on."""
        return None

    def occasion(self, state: State) -> Hashable:
        """What makes it worth trading again at once when it changes."""
        return None

    def command(self, setpoint: Setpoint, state: State) -> Command | None:
        """The command that carries a setpoint out, None where the appliance is left to itself."""
        return None

    def safe_command(self) -> Command | None:
        """The command that leaves the appliance safe when nobody steers it any more."""
        return None
