"""The solo engine: one validator that makes real CometBFT blocks over the ledger rules, in one process.

A header holds the time of its cut, so ledger time does not lag as under CometBFT, where a header carries the median of the
previous block's votes; light clients cannot tell. One block is: transactions taken, application run, block and results
stored, state committed. A crash in between leaves the application at most one block behind the store, which the next start
replays. What the application answers is all that the engine knows of the ledger.

EngineError
├── WrongValidator     the genesis does not name this key as the only validator
├── StateAhead         the application has seen blocks that the store does not have
├── BlocksMissing      the application needs blocks that the store has pruned
└── StateDiffers       replaying a block gave another app_hash than the first time
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent.vocabulary import Clock
from lightclient import hashing, merkle
from lightclient.blocks import BLOCK_PROTOCOL, BlockId, BlockIdFlag, Commit, CommitSig, ExecTxResult, Header, SignedHeader
from tools.fullnode.abci import Application, FinalizedBlock, TxResult
from tools.fullnode.engine.block_parts import block_id, encode_block
from tools.fullnode.engine.blockstore import BlockStore, CommittedBlock
from tools.fullnode.engine.cutting import BlockPolicy, Pending, next_cut_ns
from tools.fullnode.engine.genesis_doc import GenesisDoc
from tools.fullnode.engine.mempool import Mempool

APP_VERSION: Final = 1
_MS_NS: Final = 1_000_000
_NO_EVIDENCE: Final = merkle.root(())
_NO_COMMIT: Final = Commit(0, 0, BlockId(), ())
_BLOCK_OVERHEAD_BYTES: Final = 2_048
"""More than header, commit of one validator and framing take of a block."""
_PRUNE_EVERY: Final = 100


class EngineError(Exception):
    """The engine cannot start or go on; trying again does not help."""

    retry = False


class WrongValidator(EngineError):
    def __init__(self, public_key: bytes) -> None:
        super().__init__(f"the genesis must name {public_key.hex()} as the only validator of a solo engine")
        self.public_key = public_key


class StateAhead(EngineError):
    def __init__(self, app_height: int, store_height: int) -> None:
        super().__init__(f"the ledger stands at height {app_height}, the block store only at {store_height}")
        self.app_height = app_height
        self.store_height = store_height


class BlocksMissing(EngineError):
    def __init__(self, needed: int, base: int) -> None:
        super().__init__(f"the ledger needs block {needed}, the lowest one kept is {base}")
        self.needed = needed
        self.base = base


class StateDiffers(EngineError):
    def __init__(self, height: int, before: bytes, now: bytes) -> None:
        super().__init__(f"block {height} gave app_hash {before.hex()} the first time and {now.hex()} now")
        self.height = height
        self.before = before
        self.now = now


@dataclass(frozen=True, slots=True)
class Retention:
    """Which blocks may go: never the last `keep_blocks`, and of the older ones those that the application needs no more.

    With `ask_application` False every older one goes: for a store in memory. An archive has no Retention.
    """

    keep_blocks: int = 2_000
    ask_application: bool = True

    def lowest_kept(self, height: int, retain_height: int) -> int:
        """Height below which blocks may go; `retain_height` is what the application answered, 0 keeps everything."""
        own = height - self.keep_blocks + 1
        return min(own, retain_height) if self.ask_application else own


@dataclass(frozen=True, slots=True)
class _Tip:
    """What the next block builds on."""

    height: int
    time_ns: int
    commit: Commit
    app_hash: bytes
    results_hash: bytes
    unproven: bool
    """No client can prove this state before the next header. (The first state that can be asked for is that of height 1.)"""

    @classmethod
    def after(cls, signed: SignedHeader, results: FinalizedBlock) -> _Tip:
        hashed = [ExecTxResult(result.code, result.data) for result in results.tx_results]
        return cls(
            height=signed.height,
            time_ns=signed.header.time_ns,
            commit=signed.commit,
            app_hash=results.app_hash,
            results_hash=hashing.last_results_hash(hashed),
            unproven=results.app_hash != signed.header.app_hash or signed.height == 1,
        )

    @classmethod
    def genesis(cls, genesis: GenesisDoc, app_hash: bytes) -> _Tip:
        """So that the first header's time is the genesis time or later."""
        return cls(0, genesis.time_ns - 1, _NO_COMMIT, app_hash, hashing.last_results_hash(()), True)


BlockListener = Callable[[CommittedBlock], None]


class SoloEngine:
    """Makes blocks. It is ready when constructed; `run` cuts blocks by the clock, `produce_block` cuts one now."""

    def __init__(
        self,
        app: Application,
        genesis: GenesisDoc,
        validator_key: Ed25519PrivateKey,
        clock: Clock,
        store: BlockStore,
        mempool: Mempool | None = None,
        policy: BlockPolicy | None = None,
        retention: Retention | None = None,
    ) -> None:
        """Bring application and store to the same height. Raises EngineError, or what the application's genesis raises."""
        public_key = validator_key.public_key().public_bytes_raw()
        if [validator.public_key for validator in genesis.validators] != [public_key]:
            raise WrongValidator(public_key)
        self.app = app
        self.genesis = genesis
        self.store = store
        self.mempool = Mempool(app.check_tx) if mempool is None else mempool  # an empty one is falsy
        self.validators = genesis.validator_set
        self.address = hashing.address(public_key)
        self._key = validator_key
        self._clock = clock
        self._policy = policy or BlockPolicy()
        self._retention = retention
        self._validators_hash = hashing.validators_hash(self.validators)
        self._consensus_hash = genesis.consensus_hash
        self._listeners: list[BlockListener] = []
        self._first_tx = asyncio.Event()
        self._tip = self._resume()

    @property
    def height(self) -> int:
        """Height of the last block; 0 before the first."""
        return self._tip.height

    @property
    def app_hash(self) -> bytes:
        """Root of the state after the last block."""
        return self._tip.app_hash

    def submit(self, tx: bytes) -> TxResult:
        """Offer a transaction to the next block. Raises MempoolError."""
        result = self.mempool.offer(tx, self._clock.now_ns())
        if result.code == 0 and len(self.mempool) == 1:
            self._first_tx.set()
        return result

    def listen(self, listener: BlockListener) -> Callable[[], None]:
        """Call `listener` after every block; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Cut blocks by the clock until cancelled."""
        while True:
            self._first_tx.clear()
            wait_ns = self._next_cut_ns() - self._clock.now_ns()
            if wait_ns <= 0:
                self.produce_block(self._clock.now_ns())
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                # Whole milliseconds, rounded up: a timer must not fire just before the time that is due.
                async with asyncio.timeout(-(-wait_ns // _MS_NS) / 1_000):
                    await self._first_tx.wait()

    def produce_block(self, now_ns: int) -> CommittedBlock:
        """Cut a block with what waits, at `now_ns` or 1 ns after the last block, whichever is later."""
        tip = self._tip
        txs = self.mempool.reap(self.genesis.block_max_bytes - _BLOCK_OVERHEAD_BYTES)
        header = Header(
            version_block=BLOCK_PROTOCOL,
            version_app=APP_VERSION,
            chain_id=self.genesis.chain_id,
            height=tip.height + 1,
            time_ns=max(now_ns, tip.time_ns + 1),
            last_block_id=tip.commit.block_id,
            last_commit_hash=hashing.commit_hash(tip.commit),
            data_hash=hashing.data_hash(txs),
            validators_hash=self._validators_hash,
            next_validators_hash=self._validators_hash,
            consensus_hash=self._consensus_hash,
            app_hash=tip.app_hash,
            last_results_hash=tip.results_hash,
            evidence_hash=_NO_EVIDENCE,
            proposer_address=self.address,
        )
        encoded = encode_block(header, txs, tip.commit)
        results = self.app.finalize_block(header.height, header.time_ns, txs)
        commit = self._sign(header, block_id(header, encoded))
        block = CommittedBlock(SignedHeader(header, commit), tip.commit, txs, results, len(encoded))
        self.store.save(block)
        retain_height = self.app.commit()
        self._tip = _Tip.after(block.signed_header, results)
        self.mempool.committed(txs, results.tx_results)
        self._prune(retain_height)
        for listener in tuple(self._listeners):
            listener(block)
        return block

    def _next_cut_ns(self) -> int:
        tip = self._tip
        if tip.height == 0:
            return self.genesis.time_ns
        pending = Pending(tip.time_ns, tip.unproven, self.mempool.first_arrival_ns, self.app.next_due_s())
        return next_cut_ns(self._policy, pending)

    def _sign(self, header: Header, signed_id: BlockId) -> Commit:
        """The only validator's precommit, dated 1 ms after the block as CometBFT's voteTime asks at least."""
        time_ns = header.time_ns + _MS_NS
        sign_bytes = hashing.vote_sign_bytes(header.chain_id, header.height, 0, signed_id, time_ns)
        vote = CommitSig(BlockIdFlag.COMMIT, self.address, time_ns, self._key.sign(sign_bytes))
        return Commit(header.height, 0, signed_id, (vote,))

    def _prune(self, retain_height: int) -> None:
        if self._retention is not None and self.height % _PRUNE_EVERY == 0:
            self.store.prune_below(self._retention.lowest_kept(self.height, retain_height))

    def _resume(self) -> _Tip:
        """Start the chain, or replay what the application has not seen."""
        info, store = self.app.info(), self.store
        app_hash = info.last_app_hash
        if info.last_height == 0:
            genesis = self.genesis
            app_hash = self.app.init_chain(genesis.chain_id, genesis.app_state, 1, genesis.time_ns)
        if info.last_height > store.height:
            raise StateAhead(info.last_height, store.height)
        if store.height == 0:
            return _Tip.genesis(self.genesis, app_hash)
        for height in range(info.last_height + 1, store.height + 1):
            app_hash = self._replay(height)
        results = store.results(store.height)
        if app_hash != results.app_hash:
            raise StateDiffers(store.height, results.app_hash, app_hash)
        return _Tip.after(store.signed_header(store.height), results)

    def _replay(self, height: int) -> bytes:
        if height < self.store.base:
            raise BlocksMissing(height, self.store.base)
        header = self.store.signed_header(height).header
        before = self.store.results(height)
        now = self.app.finalize_block(height, header.time_ns, self.store.txs(height))
        if now != before:
            raise StateDiffers(height, before.app_hash, now.app_hash)
        self.app.commit()
        return now.app_hash
