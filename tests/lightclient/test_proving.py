"""What answers prove, and each way in which they may prove something else than what was asked."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from lightclient import errors, ics23, merkle, rpcjson
from lightclient.blocks import ExecTxResult, Header, LightBlock
from lightclient.merkle import MerkleProof
from lightclient.proving import Proven, ProvenTx, prove_results, prove_tx, prove_value
from lightclient.rpcjson import BlockResults, ProofOp, QueryAnswer, TxAnswer
from tests.lightclient.fake_chain import FakeChain
from tests.lightclient.vectors import light_blocks, load, recorded_chain


@pytest.fixture(scope="module")
def chain() -> FakeChain:
    chain = FakeChain()
    chain.cut({b"lamp": b"on", b"fan": b"off"})
    chain.cut({b"lamp": b"off"})
    chain.cut()
    return chain


def answer(chain: FakeChain, key: bytes, height: int) -> QueryAnswer:
    params = {"path": "/key", "data": key.hex(), "height": str(height), "prove": True}
    return rpcjson.decode_abci_query(chain.ask("abci_query", params))


def above(chain: FakeChain, height: int) -> Header:
    """The header that commits to the state after block `height`."""
    return chain.blocks[height].header


def test_a_value_and_an_absence_are_proven(chain: FakeChain) -> None:
    header = above(chain, 1)
    assert prove_value(answer(chain, b"lamp", 1), b"lamp", header) == Proven(b"lamp", b"on", 1, header.time_ns)
    assert prove_value(answer(chain, b"heater", 1), b"heater", header) == Proven(b"heater", None, 1, header.time_ns)


def test_the_answer_is_about_the_key_and_height_asked(chain: FakeChain) -> None:
    with pytest.raises(errors.WrongAnswer, match="key"):
        prove_value(answer(chain, b"fan", 1), b"lamp", above(chain, 1))
    with pytest.raises(errors.WrongAnswer, match="height"):
        prove_value(answer(chain, b"lamp", 1), b"lamp", above(chain, 2))
    with pytest.raises(errors.ProofFailed, match="another key"):
        prove_value(relabelled(answer(chain, b"fan", 1), b"lamp"), b"lamp", above(chain, 1))
    with pytest.raises(errors.ProofFailed, match="another root"):
        prove_value(replace(answer(chain, b"lamp", 1), height=2), b"lamp", above(chain, 2))


def relabelled(right: QueryAnswer, key: bytes) -> QueryAnswer:
    """The right answer to another question, under the key that was asked."""
    return replace(right, key=key, proof_ops=(replace(right.proof_ops[0], key=key),))


def test_the_state_of_a_height_is_in_the_header_above_it(chain: FakeChain) -> None:
    with pytest.raises(errors.ProofFailed, match="another root"):
        prove_value(answer(chain, b"lamp", 2), b"lamp", replace(above(chain, 1), height=3))


def test_another_value_is_not_proven(chain: FakeChain) -> None:
    with pytest.raises(errors.ProofFailed, match="another value"):
        prove_value(replace(answer(chain, b"lamp", 1), value=b"off"), b"lamp", above(chain, 1))


def test_a_value_is_no_absence_and_an_absence_no_value(chain: FakeChain) -> None:
    with pytest.raises(errors.ProofFailed, match="non-existence"):
        prove_value(replace(answer(chain, b"lamp", 1), value=b""), b"lamp", above(chain, 1))
    with pytest.raises(errors.ProofFailed, match="needs an existence"):
        prove_value(replace(answer(chain, b"heater", 1), value=b"on"), b"heater", above(chain, 1))


def test_a_proof_that_an_empty_value_is_there_proves_nothing(chain: FakeChain) -> None:
    proof = ics23.decode_proof(answer(chain, b"lamp", 1).proof_ops[0].data)
    assert isinstance(proof, ics23.ExistenceProof)
    with pytest.raises(errors.ProofFailed, match="needs a value"):
        ics23.verify_membership(above(chain, 1).app_hash, replace(proof, value=b""), b"lamp", b"")


def test_exactly_one_proof_is_read(chain: FakeChain) -> None:
    right = answer(chain, b"lamp", 1)
    op = right.proof_ops[0]
    for ops in ((), (op, op), (replace(op, type="ics23:iavl"),), (ProofOp(op.type, b"fan", op.data),)):
        with pytest.raises(errors.MalformedProof, match="exactly one proof"):
            prove_value(replace(right, proof_ops=ops), b"lamp", above(chain, 1))


def test_a_refused_query_proves_nothing(chain: FakeChain) -> None:
    with pytest.raises(errors.QueryRefused, match="pruned"):
        prove_value(replace(answer(chain, b"lamp", 1), code=1, log="pruned"), b"lamp", above(chain, 1))


TXS = [b"tx %d" % number for number in range(4)]
RESULTS = tuple(ExecTxResult(number % 2, b"data %d" % number, 7, number) for number in range(4))


def block_of(txs: list[bytes]) -> Header:
    return replace(light_blocks()[1].header, data_hash=merkle.root([sha256(tx).digest() for tx in txs]))


def tx_answer(index: int, header: Header) -> TxAnswer:
    hashes = [sha256(tx).digest() for tx in TXS]
    return TxAnswer(hashes[index], header.height, index, RESULTS[index], TXS[index], merkle.prove(hashes, index))


def test_a_transaction_is_proven_in_its_block() -> None:
    header = block_of(TXS)
    for index, tx in enumerate(TXS):
        proven = prove_tx(tx_answer(index, header), sha256(tx).digest(), header)
        assert proven == ProvenTx(tx, header.height, index, len(TXS))


def test_recorded_transactions_are_proven() -> None:
    calls = [call["response"]["result"] for call in load("cometbft-0.38.25/rpc_calls.json") if call["name"] == "tx with proof"]
    assert len(calls) == 2
    for found in map(rpcjson.decode_tx, calls):
        header = light_blocks()[found.height - 1].header
        assert prove_tx(found, sha256(found.tx).digest(), header).index == found.index


def test_the_answer_is_about_the_transaction_asked() -> None:
    header = block_of(TXS)
    right, asked = tx_answer(1, header), sha256(TXS[1]).digest()
    with pytest.raises(errors.WrongAnswer, match="tx hash"):
        prove_tx(tx_answer(2, header), asked, header)
    with pytest.raises(errors.WrongAnswer, match="for tx "):
        prove_tx(replace(right, tx=TXS[2]), asked, header)
    with pytest.raises(errors.WrongAnswer, match="height"):
        prove_tx(replace(right, height=9), asked, header)


def test_a_transaction_needs_the_proof_of_its_own_place() -> None:
    header = block_of(TXS)
    right, asked = tx_answer(1, header), sha256(TXS[1]).digest()
    with pytest.raises(errors.ProofFailed, match="without a proof"):
        prove_tx(replace(right, proof=None), asked, header)
    with pytest.raises(errors.ProofFailed, match="another place"):
        prove_tx(replace(right, index=2), asked, header)
    with pytest.raises(errors.ProofFailed, match="does not lead"):
        prove_tx(replace(right, proof=tx_answer(2, header).proof, index=2), asked, header)
    with pytest.raises(errors.ProofFailed, match="does not lead"):
        prove_tx(right, asked, block_of(TXS[:3]))


def test_a_place_is_fixed_only_together_with_the_number_of_places() -> None:
    """The path of place 2 among 4 has the shape of place 4 among 6: who needs the place must know the number."""
    header = block_of(TXS)
    right = tx_answer(2, header)
    assert right.proof is not None
    moved = replace(right, index=4, proof=MerkleProof(6, 4, right.proof.aunts))
    proven = prove_tx(moved, right.tx_hash, header)
    assert (proven.tx, proven.index, proven.total) == (TXS[2], 4, 6)
    assert proven.total != len(RESULTS)


def recorded_results(height: int) -> tuple[BlockResults, LightBlock]:
    return rpcjson.decode_block_results(recorded_chain()[height - 1]["block_results"]), light_blocks()[height]


def test_recorded_results_are_proven_by_the_header_above() -> None:
    for height in range(1, len(light_blocks())):
        answer, block_above = recorded_results(height)
        assert prove_results(answer, block_above.header) == answer.results


def test_results_of_another_height_or_content_are_refused() -> None:
    answer, block_above = recorded_results(104)
    assert {result.code for result in answer.results} == {0, 9}
    with pytest.raises(errors.WrongAnswer, match="height 104"):
        prove_results(replace(answer, height=103), block_above.header)
    with pytest.raises(errors.WrongAnswer, match="height 103"):
        prove_results(answer, light_blocks()[103].header)
    altered = [
        answer.results[:-1],
        answer.results[::-1],
        *(
            (replace(answer.results[0], **change), *answer.results[1:])
            for change in ({"code": 1}, {"data": b"x"}, {"gas_wanted": 1}, {"gas_used": 1})
        ),
    ]
    for results in altered:
        with pytest.raises(errors.ProofFailed, match="next header"):
            prove_results(replace(answer, results=results), block_above.header)
