"""Golden vectors of the ledger: bytes that another implementation has to reproduce.

    python -m tools.fullnode.rules.vectors DIRECTORY

writes keys.json, transactions.json, calls.json, settlements.json, chain.json and notices.json. The tests compare them with
what is checked in; a change of theirs is a change of the protocol.
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agent.vocabulary import Mode, Receipt, Side, Tariff
from lightclient import keys, wire
from lightclient.messages import (
    AcceptOrder,
    BlockProgram,
    CancelOrder,
    CommittedReading,
    Message,
    Notice,
    OpenReading,
    PlaceOrder,
    PostTariff,
    ReplaceOrder,
    Transfer,
)
from tools.fullnode.rules import statekeys
from tools.fullnode.rules.auction import CallOrder, uniform_price_call
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S, SampleKey
from tools.fullnode.rules.scripts import RECORD_HASH, notices_vector, trading_vector
from tools.fullnode.rules.settlement import GridFlow, Metered, settle_slot
from tools.fullnode.rules.unnumbered import is_unnumbered

ORDER_ID = bytes(range(20))


def key_vectors() -> list[dict[str, str]]:
    """Every kind of state key for one example id and slot."""
    identity, slot_s = ORDER_ID, FIRST_SLOT_S
    examples = {
        "params": keys.PARAMS,
        "party": keys.party(identity),
        "account": keys.account(identity),
        "device": keys.device(identity),
        "sequence": keys.sequence(identity),
        "result seq 7": keys.result(identity, 7),
        "tariff": keys.tariff(slot_s),
        "book": keys.book(slot_s),
        "order": keys.order(identity),
        "position": keys.position(identity, slot_s),
        "reading": keys.reading(identity, slot_s),
        "settlement": keys.settlement(slot_s),
        "day history": keys.day_history(slot_s),
        "device digest": keys.device_digest(identity, slot_s),
        "closed at": statekeys.closed_at(slot_s),
        "gap": statekeys.gap(identity),
        "notice": keys.notice(identity, slot_s),
    }
    return [{"key": name, "hex": key.hex()} for name, key in examples.items()]


def messages() -> list[Message]:
    """One message of every kind, with numbers of every width."""
    return [
        PlaceOrder(FIRST_SLOT_S, Side.BUY, 1_250, 214_000, Mode.CALL, False),
        PlaceOrder(FIRST_SLOT_S, Side.SELL, 1_000_000, -10_000_000, Mode.OPEN, True),
        ReplaceOrder(ORDER_ID, 1_250, 900, 215_000),
        CancelOrder(ORDER_ID, 900),
        AcceptOrder(ORDER_ID, 1),
        BlockProgram((AcceptOrder(ORDER_ID, 400), AcceptOrder(ORDER_ID[::-1], 300))),
        PostTariff(FIRST_SLOT_S, ((300_000, 80_000), (-5_000, -5_000))),
        OpenReading(FIRST_SLOT_S, 0, 255, 65_536, 2**53 - 1, RECORD_HASH),
        CommittedReading(FIRST_SLOT_S, RECORD_HASH[::-1], RECORD_HASH),
        Transfer(ORDER_ID, -1_000_000, b"cash desk 7"),
        Notice(FIRST_SLOT_S, 127, 1, 2**53 - 1, 0, FIRST_SLOT_S, RECORD_HASH),
        Notice(FIRST_SLOT_S, 1, 0, 0, 0, 0, RECORD_HASH),
    ]


def transaction_vectors() -> list[dict[str, Any]]:
    """Signed transactions with the private key that made them."""
    key = SampleKey.named("vector")
    sender = wire.device_id(CHAIN_ID, key.public)
    rows = []
    for index, message in enumerate(messages()):
        seq, expires_height = (0, 0) if is_unnumbered(message) else (index + 1, 1_000)
        envelope = wire.Envelope(CHAIN_ID, message.KIND, sender, seq, expires_height)
        payload = wire.encode_payload(envelope, message.body())
        rows.append(
            {
                "message": type(message).__name__,
                "private_key": f"{key.private.private_numbers().private_value:064x}",
                "public_key": key.public.hex(),
                "chain_id": CHAIN_ID,
                "sender_as_device": sender.hex(),
                "sender_as_party": wire.party_id(CHAIN_ID, key.public).hex(),
                "payload": payload.hex(),
                "order_id": wire.order_id(payload).hex(),
                "tx": wire.encode_tx(payload, key.sign(payload)).hex(),
            }
        )
    return rows


def call_vectors() -> list[dict[str, Any]]:
    """Calls over small random books, many of them tied at the margin."""
    generator = random.Random(20)
    tariff = Tariff(FIRST_SLOT_S, 300_000, 80_000)
    rows = []
    for _ in range(20):
        sides = [
            [
                CallOrder(b"", generator.randrange(80_000, 300_001, 20_000), generator.randint(1, 999), position)
                for position in range(generator.randint(0, 6))
            ]
            for _ in range(2)
        ]
        result = uniform_price_call(sides[0], sides[1], tariff)
        rows.append(
            {
                "tariff": [tariff.ask_ueur_kwh, tariff.bid_ueur_kwh],
                "buys": [[order.limit_ueur_kwh, order.energy_wh] for order in sides[0]],
                "sells": [[order.limit_ueur_kwh, order.energy_wh] for order in sides[1]],
                "price": result.price_ueur_kwh,
                "buy_fills": list(result.buy_fills_wh),
                "sell_fills": list(result.sell_fills_wh),
            }
        )
    return rows


def settlement_vectors() -> list[dict[str, Any]]:
    """Settlements with and without a call, a grid meter, silent devices and storage that balances."""
    generator = random.Random(44)
    rows = []
    for index in range(20):
        tariff = Tariff(FIRST_SLOT_S, generator.randint(200_000, 400_000), generator.randint(-20_000, 120_000))
        call = None if index % 4 == 0 else generator.randint(tariff.bid_ueur_kwh, tariff.ask_ueur_kwh)
        meters = [_metered(generator, bytes([device]) * 20, call) for device in range(5)]
        metered_wh = sum(meter.metered_wh or 0 for meter in meters) + generator.randint(-30, 30)
        grid = GridFlow(max(metered_wh, 0) + 5, max(-metered_wh, 0) + 5) if index % 3 else None
        outcome = settle_slot(tariff, call, 500, meters, grid, 6)
        rows.append(
            {
                "tariff": [tariff.ask_ueur_kwh, tariff.bid_ueur_kwh],
                "call": call,
                "share_permille": 500,
                "grid": [grid.import_wh, grid.export_wh] if grid else None,
                "meters": [
                    [
                        meter.device.hex(),
                        meter.metered_wh,
                        [[int(r.side), r.energy_wh, r.price_ueur_kwh] for r in meter.receipts],
                        meter.leftover_buy_wh,
                        meter.leftover_sell_wh,
                        meter.is_storage,
                    ]
                    for meter in meters
                ],
                "lines": {device.hex(): list(asdict(line).values()) for device, line in outcome.lines.items()},
                "silent_trades": {device.hex(): amount for device, amount in outcome.silent_trades_ueur.items()},
                "record": outcome.record.encode().hex(),
            }
        )
    return rows


def _metered(generator: random.Random, device: bytes, call_ueur_kwh: int | None) -> Metered:
    price = call_ueur_kwh if call_ueur_kwh is not None else 150_000
    receipts = (Receipt(generator.choice((Side.BUY, Side.SELL)), generator.randint(1, 800), price),)
    metered_wh = None if generator.random() < 0.15 else generator.randint(-1_000, 1_000)
    leftovers = generator.randint(0, 500), generator.randint(0, 500)
    return Metered(device, metered_wh, receipts, *leftovers, device[0] % 2 == 0)


def all_vectors() -> dict[str, Any]:
    """Every file by its name."""
    return {
        "keys.json": key_vectors(),
        "transactions.json": transaction_vectors(),
        "calls.json": call_vectors(),
        "settlements.json": settlement_vectors(),
        "chain.json": trading_vector(),
        "notices.json": notices_vector(),
    }


def render(value: Any) -> str:
    """The text of a vector file."""
    return json.dumps(value, indent=1) + "\n"


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, value in all_vectors().items():
        (directory / name).write_text(render(value))
        print(directory / name)


if __name__ == "__main__":
    main()
