"""One full node, asked in the terms of the light client. It believes nothing and judges no header.

What it checks is that an answer is about what was asked: height, key, hash and chain are compared. `provider` is what
CometBFT calls it too (light/provider).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from lightclient import hashing, rpcjson, rules
from lightclient.blocks import Header, LightBlock, SignedHeader, Validator, ValidatorSet
from lightclient.errors import HeightPruned, HeightTooHigh, QueryRefused, RpcRefused, WrongAnswer
from lightclient.jsonrpc import words
from lightclient.rpcjson import BlockResults, QueryAnswer, TxAnswer
from lightclient.strictjson import Fields, encode_base64
from lightclient.transport import Transport

KEY_PATH: Final = "/key"
"""The application's path for reading one key of its state."""

# How CometBFT words its refusals: rpc/core/env.go, mempool/errors.go.
TOO_HIGH: Final = "must be less than or equal to"
PRUNED: Final = "is not available"
ALREADY_IN_CACHE: Final = "tx already exists in cache"


class ValidatorSets:
    """The last validator sets that were met, by their hash: all providers share them, since a hash fixes its set."""

    def __init__(self, most: int = 8) -> None:
        self._most = most
        self._sets: dict[bytes, ValidatorSet] = {}

    def get(self, validators_hash: bytes) -> ValidatorSet | None:
        return self._sets.get(validators_hash)

    def add(self, validators_hash: bytes, validators: ValidatorSet) -> None:
        """Take a set whose hash was compared."""
        while len(self._sets) >= self._most:
            del self._sets[next(iter(self._sets))]
        self._sets[validators_hash] = validators


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What the node thinks of a transaction handed in: a hint. Final is only a proven result."""

    code: int
    log: str
    tx_hash: bytes
    already_known: bool


class Provider:
    """One node by its name, on one chain. Every method raises NodeError; those that give a LightBlock also MalformedHeader."""

    def __init__(self, name: str, transport: Transport, chain_id: str, sets: ValidatorSets) -> None:
        self.name = name
        self.transport = transport
        self._chain_id = chain_id
        self._sets = sets
        self._node_id: str | None = None

    async def node_id(self) -> str:
        """Who the node says it is, asked once. Raises WrongAnswer where it follows another chain."""
        if self._node_id is None:
            status = rpcjson.decode_status(await self.transport.call("status", {}))
            _same("chain_id", self._chain_id, words(status.chain_id))
            self._node_id = words(status.node_id)
        return self._node_id

    async def latest(self) -> SignedHeader:
        """The newest signed header that the node has. Raises HeightTooHigh where it has none yet."""
        return await self._commit(None)

    async def signed_header(self, height: int) -> SignedHeader:
        """The signed header at a height. Raises HeightTooHigh, HeightPruned."""
        signed = await self._commit(height)
        _same("height", height, signed.height)
        return signed

    async def header(self, height: int) -> Header:
        """The header alone, to compare it with one that is verified. Raises HeightTooHigh, HeightPruned."""
        result = await self._call_at(height, "header", {"height": str(height)})
        if Fields(result, "header").has("header"):
            header = rpcjson.decode_header(result)
            _same("height", height, header.height)
            return header
        raise HeightTooHigh(height)

    async def light_block(self, height: int | None) -> LightBlock:
        """The block at a height, or the newest. Raises as `with_validators` does."""
        return await self.with_validators(await self.latest() if height is None else await self.signed_header(height))

    async def with_validators(self, signed: SignedHeader) -> LightBlock:
        """Add the validator set, fetched only when its hash is new.

        Raises NodeError, and MalformedHeader, before anything is fetched, for a header or commit that cannot be right.
        """
        rules.check_header(signed.header, self._chain_id)
        rules.check_commit(signed.commit)
        wanted = signed.header.validators_hash
        validators = self._sets.get(wanted)
        if validators is None:
            validators = await self._validators(signed.height, len(signed.commit.signatures))
            _same("validators_hash", wanted, hashing.validators_hash(validators))
            self._sets.add(wanted, validators)
        return LightBlock(signed, validators)

    async def query(self, key: bytes, height: int) -> QueryAnswer:
        """What the node says a key holds after block `height`, with its proof. Raises QueryRefused."""
        params = {"path": KEY_PATH, "data": key.hex(), "height": str(height), "prove": True}
        answer = rpcjson.decode_abci_query(await self.transport.call("abci_query", params))
        if answer.code != 0:
            raise QueryRefused(answer.code, words(answer.log))
        _same("key", key, answer.key)
        _same("height", height, answer.height)
        return answer

    async def tx(self, tx_hash: bytes) -> TxAnswer:
        """A transaction in its block, with its proof. Raises RpcRefused where the node does not know it."""
        params = {"hash": encode_base64(tx_hash), "prove": True}
        answer = rpcjson.decode_tx(await self.transport.call("tx", params))
        _same("tx hash", tx_hash, answer.tx_hash)
        _same("tx", tx_hash, sha256(answer.tx).digest())
        return answer

    async def block_results(self, height: int) -> BlockResults:
        """The results of a block's transactions. Raises HeightTooHigh, HeightPruned."""
        params = {"height": str(height)}
        answer = rpcjson.decode_block_results(await self._call_at(height, "block_results", params))
        _same("height", height, answer.height)
        return answer

    async def broadcast(self, tx: bytes) -> CheckOutcome:
        """Hand in a transaction. That the node knows it already is no failure."""
        tx_hash = sha256(tx).digest()
        try:
            result = await self.transport.call("broadcast_tx_sync", {"tx": encode_base64(tx)})
        except RpcRefused as error:
            if ALREADY_IN_CACHE not in error.data:
                raise
            return CheckOutcome(code=0, log=error.data, tx_hash=tx_hash, already_known=True)
        answer = rpcjson.decode_broadcast(result)
        _same("tx hash", tx_hash, answer.tx_hash)
        return CheckOutcome(answer.code, words(answer.log), tx_hash, already_known=False)

    async def report(self, evidence: Mapping[str, Any], evidence_hash: bytes) -> None:
        """Hand in evidence. Raises RpcRefused where the node does not accept it."""
        result = await self.transport.call("broadcast_evidence", {"evidence": evidence})
        _same("evidence hash", evidence_hash, Fields(result, "broadcast_evidence").base64("hash"))

    async def _commit(self, height: int | None) -> SignedHeader:
        params = {} if height is None else {"height": str(height)}
        result = await self._call_at(height, "commit", params)
        # A node without blocks answers with no commit at all, or with an empty one (cometbft issue 575).
        if result is None or not Fields(result, "commit").inner("signed_header").has("header"):
            raise HeightTooHigh(height)
        return rpcjson.decode_commit(result)

    async def _validators(self, height: int, count: int) -> ValidatorSet:
        """The set of a height that is known to have `count` members, so a node cannot make this long."""
        members: list[Validator] = []
        while len(members) < count:
            page_number = len(members) // rpcjson.MAX_PAGE + 1
            params = {"height": str(height), "page": str(page_number), "per_page": str(rpcjson.MAX_PAGE)}
            page = rpcjson.decode_validators(await self._call_at(height, "validators", params))
            _same("height", height, page.height)
            _same("number of validators", count, page.total)
            _same("validators on the page", min(rpcjson.MAX_PAGE, count - len(members)), len(page.validators))
            members += page.validators
        return ValidatorSet(tuple(members))

    async def _call_at(self, height: int | None, method: str, params: Mapping[str, Any]) -> Any:
        """A call about a height, whose refusals say why."""
        try:
            return await self.transport.call(method, params)
        except RpcRefused as error:
            if TOO_HIGH in error.data:
                raise HeightTooHigh(height) from error
            if PRUNED in error.data:
                raise HeightPruned(height, error.data) from error
            raise


def _same(what: str, asked: object, got: object) -> None:
    """Raise WrongAnswer unless the answer is about what was asked."""
    if got != asked:
        raise WrongAnswer(what, asked, got)
