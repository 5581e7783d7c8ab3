"""Does it pay to play against the market? One party at a time changes its ways, all others stay as they are.

    python -m tools.bench.incentives [SCENARIO] [--start-day N] [--days N]

Without a scenario it takes the week that comes with the repository. It prints what each party would gain by never trading,
by shading its limits, by ordering more or less than it expects, what the owners of the only battery and the only array gain
by using that they are the only ones, and what balancing brings. docs/market.md quotes and explains the figures. It runs the
strategy race (`tools.bench.race`): the node's own call and settlement, without ledger and network.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from agent.vocabulary import Decision, Kind, Order, Position, Side, Tariff
from strategies.view import MarketView
from tools.bench.race import Options, Race
from tools.bench.race_figures import Meter, Outcome
from tools.bench.race_world import DAY_S, UEUR, WEEK, World, load_world
from tools.bench.table import Bench

Quiet = Literal["waits", "alone", "as if"]
"""How the appliances of a party that never trades behave. "waits": nothing is bought, so they wait until they must. "alone":
as without a ledger, by the utility's prices; the battery serves the building. "as if": as if every order that the call price
would have served had been placed and filled, the most that a party can get out of prices that it does not help to make."""

Bend = Callable[[Kind, Order, Tariff], Order | None]
"""What becomes of an order of the party's devices; None: it is kept back."""


@dataclass(frozen=True, slots=True)
class Tactic:
    """How one party departs from the strategies that all others keep to."""

    party: str
    bend: Bend
    quiet: Quiet | None = None
    """Not None: the party never trades."""


def never_trading(party: str, quiet: Quiet) -> Tactic:
    return Tactic(party, lambda kind, order, tariff: None, quiet)


def shading(party: str, percent: int) -> Tactic:
    """Buys at limits so much lower, sells at limits so much higher, inside the tariff. Below 0: the other way round."""

    def bend(kind: Kind, order: Order, tariff: Tariff) -> Order:
        share = 100 - percent if order.side is Side.BUY else 100 + percent
        limit = order.limit_ueur_kwh * share // 100
        return replace(order, limit_ueur_kwh=max(tariff.bid_ueur_kwh, min(tariff.ask_ueur_kwh, limit)))

    return Tactic(party, bend)


def asking(party: str, percent: int) -> Tactic:
    """Sells at no less than the utility's bid plus so many percent of the way to its ask."""

    def bend(kind: Kind, order: Order, tariff: Tariff) -> Order:
        lowest = tariff.bid_ueur_kwh + (tariff.ask_ueur_kwh - tariff.bid_ueur_kwh) * percent // 100
        return order if order.side is Side.BUY else replace(order, limit_ueur_kwh=max(lowest, order.limit_ueur_kwh))

    return Tactic(party, bend)


def ordering(party: str, percent: int, kind: Kind) -> Tactic:
    """Orders so many percent of the energy that its devices of this kind want."""

    def bend(own: Kind, order: Order, tariff: Tariff) -> Order | None:
        energy_wh = order.energy_wh * percent // 100 if own is kind else order.energy_wh
        return replace(order, energy_wh=energy_wh) if energy_wh else None

    return Tactic(party, bend)


class BentRace(Race):
    """The race with a party that departs from its strategies."""

    def __init__(self, world: World, options: Options, tactic: Tactic) -> None:
        super().__init__(world, options)
        self.tactic = tactic
        self.kept_back: dict[str, tuple[Order, ...]] = {}

    def _bid(self, meter: Meter, index: int, market: MarketView, slot: int) -> Decision:
        decision = super()._bid(meter, index, market, slot)
        if meter.party != self.tactic.party:
            return decision
        self.kept_back[meter.name] = decision.orders
        tariff = self.world.tariffs[slot]
        bent = (self.tactic.bend(meter.kind, order, tariff) for order in decision.orders)
        return replace(decision, orders=tuple(order for order in bent if order is not None))

    def _trade(self, slot: int) -> None:
        super()._trade(slot)
        for meter in self._quiet():
            if self.tactic.quiet == "alone":
                meter.position = None
            elif self.tactic.quiet == "as if":
                meter.position, meter.leftover = self._as_if(meter, slot)

    def _as_if(self, meter: Meter, slot: int) -> tuple[Position, tuple[Order, ...]]:
        call = self.lines[-1].call_ueur_kwh
        bought_wh = sold_wh = 0
        leftover = []
        for order in self.kept_back[meter.name]:
            if call is None or (order.limit_ueur_kwh < call if order.side is Side.BUY else order.limit_ueur_kwh > call):
                leftover.append(order)
            elif order.side is Side.BUY:
                bought_wh += order.energy_wh
            else:
                sold_wh += order.energy_wh
        return Position(self.world.tariffs[slot].slot_s, bought_wh, sold_wh, ()), tuple(leftover)

    def _settle(self, slot: int) -> None:
        for meter in self._quiet():
            meter.position, meter.leftover = Position(self.world.tariffs[slot].slot_s, 0, 0, ()), ()
        super()._settle(slot)

    def _quiet(self) -> list[Meter]:
        return [meter for meter in self.meters if self.tactic.quiet and meter.party == self.tactic.party]


def bent(world: World, tactic: Tactic) -> Outcome:
    return BentRace(world, Options(), tactic).run()


def money_ueur(outcome: Outcome, party: str) -> int:
    """What a party paid in all. The battery's owner also pays for what is missing in it at the end, at the median ask."""
    return outcome.party_ueur[party] + (outcome.stored_ueur if party == "battery" else 0)


def gain_ueur(before: Outcome, after: Outcome, party: str) -> int:
    """What a party gains when the first outcome turns into the second."""
    return money_ueur(before, party) - money_ueur(after, party)


def others_gain_ueur(before: Outcome, after: Outcome, party: str) -> int:
    """What all others gain together, the society's account among them."""
    return before.cost_ueur - after.cost_ueur - gain_ueur(before, after, party)


def homes_of(world: World) -> list[str]:
    return [f"home {i + 1}" for i in range(len(world.loads_wh))]


HOME_TACTICS: dict[str, Callable[[str], Tactic]] = {
    "never trading": lambda party: never_trading(party, "as if"),
    "never trading, waiting": lambda party: never_trading(party, "waits"),
    "never trading, by the tariff": lambda party: never_trading(party, "alone"),
    "limits shaded by 10 %": lambda party: shading(party, 10),
    "limits shaded by 20 %": lambda party: shading(party, 20),
    "limits shaded by 30 %": lambda party: shading(party, 30),
    "ordering 0.7 of its forecast": lambda party: ordering(party, 70, Kind.BASE_LOAD),
    "ordering 1.3 of its forecast": lambda party: ordering(party, 130, Kind.BASE_LOAD),
}

ALONE_TACTICS: dict[str, Tactic] = {
    "array, never trading": never_trading("array", "waits"),
    "array, offering half of its forecast": ordering("array", 50, Kind.SOLAR),
    "array, asking for the middle of the tariff": asking("array", 50),
    "array, asking for three quarters of the way to the ask": asking("array", 75),
    "array, asking for nine tenths of the way to the ask": asking("array", 90),
    "battery, never trading, at rest": never_trading("battery", "waits"),
    "battery, never trading, serving the building": never_trading("battery", "alone"),
    "battery, never trading, doing what it would have ordered": never_trading("battery", "as if"),
    "battery, offering half of its energy": ordering("battery", 50, Kind.BATTERY),
    "battery, limits shaded by 10 %": shading("battery", 10),
    "battery, limits shaded by 30 %": shading("battery", 30),
    "battery, limits shaded by 50 %": shading("battery", 50),
}
"""Those who are the only ones of their kind."""


def report(world: World, bench: Bench) -> None:
    """Print every comparison as gain per day of the party that departs, and of all others."""
    days = world.slots * world.duration_s / DAY_S

    def row(figure: str, ueur: int) -> None:
        bench.row(figure, "ct/day", ueur * 100 / UEUR / days)

    honest = Race(world, Options()).run()
    follower = Race(world, Options(balance=False)).run()
    row("balancing: its owner", gain_ueur(follower, honest, "battery"))
    row("balancing: all others", others_gain_ueur(follower, honest, "battery"))
    for name, tactic in ALONE_TACTICS.items():
        after = bent(world, tactic)
        row(name, gain_ueur(honest, after, tactic.party))
        row(f"{name}: all others", others_gain_ueur(honest, after, tactic.party))
    for name, tactic_of in HOME_TACTICS.items():
        gains = [gain_ueur(honest, bent(world, tactic_of(home)), home) for home in homes_of(world)]
        row(f"a home, {name}: mean", round(sum(gains) / len(gains)))
        row(f"a home, {name}: most", max(gains))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.incentives", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", type=Path, nargs="?", default=WEEK)
    parser.add_argument("--start-day", type=int, default=0)
    parser.add_argument("--days", type=int, help="default: to the end of the scenario")
    args = parser.parse_args()
    world = load_world(args.scenario).days(args.start_day, args.days)
    bench = Bench("incentives")
    report(world, bench)
    print(bench.write())


if __name__ == "__main__":
    main()
