"""Random histories of a small society: sensible, foolish and absurd messages, in blocks at irregular times."""

from __future__ import annotations

import random
from collections.abc import Iterator

from agent.vocabulary import Mode, Side
from lightclient import wire
from lightclient.messages import (
    MAX_ENERGY_WH,
    MAX_PRICE_UEUR_KWH,
    MAX_TRANSFER_UEUR,
    AcceptOrder,
    BlockProgram,
    CancelOrder,
    Message,
    Notice,
    OpenReading,
    PlaceOrder,
    PostTariff,
    ReplaceOrder,
    Transfer,
)
from lightclient.wire import MAX_SEQ
from tools.fullnode.rules.sample import DEVICES, GENESIS_S, Society

DURATION_S = 60
DISPUTE_S = 3_600
PARAMS = {"slot_duration_s": DURATION_S, "dispute_s": DISPUTE_S, "gate_lead_s": 60}
ASK, BID = 300_000, 80_000
Block = tuple[int, list[bytes]]


class Author:
    """Writes blocks from a seed. The same seed gives the same bytes."""

    def __init__(self, seed: int, *, absurd: bool) -> None:
        self._random = random.Random(seed)
        self._absurd = absurd
        balance_ueur = self._random.choice((0, 20_000, 10**9, 10**9))
        params = {**PARAMS, "fallback_bid_ueur_kwh": self._random.choice((BID, -20_000))}
        self.society = Society(devices=DEVICES[self._random.randint(0, 1) :], balance_ueur=balance_ueur, params=params)
        self._names = [device.name for device in self.society.devices]
        self._registers = dict.fromkeys(self._names, (0, 0))
        self._next_reading = dict.fromkeys(self._names, GENESIS_S // DURATION_S * DURATION_S + DURATION_S)
        self._orders: list[tuple[str, bytes, int]] = []
        self._late: list[bytes] = []
        self._notices: list[bytes] = []

    def blocks(self, count: int) -> Iterator[Block]:
        time_s = GENESIS_S
        for _ in range(count):
            time_s += self._random.choices((0, 1, 7, 30, 59, 60, 61, 240, 900), (1, 1, 2, 6, 3, 6, 1, 1, 1))[0]
            yield time_s, self._txs(time_s)

    def blocks_to_the_end(self, count: int) -> Iterator[Block]:
        """The same, and empty blocks until the dispute time of all their slots is over."""
        time_s = GENESIS_S
        for time_s, txs in self.blocks(count):
            yield time_s, txs
        for _ in range(DISPUTE_S // 900 + 2):
            time_s += 900
            yield time_s, []

    def _txs(self, time_s: int) -> list[bytes]:
        choose = self._random
        txs = [tx for name in self._names for tx in self._readings(name, time_s)]
        txs += [tx for name in self._names for tx in self._sent_notices(name, time_s)]
        for _ in range(choose.randint(4, 26)):
            sender, message = self._message(time_s)
            if self._absurd and choose.random() < 0.5:
                message = self._absurd_message()
            payload = self.society.payload(sender, message, self._seq(), self._expiry())
            if isinstance(message, PlaceOrder | ReplaceOrder):
                self._orders.append((sender, wire.order_id(payload), message.energy_wh))
            tx = self.society.seal(sender, payload)
            txs.append(tx)
            if choose.random() < 0.05:
                txs.append(tx)
        choose.shuffle(txs)
        return txs

    def _readings(self, name: str, time_s: int) -> Iterator[bytes]:
        """Readings of all slots that are over; some come late, some never."""
        device = next(device for device in self.society.devices if device.name == name)
        while (slot_s := self._next_reading[name]) + DURATION_S <= time_s:
            start_import, start_export = self._registers[name]
            taken = self._random.randint(0, device.import_w // 60)
            given = self._random.randint(0, device.export_w // 60) if self._random.random() < 0.5 else 0
            end = (start_import + taken, start_export + given)
            self._registers[name] = end
            self._next_reading[name] += DURATION_S
            tx = self.society.tx(name, OpenReading(slot_s, start_import, start_export, *end, bytes(32)))
            luck = self._random.random()
            if luck < 0.85:
                yield tx
            elif luck < 0.95:
                self._late.append(tx)
        while self._late and self._random.random() < 0.1:
            yield self._late.pop(self._random.randrange(len(self._late)))

    def _sent_notices(self, name: str, time_s: int) -> Iterator[bytes]:
        """Notices of slots around now: some too early, some of slots long ago, some for the second time."""
        choose = self._random
        while choose.random() < 0.3:
            slot_s = time_s // DURATION_S * DURATION_S - choose.choice((-1, 0, 0, 0, 1, 5, 30, 60, 61)) * DURATION_S
            gaps = choose.randint(0, 1)
            self._notices.append(self.society.tx(name, Notice(slot_s, choose.randint(1, 2), gaps, gaps * 60, 0, 0, bytes(32))))
            yield choose.choice(self._notices[-10:]) if choose.random() < 0.2 else self._notices[-1]

    def _seq(self) -> int | None:
        return self._random.choice((0, 1, MAX_SEQ, 1_024)) if self._absurd and self._random.random() < 0.1 else None

    def _expiry(self) -> int:
        return self._random.choice((0, MAX_SEQ)) if self._absurd and self._random.random() < 0.1 else 10**6

    def _slot(self, time_s: int) -> int:
        return time_s // DURATION_S * DURATION_S + self._random.choice((0, 1, 2, 2, 2, 2, 2, 3)) * DURATION_S

    def _known_order(self) -> tuple[str, bytes, int]:
        """Owner, id and first energy of one of the last orders, which may be gone by now."""
        return self._random.choice(self._orders[-20:]) if self._orders else ("home-1", bytes(20), 1)

    def _message(self, time_s: int) -> tuple[str, Message]:
        """A sender, most often one that may, and a message that could make sense."""
        choose = self._random
        kind = choose.choices(("place", "accept", "own", "program", "tariff", "transfer"), (14, 4, 3, 1, 1, 1))[0]
        trader = choose.choice(self._names)
        if kind == "place":
            mode = choose.choice((Mode.CALL, Mode.CALL, Mode.OPEN))
            whole = mode is Mode.OPEN and choose.random() < 0.3
            limit = choose.choice((BID, ASK, 150_000, choose.randint(BID, ASK)))
            side = Side.SELL if trader in {"array", "battery", "ev-2"} and choose.random() < 0.7 else Side.BUY
            return trader, PlaceOrder(self._slot(time_s), side, choose.randint(1, 150), limit, mode, whole)
        if kind == "accept":
            _, identity, energy_wh = self._known_order()
            return trader, AcceptOrder(identity, choose.choice((energy_wh, max(1, energy_wh // 3))))
        if kind == "own":
            owner, identity, energy_wh = self._known_order()
            if choose.random() < 0.5:
                return owner, CancelOrder(identity, energy_wh)
            return owner, ReplaceOrder(identity, energy_wh, choose.randint(1, 150), choose.randint(BID, ASK))
        if kind == "program":
            orders = [self._known_order() for _ in range(choose.randint(1, 3))]
            return trader, BlockProgram(tuple(AcceptOrder(identity, energy_wh) for _, identity, energy_wh in orders))
        if kind == "transfer":
            party = choose.choice(self.society.parties)
            return "society", Transfer(self.society.ids[party], choose.choice((1_000, -1_000)), b"")
        ask = choose.randint(BID, ASK)
        first = self._slot(time_s) + choose.randint(0, 100) * DURATION_S
        return "utility", PostTariff(first, ((ask, choose.randint(-10_000, ask)),) * choose.randint(1, 20))

    def _absurd_message(self) -> Message:
        """Every field at random within the bounds that decoding allows, often at an end of them."""
        choose = self._random

        def number(low: int, high: int) -> int:
            return choose.choice((low, high, choose.randint(low, high)))

        def slot_s() -> int:
            return choose.choice((0, DURATION_S, MAX_SEQ, MAX_SEQ // DURATION_S * DURATION_S, number(0, MAX_SEQ)))

        energy_wh, price = number(1, MAX_ENERGY_WH), number(-MAX_PRICE_UEUR_KWH, MAX_PRICE_UEUR_KWH)
        register = number(0, MAX_SEQ)
        counted = choose.choice(
            ((0, 1, register, register, MAX_SEQ), (MAX_SEQ, MAX_SEQ, MAX_SEQ, 0, 0), (register, 1, 0, 0, 0))
        )
        identity = choose.choice((bytes(20), self._known_order()[1]))
        prices = tuple((number(-MAX_PRICE_UEUR_KWH, MAX_PRICE_UEUR_KWH), price) for _ in range(number(1, 144)))
        return choose.choice(
            (
                PlaceOrder(slot_s(), choose.choice(list(Side)), energy_wh, price, Mode.OPEN, True),
                ReplaceOrder(identity, energy_wh, energy_wh, price),
                CancelOrder(identity, energy_wh),
                AcceptOrder(identity, energy_wh),
                BlockProgram((AcceptOrder(identity, energy_wh),) * 96),
                PostTariff(slot_s(), prices),
                OpenReading(slot_s(), 0, 0, register, register, bytes(32)),
                Notice(slot_s(), *counted, bytes(32)),
                OpenReading(GENESIS_S + 900, register, register, MAX_SEQ, MAX_SEQ, bytes(32)),
                Transfer(self.society.ids["society"], number(-MAX_TRANSFER_UEUR, MAX_TRANSFER_UEUR), bytes(32)),
            )
        )
