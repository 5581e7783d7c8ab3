"""What one header and one proof cost the processor: decoding the node's answer, and verifying it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from time import process_time
from timeit import repeat
from typing import Any, Final

from lightclient import hashing, merkle, rpcjson, rules
from lightclient.blocks import ExecTxResult, Header, LightBlock, SignedHeader, ValidatorSet
from lightclient.jsonrpc import Result, decode_message, encode_request
from lightclient.proving import prove_results, prove_tx, prove_value
from lightclient.strictjson import encode_base64
from lightclient.tally import VERIFY_ALL_UP_TO, Tally
from lightclient.verifier import Verified, verify
from tools.bench.lightclient_node import CHAIN_ID, OPTIONS, Chain, RpcNode, Validators, encode
from tools.bench.table import Bench
from tools.fullnode.rules.smt import Tree

SIZES: Final = (1, 4, 32, 100, 150)
TARGET: Final = 11
PER_PAGE: Final = 100
STATE_KEYS: Final = 10_000
BLOCK_TXS: Final = 400
ROUNDS: Final = 5
LEAST_S: Final = 0.05
SHORTEST_S: Final = 1e-6
US_PER_S: Final = 1_000_000


def best_us(call: Callable[[], object]) -> float:
    """Processor microseconds of a call: the best of several rounds that each last a while, since other work only ever adds."""
    once_s = max(min(repeat(call, number=1, repeat=3)), SHORTEST_S)
    number = max(1, int(LEAST_S / once_s))
    return min(repeat(call, number=number, repeat=ROUNDS, timer=process_time)) / number * US_PER_S


def header_rows(bench: Bench) -> None:
    """A header that skips ten heights, for sets of several sizes."""
    for size in SIZES:
        _header_rows(bench, size)


def _header_rows(bench: Bench, size: int) -> None:
    chain = Chain(Validators(size), height=TARGET)
    node = RpcNode(chain, "node-1", {})
    commit = node.answer(encode_request(1, "commit", {"height": str(TARGET)}))
    pages = [
        node.answer(encode_request(1, "validators", {"height": str(TARGET), "page": str(page), "per_page": str(PER_PAGE)}))
        for page in range(1, -(-size // PER_PAGE) + 1)
    ]
    trusted, now_ns = chain.block(1), chain.now_ns()

    def decode_commit() -> SignedHeader:
        return rpcjson.decode_commit(result_of(commit))

    def decode_set() -> ValidatorSet:
        answers = [rpcjson.decode_validators(result_of(page)) for page in pages]
        return ValidatorSet(tuple(member for answer in answers for member in answer.validators))

    block = LightBlock(decode_commit(), decode_set())

    def judge() -> None:
        if not isinstance(verify(trusted, block, OPTIONS, now_ns), Verified):
            raise AssertionError("the bench's own header does not verify")

    who = f"{size} validator{'s' * (size > 1)}"
    until = "" if size <= VERIFY_ALL_UP_TO else ", to +2/3"
    decode_us, verify_us = best_us(decode_commit), best_us(judge)
    bench.row(f"{who}: decode the validators, where they are new", "us", best_us(decode_set))
    bench.row(f"{who}: decode header and commit", "us", decode_us)
    bench.row(f"{who}: verify{until}", "us", verify_us)
    bench.row(f"{who}: both{until}", "us", decode_us + verify_us)
    if until:
        all_us = best_us(lambda: verify_all(block))
        bench.row(f"{who}: verify, all signatures", "us", all_us)
        bench.row(f"{who}: both, all signatures", "us", decode_us + all_us)


def verify_all(block: LightBlock) -> None:
    """The rules of one block with every signature verified, also where the verifier would stop at +2/3."""
    rules.check_header(block.header, CHAIN_ID)
    rules.check_commit(block.signed_header.commit)
    rules.check_validators(block.validators)
    rules.check_belongs_together(block)
    rules.check_votes_at_their_places(block)
    total = block.validators.total_power
    if Tally(CHAIN_ID, block.signed_header.commit).power_of_own(block.validators, needed_above=total) != total:
        raise AssertionError("the bench's own header is not signed by all")


def proof_rows(bench: Bench) -> None:
    """Answers decoded and proven, as a rate."""
    generator = random.Random(1)
    state = Tree().update_many([(b"key %d" % index, generator.randbytes(200)) for index in range(STATE_KEYS)])
    chain = Chain(Validators(4), TARGET, state=state)
    header, node = chain.block(TARGET).header, RpcNode(chain, "node-1", {})
    for what, key in (("value", b"key 1"), ("absence", b"no such key")):
        per_second(bench, f"{what} proven in a state of {STATE_KEYS:,} keys", state_proof(node, key, header))

    txs = [generator.randbytes(300) for _ in range(BLOCK_TXS)]
    results = [ExecTxResult(0, b"result")] * BLOCK_TXS
    header = replace(header, data_hash=hashing.data_hash(txs), last_results_hash=hashing.last_results_hash(results))
    tx, tx_hash = result_message(tx_json(txs, 7, header.height)), sha256(txs[7]).digest()
    block_results = result_message(
        {"height": str(header.height - 1), "txs_results": [tx_result_json(result) for result in results]}
    )
    per_second(
        bench,
        f"transaction proven in a block of {BLOCK_TXS}",
        lambda: prove_tx(rpcjson.decode_tx(result_of(tx)), tx_hash, header),
    )
    per_second(
        bench,
        f"results of a block of {BLOCK_TXS} transactions proven",
        lambda: prove_results(rpcjson.decode_block_results(result_of(block_results)), header),
    )


def state_proof(node: RpcNode, key: bytes, header: Header) -> Callable[[], object]:
    """Decoding and verifying what a node answers about a key."""
    params = {"path": "/key", "data": key.hex(), "height": str(header.height - 1), "prove": True}
    answer = node.answer(encode_request(1, "abci_query", params))
    return lambda: prove_value(rpcjson.decode_abci_query(result_of(answer)), key, header)


def per_second(bench: Bench, figure: str, prove: Callable[[], object]) -> None:
    bench.row(figure, "1/s", US_PER_S / best_us(prove))


def result_of(answer: bytes) -> Any:
    """The `result` of an answer. Raises the node's refusal."""
    message = decode_message(answer)
    if not isinstance(message, Result):
        raise message.error
    return message.value


def result_message(result: Any) -> bytes:
    return encode({"jsonrpc": "2.0", "id": 1, "result": result})


def tx_json(txs: Sequence[bytes], index: int, height: int) -> Any:
    """The answer to `tx` with a proof."""
    leaves = [sha256(tx).digest() for tx in txs]
    proof = merkle.prove(leaves, index)
    shown = {
        "total": str(proof.total),
        "index": str(proof.index),
        "leaf_hash": encode_base64(merkle.leaf_hash(leaves[index])),
        "aunts": [encode_base64(aunt) for aunt in proof.aunts],
    }
    return {
        "hash": leaves[index].hex().upper(),
        "height": str(height),
        "index": index,
        "tx_result": tx_result_json(ExecTxResult(0)),
        "tx": encode_base64(txs[index]),
        "proof": {"root_hash": merkle.root(leaves).hex().upper(), "data": encode_base64(txs[index]), "proof": shown},
    }


def tx_result_json(result: ExecTxResult) -> Any:
    return {
        "code": result.code,
        "data": encode_base64(result.data) or None,
        "log": "",
        "info": "",
        "gas_wanted": str(result.gas_wanted),
        "gas_used": str(result.gas_used),
        "events": [],
        "codespace": "",
    }
