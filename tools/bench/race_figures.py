"""The accounts of the strategy race: a meter per device, the outcome they add up to, and the figures that are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.vocabulary import Kind, Order, Position, Side, SlotEnergy
from tools.bench.race_world import UEUR, World
from tools.fullnode.rules.settlement import Metered


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

    def metered(self) -> Metered:
        """What the settlement takes: the last slot's energy, its trades, and what was left over of its orders."""
        left = {side: sum(order.energy_wh for order in self.leftover if order.side == side) for side in Side}
        receipts = self.position.receipts if self.position else ()
        net_wh, is_storage = self.history[-1].net_wh, self.kind is Kind.BATTERY
        return Metered(self.name.encode(), net_wh, receipts, left[Side.BUY], left[Side.SELL], is_storage)


@dataclass(slots=True)
class Outcome:
    """What a race comes to. Energies in Wh, money in ueur. Bills per party and kind; `alone` is the same energy at the
    utility's prices."""

    grid_ueur: int = 0
    stored_ueur: int = 0
    imported_wh: int = 0
    peak_w: int = 0
    unmet_ev_wh: int = 0
    late_washers: int = 0
    imbalance_wh: int = 0
    freezer_c: tuple[float, ...] = ()
    """Coldest and warmest air of all freezers, where there are any."""
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


def figures(world: World, raced: Outcome, still: Outcome) -> Iterator[tuple[str, str, float]]:
    """(figure, unit, value) of a race; `still` is the outcome of the passive building, where nothing is traded or shifted."""
    cost_eur, netting_eur, alone_eur = (
        ueur / UEUR for ueur in (raced.cost_ueur, still.cost_ueur, sum(still.alone_ueur.values()))
    )
    yield "cost", "EUR", cost_eur
    yield "cost without market, every device at the utility's prices", "EUR", alone_eur
    yield "cost of netting only, nothing traded or shifted", "EUR", netting_eur
    if (optimum_eur := world.optimum_eur) is not None:
        yield "captured of the saving that the optimum makes", "%", 100 * (alone_eur - cost_eur) / (alone_eur - optimum_eur)
        yield "captured of it beyond netting", "%", 100 * (netting_eur - cost_eur) / (netting_eur - optimum_eur)
    for kind, bill_ueur in raced.kind_ueur.items():
        yield f"saved against no market: {kind}", "EUR", (still.alone_ueur[kind] - bill_ueur) / UEUR
    yield "the society's account", "EUR", raced.society_ueur / UEUR
    for party, excess_eur in raced.worse_than(still).items():
        yield f"worse off than without market: {party}", "EUR", excess_eur
    yield "highest power at the grid connection", "kW", raced.peak_w / 1000
    yield "deviations from what was traded", "kWh", raced.imbalance_wh / 1000
    yield "energy missing in cars at departure", "Wh", raced.unmet_ev_wh
    yield "washes finished late", "washes", raced.late_washers
    for name, air_c in zip(("coldest", "warmest"), raced.freezer_c, strict=False):
        yield f"{name} air of all freezers", "°C", air_c
    yield "messages per device and slot", "messages", raced.messages / raced.devices / world.slots
