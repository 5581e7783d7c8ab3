"""What an answer of a node proves against a verified header: values and absences, transactions, results of a block.

Pure: answers in, proven facts out. Everything that the caller asked for is compared with what the answer is about, and what
no header covers (logs, events, places that nothing fixes) is not returned. Source: CometBFT v0.38 light/rpc/client.go, which
leaves several of these comparisons out; cosmos/ics23.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from lightclient import hashing, ics23, merkle
from lightclient.blocks import ExecTxResult, Header
from lightclient.errors import MalformedProof, ProofFailed, QueryRefused, WrongAnswer
from lightclient.rpcjson import BlockResults, QueryAnswer, TxAnswer


@dataclass(frozen=True, slots=True)
class Proven:
    """What a key held, or that it held nothing (None), after block `height`, shown by the header at `height` + 1."""

    key: bytes
    value: bytes | None
    height: int
    header_time_ns: int


@dataclass(frozen=True, slots=True)
class ProvenTx:
    """That a transaction stands in the block at `height`, at place `index` if the block has `total` transactions.

    The header fixes the transaction but not the number of places: paths of one shape lead to several places in trees of
    several sizes. Who needs the place compares `total` with the number of results of that block, see prove_results.
    """

    tx: bytes
    height: int
    index: int
    total: int


def prove_value(answer: QueryAnswer, key: bytes, header: Header) -> Proven:
    """What `key` held in the state that `header` commits to: the state after the block below it.

    An empty value is an absence, as in JSON the two look alike and the ledger stores no empty values: a proof of presence does
    not prove it, nor does a proof of absence prove a value. Raises QueryRefused, WrongAnswer, MalformedProof, ProofFailed.
    """
    height = header.height - 1
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
    return Proven(key, answer.value or None, height, header.time_ns)


def prove_tx(answer: TxAnswer, tx_hash: bytes, header: Header) -> ProvenTx:
    """That the transaction of that hash stands in the block of `header`. Raises WrongAnswer, ProofFailed."""
    if answer.tx_hash != tx_hash:
        raise WrongAnswer("tx hash", tx_hash, answer.tx_hash)
    if sha256(answer.tx).digest() != tx_hash:
        raise WrongAnswer("tx", tx_hash, sha256(answer.tx).digest())
    if answer.height != header.height:
        raise WrongAnswer("height", header.height, answer.height)
    if answer.proof is None:
        raise ProofFailed("the transaction comes without a proof")
    if answer.proof.index != answer.index:
        raise ProofFailed("the proof is about another place in the block")
    if not merkle.verify(answer.proof, header.data_hash, tx_hash):
        raise ProofFailed("the proof does not lead to the block's transactions")
    return ProvenTx(answer.tx, answer.height, answer.index, answer.proof.total)


def prove_results(answer: BlockResults, next_header: Header) -> tuple[ExecTxResult, ...]:
    """The results of all transactions of a block, in their order, as the header above commits to them.

    Raises WrongAnswer, ProofFailed.
    """
    if answer.height + 1 != next_header.height:
        raise WrongAnswer("height", next_header.height - 1, answer.height)
    if hashing.last_results_hash(answer.results) != next_header.last_results_hash:
        raise ProofFailed("the results are not those that the next header commits to")
    return answer.results
