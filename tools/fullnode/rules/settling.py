"""Settlement carried out: which slots are due, what settle_slot says about them booked, and readings that come late.

Source: docs/ledger.md, "Settlement".
"""

from __future__ import annotations

from dataclasses import replace

from agent.vocabulary import Side, Tariff
from lightclient import keys
from lightclient.values import BookRecord, BookStatus, PositionRecord, SettlementLine, SettlementRecord
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.escrow import held_ueur, receipts_lock_ueur
from tools.fullnode.rules.history import History
from tools.fullnode.rules.metering import Metering
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.settlement import GridFlow, Metered, SlotOutcome, at_tariff_ueur, carrier_of, settle_slot, trades_ueur
from tools.fullnode.rules.state import State

LATE = 1
NEVER = 2


class Settling:
    """Settles closed slots and books what comes after."""

    def __init__(self, state: State, registry: Registry, accounts: Accounts, metering: Metering, history: History) -> None:
        self._state = state
        self._registry = registry
        self._accounts = accounts
        self._metering = metering
        self._history = history
        self._waiting: set[int] = set()
        """Closed slots that have not settled."""
        self._complete: set[int] = set()
        for _, value in state.items_of(keys.book(0)[:1]):
            record = BookRecord.decode(value)
            if record.status is not BookStatus.OPEN and keys.settlement(record.book.slot_s) not in state:
                self._waiting.add(record.book.slot_s)

    def await_readings(self, slot_s: int) -> None:
        """The slot's book has closed."""
        self._waiting.add(slot_s)

    def next_deadline_s(self) -> int | None:
        return self._registry.times.settlement_deadline_s(min(self._waiting)) if self._waiting else None

    def reading_arrived(self, device: bytes, slot_s: int) -> None:
        """Book a late reading at once; note a slot that has all its readings."""
        if slot_s not in self._waiting:
            if device != self._registry.params.grid_meter:
                metered_wh = self._metering.metered_wh(device, slot_s)
                assert metered_wh is not None, "it has just arrived"
                self.book_late(device, slot_s, metered_wh, LATE)
        elif self._metering.count[slot_s] == len(self._registry.meters):
            self._complete.add(slot_s)

    def run_due(self, time_s: int) -> None:
        """Settle, in slot order, what is complete and what has waited long enough."""
        times = self._registry.times
        due = {slot_s for slot_s in self._waiting if times.settlement_deadline_s(slot_s) <= time_s}
        for slot_s in sorted(due | self._complete):
            self._settle(slot_s)
        self._complete.clear()

    def _settle(self, slot_s: int) -> None:
        params = self._registry.params
        closed = self._closed_book(slot_s)
        meters = [self._metered(device, slot_s) for device in self._registry.lined]
        outcome = settle_slot(
            closed.book.tariff,
            closed.call_ueur_kwh,
            params.deviation_share_permille,
            meters,
            self._grid_flow(slot_s),
            len(self._registry.meters),
        )
        for meter in meters:
            self._book_device(meter, slot_s, closed.book.tariff, outcome)
        record = outcome.record
        self._accounts.pay(params.society, params.utility, record.grid_ueur)
        self._state.put(keys.settlement(slot_s), record.encode())
        self._history.complete(slot_s, record.grid_import_wh - record.grid_export_wh - record.storage_net_wh)
        self._waiting.discard(slot_s)

    def _book_device(self, meter: Metered, slot_s: int, tariff: Tariff, outcome: SlotOutcome) -> None:
        """Every device pays the society's account, which pays the utility: what is left with it is its own part."""
        account = self._registry.account_of(meter.device, slot_s)
        society = self._registry.params.society
        line = outcome.lines.get(meter.device)
        if line is None:
            paid_ueur = outcome.silent_trades_ueur[meter.device]
            self._accounts.pay(account, society, paid_ueur)
            self._accounts.lock(account, held_ueur(paid_ueur))
            return
        self._accounts.pay(account, society, line.trades_ueur + line.imbalance_ueur)
        self._accounts.lock(account, -receipts_lock_ueur(tariff, meter.receipts))
        self._write_line(meter.device, slot_s, line)

    def book_late(self, device: bytes, slot_s: int, metered_wh: int, late: int) -> None:
        """Price the line of a device that was silent at settlement: at the tariff, against who carried its energy."""
        tariff = self._closed_book(slot_s).book.tariff
        meter = self._metered(device, slot_s)
        imbalance_wh = metered_wh - meter.position_wh
        pays_ueur = at_tariff_ueur(tariff, imbalance_wh)
        account = self._registry.account_of(device, slot_s)
        paid_ueur = trades_ueur(meter.receipts)
        self._accounts.lock(account, -receipts_lock_ueur(tariff, meter.receipts) - held_ueur(paid_ueur))
        carrier = self._carrier(slot_s)
        if carrier:
            payee = self._registry.account_of(carrier, slot_s)
            line = self._position(carrier, slot_s).line
            assert line is not None, "a carrier has reported"
            self._write_line(carrier, slot_s, replace(line, imbalance_ueur=line.imbalance_ueur - pays_ueur))
        else:
            payee = self._registry.params.society
        self._accounts.pay(account, payee, pays_ueur)
        self._write_line(
            device,
            slot_s,
            SettlementLine(metered_wh, imbalance_wh, 0, 0, abs(imbalance_wh), paid_ueur, pays_ueur, late),
        )
        value = self._state.get(keys.settlement(slot_s))
        assert value is not None, "it has settled"
        record = SettlementRecord.decode(value)
        late_record = replace(
            record,
            unexplained_wh=record.unexplained_wh - imbalance_wh,
            society_ueur=record.society_ueur if carrier else record.society_ueur - pays_ueur,
            reported=record.reported + (late == LATE),
        )
        self._state.put(keys.settlement(slot_s), late_record.encode())

    def _carrier(self, slot_s: int) -> bytes:
        """Who carried the unexplained energy at settlement: the same rule over the devices that were silent then."""
        silent: list[Metered] = []
        reported: set[bytes] = set()
        for device in self._registry.lined:
            line = self._position(device, slot_s).line
            if line is None or line.late:
                silent.append(self._metered(device, slot_s))
            else:
                reported.add(device)
        return carrier_of(silent, reported)

    def _metered(self, device: bytes, slot_s: int) -> Metered:
        position = self._position(device, slot_s)
        record = self._registry.devices[device]
        return Metered(
            device,
            self._metering.metered_wh(device, slot_s),
            position.receipts,
            sum(left.energy_wh for left in position.leftovers if left.side is Side.BUY),
            sum(left.energy_wh for left in position.leftovers if left.side is Side.SELL),
            record.is_storage,
            record.sub_meter,
        )

    def _grid_flow(self, slot_s: int) -> GridFlow | None:
        grid_meter = self._registry.params.grid_meter
        reading = self._metering.reading(grid_meter, slot_s) if grid_meter else None
        if reading is None:
            return None
        return GridFlow(reading.import_end_wh - reading.import_start_wh, reading.export_end_wh - reading.export_start_wh)

    def _position(self, device: bytes, slot_s: int) -> PositionRecord:
        value = self._state.get(keys.position(device, slot_s))
        return PositionRecord.decode(value) if value else PositionRecord(slot_s, (), (), None)

    def _write_line(self, device: bytes, slot_s: int, line: SettlementLine) -> None:
        record = replace(self._position(device, slot_s), line=line)
        self._state.put(keys.position(device, slot_s), record.encode())

    def _closed_book(self, slot_s: int) -> BookRecord:
        value = self._state.get(keys.book(slot_s))
        assert value is not None, "the book of a slot stands until its dispute time is over"
        return BookRecord.decode(value)
