"""Several nodes over one chain, or over forks of it: each with its own id, lag, lies and silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha1, sha256
from typing import Any

from agent.vocabulary import Clock
from lightclient import rfc3339
from lightclient.client import LightClient
from lightclient.errors import NodeSilent
from lightclient.evidence import hash_of_json
from lightclient.options import Options
from lightclient.store import LightStore, MemoryStore
from lightclient.strictjson import decode_base64, encode_base64
from lightclient.transport import MAX_ANSWER_BYTES, BytesTransport
from tests.lightclient.fake_chain import CHAIN_ID, OPTIONS, FakeChain, FakeClock, Lie, Member, refusal

NAMES = ("one", "two", "three")
THREE_NODES = replace(OPTIONS, single_operator=False)
FOUR = [Member(number) for number in range(1, 5)]


class FakeNode:
    """A full node. What it keeps from others, and how, is set from outside; it remembers what it was asked and sent.

    lag: blocks that it does not have yet. silent: no answer comes, after `timeout_s`. closes_every: each so-and-so-many-th call
    finds the connection closed. swallows: transactions are accepted and dropped. lie: alters results before they are sent, or
    raises LookupError to refuse.
    """

    def __init__(self, name: str, chain: FakeChain) -> None:
        self.name = name
        self.chain = chain
        self.node_id = sha1(name.encode()).hexdigest()
        self.lag = 0
        self.silent = False
        self.timeout_s = 0.0
        self.closes_every = 0
        self.swallows = False
        self.lie: Lie | None = None
        self.called: list[str] = []
        self.sent_bytes = 0
        self.txs: set[bytes] = set()
        self.evidence: list[dict[str, Any]] = []

    @property
    def top(self) -> int:
        return len(self.chain.blocks) - self.lag

    def transport(self, max_bytes: int = MAX_ANSWER_BYTES) -> BytesTransport:
        return BytesTransport(self._handle, self.chain.subscribe, max_bytes)

    async def _handle(self, request: bytes) -> bytes:
        call = json.loads(request)
        self.called.append(call["method"])
        if self.silent or (self.closes_every and len(self.called) % self.closes_every == 0):
            if self.timeout_s:
                await asyncio.sleep(self.timeout_s)
            raise NodeSilent("the connection was closed")
        body = self._answer(call["id"], call["method"], call["params"])
        self.sent_bytes += len(body)
        return body

    def _answer(self, request_id: int, method: str, params: Mapping[str, Any]) -> bytes:
        own: Mapping[str, Callable[..., Any]] = {
            "status": self._status,
            "broadcast_tx_sync": self._broadcast_tx_sync,
            "broadcast_evidence": self._broadcast_evidence,
        }
        try:
            result = own[method](**params) if method in own else self.chain.result(method, params, self.top)
            if self.lie is not None:
                result = self.lie(method, params, json.loads(json.dumps(result)))
        except LookupError as error:
            return refusal(request_id, error)
        return json.dumps({"jsonrpc": "2.0", "id": request_id, "result": result}).encode()

    def _status(self) -> Any:
        sync = {
            "latest_block_height": str(self.top),
            "latest_block_time": rfc3339.format_ns(self.chain.blocks[self.top - 1].header.time_ns),
            "earliest_block_height": "1",
            "catching_up": False,
        }
        return {"node_info": {"id": self.node_id, "network": CHAIN_ID}, "sync_info": sync}

    def _broadcast_tx_sync(self, tx: str) -> Any:
        data = decode_base64(tx, "tx")
        if data in self.txs:
            raise LookupError("tx already exists in cache")
        if not self.swallows:
            self.txs.add(data)
        return {"code": 0, "log": "", "hash": sha256(data).hexdigest().upper()}

    def _broadcast_evidence(self, evidence: dict[str, Any]) -> Any:
        self.evidence.append(evidence)
        return {"hash": encode_base64(hash_of_json(evidence))}


class Net:
    """Three nodes over one chain of four validators, and what a client of them needs."""

    def __init__(self, blocks: int = 5, chain: FakeChain | None = None, names: tuple[str, ...] = NAMES) -> None:
        self.chain = chain if chain is not None else FakeChain(FOUR).grow(blocks)
        self.nodes = {name: FakeNode(name, self.chain) for name in names}
        self.clock = FakeClock(self.chain)
        self.store: LightStore = MemoryStore()

    def __getitem__(self, name: str) -> FakeNode:
        return self.nodes[name]

    def client(self, options: Options = THREE_NODES, clock: Clock | None = None) -> LightClient:
        transports = {name: node.transport() for name, node in self.nodes.items()}
        return LightClient(transports, self.chain.anchor, options, clock or self.clock, self.store)

    def all_called(self) -> list[str]:
        return [method for node in self.nodes.values() for method in node.called]
