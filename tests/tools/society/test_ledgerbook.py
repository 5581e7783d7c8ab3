"""The ledger book beside a real node: what it collects is what the blocks did."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.vocabulary import Mode, Side
from lightclient.messages import AcceptOrder, Message, Notice, OpenReading, PlaceOrder, PostTariff
from lightclient.wire import Envelope, encode_payload, encode_tx, order_id
from tools.fullnode.rules.unnumbered import is_unnumbered
from tools.society.cast import START_BALANCE_UEUR, build_cast, genesis_doc
from tools.society.keys import SeededKey
from tools.society.node import NS, SocietyNode
from tools.society.scenario import Scenario
from tools.society.scenariofile import read_scenario

D = 900


class StandingClock:
    """Tells the time it was told."""

    def __init__(self, now_s: int) -> None:
        self.now_s = now_s

    def now_ns(self) -> int:
        return self.now_s * NS

    def monotonic_ns(self) -> int:
        return self.now_s * NS


def two_homes() -> Scenario:
    return read_scenario(
        "test",
        {
            "name": "two homes",
            "t0_utc": "2021-03-01T00:00:00Z",
            "slot_minutes": 15,
            "slots": 2,
            "grid_buy_eur_per_kwh": [0.2, 0.2],
            "grid_sell_eur_per_kwh": [0.04, 0.04],
            "pv_kwh": [1.0, 0.0],
            "load_kwh": [[0.3, 0.3], [0.2, 0.2]],
        },
    )


@dataclass
class Society:
    """A node and everybody's keys, driven by hand."""

    scenario: Scenario = field(default_factory=two_homes)
    seqs: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cast = build_cast(self.scenario, 1)
        self.clock = StandingClock(self.scenario.start_s - D)
        genesis = genesis_doc(self.cast, self.scenario, self.clock.now_s, 900)
        self.node = SocietyNode(self.cast, genesis, self.scenario, 900, self.clock)
        self.node.first_block()
        self.ids = {device.name: device.device_id for device in self.cast.devices}

    def send(self, name: str, message: Message) -> bytes:
        """Sign and submit as a device (or the utility's party); return the order id that it would have."""
        key: SeededKey
        if isinstance(message, PostTariff):
            key, sender = self.cast.parties[name].key, self.cast.parties[name].party_id
        else:
            device = next(device for device in self.cast.devices if device.name == name)
            key, sender = device.key, device.device_id
        seq = 0 if is_unnumbered(message) else self.seqs.setdefault(name, 1)
        self.seqs[name] = seq + 1
        payload = encode_payload(Envelope(self.cast.chain_id, message.KIND, sender, seq, 10_000), message.body())
        self.node.engine.submit(encode_tx(payload, key.sign(payload)))
        return order_id(payload)

    def block(self, at_s: int) -> None:
        self.clock.now_s = at_s
        self.node.engine.produce_block(at_s * NS)

    def meter(self, name: str, slot_s: int, start_wh: int, net_wh: int) -> None:
        taken, given = max(0, net_wh), max(0, -net_wh)
        if net_wh >= 0:
            reading = OpenReading(slot_s, start_wh, 0, start_wh + taken, 0, bytes(32))
        else:
            reading = OpenReading(slot_s, 0, start_wh, 0, start_wh + given, bytes(32))
        self.send(name, reading)


def test_a_slot_is_collected_from_tariff_to_settlement() -> None:
    society = Society()
    node, book, start_s = society.node, society.node.book, society.scenario.start_s
    society.send("utility", PostTariff(start_s, ((200_000, 40_000), (200_000, 40_000))))
    society.block(start_s - 500)
    offer = society.send("array", PlaceOrder(start_s, Side.SELL, 400, 60_000, Mode.OPEN, False))
    society.send("array", PlaceOrder(start_s, Side.SELL, 500, 50_000, Mode.CALL, False))
    society.send("home-01-base-load", PlaceOrder(start_s, Side.BUY, 300, 200_000, Mode.CALL, False))
    society.send("home-02-base-load", PlaceOrder(start_s, Side.BUY, 200, 190_000, Mode.CALL, False))
    society.block(start_s - 400)
    society.send("home-02-base-load", AcceptOrder(offer, 100))
    society.block(start_s - 300)
    society.send("home-02-base-load", AcceptOrder(offer, 301))
    society.block(start_s - 200)
    society.block(start_s - 60)
    assert book.counters.messages == 6
    assert book.counters.refused == {"gone": 1}
    assert book.counters.races_lost == 1
    array, one, two = (society.ids[name] for name in ("array", "home-01-base-load", "home-02-base-load"))
    assert book.sales.by_pair_wh == {(array, two): 100 + 200, (array, one): 300}

    society.meter("array", start_s, 0, -1000)
    society.meter("home-01-base-load", start_s, 0, 300)
    society.meter("grid-meter", start_s, 0, -500)
    for name in ("home-01-freezer", "home-02-freezer"):
        society.meter(name, start_s, 0, 0)
    society.block(start_s + D + 1)
    assert not any(book.columns.grid_export_wh), "one meter is still silent"
    society.meter("home-02-base-load", start_s, 0, 200)
    society.block(start_s + D + 2)
    assert book.settled == 1
    assert book.columns.grid_export_wh[0] == 500
    assert book.devices[array].metered_wh[0] == -1000
    assert book.devices[array].position_wh[0] == -600
    assert book.devices[two].imbalance_wh[0] == -100
    paid = node.paid_ueur(START_BALANCE_UEUR)
    assert sum(ueur for party, ueur in paid.items() if party != "utility") == book.columns.grid_ueur[0] == -20_000
    lines = sum(sum(columns.trades_ueur) + sum(columns.imbalance_ueur) for columns in book.devices.values())
    assert lines + book.columns.society_ueur[0] == book.columns.grid_ueur[0]


def test_a_notice_counts_where_the_ledger_took_it() -> None:
    society = Society()
    book, start_s = society.node.book, society.scenario.start_s
    society.block(start_s)
    society.send("array", Notice(start_s, 1, 0, 0, 0, 0, bytes(32)))
    society.send("array", Notice(start_s + 1, 1, 0, 0, 0, 0, bytes(32)))
    society.block(start_s + 1)
    assert (book.counters.notices, book.counters.readings, book.counters.messages) == (1, 0, 0)
    assert book.counters.refused == {"slot_unaligned": 1}


def test_a_reading_after_the_settlement_is_counted_as_late_and_fills_its_line() -> None:
    society = Society()
    book, start_s = society.node.book, society.scenario.start_s
    for name in ("array", "home-01-base-load", "home-01-freezer", "home-02-freezer", "grid-meter"):
        society.meter(name, start_s, 0, 0)
    society.block(start_s + D + 1)
    society.block(start_s + 5 * D)
    silent = society.ids["home-02-base-load"]
    assert book.settled == 1
    before = book.silent
    society.meter("home-02-base-load", start_s, 0, 250)
    society.block(start_s + 5 * D + 10)
    assert book.counters.late_readings == 1
    assert book.silent == before - 1
    assert book.devices[silent].metered_wh[0] == 250
