"""Watches a run from outside: what devices sent, why, what was traded at each gate, and how each slot was settled.

It reads blocks, committed state and the agents' reasons, and changes nothing. `Facts` is what it has seen when the run is over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from agent.journaling.explaining import Deed, Reason
from agent.vocabulary import Mode, Receipt, Side
from lightclient import keys
from lightclient.client import LightClient
from lightclient.messages import AcceptOrder, CancelOrder, PlaceOrder, ReplaceOrder, decode_body
from lightclient.options import TrustAnchor
from lightclient.refusals import Refusal
from lightclient.values import BookRecord, OrderRecord, PositionRecord, SettlementRecord, TariffRecord
from lightclient.wire import decode_tx
from tools.fullnode.engine.blockstore import CommittedBlock
from tools.society.cast import GATE_LEAD_S, Cast
from tools.society.record import RunRecord
from tools.society.run import SocietyRun
from tools.society.scenario import Scenario

NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Act:
    """An order, a replacement or an accept that the ledger carried out. `slot` counts from the start of the day.

    `side` is the device's own: who accepts an offer buys. `maker` is whose order was accepted, empty otherwise. `reason` is
    what the device's agent last gave for its bids.
    """

    at_s: int
    height: int
    device: str
    slot: int
    side: Side
    mode: Mode
    energy_wh: int
    price_ueur_kwh: int
    maker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """A reason, at the time from which on it held."""

    at_s: int
    device: str
    deed: Deed
    text: str


@dataclass(slots=True)
class Facts:
    """All that was seen of a day. Slots count from its start; devices and parties by name."""

    scenario: Scenario
    cast: Cast
    acts: list[Act] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    traded: dict[int, dict[str, tuple[Receipt, ...]]] = field(default_factory=dict)
    """Per slot what each device had traded when its gate closed."""
    calls: dict[int, int | None] = field(default_factory=dict)
    """Per slot the price of its call in ueur/kWh, None where it matched nothing."""
    at_settlement: dict[int, dict[str, bytes]] = field(default_factory=dict)
    """Per slot each device's record as it stood in the block that settled the slot."""
    at_the_end: dict[int, dict[str, bytes]] = field(default_factory=dict)
    settlements: dict[int, SettlementRecord] = field(default_factory=dict)
    proven_tariffs: dict[int, TariffRecord] = field(default_factory=dict)
    """What a light client of its own has proven of each slot when the day was over."""
    first_books: dict[str, BookRecord] = field(default_factory=dict)
    """Per device the book of the next gate as it was just before the device's first order."""
    _record: RunRecord | None = None

    @property
    def record(self) -> RunRecord:
        """The run, when the day is over."""
        assert self._record is not None, "the day is not over"
        return self._record

    def at_s(self, slot: int) -> int:
        return self.scenario.slot_s(slot)

    def next_gate(self, at_s: int) -> int:
        """The slot whose gate is the next one."""
        scenario = self.scenario
        return (at_s + GATE_LEAD_S - scenario.start_s) // scenario.slot_duration_s + 1

    def of(self, device: str) -> list[Act]:
        """A device's acts, in ledger order."""
        return [act for act in self.acts if act.device == device]

    def reasons(self, device: str, deed: Deed = Deed.BID) -> list[Said]:
        return [said for said in self.said if said.device == device and said.deed is deed]

    def receipts(self, slot: int, device: str) -> list[tuple[Side, int, int]]:
        """(side, energy_wh, price) of each trade."""
        found = self.traded.get(slot, {}).get(device, ())
        return [(receipt.side, receipt.energy_wh, receipt.price_ueur_kwh) for receipt in found]

    def final(self, slot: int, device: str) -> PositionRecord:
        return PositionRecord.decode(self.at_the_end[slot][device])


class Witness:
    """Listens to one run. `tell` is called with what is new after every block."""

    def __init__(self, run: SocietyRun, scenario: Scenario, tell: Callable[[Facts, int], None]) -> None:
        """`tell(facts, at_s)`: what has happened so far, and when."""
        self.facts = Facts(scenario, run.cast)
        self._run = run
        self._tell = tell
        self._names = {device.device_id: device.name for device in run.cast.devices}
        self._orders: dict[bytes, OrderRecord] = {}
        self._last_reason: dict[str, Reason] = {}
        self._next_gate = 0
        self._unsettled: list[int] = []
        self.anchor: TrustAnchor
        """The newest block that it saw."""
        run.node.engine.listen(self._committed)

    def _committed(self, block: CommittedBlock) -> None:
        at_s, height = block.signed_header.header.time_ns // NS, block.signed_header.height
        self.anchor = TrustAnchor(height, block.signed_header.hash)
        self._listen()
        for tx, result in zip(block.txs, block.results.tx_results, strict=True):
            if result.code == Refusal.OK:
                self._carried_out(tx, result.data, at_s, height)
        self._gates(at_s)
        self._settlements()
        self._tell(self.facts, at_s)

    def _listen(self) -> None:
        """Take down the reasons that are new."""
        for name, agent in self._run.agents.items():
            changes, last = agent.explanations.changes, self._last_reason.get(name)
            fresh: list[Reason] = []
            for reason in reversed(changes):
                if reason is last:
                    break
                fresh.append(reason)
            self.facts.said.extend(Said(r.at_s, name, r.deed, r.text) for r in reversed(fresh))
            if changes:
                self._last_reason[name] = changes[-1]

    def _carried_out(self, tx: bytes, order_id: bytes, at_s: int, height: int) -> None:
        sealed = decode_tx(tx)
        message, sender = decode_body(sealed.envelope.kind, sealed.body), sealed.envelope.sender
        maker = ""
        match message:
            case PlaceOrder():
                mode, energy_wh, limit = message.mode, message.energy_wh, message.limit_ueur_kwh
                slot_s, side = message.slot_s, message.side
            case ReplaceOrder():
                old = self._orders.pop(message.order_id)
                mode, energy_wh, limit = Mode(old.mode), message.energy_wh, message.limit_ueur_kwh
                slot_s, side = old.slot_s, Side(old.side)
            case AcceptOrder():
                taken = self._orders[message.order_id]
                maker = self._names[taken.device]
                mode, energy_wh, limit = Mode(taken.mode), message.energy_wh, taken.limit_ueur_kwh
                slot_s, side = taken.slot_s, Side.BUY if taken.side == Side.SELL else Side.SELL
            case CancelOrder():
                self._orders.pop(message.order_id, None)
                return
            case _:
                return
        if not maker:
            all_or_nothing = int(isinstance(message, PlaceOrder) and message.all_or_nothing)
            self._orders[order_id] = OrderRecord(sender, slot_s, side, energy_wh, energy_wh, limit, mode, all_or_nothing, 0)
        self._note(Act(at_s, height, self._names[sender], self._slot(slot_s), side, mode, energy_wh, limit, maker, ""))

    def _note(self, act: Act) -> None:
        agent = self._run.agents[act.device]
        reason = agent.explanations.last(Deed.BID)
        if act.device not in self.facts.first_books:
            # The agent decided upon a header before this block: what it saw is the state without this block.
            value = self._run.node.read(keys.book(self.facts.at_s(act.slot)), act.height - 1)
            if value is not None:
                self.facts.first_books[act.device] = BookRecord.decode(value)
        self.facts.acts.append(act if reason is None else replace(act, reason=reason.text))

    def _slot(self, slot_s: int) -> int:
        return (slot_s - self.facts.scenario.start_s) // self.facts.scenario.slot_duration_s

    def _gates(self, at_s: int) -> None:
        """Read what was traded for the slots whose gate is over."""
        scenario = self.facts.scenario
        while self._next_gate < scenario.slots and scenario.slot_s(self._next_gate) - GATE_LEAD_S <= at_s:
            records = self._records(self._next_gate)
            self.facts.traded[self._next_gate] = {name: PositionRecord.decode(r).receipts for name, r in records.items()}
            book = self._run.node.read(keys.book(scenario.slot_s(self._next_gate)))
            self.facts.calls[self._next_gate] = None if book is None else BookRecord.decode(book).call_ueur_kwh
            self._unsettled.append(self._next_gate)
            self._next_gate += 1

    def _settlements(self) -> None:
        for slot in list(self._unsettled):
            value = self._run.node.read(keys.settlement(self.facts.at_s(slot)))
            if value is not None:
                self._unsettled.remove(slot)
                self.facts.settlements[slot] = SettlementRecord.decode(value)
                self.facts.at_settlement[slot] = self._records(slot)

    def _records(self, slot: int) -> dict[str, bytes]:
        slot_s = self.facts.at_s(slot)
        found = (
            (device.name, self._run.node.read(keys.position(device.device_id, slot_s))) for device in self._run.cast.metered
        )
        return {name: value for name, value in found if value is not None}

    async def close(self, client: LightClient, record: RunRecord) -> Facts:
        """When the day is over: read the final records, and prove every slot's tariff."""
        facts = self.facts
        slots: Sequence[int] = range(facts.scenario.slots)
        facts.at_the_end = {slot: self._records(slot) for slot in slots}
        facts._record = record
        header = await client.update()
        for proven in await client.get_many([keys.tariff(facts.at_s(slot)) for slot in slots], header):
            if proven.value is not None:
                slot = self._slot(int.from_bytes(proven.key[-8:], "big"))
                facts.proven_tariffs[slot] = TariffRecord.decode(proven.value)
        return facts
