"""An EV charger: the cheapest slots before departure, and the departure is met whatever the market does."""

from __future__ import annotations

from dataclasses import dataclass

from agent.vocabulary import Decision, Order, Position, Setpoint
from strategies.facts import StorageFacts
from strategies.view import MarketView


@dataclass(frozen=True, slots=True)
class EvRules:
    """The resident's rules. `storage` is the society's battery, for the price forecast; None: price history alone."""

    nameplate_w: int = 7_200
    sell: bool = True
    """May sell what the driver does not need, where the car can feed back."""
    reserve_wh: int = 5_000
    """Never sold, on top of the need."""
    eta_charge_permille: int = 950
    eta_discharge_permille: int = 950
    wear_ueur_kwh: int = 20_000
    storage: StorageFacts | None = None


@dataclass(frozen=True, slots=True)
class PluggedCar:
    """The car at the plug. Energies at the charger's meter; `stored_wh` and `capacity_wh` are 0 where the car does not tell."""

    plugged_in_s: int
    departs_s: int
    needs_wh: int
    """Still to be delivered until departure; 0 when the wish is met, negative when there is more than that."""
    max_charge_w: int
    max_discharge_w: int = 0
    stored_wh: int = 0
    capacity_wh: int = 0


@dataclass(frozen=True, slots=True)
class EvSnapshot:
    """`power_w` is the charger's power now; `storage_wh` the charge of the society's battery as last settled, None: unknown."""

    market: MarketView
    position_now: Position | None
    leftover_now: tuple[Order, ...]
    car: PluggedCar | None
    power_w: int
    storage_wh: int | None = None


def bid(seen: EvSnapshot, rules: EvRules) -> Decision: ...


def steer(seen: EvSnapshot, rules: EvRules) -> Setpoint: ...
