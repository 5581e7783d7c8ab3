"""Answers of CometBFT's JSON-RPC, decoded strictly; headers, commits and validators also encoded, as the node writes them.

Every decoder takes the `result` of a call and raises NodeGarbage naming the field. Nothing here judges what was decoded.
Source: CometBFT v0.38 rpc/core/types/responses.go and recorded answers of v0.38.25.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from lightclient import hashing, rfc3339
from lightclient.blocks import (
    BlockId,
    Commit,
    CommitSig,
    ExecTxResult,
    Header,
    SignedHeader,
    Validator,
    ValidatorSet,
)
from lightclient.errors import NodeGarbage
from lightclient.merkle import MAX_AUNTS, MerkleProof
from lightclient.strictjson import Fields, decode_base64, encode_base64

KEY_TYPE: Final = "tendermint/PubKeyEd25519"

MAX_PAGE: Final = 100
"""Most validators on one page of an answer; CometBFT puts no more on one."""
MAX_PROOF_OPS: Final = 8


@dataclass(frozen=True, slots=True)
class ValidatorsPage:
    """One page of a validator set of `total` validators."""

    height: int
    validators: tuple[Validator, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ProofOp:
    """One proof of an answer to abci_query."""

    type: str
    key: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """Answer to abci_query; nothing of it is proven yet."""

    code: int
    log: str
    key: bytes
    value: bytes
    proof_ops: tuple[ProofOp, ...]
    height: int


@dataclass(frozen=True, slots=True)
class Status:
    """What a node says of itself: hints only."""

    node_id: str
    chain_id: str
    latest_height: int
    latest_time_ns: int
    earliest_height: int
    catching_up: bool


@dataclass(frozen=True, slots=True)
class TxAnswer:
    """A transaction in its block. `proof` leads from the transaction's hash to the header's data_hash."""

    tx_hash: bytes
    height: int
    index: int
    result: ExecTxResult
    tx: bytes
    proof: MerkleProof | None


@dataclass(frozen=True, slots=True)
class BlockResults:
    """The results of all transactions of a block."""

    height: int
    results: tuple[ExecTxResult, ...]


@dataclass(frozen=True, slots=True)
class BroadcastAnswer:
    """What CheckTx said: a hint."""

    code: int
    log: str
    tx_hash: bytes


def decode_commit(result: Any) -> SignedHeader:
    """Answer to `commit`."""
    signed = Fields(result, "commit").inner("signed_header")
    return SignedHeader(_header(signed.inner("header")), _commit(signed.inner("commit")))


def decode_header(result: Any) -> Header:
    """Answer to `header`."""
    return _header(Fields(result, "header").inner("header"))


def decode_validators(result: Any) -> ValidatorsPage:
    """Answer to `validators`. Only Ed25519 keys are taken, and only with the address that follows from them."""
    fields = Fields(result, "validators")
    validators = tuple(_validator(item) for item in fields.objects("validators", MAX_PAGE))
    if fields.has("count") and fields.int64("count") != len(validators):
        raise NodeGarbage("validators.count", "the number of validators on the page")
    return ValidatorsPage(fields.int64("block_height"), validators, fields.int64("total"))


def decode_abci_query(result: Any) -> QueryAnswer:
    """Answer to `abci_query`. A missing value and an empty one look alike in JSON: both are no bytes."""
    response = Fields(result, "abci_query").inner("response")
    ops = response.inner("proofOps").objects("ops", MAX_PROOF_OPS) if response.has("proofOps") else []
    return QueryAnswer(
        code=response.number("code"),
        log=response.text("log"),
        key=response.base64("key"),
        value=response.base64("value"),
        proof_ops=tuple(ProofOp(op.text("type"), op.base64("key"), op.base64("data")) for op in ops),
        height=response.int64("height"),
    )


def decode_status(result: Any) -> Status:
    """Answer to `status`."""
    fields = Fields(result, "status")
    node, sync = fields.inner("node_info"), fields.inner("sync_info")
    return Status(
        node_id=node.text("id"),
        chain_id=node.text("network"),
        latest_height=sync.int64("latest_block_height"),
        latest_time_ns=sync.time_ns("latest_block_time"),
        earliest_height=sync.int64("earliest_block_height"),
        catching_up=sync.flag("catching_up"),
    )


def decode_tx(result: Any) -> TxAnswer:
    """Answer to `tx`."""
    fields = Fields(result, "tx")
    return TxAnswer(
        tx_hash=fields.hex("hash"),
        height=fields.int64("height"),
        index=fields.number("index"),
        result=_exec_tx_result(fields.inner("tx_result")),
        tx=fields.base64("tx"),
        proof=_merkle_proof(fields.inner("proof").inner("proof")) if fields.has("proof") else None,
    )


def decode_block_results(result: Any) -> BlockResults:
    """Answer to `block_results`."""
    fields = Fields(result, "block_results")
    return BlockResults(fields.int64("height"), tuple(map(_exec_tx_result, fields.objects("txs_results"))))


def decode_broadcast(result: Any) -> BroadcastAnswer:
    """Answer to `broadcast_tx_sync`."""
    fields = Fields(result, "broadcast_tx_sync")
    return BroadcastAnswer(fields.number("code"), fields.text("log"), fields.hex("hash"))


def signed_header_to_json(signed: SignedHeader) -> dict[str, Any]:
    return {"header": header_to_json(signed.header), "commit": commit_to_json(signed.commit)}


def header_to_json(header: Header) -> dict[str, Any]:
    app = {"app": str(header.version_app)} if header.version_app else {}
    return {
        "version": {"block": str(header.version_block), **app},
        "chain_id": header.chain_id,
        "height": str(header.height),
        "time": rfc3339.format_ns(header.time_ns),
        "last_block_id": block_id_to_json(header.last_block_id),
        "last_commit_hash": _upper(header.last_commit_hash),
        "data_hash": _upper(header.data_hash),
        "validators_hash": _upper(header.validators_hash),
        "next_validators_hash": _upper(header.next_validators_hash),
        "consensus_hash": _upper(header.consensus_hash),
        "app_hash": _upper(header.app_hash),
        "last_results_hash": _upper(header.last_results_hash),
        "evidence_hash": _upper(header.evidence_hash),
        "proposer_address": _upper(header.proposer_address),
    }


def block_id_to_json(block_id: BlockId) -> dict[str, Any]:
    parts = {"total": block_id.parts_total, "hash": _upper(block_id.parts_hash)}
    return {"hash": _upper(block_id.hash), "parts": parts}


def commit_to_json(commit: Commit) -> dict[str, Any]:
    return {
        "height": str(commit.height),
        "round": commit.round,
        "block_id": block_id_to_json(commit.block_id),
        "signatures": [
            {
                "block_id_flag": int(vote.flag),
                "validator_address": _upper(vote.validator_address),
                "timestamp": rfc3339.format_ns(vote.time_ns),
                "signature": encode_base64(vote.signature) if vote.signature else None,
            }
            for vote in commit.signatures
        ],
    }


def validators_to_json(validators: ValidatorSet) -> list[dict[str, Any]]:
    """The list that answers carry. Proposer priorities are not kept here and stand as 0; no hash covers them."""
    return [
        {
            "address": _upper(hashing.address(validator.public_key)),
            "pub_key": {"type": KEY_TYPE, "value": encode_base64(validator.public_key)},
            "voting_power": str(validator.voting_power),
            "proposer_priority": "0",
        }
        for validator in validators.validators
    ]


def _upper(value: bytes) -> str:
    return value.hex().upper()


def _header(fields: Fields) -> Header:
    version = fields.inner("version")
    return Header(
        version_block=version.int64("block"),
        version_app=version.int64("app", missing="0"),
        chain_id=fields.ascii("chain_id"),
        height=fields.int64("height"),
        time_ns=fields.time_ns("time"),
        last_block_id=_block_id(fields.inner("last_block_id")),
        last_commit_hash=fields.hex("last_commit_hash"),
        data_hash=fields.hex("data_hash"),
        validators_hash=fields.hex("validators_hash"),
        next_validators_hash=fields.hex("next_validators_hash"),
        consensus_hash=fields.hex("consensus_hash"),
        app_hash=fields.hex("app_hash"),
        last_results_hash=fields.hex("last_results_hash"),
        evidence_hash=fields.hex("evidence_hash"),
        proposer_address=fields.hex("proposer_address"),
    )


def _block_id(fields: Fields) -> BlockId:
    parts = fields.inner("parts")
    return BlockId(fields.hex("hash"), parts.number("total"), parts.hex("hash"))


def _commit(fields: Fields) -> Commit:
    votes = tuple(
        CommitSig(
            flag=vote.number("block_id_flag"),
            validator_address=vote.hex("validator_address"),
            time_ns=vote.time_ns("timestamp"),
            signature=vote.base64("signature"),
        )
        for vote in fields.objects("signatures")
    )
    return Commit(fields.int64("height"), fields.number("round"), _block_id(fields.inner("block_id")), votes)


def _validator(fields: Fields) -> Validator:
    key = fields.inner("pub_key")
    if key.text("type") != KEY_TYPE:
        raise NodeGarbage("validators.pub_key.type", f"{KEY_TYPE}, the only kind of key that is read here")
    public_key = key.base64("value")
    if fields.hex("address") != hashing.address(public_key):
        raise NodeGarbage("validators.address", "the address that follows from the key")
    return Validator(public_key, fields.int64("voting_power"))


def _exec_tx_result(fields: Fields) -> ExecTxResult:
    return ExecTxResult(
        code=fields.number("code", missing=0),
        data=fields.base64("data", missing=""),
        gas_wanted=fields.int64("gas_wanted", missing="0"),
        gas_used=fields.int64("gas_used", missing="0"),
    )


def _merkle_proof(fields: Fields) -> MerkleProof:
    aunts = tuple(decode_base64(aunt, "tx.proof.proof.aunts") for aunt in fields.raw_list("aunts", MAX_AUNTS))
    return MerkleProof(fields.int64("total"), fields.int64("index"), aunts)
