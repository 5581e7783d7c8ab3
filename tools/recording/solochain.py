"""Record a chain of our own: `python -m tools.recording.solochain --out DIR`.

The solo engine runs the ledger's rules over a sample society with fixed keys and a fixed clock, so the recording is the same
every time: DIR/HEIGHT/commit.json and DIR/HEIGHT/validators_1.json, whole JSON-RPC answers as `python -m tools.conformance`
reads them, and DIR/HEIGHT/proofs.json, the answers that prove a value, an absence, a transaction and results.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.vocabulary import Mode, Side
from lightclient import keys
from lightclient.jsonrpc import encode_request
from lightclient.messages import Message, PlaceOrder, PostTariff, Transfer
from lightclient.strictjson import encode_base64
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator
from tools.fullnode.engine.solo import SoloEngine
from tools.fullnode.rpc.answers import Answers, NodeIdentity
from tools.fullnode.rpc.local import LocalFront
from tools.fullnode.rules.ledger import Ledger
from tools.fullnode.rules.sample import CHAIN_ID, FIRST_SLOT_S, GENESIS_S, NS, Society

HEIGHTS: Final = 5
NODE_ID: Final = sha256(b"homewatt recorded node").hexdigest()[:40]
VALIDATOR_SEED: Final = sha256(b"homewatt recorded validator").digest()

Answer = dict[str, Any]


@dataclass(slots=True)
class StandingClock:
    """Shows the time it was set to."""

    time_ns: int

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns


def messages(society: Society) -> list[list[tuple[str, Message]]]:
    """Who sends what, block by block; in the third block one is refused, and the last two are empty."""
    home, array = society.ids["home-1"], PlaceOrder(FIRST_SLOT_S, Side.SELL, 3_000, 81_000, Mode.OPEN, False)
    return [
        [("utility", PostTariff(FIRST_SLOT_S, ((300_000, 80_000), (310_000, 80_000))))],
        [("array", array), ("society", Transfer(home, 1_000_000, b"deposit")), ("society", Transfer(home, 5, b""))],
        [("utility", PostTariff(FIRST_SLOT_S, ((1, 1),))), ("utility", Transfer(home, 7, b""))],
        [],
        [],
    ]


def record() -> Iterator[tuple[int, dict[str, Answer]]]:
    """Each height with its files' contents, by name without ending."""
    key = Ed25519PrivateKey.from_private_bytes(VALIDATOR_SEED)
    society, clock = Society(), StandingClock(GENESIS_S * NS)
    validator = GenesisValidator(key.public_key().public_bytes_raw(), 10, "recorded")
    genesis = GenesisDoc(CHAIN_ID, clock.time_ns, (validator,), society.app_state())
    engine = SoloEngine(Ledger(), genesis, key, clock, BlockStore(CHAIN_ID))
    front = LocalFront(engine, Answers(engine), NodeIdentity(NODE_ID))
    txs: dict[int, list[bytes]] = {}
    for height, sent in enumerate(messages(society), start=1):
        txs[height] = [society.tx(sender, message) for sender, message in sent]
        for tx in txs[height]:
            engine.submit(tx)
        clock.time_ns += NS
        engine.produce_block(clock.now_ns())
    for height in range(1, HEIGHTS + 1):
        at = {"height": str(height)}
        proofs = {
            "value": _query(front, keys.book(FIRST_SLOT_S), height),
            "absence": _query(front, keys.book(0), height),
            "results": _ask(front, "block_results", at),
            "txs": [_ask(front, "tx", {"hash": encode_base64(sha256(tx).digest()), "prove": True}) for tx in txs[height]],
        }
        pages = _ask(front, "validators", at | {"page": "1", "per_page": "100"})
        yield height, {"commit": _ask(front, "commit", at), "validators_1": pages, "proofs": proofs}


def _query(front: LocalFront, key: bytes, height: int) -> Answer:
    return _ask(front, "abci_query", {"path": "/key", "data": key.hex(), "height": str(height), "prove": True})


def _ask(front: LocalFront, method: str, params: Mapping[str, Any]) -> Answer:
    answer: Answer = json.loads(front.answer(encode_request(1, method, params)))
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description="Record a chain of the solo engine.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the recording")
    folder: Path = parser.parse_args().out
    for height, files in record():
        (folder / str(height)).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            text = json.dumps(content, separators=(",", ":")) + "\n"
            (folder / str(height) / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
