"""What the full node costs besides the ledger rules: answering JSON-RPC, and making a block. `python -m tools.bench.node`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.clock import SystemClock
from agent.vocabulary import Mode, Side
from lightclient import keys
from lightclient.jsonrpc import encode_request
from lightclient.messages import PlaceOrder
from lightclient.strictjson import encode_base64
from tools.bench.table import Bench
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S, GENESIS_S, NS, Society, many_homes

DEVICES: Final = 400
CALLS: Final = 3_000
EMPTY_BLOCKS: Final = 500
Argument = TypeVar("Argument")


def main() -> None:
    bench = Bench("node")
    society = many_homes(DEVICES)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    validator = GenesisValidator(key.public_key().public_bytes_raw(), 10, "solo")
    genesis = GenesisDoc(CHAIN_ID, GENESIS_S * NS, (validator,), society.app_state())
    engine = SoloEngine(Ledger(), genesis, key, SystemClock(), BlockStore(CHAIN_ID))
    dispatcher = RpcDispatcher(Answers(engine), NodeIdentity("00" * 20))
    engine.produce_block(GENESIS_S * NS)

    slot_s = FIRST_SLOT_S + 900
    bodies = [encode_request(i, "broadcast_tx_sync", {"tx": encode_base64(tx)}) for i, tx in enumerate(orders(society, slot_s))]
    bench.row("broadcast_tx_sync, one signed order", "us", per_call_us(bodies, dispatcher.handle))
    bench.row(f"block of {DEVICES} orders", "ms", per_call_us([(GENESIS_S + 1) * NS], engine.produce_block) / 1_000)
    times_ns = [(GENESIS_S + 2) * NS + index for index in range(EMPTY_BLOCKS)]
    bench.row("empty block", "us", per_call_us(times_ns, engine.produce_block))

    height = str(engine.height - 1)
    book = {"path": "/key", "data": keys.book(slot_s).hex(), "height": height, "prove": True}
    for figure, method, params in (
        ("commit, latest", "commit", {}),
        ("validators", "validators", {"height": height}),
        ("abci_query, a book with proof", "abci_query", book),
        ("abci_query, an absent key with proof", "abci_query", book | {"data": keys.book(0).hex()}),
        ("status", "status", {}),
    ):
        bench.row(figure, "us", per_call_us([encode_request(1, method, params)] * CALLS, dispatcher.handle))
    print(bench.write())


def orders(society: Society, slot_s: int) -> list[bytes]:
    """One signed order of every device but the grid meter."""
    message = PlaceOrder(slot_s, Side.BUY, 100, 200_000, Mode.CALL, False)
    return [society.tx(f"device-{index}", message) for index in range(DEVICES)]


def per_call_us(arguments: list[Argument], call: Callable[[Argument], object]) -> float:
    """Mean microseconds of a call."""
    start_s = time.perf_counter()
    for argument in arguments:
        call(argument)
    return (time.perf_counter() - start_s) / len(arguments) * 1e6


if __name__ == "__main__":
    main()
