"""Nodes for measuring a light client: a chain of any length, whose blocks are made when they are asked for.

A header's last_block_id is a made-up hash, so the chain cannot be walked backwards; nothing that goes forwards looks at it.
The state is one tree at all heights. Answers have the fields and the spelling of CometBFT v0.38's, and so their length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from lightclient import hashing, rpcjson
from lightclient.blocks import BLOCK_PROTOCOL, BlockId, Header, LightBlock
from lightclient.options import Options, TrustAnchor
from tools.bench.answers import commit_answer, query_answer, validators_answer
from tools.bench.chains import Member, ordered, set_of, sign
from tools.fullnode.rules.smt import Tree

CHAIN_ID: Final = "bench-1"
S_NS: Final = 10**9
START_NS: Final = 1_790_000_000 * S_NS
KEPT_ANSWERS: Final = 4_096
EMPTY_HASH: Final = hashing.data_hash([])
OPTIONS: Final = Options(CHAIN_ID, trusting_period_ns=20 * 86_400 * S_NS, freshness_ns=30 * S_NS)
FRONTS: Final = ("node-1", "node-2", "node-3")


def encode(value: Any) -> bytes:
    """JSON as Go writes it, without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Validators:
    """Who signs: `size` of equal power, of whom one is replaced every `blocks_per_change` blocks (0: never)."""

    size: int
    blocks_per_change: int = 0

    def at(self, height: int) -> list[Member]:
        changes = height // self.blocks_per_change if self.blocks_per_change else 0
        return [Member(number) for number in range(changes, changes + self.size)]


@dataclass
class Chain:
    """A block every second from `start_ns` on; `height` is that of the newest. It is also the clock of those who follow it."""

    validators: Validators
    height: int
    start_ns: int = START_NS
    state: Tree = field(default_factory=lambda: Tree().update_many([(b"genesis", b"1")]))

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(1, self.block(1).signed_header.hash)

    def now_ns(self) -> int:
        return self.start_ns + self.height * S_NS

    def monotonic_ns(self) -> int:
        return self.now_ns()

    def block(self, height: int) -> LightBlock:
        """The block of any height, the same each time."""
        members = self.validators.at(height)
        header = Header(
            version_block=BLOCK_PROTOCOL,
            version_app=1,
            chain_id=CHAIN_ID,
            height=height,
            time_ns=self.start_ns + height * S_NS,
            last_block_id=BlockId(sha256(b"block %d" % (height - 1)).digest(), 1, EMPTY_HASH),
            last_commit_hash=sha256(b"commit %d" % (height - 1)).digest(),
            data_hash=EMPTY_HASH,
            validators_hash=hashing.validators_hash(set_of(members)),
            next_validators_hash=hashing.validators_hash(set_of(self.validators.at(height + 1))),
            consensus_hash=hashing.consensus_hash(22_020_096, -1),
            app_hash=self.state.root,
            last_results_hash=EMPTY_HASH,
            evidence_hash=EMPTY_HASH,
            proposer_address=hashing.address(ordered(members)[0].validator.public_key),
        )
        return sign(header, members)


class RpcNode:
    """One node of a chain. Answers are kept, because several nodes and runs are asked for the same ones."""

    def __init__(self, chain: Chain, name: str, kept: dict[str, bytes]) -> None:
        self._chain = chain
        self._name = name
        self._kept = kept
        self.calls: list[str] = []

    def answer(self, request: bytes) -> bytes:
        """The answer to a JSON-RPC request. `grow` is no method of CometBFT: it makes the next block."""
        call = json.loads(request)
        self.calls.append(call["method"])
        try:
            result = self._result(call["method"], call.get("params", {}))
        except LookupError as error:
            refusal = {"code": -32603, "message": "Internal error", "data": str(error.args[0])}
            return encode({"jsonrpc": "2.0", "id": call["id"], "error": refusal})
        return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (encode(call["id"]), result)

    def _result(self, method: str, params: Mapping[str, Any]) -> bytes:
        if method == "grow":
            self._chain.height += 1
            return b"{}"
        if method == "health":
            return b"{}"
        if method == "status":
            return encode(self._status())
        height = int(params.get("height") or self._chain.height)
        if height > self._chain.height:
            raise LookupError(f"height {height} must be less than or equal to the current blockchain height")
        place = f"{method} {height} {params.get('page')} {params.get('data')}"
        if place not in self._kept:
            if len(self._kept) >= KEPT_ANSWERS:
                self._kept.clear()
            self._kept[place] = encode(getattr(self, f"_{method}")(height, params))
        return self._kept[place]

    def _commit(self, height: int, _: Mapping[str, Any]) -> Any:
        return commit_answer(self._chain.block(height).signed_header)

    def _header(self, height: int, _: Mapping[str, Any]) -> Any:
        return {"header": rpcjson.header_to_json(self._chain.block(height).header)}

    def _validators(self, height: int, params: Mapping[str, Any]) -> Any:
        validators = set_of(self._chain.validators.at(height))
        return validators_answer(height, validators, int(params.get("page") or 1), int(params.get("per_page") or 30))

    def _abci_query(self, height: int, params: Mapping[str, Any]) -> Any:
        return query_answer(self._chain.state, bytes.fromhex(params["data"]), height)

    def _status(self) -> Any:
        ends = {
            f"{end}_block_{what}": value
            for end, height in (("latest", self._chain.height), ("earliest", 1))
            for what, value in (("height", str(height)), ("time", "2026-11-21T00:00:00Z"), ("hash", "00" * 32))
        }
        own = rpcjson.validators_to_json(set_of(self._chain.validators.at(1)))[0]
        node_id = sha256(self._name.encode()).hexdigest()[:40]
        versions = {"p2p": "8", "block": str(BLOCK_PROTOCOL), "app": "1"}
        return {
            "node_info": {
                "protocol_version": versions,
                "id": node_id,
                "listen_addr": "tcp://0.0.0.0:26656",
                "network": CHAIN_ID,
                "version": "0.38.25",
                "channels": "40202122233038606100",
                "moniker": self._name,
                "other": {"tx_index": "on", "rpc_address": "tcp://127.0.0.1:26657"},
            },
            "sync_info": {**ends, "latest_app_hash": "00" * 32, "earliest_app_hash": "00" * 32, "catching_up": False},
            "validator_info": {name: own[name] for name in ("address", "pub_key", "voting_power")},
        }


def nodes_of(chain: Chain) -> dict[str, RpcNode]:
    """The nodes of a chain by name, each with an id of its own."""
    kept: dict[str, bytes] = {}
    return {name: RpcNode(chain, name, kept) for name in FRONTS}
