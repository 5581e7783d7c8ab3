"""The light client as an agent uses it: follow the chain, read proven values, hand in transactions.

A thin shell around verifier.py and ics23.py. It talks to one node and believes nothing that node says: headers are
verified, values are proven against a verified header, answers are compared with what was asked, and a header that is too
old is refused. Asking witnesses whether they see the same chain, and evidence when they do not, belong after `_follow`;
with one node only, a client detects lies about anything but a fork signed by two thirds of the validators.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, assert_never

from agent.vocabulary import Clock
from lightclient import hashing, ics23, rpcjson
from lightclient.blocks import Header, LightBlock, SignedHeader, Validator, ValidatorSet
from lightclient.errors import (
    ConflictingHeader,
    MalformedProof,
    NodeBehind,
    NothingCommitted,
    QueryRefused,
    RpcRefused,
    StaleHeader,
    WrongAnswer,
)
from lightclient.options import Options, TrustAnchor
from lightclient.store import LightStore
from lightclient.strictjson import encode_base64
from lightclient.transport import Transport
from lightclient.verifier import Invalid, NotEnoughTrust, Verified, verify, verify_anchor

KEY_PATH: Final = "/key"
VALIDATORS_PER_PAGE: Final = 100
MAX_VALIDATOR_PAGES: Final = 100
KNOWN_VALIDATOR_SETS: Final = 8
ALREADY_IN_CACHE: Final = "tx already exists in cache"
"""How CometBFT words the refusal of a transaction that it has seen already."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What a key held, or that it held nothing (None), after block `height`, shown by the header at `height` + 1."""

    key: bytes
    value: bytes | None
    height: int
    header_time_ns: int


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What the node thinks of a transaction handed in: a hint. Final is only a proven result."""

    code: int
    log: str
    tx_hash: bytes
    already_known: bool


class LightClient:
    """Follows one chain through one node. Safe to use from several tasks of one event loop.

    headers_verified and proofs_verified count what was verified since the start.
    """

    def __init__(self, transport: Transport, anchor: TrustAnchor, options: Options, clock: Clock, store: LightStore) -> None:
        self._transport = transport
        self._anchor = anchor
        self._options = options
        self._clock = clock
        self._store = store
        self._trusted: LightBlock | None = None
        self._validator_sets: dict[bytes, ValidatorSet] = {}
        self._updating = asyncio.Lock()
        self._events_seen = 0
        self.headers_verified = 0
        self.proofs_verified = 0

    @property
    def verified(self) -> Header | None:
        """The newest verified header; None before the first update."""
        return self._trusted.header if self._trusted is not None else None

    async def update(self) -> Header:
        """Fetch and verify the node's newest header, and remember it.

        Raises NodeError, VerificationError, NodeBehind, DamagedStore, and StaleHeader where the header verifies but is
        older than freshness_ns; it is remembered all the same.
        """
        async with self._updating:
            self._events_seen = self._transport.block_events
            trusted = self._trusted or await self._start()
            # Known time only moves forward: a clock that fell back does not make old headers young again.
            now_ns = max(self._clock.now_ns(), trusted.header.time_ns)
            newest = await self._signed_header(None)
            if newest.height < trusted.height:
                raise NodeBehind(trusted.height, newest.height)
            if newest.height > trusted.height:
                trusted = await self._follow(trusted, await self._with_validators(newest), now_ns)
                await self._remember(trusted)
            elif newest.header != trusted.header:
                raise ConflictingHeader(newest.height, trusted.signed_header.hash, hashing.header_hash(newest.header))
            age_ns = now_ns - trusted.header.time_ns
            if age_ns > self._options.freshness_ns:
                raise StaleHeader(trusted.height, age_ns, self._options.freshness_ns)
            return trusted.header

    async def get(self, key: bytes) -> Proven:
        """What `key` held when the newest verified header was made; see get_many."""
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: Sequence[bytes], header: Header | None = None) -> list[Proven]:
        """What the keys held, proven against `header`, which update() returned, or against the newest verified one.

        Raises NodeError, ProofError, and NothingCommitted before there is a verified header above height 1.
        """
        header = header if header is not None else self.verified
        if header is None or header.height < 2:
            raise NothingCommitted("no state is proven before the header at height 2")
        if len(keys) == 1:
            return [await self._prove(keys[0], header)]
        answers = await asyncio.gather(*(self._prove(key, header) for key in keys), return_exceptions=True)
        proven: list[Proven] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            proven.append(answer)
        return proven

    async def broadcast(self, tx: bytes) -> CheckOutcome:
        """Hand in a transaction. That the node knows it already is no failure. Raises NodeError."""
        tx_hash = sha256(tx).digest()
        try:
            result = await self._transport.call("broadcast_tx_sync", {"tx": encode_base64(tx)})
        except RpcRefused as error:
            if ALREADY_IN_CACHE not in error.data:
                raise
            return CheckOutcome(code=0, log=error.data, tx_hash=tx_hash, already_known=True)
        answer = rpcjson.decode_broadcast(result)
        if answer.tx_hash != tx_hash:
            raise WrongAnswer("tx hash", tx_hash, answer.tx_hash)
        return CheckOutcome(answer.code, answer.log, tx_hash, already_known=False)

    async def wait_block(self) -> None:
        """Wait for a wake-up since the last update() began. A lost or lying node gives none: the caller sets a time-out."""
        await self._transport.wait_block(self._events_seen)

    async def _start(self) -> LightBlock:
        """What was trusted before, or the anchor; an anchor above it wins, so that an expired client can be re-anchored."""
        stored = await self._store.load()
        if stored is not None and stored.height > self._anchor.height and stored.header.chain_id == self._options.chain_id:
            self._trusted = stored
            self._know(stored.validators, stored.header.validators_hash)
            return stored
        block = await self._light_block(self._anchor.height)
        verdict = verify_anchor(self._anchor, block, self._options)
        if isinstance(verdict, Invalid):
            raise verdict.reason
        self.headers_verified += 1
        await self._remember(block)
        return block

    async def _follow(self, trusted: LightBlock, target: LightBlock, now_ns: int) -> LightBlock:
        """Verify `target` from `trusted`, by way of heights in between where the trusted set signed too little of it."""
        waiting = [target]
        while waiting:
            candidate = waiting[-1]
            verdict = verify(trusted, candidate, self._options, now_ns)
            match verdict:
                case Verified():
                    self.headers_verified += 1
                    trusted = waiting.pop()
                case NotEnoughTrust():
                    # 9/16 as in Go: validator sets drift slowly, so it pays to try a little beyond the middle.
                    pivot = trusted.height + max(1, (candidate.height - trusted.height) * 9 // 16)
                    waiting.append(await self._light_block(pivot))
                case Invalid(reason):
                    raise reason
                case _:
                    assert_never(verdict)
        return trusted

    async def _remember(self, block: LightBlock) -> None:
        await self._store.save(block)
        self._trusted = block

    async def _light_block(self, height: int) -> LightBlock:
        return await self._with_validators(await self._signed_header(height))

    async def _signed_header(self, height: int | None) -> SignedHeader:
        """The signed header at `height`, or the newest; not verified."""
        params = {} if height is None else {"height": str(height)}
        signed = rpcjson.decode_commit(await self._transport.call("commit", params))
        if height is not None and signed.height != height:
            raise WrongAnswer("height", height, signed.height)
        return signed

    async def _with_validators(self, signed: SignedHeader) -> LightBlock:
        """Add the validator set, fetched only when its hash is new."""
        wanted = signed.header.validators_hash
        validators = self._validator_sets.get(wanted)
        if validators is None:
            validators = await self._fetch_validators(signed.height)
            got = hashing.validators_hash(validators)
            if got != wanted:
                raise WrongAnswer("validators_hash", wanted, got)
            self._know(validators, wanted)
        return LightBlock(signed, validators)

    async def _fetch_validators(self, height: int) -> ValidatorSet:
        members: list[Validator] = []
        for page_number in range(1, MAX_VALIDATOR_PAGES + 1):
            params = {"height": str(height), "page": str(page_number), "per_page": str(VALIDATORS_PER_PAGE)}
            page = rpcjson.decode_validators(await self._transport.call("validators", params))
            if page.height != height:
                raise WrongAnswer("height", height, page.height)
            members += page.validators
            if len(members) >= page.total or not page.validators:
                break
        return ValidatorSet(tuple(members))

    def _know(self, validators: ValidatorSet, validators_hash: bytes) -> None:
        while len(self._validator_sets) >= KNOWN_VALIDATOR_SETS:
            del self._validator_sets[next(iter(self._validator_sets))]
        self._validator_sets[validators_hash] = validators

    async def _prove(self, key: bytes, header: Header) -> Proven:
        """Read one key of the state that `header` commits to: the state after the block below it."""
        height = header.height - 1
        params = {"path": KEY_PATH, "data": key.hex(), "height": str(height), "prove": True}
        answer = rpcjson.decode_abci_query(await self._transport.call("abci_query", params))
        if answer.code != 0:
            raise QueryRefused(answer.code, answer.log)
        if answer.key != key:
            raise WrongAnswer("key", key, answer.key)
        if answer.height != height:
            raise WrongAnswer("height", height, answer.height)
        if len(answer.proof_ops) != 1 or answer.proof_ops[0].type != ics23.OP_TYPE or answer.proof_ops[0].key != key:
            raise MalformedProof(f"exactly one proof of type {ics23.OP_TYPE} for the key asked is expected")
        proof = ics23.decode_proof(answer.proof_ops[0].data)
        if answer.value:
            ics23.verify_membership(header.app_hash, proof, key, answer.value)
        else:
            ics23.verify_non_membership(header.app_hash, proof, key)
        self.proofs_verified += 1
        return Proven(key, answer.value or None, height, header.time_ns)
