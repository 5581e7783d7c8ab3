"""The ledger rules as one object that an engine drives: the state machine of docs/ledger.md behind ABCI's calls.

Here is only the order of things: which transaction is whose, what a block does first and last, what can be queried.
Each rule stands in a module of its own. No wall clock, no randomness, no network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

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
from lightclient.refusals import SENTENCES, Refusal
from lightclient.values import TxResult as StoredResult
from tools.fullnode.abci import AppInfo, FinalizedBlock, QueryResult, TxResult
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.admission import Admission, Admitted
from tools.fullnode.rules.books import Books
from tools.fullnode.rules.errors import GenesisError, StorageError
from tools.fullnode.rules.expiry import Expiry
from tools.fullnode.rules.gates import Gates
from tools.fullnode.rules.genesis import read_genesis
from tools.fullnode.rules.history import History
from tools.fullnode.rules.metering import Metering
from tools.fullnode.rules.noticing import Noticing
from tools.fullnode.rules.registry import Registry
from tools.fullnode.rules.sequences import HOUR_S, Sequences, Used
from tools.fullnode.rules.settling import Settling
from tools.fullnode.rules.slottimes import DAY_S
from tools.fullnode.rules.smt import Tree
from tools.fullnode.rules.state import State
from tools.fullnode.rules.storage import Storage
from tools.fullnode.rules.tariffs import Tariffs
from tools.fullnode.rules.trading import Place, Trading, messages_per_hour
from tools.fullnode.rules.treasury import Treasury
from tools.fullnode.rules.unnumbered import Counted, judge_repeat

NS: Final = 10**9
POSITION_BITS: Final = 20
"""A block holds fewer than 2^20 transactions."""

QUERY_KEY: Final = "/key"
QUERY_ARCHIVE: Final = "/archive"

UNKNOWN_PATH: Final = 1
UNKNOWN_HEIGHT: Final = 2
NOT_ARCHIVED: Final = 3
EMPTY_KEY: Final = 4


class _Rules:
    """All rules over one state, built from keys and values alone."""

    def __init__(self, state: State, first_slot_s: int) -> None:
        self.registry = Registry(state)
        self.accounts = Accounts(state)
        self.sequences = Sequences(state)
        self.books = Books(state, self.registry, first_slot_s)
        self.history = History(state)
        self.metering = Metering(state, self.registry)
        self.noticing = Noticing(state, self.registry)
        self.settling = Settling(state, self.registry, self.accounts, self.metering, self.history)
        self.expiry = Expiry(state, self.registry, self.accounts, self.metering, self.settling)
        self.gates = Gates(state, self.registry, self.accounts, self.books, self.history)
        self.trading = Trading(self.registry, self.accounts, self.books)
        self.tariffs = Tariffs(state, self.registry, self.books)
        self.treasury = Treasury(self.registry, self.accounts)
        self.admission = Admission(state.chain_id, self.registry)
        self.messages_per_hour = messages_per_hour(self.registry.times.duration_s)


class Ledger:
    """One chain. `path` None keeps it in memory; an archive also keeps what leaves the state. See abci.Application."""

    def __init__(self, path: str | None = None, *, archive: bool = False) -> None:
        if archive and path is None:
            raise StorageError("(memory)", "an archive needs a file, or :memory:")
        self._storage = Storage(path, archive=archive) if path is not None else None
        self._archive = archive
        self._state = State(self._storage)
        self._finalized_height = self._state.height
        self._built: _Rules | None = None
        if self._state.height:
            oldest_book, _ = next(self._state.items_of(keys.book(0)[:1]))
            self._built = _Rules(self._state, int.from_bytes(oldest_book[1:], "big"))

    @property
    def _rules(self) -> _Rules:
        assert self._built is not None, "init_chain comes first"
        return self._built

    def close(self) -> None:
        """Close the storage. Everything committed is in it."""
        if self._storage:
            self._storage.close()

    def info(self) -> AppInfo:
        return AppInfo(self._state.height, self._state.root if self._state.height else b"")

    def init_chain(self, chain_id: str, app_state: Mapping[str, Any], initial_height: int, time_ns: int) -> bytes:
        if time_ns < DAY_S * NS:
            raise GenesisError("genesis_time", "a time after 1970-01-01")
        genesis = read_genesis(chain_id, app_state)
        self._state.chain_id = chain_id
        genesis.write(self._state)
        self._finalized_height = initial_height - 1
        self._built = _Rules(self._state, Registry(self._state).times.first_tradable(time_ns // NS))
        return self._state.seal()

    def check_tx(self, tx: bytes) -> TxResult:
        """Judge form, sender, signature, sequence and expiry against the committed state. What needs the time of a block
        (gates, the end of a slot) or other transactions is judged in the block."""
        admitted = self._rules.admission.enter(tx)
        if isinstance(admitted, Refusal):
            return _result(admitted)
        envelope, message = admitted.envelope, admitted.message
        refusal = Refusal.OK
        if not admitted.is_unnumbered:
            refusal = self._rules.sequences.committed(envelope.sender).judge(envelope.seq)
        if not refusal and _expired(admitted, self._state.height + 1):
            refusal = Refusal.EXPIRED
        if not refusal and isinstance(message, CommittedReading):
            refusal = Refusal.COMMITTED_READING
        if not refusal and isinstance(message, Counted):
            refusal = judge_repeat(self._state.committed, envelope.sender, message)
        if not refusal:
            self._rules.admission.remember(tx, admitted)
        return _result(refusal)

    def finalize_block(self, height: int, time_ns: int, txs: Sequence[bytes]) -> FinalizedBlock:
        """Run a block: overdue gates, then the transactions, then settlements, then what the dispute time ends."""
        rules, time_s = self._rules, time_ns // NS
        rules.books.open_overdue(time_s)
        closed = rules.gates.run_due(height, time_s)
        for slot_s in closed:
            rules.settling.await_readings(slot_s)
            rules.expiry.closed(slot_s)
        results = tuple(self._deliver(tx, height, time_s, index) for index, tx in enumerate(txs))
        rules.settling.run_due(time_s)
        if closed:
            rules.expiry.run_due(time_s)
        rules.books.flush()
        rules.history.flush()
        rules.sequences.flush()
        rules.accounts.flush()
        self._finalized_height = height
        return FinalizedBlock(results, self._state.seal())

    def commit(self) -> int:
        self._state.commit(self._finalized_height)
        self._rules.sequences.commit()
        return 0  # the rules need no old block; how many light clients need is the engine's to say

    def tree(self) -> Tree:
        """The whole of the last committed state, for audits and reports beside the protocol."""
        return self._state.tree_at(self._state.height) or Tree()

    def next_due_s(self) -> int | None:
        rules = self._rules
        times = (rules.books.next_gate_s(), rules.books.next_fallback_s(), rules.settling.next_deadline_s())
        return min(time_s for time_s in times if time_s is not None)

    def query(self, path: str, data: bytes, height: int, prove: bool) -> QueryResult:
        at = height or self._state.height
        if path == QUERY_ARCHIVE:
            if not self._archive:
                return QueryResult(NOT_ARCHIVED, "this node is not an archive", data, b"", b"", at)
            return QueryResult(0, "", data, self._state.archived(data) or b"", b"", at)
        if path != QUERY_KEY:
            return QueryResult(UNKNOWN_PATH, f"the paths are {QUERY_KEY} and {QUERY_ARCHIVE}", data, b"", b"", at)
        if not data:
            return QueryResult(EMPTY_KEY, "no key is empty", data, b"", b"", at)
        tree = self._state.tree_at(at)
        if tree is None:
            return QueryResult(UNKNOWN_HEIGHT, f"the state of height {at} is not kept", data, b"", b"", at)
        proof = tree.prove(data) if prove else b""
        return QueryResult(0, "", data, tree.get(data) or b"", proof, at)

    def _deliver(self, tx: bytes, height: int, time_s: int, index: int) -> TxResult:
        """Carry a transaction of a block out, or refuse it."""
        admitted = self._rules.admission.deliver(tx)
        if isinstance(admitted, Refusal):
            return _result(admitted)
        if admitted.is_unnumbered:
            return _result(self._count(admitted, height, time_s))
        envelope, sequences = admitted.envelope, self._rules.sequences
        used = sequences.current(envelope.sender)
        refusal = used.judge(envelope.seq)
        if refusal:
            return _result(refusal)
        after = used.after(envelope.seq, time_s - time_s % HOUR_S, _trading_messages(admitted.message))
        sequences.use(envelope.sender, after)
        at = Place(height, time_s, height << POSITION_BITS | index, wire.order_id(admitted.payload))
        refusal = Refusal.EXPIRED if _expired(admitted, height) else self._carry_out(admitted, after, at)
        result_key = keys.result(envelope.sender, envelope.seq)
        self._state.put(result_key, StoredResult(height, int(refusal)).encode())
        self._rules.expiry.result_written(height, result_key)
        placed = refusal is Refusal.OK and isinstance(admitted.message, PlaceOrder | ReplaceOrder)
        return _result(refusal, at.order_id if placed else b"")

    def _count(self, admitted: Admitted, height: int, time_s: int) -> Refusal:
        """Let a message without a seq count for its device and slot, or refuse it without a trace."""
        if _expired(admitted, height):
            return Refusal.EXPIRED
        sender, message = admitted.envelope.sender, admitted.message
        if isinstance(message, Notice):
            return self._rules.noticing.take(sender, message, height, time_s)
        if not isinstance(message, OpenReading):
            return Refusal.COMMITTED_READING
        refusal = self._rules.metering.take(sender, message, height, time_s)
        if refusal is Refusal.OK:
            self._rules.settling.reading_arrived(sender, message.slot_s)
        return refusal

    def _carry_out(self, admitted: Admitted, used: Used, at: Place) -> Refusal:
        """Hand a message with a consumed seq to its rule."""
        rules, sender, message = self._rules, admitted.envelope.sender, admitted.message
        if _trading_messages(message) and used.messages > rules.messages_per_hour:
            return Refusal.TOO_MANY_MESSAGES
        match message:
            case PlaceOrder():
                return rules.trading.place(sender, message, at)
            case ReplaceOrder():
                return rules.trading.replace(sender, message, at)
            case CancelOrder():
                return rules.trading.cancel(sender, message)
            case AcceptOrder():
                return rules.trading.accept(sender, message)
            case BlockProgram():
                return rules.trading.run_program(sender, message)
            case PostTariff():
                return rules.tariffs.post(sender, message, at.time_s)
            case Transfer():
                return rules.treasury.transfer(sender, message)
            case _:
                raise AssertionError("what carries no seq is taken before")


def _trading_messages(message: Message) -> int:
    """How many of the hour's messages this one is; a block program counts once for each of its accepts."""
    if isinstance(message, BlockProgram):
        return len(message.accepts)
    return int(isinstance(message, PlaceOrder | ReplaceOrder | CancelOrder | AcceptOrder))


def _expired(admitted: Admitted, height: int) -> bool:
    """What carries no seq never expires with expires_height 0."""
    expires_height = admitted.envelope.expires_height
    return height > expires_height and not (admitted.is_unnumbered and expires_height == 0)


def _result(code: Refusal, data: bytes = b"") -> TxResult:
    return TxResult(int(code), data, SENTENCES[code])
