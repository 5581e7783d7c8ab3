"""What the tests of the ledger share: a market with a tariff, short names for messages, and the audit of a whole state."""

from __future__ import annotations

from collections import Counter

from agent.vocabulary import Mode, Side, Tariff
from lightclient import keys
from lightclient.messages import Notice, OpenReading, PlaceOrder, PostTariff
from lightclient.values import (
    Account,
    BookRecord,
    BookStatus,
    OrderRecord,
    PositionRecord,
    SettlementLine,
    SettlementRecord,
    TariffRecord,
)
from lightclient.values import TxResult as StoredResult
from lightclient.wire import order_id
from tools.fullnode.rules.escrow import lock_ueur, receipts_lock_ueur
from tools.fullnode.rules.sample import FIRST_SLOT_S, GENESIS_S, Chain, Society
from tools.fullnode.rules.settlement import trades_ueur

SLOT = FIRST_SLOT_S
DURATION_S = 900
GATE = SLOT - 60
ASK, BID = 300_000, 80_000
BUY, SELL = Side.BUY, Side.SELL
START_S = GENESIS_S + 10
HASH = bytes(32)


def buy(energy_wh: int, limit: int = ASK, slot_s: int = SLOT, mode: Mode = Mode.CALL, whole: bool = False) -> PlaceOrder:
    return PlaceOrder(slot_s, BUY, energy_wh, limit, mode, whole)


def sell(energy_wh: int, limit: int = BID, slot_s: int = SLOT, mode: Mode = Mode.CALL, whole: bool = False) -> PlaceOrder:
    return PlaceOrder(slot_s, SELL, energy_wh, limit, mode, whole)


def offer(energy_wh: int, limit: int = BID, slot_s: int = SLOT, whole: bool = False) -> PlaceOrder:
    return sell(energy_wh, limit, slot_s, Mode.OPEN, whole)


def reading(import_wh: int, export_wh: int = 0, slot_s: int = SLOT, start: tuple[int, int] = (0, 0)) -> OpenReading:
    return OpenReading(slot_s, start[0], start[1], start[0] + import_wh, start[1] + export_wh, HASH)


def notice(events: int = 2, slot_s: int = SLOT) -> Notice:
    return Notice(slot_s, events, 1, 60, SLOT - 7_200, SLOT - 3_600, HASH)


class Market(Chain):
    """A chain whose first block has posted the tariff of a day."""

    def __init__(self, society: Society | None = None, slots: int = 96) -> None:
        super().__init__(society or Society())
        self.time_s = START_S
        assert self.send(START_S, "utility", PostTariff(SLOT, ((ASK, BID),) * slots)) == 0

    def put(self, sender: str, message: PlaceOrder, time_s: int = START_S) -> bytes:
        """Place an order that has to be taken; its id."""
        payload = self.society.payload(sender, message)
        result = self.block(time_s, [self.society.seal(sender, payload)]).tx_results[0]
        assert (result.code, result.data) == (0, order_id(payload)), result.log
        return result.data

    def order(self, identity: bytes) -> OrderRecord | None:
        value = self.value(keys.order(identity))
        return OrderRecord.decode(value) if value else None

    def book(self, slot_s: int = SLOT) -> BookRecord:
        return BookRecord.decode(self.value(keys.book(slot_s)) or b"")

    def position(self, device: str, slot_s: int = SLOT) -> PositionRecord:
        return PositionRecord.decode(self.value(keys.position(self.society.ids[device], slot_s)) or b"")

    def line(self, device: str, slot_s: int = SLOT) -> SettlementLine:
        line = self.position(device, slot_s).line
        assert line is not None
        return line

    def settlement(self, slot_s: int = SLOT) -> SettlementRecord:
        return SettlementRecord.decode(self.value(keys.settlement(slot_s)) or b"")

    def account(self, party: str) -> Account:
        return Account.decode(self.value(keys.account(self.society.ids[party])) or b"")

    def result(self, sender: str, seq: int) -> StoredResult | None:
        value = self.value(keys.result(self.society.ids[sender], seq))
        return StoredResult.decode(value) if value else None

    def report(self, time_s: int, slot_s: int = SLOT, **metered: int) -> list[int]:
        """One block with a reading per device (names with _ for -), net energies; its codes."""
        txs = []
        for name, net_wh in metered.items():
            message = reading(max(net_wh, 0), max(-net_wh, 0), slot_s)
            txs.append(self.society.tx(name.replace("_", "-"), message))
        return [result.code for result in self.block(time_s, txs).tx_results]


ALL_ZERO = {"grid": 0, "array": 0, "battery": 0, "home_1": 0, "home_2": 0, "washer_1": 0, "ev_2": 0}


def audit(chain: Chain) -> None:
    """Check everything that has to hold in every state."""
    state = state_of(chain)
    _audit_books(state)
    _audit_escrow(chain, state)
    _audit_settlements(state)


def state_of(chain: Chain) -> dict[bytes, bytes]:
    """All keys and values of the last committed state."""
    return dict(chain.ledger.tree().items())


def balances(chain: Chain) -> int:
    """The sum over all accounts."""
    return sum(Account.decode(value).balance_ueur for key, value in state_of(chain).items() if key[:1] == b"a")


def _audit_books(state: dict[bytes, bytes]) -> None:
    """Every book says what its orders say."""
    standing: Counter[tuple[int, int, int]] = Counter()
    open_ids: set[bytes] = set()
    for key, value in state.items():
        if key[:1] == b"o":
            order = OrderRecord.decode(value)
            assert 0 < order.remaining_wh <= order.energy_wh
            if order.mode == Mode.CALL:
                standing[order.slot_s, order.side, order.limit_ueur_kwh] += order.remaining_wh
            else:
                open_ids.add(key[1:])
    for key, value in state.items():
        if key[:1] != b"b":
            continue
        record = BookRecord.decode(value)
        book, slot_s = record.book, record.book.slot_s
        for side, levels in ((BUY, book.buys), (SELL, book.sells)):
            limits = [level.limit_ueur_kwh for level in levels]
            assert limits == sorted(limits, reverse=side is BUY), "best first"
            for level in levels:
                assert standing.pop((slot_s, side, level.limit_ueur_kwh)) == level.energy_wh
        open_ids -= {entry.order_id for entry in book.open_entries}
        assert record.status is BookStatus.OPEN or not (book.buys or book.sells or book.open_entries)
    assert not standing
    assert not open_ids


def _audit_escrow(chain: Chain, state: dict[bytes, bytes]) -> None:
    """An account's lock is the sum over its standing orders, its unsettled receipts and what its silent devices were paid."""
    party_of = {chain.society.ids[device.name]: chain.society.ids[device.party] for device in chain.society.devices}
    locked: Counter[bytes] = Counter()
    for key, value in state.items():
        if key[:1] == b"o":
            order = OrderRecord.decode(value)
            tariff = _tariff(state, order.slot_s)
            locked[party_of[order.device]] += lock_ueur(tariff, Side(order.side), order.limit_ueur_kwh, order.remaining_wh)
        elif key[:1] == b"x":
            record = PositionRecord.decode(value)
            if record.line is None:
                locked[party_of[key[1:21]]] += receipts_lock_ueur(_tariff(state, record.slot_s), record.receipts)
                if keys.settlement(record.slot_s) in state:
                    locked[party_of[key[1:21]]] += max(0, -trades_ueur(record.receipts))
    for key, value in state.items():
        if key[:1] == b"a":
            assert Account.decode(value).locked_ueur == locked.pop(key[1:], 0)
    assert not +locked


def _audit_settlements(state: dict[bytes, bytes]) -> None:
    """Of every settled slot the payments of all add up to the utility's bill, and what was sold was bought."""
    paid: Counter[int] = Counter()
    bought: Counter[int] = Counter()
    for key, value in state.items():
        if key[:1] == b"x":
            record = PositionRecord.decode(value)
            paid[record.slot_s] += trades_ueur(record.receipts)
            paid[record.slot_s] += record.line.imbalance_ueur if record.line else 0
            bought[record.slot_s] += record.position().net_wh
            assert record.line is None or record.line.trades_ueur == trades_ueur(record.receipts)
    assert not any(bought.values())
    for key, value in state.items():
        if key[:1] == b"s":
            settled = SettlementRecord.decode(value)
            assert paid[int.from_bytes(key[1:], "big")] + settled.society_ueur == settled.grid_ueur


def _tariff(state: dict[bytes, bytes], slot_s: int) -> Tariff:
    record = TariffRecord.decode(state[keys.tariff(slot_s)])
    return Tariff(slot_s, record.ask_ueur_kwh, record.bid_ueur_kwh)
