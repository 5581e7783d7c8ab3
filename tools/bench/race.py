"""The strategy race: the market's rules and the strategies on a scenario, without ledger, network or agents.

    python -m tools.bench.race SCENARIO [--days N] [--start-day N] [--no-balance] [--strategies programme|middle|passive]

It is how a strategy is measured while it is written: four weeks in well under a minute. What it keeps from reality is what
decides: the call and the settlement are the node's own functions, bids are made 30 s before the gate, when nobody knows the
sun and the loads of the slot they are for, a slot's settlement is seen some slots later, and prices are public only from the
afternoon before on. `homewatt society` runs the same with real signatures and proofs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from agent.vocabulary import Book, Decision, Kind, Order, Position, Receipt, Setpoint, Side, SlotEnergy, SlotPrice
from strategies import base_load, battery, ev, freezer, passive, solar, utility, washer
from strategies.facts import StorageFacts
from strategies.view import MarketView, Quote
from tools.bench.race_world import UEUR, BatteryPlant, ChargerPlant, FreezerPlant, WasherPlant, World, load_spot, load_world
from tools.fullnode.rules.auction import CallOrder, uniform_price_call
from tools.fullnode.rules.settlement import GridFlow, Metered, at_tariff_ueur, settle_slot

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


@dataclass(slots=True)
class Meter:
    """A device's account: its registers' history, its position in the slot that runs, its bill."""

    name: str
    kind: Kind
    party: str
    history: list[SlotEnergy] = field(default_factory=list)
    power_w: int = 0
    position: Position | None = None
    leftover: tuple[Order, ...] = ()
    bill_ueur: int = 0
    alone_ueur: int = 0
    """What the same energy costs without a market, at the utility's prices."""

    def record(self, slot_s: int, net_wh: int, duration_s: int) -> None:
        last = self.history[-1] if self.history else None
        imported, exported = (last.import_end_wh, last.export_end_wh) if last else (0, 0)
        end = imported + max(0, net_wh), exported + max(0, -net_wh)
        self.history.append(SlotEnergy(slot_s, imported, exported, *end))
        self.power_w = net_wh * 3600 // duration_s


@dataclass(slots=True)
class Outcome:
    """What a race comes to. Energies in Wh, money in ueur. Bills per party and kind; `alone` is the same energy at the
    utility's prices."""

    grid_ueur: int = 0
    stored_ueur: int = 0
    imported_wh: int = 0
    peak_w: int = 0
    unmet_ev_wh: int = 0
    ev_need_wh: int = 0
    late_washers: int = 0
    imbalance_wh: int = 0
    freezer_c: list[float] = field(default_factory=list)
    """Coldest and warmest air of all freezers."""
    messages: int = 0
    devices: int = 0
    society_ueur: int = 0
    party_ueur: Counter[str] = field(default_factory=Counter)
    party_alone_ueur: Counter[str] = field(default_factory=Counter)
    kind_ueur: Counter[str] = field(default_factory=Counter)
    alone_ueur: Counter[str] = field(default_factory=Counter)

    def add_bills(self, meter: Meter) -> None:
        self.party_ueur[meter.party] += meter.bill_ueur
        self.party_alone_ueur[meter.party] += meter.alone_ueur
        self.kind_ueur[meter.kind] += meter.bill_ueur
        self.alone_ueur[meter.kind] += meter.alone_ueur

    @property
    def cost_ueur(self) -> int:
        """The grid bill, plus the value of the energy taken out of the battery (at the median ask)."""
        return self.grid_ueur + self.stored_ueur

    def worse_than(self, still: Outcome) -> dict[str, float]:
        """Parties whose bill exceeds that without market by more than 2 % and 0.50 EUR, with the excess in EUR."""
        excess = {
            party: self.party_ueur[party] - alone - max(abs(alone) // 50, UEUR // 2)
            for party, alone in still.party_alone_ueur.items()
        }
        return {party: round(over / UEUR, 2) for party, over in excess.items() if over > 0}


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
        for car, sessions in zip(self.cars, self.world.sessions, strict=True):
            car.arrive(self.world.slots)
            self.outcome.unmet_ev_wh += car.unmet_wh
            self.outcome.ev_need_wh += sum(session.need_wh for session in sessions)
        self.outcome.late_washers = sum(plant.late + len(plant.jobs) - len(plant.done) for plant in self.washes)
        self.outcome.freezer_c = [
            min((b.coldest_c for b in self.boxes), default=0),
            max((b.warmest_c for b in self.boxes), default=0),
        ]
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
        days = HISTORY_DAYS * 86_400 // world.duration_s
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
            return washer.bid(self._wash(index, market, slot - 1), self.washer_rules)
        if meter.kind is Kind.FREEZER:
            return freezer.bid(self._box(index, market), self.freezer_rules)
        if meter.kind is Kind.EV:
            return ev.bid(self._car(index, market), self.ev_rules)
        return battery.bid(self._battery(market, self._others_w()), self.battery_rules)

    def _own(self, meter: Meter) -> tuple[SlotEnergy, ...]:
        return tuple(meter.history[-HISTORY_DAYS * 86_400 // self.world.duration_s :])

    def _others_w(self) -> int:
        return sum(meter.power_w for meter in self.meters if meter is not self.store)

    def _battery(self, market: MarketView, others_w: int) -> battery.BatterySnapshot:
        store = self.store
        grid_w = others_w + store.power_w if self.options.balance else None
        stored_wh = self.battery.stored_mwh // 1000
        if market.quotes and store.power_w:
            # The plant runs whole slots; when bids are made, the end of the slot that runs is still ahead.
            ahead_wh = store.power_w * (market.quotes[0].slot_s - market.now_s) // 3600
            eta = self.battery.eta_permille
            stored_wh -= ahead_wh * eta // 1000 if ahead_wh > 0 else ahead_wh * 1000 // eta
        return battery.BatterySnapshot(market, store.position, store.leftover, stored_wh, store.power_w, grid_w)

    def _car(self, index: int, market: MarketView) -> ev.EvSnapshot:
        meter, plant = self.chargers[index], self.cars[index]
        session, world = plant.current, self.world
        car = None
        if session is not None:
            needs_wh = session.need_wh - plant.delivered_wh
            if market.quotes:
                needs_wh += plant.last_w * (market.quotes[0].slot_s - market.now_s) // 3600
            plugged_s, departs_s = (world.start_s + slot * world.duration_s for slot in (session.first, session.end))
            car = ev.PluggedCar(plugged_s, departs_s, needs_wh, session.max_w)
        return ev.EvSnapshot(market, meter.position, meter.leftover, car, plant.last_w)

    def _wash(self, index: int, market: MarketView, slot: int) -> washer.WasherSnapshot:
        meter, plant, world = self.washers[index], self.washes[index], self.world
        job, wash = plant.job(slot), None
        if job is not None:
            ready_s, end_s = (world.start_s + at * world.duration_s for at in (job.ready, job.end))
            started_s = None if plant.started is None else world.start_s + plant.started * world.duration_s
            wash = washer.Wash(ready_s, end_s, job.slot_wh, started_s)
        return washer.WasherSnapshot(market, meter.position, meter.leftover, wash)

    def _box(self, index: int, market: MarketView) -> freezer.FreezerSnapshot:
        meter, box = self.freezers[index], self.boxes[index]
        air_mc, power_w = round(box.air_c * 1000), box.power_w if box.on else 0
        return freezer.FreezerSnapshot(market, meter.position, meter.leftover, air_mc, power_w, box.off_since_s)

    def _cool(self, index: int, market: MarketView) -> int:
        """Run a freezer through a slot, asking its strategy whenever it wants to be asked; returns its energy in Wh."""
        box, end_s = self.boxes[index], market.now_s + market.duration_s
        used_wh = int(box.used_mwh) // 1000
        while market.now_s < end_s:
            seen = self._box(index, market)
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
        for index, (meter, car) in enumerate(zip(self.chargers, self.cars, strict=True)):
            car.arrive(slot)
            seen = self._car(index, market)
            setpoint = passive.steer_ev(seen, self.ev_rules) if self.is_passive else ev.steer(seen, self.ev_rules)
            meter.record(slot_s, car.run(setpoint.power_w or 0, duration_s), duration_s)
        for index, (meter, plant) in enumerate(zip(self.washers, self.washes, strict=True)):
            look = self._wash(index, market, slot)
            order = passive.steer_washer(look, self.washer_rules) if self.is_passive else washer.steer(look, self.washer_rules)
            meter.record(slot_s, plant.run((order.power_w or 0) > 0, slot), duration_s)
        for index, meter in enumerate(self.freezers):
            meter.record(slot_s, self._cool(index, market), duration_s)
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
        metered = [self._metered(meter, net_wh[meter.name]) for meter in self.meters]
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

    def _metered(self, meter: Meter, net_wh: int) -> Metered:
        left = {side: sum(order.energy_wh for order in meter.leftover if order.side == side) for side in Side}
        receipts = meter.position.receipts if meter.position else ()
        storage = meter.kind is Kind.BATTERY
        return Metered(meter.name.encode(), net_wh, receipts, left[Side.BUY], left[Side.SELL], storage)


def race(world: World, options: Options) -> tuple[Outcome, Outcome]:
    """Run the options and the passive building: (raced, passive)."""
    return Race(world, options).run(), Race(world, replace(options, strategies="passive")).run()


def figures(world: World, raced: Outcome, still: Outcome) -> dict[str, object]:
    """The figures of the report, by the names of `homewatt society`."""
    cost, netting, alone = (
        round(ueur / UEUR, 2) for ueur in (raced.cost_ueur, still.cost_ueur, sum(still.alone_ueur.values()))
    )
    best = world.optimum_eur
    return {
        "cost_eur": cost,
        "cost_no_market_eur": alone,
        "cost_netting_eur": netting,
        "captured": round((alone - cost) / (alone - best), 3) if best else None,
        "flexibility_captured": round((netting - cost) / (netting - best), 3) if best else None,
        "grid_peak_kw": round(raced.peak_w / 1000, 1),
        "unmet_ev_share": round(raced.unmet_ev_wh / max(1, raced.ev_need_wh), 4),
        "freezers_c": [round(c, 2) for c in raced.freezer_c],
        "late_washers": raced.late_washers,
        "messages_per_device_slot": round(raced.messages / raced.devices / world.slots, 2),
        "imbalance_kwh": raced.imbalance_wh // 1000,
        "society_eur": round(raced.society_ueur / UEUR, 2),
        "saved_eur": _saved(raced, still),
        "worse_off_eur": raced.worse_than(still),
    }


def _saved(raced: Outcome, still: Outcome) -> dict[str, float]:
    """What each kind of device saves against no market."""
    return {kind: round((still.alone_ueur[kind] - bill) / UEUR, 2) for kind, bill in raced.kind_ueur.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.race", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("scenario", type=Path)
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
        spot = load_spot(args.prices, world.start_s + args.weeks_later * 7 * 86_400, world.duration_s, world.slots)
        world = world.with_spot(spot, round(args.adder * UEUR))
    if args.start_day or args.days:
        day = 86_400 // world.duration_s
        first = args.start_day * day
        world = world.window(first, min(world.slots - first, (args.days or world.slots) * day))
    started_s = time.perf_counter()
    raced, still = race(world, Options(args.strategies, not args.no_balance, args.settled_after, args.freezers))
    print(json.dumps(figures(world, raced, still) | {"wall_s": round(time.perf_counter() - started_s, 1)}, indent=2))


if __name__ == "__main__":
    main()
