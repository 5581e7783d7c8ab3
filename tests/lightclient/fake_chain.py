"""A chain that behaves: real keys, headers, commits and state proofs, any number of validators, and a node that may lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from lightclient import hashing, merkle, rpcjson
from lightclient.blocks import BLOCK_PROTOCOL, BlockId, ExecTxResult, Header, LightBlock
from lightclient.options import Options, TrustAnchor
from lightclient.strictjson import decode_base64, encode_base64
from lightclient.transport import BytesTransport
from tools.bench.answers import commit_answer, query_answer, validators_answer
from tools.bench.chains import Member as Member
from tools.bench.chains import key_of as key_of
from tools.bench.chains import ordered as ordered
from tools.bench.chains import set_of as set_of
from tools.bench.chains import sign as sign
from tools.fullnode.rules.smt import Tree

CHAIN_ID = "fake-1"
SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS
OPTIONS = Options(
    CHAIN_ID, trusting_period_ns=86_400 * SECOND_NS, freshness_ns=30 * SECOND_NS, witness_patience_ns=0, single_operator=True
)

Lie = Callable[[str, Mapping[str, Any], Any], Any]


class FakeChain:
    """Blocks every second. State changes of a block show in the next header's app_hash."""

    def __init__(self, members: Sequence[Member] = (Member(1),)) -> None:
        self.blocks: list[LightBlock] = []
        self.states = [Tree().update_many([(b"genesis", b"1")])]
        self.members = list(members)
        self.signers: list[list[Member]] = []
        self.bodies: dict[int, tuple[bytes, ...]] = {}
        self.now_ns = START_NS
        self.lie: Lie | None = None
        self.calls: list[str] = []
        self.txs: set[bytes] = set()
        self.listeners: list[Callable[[], None]] = []

    @property
    def anchor(self) -> TrustAnchor:
        return TrustAnchor(1, self.blocks[0].signed_header.hash)

    def next_header(self, next_members: Sequence[Member] | None = None, txs: Sequence[bytes] = ()) -> Header:
        """The header that would come next; `next_members` sign the one after it."""
        previous = self.blocks[-1].signed_header if self.blocks else None
        return Header(
            version_block=BLOCK_PROTOCOL,
            version_app=1,
            chain_id=CHAIN_ID,
            height=len(self.blocks) + 1,
            time_ns=self.now_ns,
            last_block_id=previous.commit.block_id if previous else BlockId(),
            last_commit_hash=hashing.commit_hash(previous.commit) if previous else hashing.data_hash([]),
            data_hash=hashing.data_hash(txs),
            validators_hash=hashing.validators_hash(set_of(self.members)),
            next_validators_hash=hashing.validators_hash(set_of(next_members or self.members)),
            consensus_hash=hashing.consensus_hash(22_020_096, -1),
            app_hash=self.states[-1].root,
            last_results_hash=hashing.last_results_hash(self.results(len(self.blocks))),
            evidence_hash=hashing.data_hash([]),
            proposer_address=hashing.address(ordered(self.members)[0].validator.public_key),
        )

    def cut(
        self,
        changes: Mapping[bytes, bytes | None] | None = None,
        next_members: Sequence[Member] | None = None,
        txs: Sequence[bytes] = (),
    ) -> LightBlock:
        block = sign(self.next_header(next_members, txs), self.members)
        self.blocks.append(block)
        self.signers.append(self.members)
        self.bodies[block.height] = tuple(txs)
        self.states.append(self.states[-1].update_many((changes or {}).items()))
        self.members = list(next_members or self.members)
        self.now_ns += SECOND_NS
        for listener in self.listeners:
            listener()
        return block

    def grow(self, blocks: int) -> FakeChain:
        for _ in range(blocks):
            self.cut()
        return self

    def fork(self, shared: int) -> FakeChain:
        """Another chain with the same first blocks, by the same validators; from then on times and state are others."""
        other = FakeChain(self.signers[shared] if shared < len(self.signers) else self.members)
        other.blocks, other.states, other.signers = self.blocks[:shared], self.states[: shared + 1], self.signers[:shared]
        other.bodies = {height: txs for height, txs in self.bodies.items() if height <= shared}
        other.states[shared] = other.states[shared].update_many([(b"fork", b"1")])
        other.now_ns = other.blocks[-1].header.time_ns + SECOND_NS + 1
        return other

    def results(self, height: int) -> list[ExecTxResult]:
        """Of each transaction of a block; what they say tells them apart."""
        return [ExecTxResult(0, sha256(tx).digest()[:4]) for tx in self.bodies.get(height, ())]

    def transport(self) -> BytesTransport:
        """A node of this chain; `lie`, when set, may alter every result before it is sent."""

        async def handle(request: bytes) -> bytes:
            return self.answer(request)

        return BytesTransport(handle, self.subscribe)

    def ask(self, method: str, params: Mapping[str, Any]) -> Any:
        """The result of one call, decoded from its JSON."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return json.loads(self.answer(json.dumps(request).encode()))["result"]

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def answer(self, request: bytes) -> bytes:
        call = json.loads(request)
        method, params = call["method"], call["params"]
        self.calls.append(method)
        try:
            result = self.result(method, params)
        except LookupError as error:
            return refusal(call["id"], error)
        if self.lie is not None:
            result = self.lie(method, params, json.loads(json.dumps(result)))
        return json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode()

    def result(self, method: str, params: Mapping[str, Any], top: int | None = None) -> Any:
        """What a node that has blocks up to `top` answers. Raises LookupError in the words of a real one."""
        return getattr(self, f"_{method}")(len(self.blocks) if top is None else top, **params)

    def _at(self, top: int, height: str | None) -> LightBlock:
        number = top if height is None else int(height)
        if not 1 <= number <= top:
            raise LookupError(f"height {number} must be less than or equal to the current blockchain height")
        return self.blocks[number - 1]

    def _header(self, top: int, height: str) -> Any:
        return {"header": rpcjson.header_to_json(self._at(top, height).header)}

    def _commit(self, top: int, height: str | None = None) -> Any:
        return commit_answer(self._at(top, height).signed_header, canonical=height is not None)

    def _validators(self, top: int, height: str, page: str, per_page: str) -> Any:
        return validators_answer(int(height), self._at(top, height).validators, int(page), int(per_page))

    def _tx(self, top: int, hash: str, prove: bool) -> Any:
        assert prove
        wanted = decode_base64(hash, "hash")
        for height, txs in self.bodies.items():
            for index, tx in enumerate(txs if height <= top else ()):
                if sha256(tx).digest() == wanted:
                    return self._tx_in_block(height, index)
        raise LookupError(f"tx ({wanted.hex().upper()}) not found")

    def _tx_in_block(self, height: int, index: int) -> Any:
        tx, result = self.bodies[height][index], self.results(height)[index]
        proof = merkle.prove([sha256(each).digest() for each in self.bodies[height]], index)
        aunts = [encode_base64(aunt) for aunt in proof.aunts]
        return {
            "hash": sha256(tx).hexdigest().upper(),
            "height": str(height),
            "index": index,
            "tx_result": _result_to_json(result),
            "tx": encode_base64(tx),
            "proof": {"proof": {"total": str(proof.total), "index": str(proof.index), "aunts": aunts}},
        }

    def _block_results(self, top: int, height: str) -> Any:
        results = self.results(self._at(top, height).height)
        return {"height": height, "txs_results": [_result_to_json(result) for result in results] or None}

    def _abci_query(self, top: int, path: str, data: str, height: str, prove: bool) -> Any:
        assert path == "/key"
        assert prove
        self._at(top, height)
        return query_answer(self.states[int(height)], bytes.fromhex(data), int(height))

    def _broadcast_tx_sync(self, top: int, tx: str) -> Any:
        data = decode_base64(tx, "tx")
        if data in self.txs:
            raise LookupError("tx already exists in cache")
        self.txs.add(data)
        return {"code": 0, "data": "", "log": "", "codespace": "", "hash": sha256(data).hexdigest().upper()}


def refusal(request_id: int, error: LookupError) -> bytes:
    fields = {"code": -32603, "message": "Internal error", "data": str(error.args[0])}
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "error": fields}).encode()


def _result_to_json(result: ExecTxResult) -> dict[str, Any]:
    return {"code": result.code, "data": encode_base64(result.data), "gas_wanted": "0", "gas_used": "0"}


class FakeClock:
    """Stands where it is put."""

    def __init__(self, chain: FakeChain) -> None:
        self._chain = chain
        self.ahead_ns = 0

    def now_ns(self) -> int:
        return self._chain.now_ns + self.ahead_ns

    def monotonic_ns(self) -> int:
        return self.now_ns()
