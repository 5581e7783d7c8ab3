"""Speed of the ledger rules without network: signed orders through check, block and commit, the call, and growth.

    python -m tools.bench.ledger [--quick]

Targets, one core, 10,000 open orders over all books: 6,000 orders/s in blocks of 1,000, 3,000 in blocks of 100; a call over
2,000 + 2,000 orders under 5 ms; its block with positions and receipts of 400 devices under 150 ms.
"""

from __future__ import annotations

import argparse
import gc
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.vocabulary import Mode, Side, Tariff
from lightclient.messages import PlaceOrder, PostTariff
from tools.bench.table import Bench
from tools.fullnode.rules.auction import CallOrder, uniform_price_call
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import FIRST_SLOT_S, GENESIS_S, Chain, Society, many_homes

ASK, BID = 300_000, 80_000
SLOTS = 96
DURATION_S = 900
ORDERS_PER_SLOT = 8
MESSAGES_PER_DEVICE = 100
Slots = Sequence[int]


def tariff() -> PostTariff:
    return PostTariff(FIRST_SLOT_S, ((ASK, BID),) * SLOTS)


def slots(first: int, count: int) -> list[int]:
    return [FIRST_SLOT_S + (first + index) * DURATION_S for index in range(count)]


def orders(society: Society, count: int, into: Slots, seed: int) -> list[bytes]:
    """Signed random call orders, at most 8 per device and slot, devices in turn."""
    generator = random.Random(seed)
    devices = [device.name for device in society.devices if device.kind == "battery"]
    if count > len(devices) * len(into) * ORDERS_PER_SLOT:
        raise ValueError("more orders than the devices may have standing")
    txs = []
    for index in range(count):
        device, slot_s = devices[index % len(devices)], into[index // len(devices) % len(into)]
        side = generator.choice((Side.BUY, Side.SELL))
        message = PlaceOrder(
            slot_s, side, generator.randint(100, 2_000), generator.randrange(BID, ASK, 1_000), Mode.CALL, False
        )
        txs.append(society.tx(device, message))
    return txs


def started(chain: Chain) -> int:
    """Post the tariff in the first block; the time after it."""
    time_s = GENESIS_S + 1
    chain.block(time_s, [chain.society.tx("utility", tariff())])
    return time_s


def through(chain: Chain, txs: Sequence[bytes], block_size: int, time_s: int) -> float:
    """Seconds that check, block and commit of all transactions take. Every order has to be placed."""
    gc.collect()
    refused = 0
    begin = time.perf_counter()
    for start in range(0, len(txs), block_size):
        batch = txs[start : start + block_size]
        for tx in batch:
            refused += chain.ledger.check_tx(tx).code != 0
        refused += sum(result.code != 0 for result in chain.block(time_s, batch).tx_results)
    taken_s = time.perf_counter() - begin
    if refused:
        raise AssertionError(f"{refused} orders were refused")
    return taken_s


def rate(open_orders: int, block_size: int, count: int, directory: str) -> float:
    """Orders per second with `open_orders` in the books, the state in a file."""
    society = many_homes(max(400, (open_orders + count) // MESSAGES_PER_DEVICE + 1))
    ledger = Ledger(str(Path(directory) / f"rate-{open_orders}-{block_size}.sqlite"))
    chain = Chain(society, ledger)
    time_s = started(chain)
    through(chain, orders(society, open_orders, slots(4, 60), 1), 1_000, time_s)
    taken_s = through(chain, orders(society, count, slots(64, 32), 2), block_size, time_s)
    ledger.close()
    return count / taken_s


def call_ms(per_side: int) -> float:
    """The pure call, best of five."""
    generator = random.Random(3)
    sides = [
        [CallOrder(b"", generator.randrange(BID, ASK), generator.randint(1, 2_000), position) for position in range(per_side)]
        for _ in range(2)
    ]
    taken_s = []
    for _ in range(5):
        begin = time.perf_counter()
        uniform_price_call(sides[0], sides[1], Tariff(FIRST_SLOT_S, ASK, BID))
        taken_s.append(time.perf_counter() - begin)
    return min(taken_s) * 1_000


def call_block_ms(devices: int, directory: str) -> float:
    """The block that closes a book in which every device has 8 orders."""
    society = many_homes(devices)
    ledger = Ledger(str(Path(directory) / f"call-{devices}.sqlite"))
    chain = Chain(society, ledger)
    time_s = started(chain)
    count = devices * ORDERS_PER_SLOT
    through(chain, orders(society, count, slots(0, 1), 4), 1_000, time_s)
    gc.collect()
    begin = time.perf_counter()
    chain.block(FIRST_SLOT_S - 60)
    taken_s = time.perf_counter() - begin
    ledger.close()
    return taken_s * 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="without the growth to 100,000 open orders")
    quick = parser.parse_args().quick
    bench = Bench("ledger")
    with tempfile.TemporaryDirectory() as directory:
        for block_size, count in ((1_000, 5_000), (100, 3_000)):
            figure = f"orders through check, block and commit, 10,000 open, blocks of {block_size:,}"
            bench.row(figure, "1/s", rate(10_000, block_size, count, directory))
        bench.row("call over 2,000 + 2,000 orders", "ms", call_ms(2_000))
        bench.row("block with the call over 4,000 orders of 500 devices, with receipts", "ms", call_block_ms(500, directory))
        bench.row("block with the call over 3,200 orders of 400 devices, with receipts", "ms", call_block_ms(400, directory))
        for open_orders in (100, 1_000, 100_000) if not quick else (100, 1_000):
            figure = f"orders through check, block and commit, {open_orders:,} open, blocks of 1,000"
            bench.row(figure, "1/s", rate(open_orders, 1_000, 3_000, directory))
        for per_side in (50, 500, 5_000, 50_000):
            bench.row(f"call over {per_side:,} + {per_side:,} orders", "ms", call_ms(per_side))
    print(bench.write())


if __name__ == "__main__":
    main()
