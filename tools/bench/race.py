"""The strategy race: the market's rules and the strategies on a scenario, without ledger, network or agents.

    python -m tools.bench.race [SCENARIO] [--days N] [--start-day N] [--no-balance] [--strategies programme|middle|passive]

It is how a strategy is measured while it is written: four weeks in well under a minute. What it keeps from reality is what
decides: the call and the settlement are the node's own functions, bids are made 30 s before the gate, when nobody knows the
sun and the loads of the slot they are for, a slot's settlement is seen some slots later, and prices are public only from the
afternoon before on. `homewatt society` runs the same with real signatures and proofs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from agent.vocabulary import Book, Decision, Kind, Order, Position, Receipt, Setpoint, Side, SlotEnergy, SlotPrice
from strategies import base_load, battery, ev, freezer, passive, solar, utility, washer
from strategies.facts import StorageFacts
from strategies.view import MarketView, Quote
from tools.bench.race_figures import Meter, Outcome, figures
from tools.bench.race_snapshots import battery_seen, ev_seen, freezer_seen, washer_seen
from tools.bench.race_world import (
    DAY_S,
    UEUR,
    WEEK,
    BatteryPlant,
    ChargerPlant,
    FreezerPlant,
    WasherPlant,
    World,
    load_spot,
    load_world,
)
from tools.bench.table import Bench
from tools.fullnode.rules.auction import CallOrder, uniform_price_call
from tools.fullnode.rules.settlement import GridFlow, at_tariff_ueur, settle_slot

GATE_LEAD_S = 60
BID_LEAD_S = GATE_LEAD_S + 30
HISTORY_DAYS = 8
DEVIATION_SHARE_PERMILLE = 500


@dataclass(frozen=True, slots=True)
class Options:
    """What is raced. `settled_after` is how many slots after its end a slot's settlement is seen."""

    strategies: str = "programme"
    balance: bool = True
    settled_after: int = 2
    freezers: bool = False
    """One per home. The reference costs have none."""
    plan: bool = True
    """EVs and washers forecast prices with the battery's programme; False: from the price history alone."""


def _call_orders(side: list[tuple[Meter, Order]]) -> list[CallOrder]:
    return [CallOrder(b"", order.limit_ueur_kwh, order.energy_wh, i) for i, (_, order) in enumerate(side)]


class Race:
    """One building, slot by slot."""

    def __init__(self, world: World, options: Options) -> None:
        self.world, self.options = world, options
        homes = [f"home {i + 1}" for i in range(len(world.loads_wh))]
        self.loads = [Meter(f"load {i + 1}", Kind.BASE_LOAD, home) for i, home in enumerate(homes)]
        self.washers = [Meter(f"washer {i + 1}", Kind.WASHER, home) for i, home in enumerate(homes)]
        self.chargers = [Meter(f"charger {i + 1}", Kind.EV, homes[i]) for i in range(len(world.sessions))]
        self.sun = Meter("array", Kind.SOLAR, "array")
        self.store = Meter("battery", Kind.BATTERY, "battery")
        self.freezers = [
            Meter(f"freezer {i + 1}", Kind.FREEZER, home) for i, home in enumerate(homes if options.freezers else [])
        ]
        self.boxes = [FreezerPlant() for _ in self.freezers]
        self.meters = [*self.loads, *self.washers, *self.chargers, *self.freezers, self.sun, self.store]
        self.battery = BatteryPlant(world.battery_capacity_wh * 1000, world.battery_power_w, world.battery_start_wh * 1000)
        self.cars = [ChargerPlant(sessions) for sessions in world.sessions]
        self.washes = [WasherPlant(jobs) for jobs in world.jobs]
        self.lines: list[SlotPrice] = []
        self.net_loads_wh: list[int] = []
        self.outcome = Outcome(devices=len(self.meters))
        facts = StorageFacts(world.battery_capacity_wh, world.battery_power_w, world.battery_power_w)
        planner = facts if options.plan else None
        self.ev_rules = ev.EvRules(storage=planner)
        self.washer_rules = washer.WasherRules(storage=planner)
        self.freezer_rules = freezer.FreezerRules()
        self.solar_rules = solar.SolarRules(nameplate_w=200_000)
        rules = battery.BatteryRules(facts, balance=options.balance)
        self.battery_rules = replace(rules, opening="middle") if options.strategies == "middle" else rules
        self.is_passive = options.strategies == "passive"

    def run(self) -> Outcome:
        for slot in range(self.world.slots):
            if not self.is_passive:
                self._trade(slot)
            self._deliver(slot)
        for car in self.cars:
            car.arrive(self.world.slots)
            self.outcome.unmet_ev_wh += car.unmet_wh
        self.outcome.late_washers = sum(plant.late + len(plant.jobs) - len(plant.done) for plant in self.washes)
        if self.boxes:
            self.outcome.freezer_c = min(box.coldest_c for box in self.boxes), max(box.warmest_c for box in self.boxes)
        taken_mwh = self.world.battery_start_wh * 1000 - self.battery.stored_mwh
        self.outcome.stored_ueur = round(median(t.ask_ueur_kwh for t in self.world.tariffs)) * taken_mwh // 1_000_000
        for meter in self.meters:
            self.outcome.add_bills(meter)
        return self.outcome

    def view(self, now_s: int, next_slot: int | None) -> MarketView:
        """The market at `now_s`; `next_slot` is the slot whose gate comes next, None while steering."""
        world = self.world
        known_s = utility.known_until_s(now_s, utility.UtilityRules())
        first = max(0, (now_s - world.start_s) // world.duration_s)
        known = tuple(t for t in world.tariffs[first : first + 160] if t.slot_s < known_s)
        quotes: tuple[Quote, ...] = ()
        if next_slot is not None:
            tariff = world.tariffs[next_slot]
            quotes = (Quote(Book(tariff, (), (), ()), Position(tariff.slot_s, 0, 0, ()), ()),)
        days = HISTORY_DAYS * DAY_S // world.duration_s
        return MarketView(now_s, world.duration_s, GATE_LEAD_S, quotes, known, tuple(self.lines[-days:]))

    def _trade(self, slot: int) -> None:
        """Everybody bids, the call runs, positions and what was left over are handed out."""
        tariff = self.world.tariffs[slot]
        market = self.view(tariff.slot_s - BID_LEAD_S, slot)
        decisions = [(meter, self._bid(meter, index, market, slot)) for meter, index in self._indexed()]
        buys: list[tuple[Meter, Order]] = []
        sells: list[tuple[Meter, Order]] = []
        for meter, decision in decisions:
            self.outcome.messages += len(decision.orders)
            for order in decision.orders:
                (buys if order.side == Side.BUY else sells).append((meter, order))
        call = uniform_price_call(_call_orders(buys), _call_orders(sells), tariff)
        receipts: dict[str, list[Receipt]] = {meter.name: [] for meter in self.meters}
        leftover: dict[str, list[Order]] = {meter.name: [] for meter in self.meters}
        fills = [*zip(buys, call.buy_fills_wh, strict=True), *zip(sells, call.sell_fills_wh, strict=True)]
        for (meter, order), filled_wh in fills:
            if filled_wh and call.price_ueur_kwh is not None:
                receipts[meter.name].append(Receipt(order.side, filled_wh, call.price_ueur_kwh))
            if filled_wh < order.energy_wh:
                rest = Order(order.slot_s, order.side, order.energy_wh - filled_wh, order.limit_ueur_kwh)
                leftover[meter.name].append(rest)
        for meter in self.meters:
            own = tuple(receipts[meter.name])
            bought = sum(r.energy_wh for r in own if r.side == Side.BUY)
            sold = sum(r.energy_wh for r in own if r.side == Side.SELL)
            meter.position = Position(tariff.slot_s, bought, sold, own)
            meter.leftover = tuple(leftover[meter.name])
        self.lines.append(
            SlotPrice(tariff.slot_s, tariff.ask_ueur_kwh, tariff.bid_ueur_kwh, call.price_ueur_kwh, call.traded_wh, None)
        )

    def _indexed(self) -> list[tuple[Meter, int]]:
        kinds = (self.loads, self.washers, self.chargers, self.freezers, [self.sun], [self.store])
        return [(meter, index) for kind in kinds for index, meter in enumerate(kind)]

    def _bid(self, meter: Meter, index: int, market: MarketView, slot: int) -> Decision:
        if meter.kind is Kind.BASE_LOAD:
            return base_load.bid(
                base_load.BaseLoadSnapshot(market, None, (), meter.power_w, self._own(meter)), base_load.BaseLoadRules()
            )
        if meter.kind is Kind.SOLAR:
            return solar.bid(solar.SolarSnapshot(market, None, (), meter.power_w, self._own(meter)), self.solar_rules)
        if meter.kind is Kind.WASHER:
            return washer.bid(washer_seen(market, meter, self.washes[index], self.world, slot - 1), self.washer_rules)
        if meter.kind is Kind.FREEZER:
            return freezer.bid(freezer_seen(market, meter, self.boxes[index]), self.freezer_rules)
        if meter.kind is Kind.EV:
            return ev.bid(ev_seen(market, meter, self.cars[index], self.world), self.ev_rules)
        return battery.bid(self._battery(market, self._others_w()), self.battery_rules)

    def _own(self, meter: Meter) -> tuple[SlotEnergy, ...]:
        return tuple(meter.history[-HISTORY_DAYS * DAY_S // self.world.duration_s :])

    def _others_w(self) -> int:
        return sum(meter.power_w for meter in self.meters if meter is not self.store)

    def _battery(self, market: MarketView, others_w: int) -> battery.BatterySnapshot:
        grid_w = others_w + self.store.power_w if self.options.balance else None
        return battery_seen(market, self.store, self.battery, grid_w)

    def _cool(self, meter: Meter, box: FreezerPlant, market: MarketView) -> int:
        """Run a freezer through a slot, asking its strategy whenever it wants to be asked; returns its energy in Wh."""
        end_s = market.now_s + market.duration_s
        used_wh = int(box.used_mwh) // 1000
        while market.now_s < end_s:
            seen = freezer_seen(market, meter, box)
            steer = passive.steer_freezer if self.is_passive else freezer.steer
            setpoint = steer(seen, self.freezer_rules)
            until_s = min(end_s, max(market.now_s + 1, setpoint.until_s or end_s))
            box.step((setpoint.power_w or 0) > 0, market.now_s, until_s - market.now_s)
            market = replace(market, now_s=until_s)
        return int(box.used_mwh) // 1000 - used_wh

    def _deliver(self, slot: int) -> None:
        """The slot happens: everybody acts on what was traded, meters count, the slot is settled."""
        world, tariff = self.world, self.world.tariffs[slot]
        slot_s, duration_s = tariff.slot_s, world.duration_s
        market = self.view(slot_s, None)
        for meter, load in zip(self.loads, world.loads_wh, strict=True):
            meter.record(slot_s, load[slot], duration_s)
        self.sun.record(slot_s, -world.sun_wh[slot], duration_s)
        for meter, car in zip(self.chargers, self.cars, strict=True):
            car.arrive(slot)
            seen = ev_seen(market, meter, car, world)
            setpoint = passive.steer_ev(seen, self.ev_rules) if self.is_passive else ev.steer(seen, self.ev_rules)
            meter.record(slot_s, car.run(setpoint.power_w or 0, duration_s), duration_s)
        for meter, plant in zip(self.washers, self.washes, strict=True):
            look = washer_seen(market, meter, plant, world, slot)
            order = passive.steer_washer(look, self.washer_rules) if self.is_passive else washer.steer(look, self.washer_rules)
            meter.record(slot_s, plant.run((order.power_w or 0) > 0, slot), duration_s)
        for meter, box in zip(self.freezers, self.boxes, strict=True):
            meter.record(slot_s, self._cool(meter, box, market), duration_s)
        others_w = self._others_w()
        rest = Setpoint(0, "passive")
        setpoint = rest if self.is_passive else battery.steer(self._battery(market, others_w), self.battery_rules)
        self.store.record(slot_s, self.battery.run(setpoint.power_w or 0, duration_s), duration_s)
        self._settle(slot)

    def _settle(self, slot: int) -> None:
        tariff = self.world.tariffs[slot]
        net_wh = {meter.name: meter.history[-1].net_wh for meter in self.meters}
        total_wh = sum(net_wh.values())
        grid = GridFlow(max(0, total_wh), max(0, -total_wh))
        metered = [meter.metered() for meter in self.meters]
        call = self.lines[-1].call_ueur_kwh if self.lines else None
        settled = settle_slot(tariff, call, DEVIATION_SHARE_PERMILLE, metered, grid, len(metered) + 1)
        for meter in self.meters:
            line = settled.lines[meter.name.encode()]
            meter.bill_ueur += line.trades_ueur + line.imbalance_ueur
            meter.alone_ueur += at_tariff_ueur(tariff, net_wh[meter.name])
        outcome = self.outcome
        outcome.grid_ueur += settled.record.grid_ueur
        outcome.society_ueur += settled.record.society_ueur
        outcome.imported_wh += grid.import_wh
        outcome.peak_w = max(outcome.peak_w, abs(total_wh) * 3600 // self.world.duration_s)
        outcome.imbalance_wh += settled.record.short_wh + settled.record.long_wh
        self.net_loads_wh.append(total_wh - net_wh[self.store.name])
        seen = slot - self.options.settled_after
        if seen >= 0 and not self.is_passive:
            self.lines[seen] = replace(self.lines[seen], net_load_wh=self.net_loads_wh[seen])


def race(world: World, options: Options) -> tuple[Outcome, Outcome]:
    """Run the options and the passive building: (raced, passive)."""
    return Race(world, options).run(), Race(world, replace(options, strategies="passive")).run()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.race", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", type=Path, nargs="?", default=WEEK, help="default: the week that comes with the repository")
    parser.add_argument("--start-day", type=int, default=0)
    parser.add_argument("--days", type=int, help="default: to the end of the scenario")
    parser.add_argument("--no-balance", action="store_true", help="the battery only follows its position")
    parser.add_argument("--strategies", choices=("programme", "middle", "passive"), default="programme")
    parser.add_argument("--freezers", action="store_true", help="one per home; the reference costs have none")
    parser.add_argument("--prices", type=Path, help="hourly day-ahead prices (CSV) of another year in place of the scenario's")
    parser.add_argument("--weeks-later", type=int, default=0, help="move those prices by so many weeks")
    parser.add_argument("--adder", type=float, default=0.09, help="EUR/kWh that the utility adds to --prices")
    parser.add_argument("--settled-after", type=int, default=2, help="slots until a settlement is seen")
    args = parser.parse_args()
    world = load_world(args.scenario)
    if args.prices:
        spot = load_spot(args.prices, world.start_s + args.weeks_later * 7 * DAY_S, world.duration_s, world.slots)
        world = world.with_spot(spot, round(args.adder * UEUR))
    world = world.days(args.start_day, args.days)
    bench = Bench("race")
    started_s = time.perf_counter()
    raced, still = race(world, Options(args.strategies, not args.no_balance, args.settled_after, args.freezers))
    taken_s = time.perf_counter() - started_s
    for figure, unit, value in figures(world, raced, still):
        bench.row(figure, unit, value)
    bench.row("the race and the passive building", "s", taken_s)
    print(bench.write())


if __name__ == "__main__":
    main()
