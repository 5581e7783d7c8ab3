"""broadcast_evidence: taken when it follows from the node's own chain, answered as CometBFT does, refused otherwise."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from lightclient.blocks import LightBlock
from lightclient.detector import Divergence
from lightclient.evidence import AttackEvidence, AttackKind, evidence_hash, make_evidence, to_json
from tests.tools.fullnode.engine.solo import KEY
from tests.tools.fullnode.rpc.test_rpc import Node
from tests.tools.society.fork import forge
from tools.fullnode.rpc.evidence import MOST_KEPT

COMMON, FORGED = 2, 4


def block(node: Node, height: int) -> LightBlock:
    return LightBlock(node.solo.store.signed_header(height), node.solo.engine.validators)


def evidence_of(node: Node, **fields: Any) -> AttackEvidence:
    """Against a block signed beside the chain, `fields` of its header changed."""
    trusted, common = block(node, FORGED), block(node, COMMON)
    conflicting = LightBlock(forge(trusted.signed_header, KEY, **fields), trusted.validators)
    return make_evidence(Divergence(conflicting, trusted, common, (common, trusted)))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({"app_hash": bytes(32)}, AttackKind.LUNATIC), ({"data_hash": bytes(32)}, AttackKind.EQUIVOCATION)],
)
def test_evidence_that_the_chain_bears_out_is_answered_with_its_hash(fields: dict[str, bytes], kind: AttackKind) -> None:
    node = Node().grow()
    evidence = evidence_of(node, **fields)
    assert evidence.kind is kind
    answer = node.call("broadcast_evidence", evidence=to_json(evidence))
    assert list(answer) == ["hash"]
    assert b64decode(answer["hash"]) == evidence_hash(evidence)
    assert node.call("broadcast_evidence", evidence=to_json(evidence)) == answer, "twice is no failure"


def test_the_pool_keeps_the_newest() -> None:
    node = Node().grow()
    pieces = [evidence_of(node, app_hash=number.to_bytes(32, "big")) for number in range(MOST_KEPT + 3)]
    for piece in pieces:
        node.call("broadcast_evidence", evidence=to_json(piece))
    assert [kept.conflicting for kept in node.answers.evidence.kept] == [piece.conflicting for piece in pieces[3:]]


def test_the_chains_own_block_is_no_evidence() -> None:
    node = Node().grow()
    code, sentence = node.error("broadcast_evidence", evidence=to_json(evidence_of(node)))
    assert (code, sentence) == (-32603, "failed to add evidence: the conflicting block is this chain's own")


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("CommonHeight",), "3", "Timestamp"),
        (("CommonHeight",), "99", "no block at height 99"),
        (("TotalVotingPower",), "11", "TotalVotingPower"),
        (("ByzantineValidators",), None, "ByzantineValidators"),
        (("Timestamp",), "2026-01-01T00:00:00Z", "Timestamp"),
        (("ConflictingBlock", "signed_header", "commit", "signatures", 0, "signature"), "A" * 86 + "==", "does not verify"),
        (("ConflictingBlock", "signed_header", "header", "height"), "5", "the commit is of height 4"),
        (("ConflictingBlock", "validator_set", "validators"), [], "0 validators"),
        (("ConflictingBlock",), None, "evidence.ConflictingBlock"),
    ],
)
def test_evidence_with_one_thing_changed_is_refused_and_the_sentence_names_it(
    place: tuple[str | int, ...], value: Any, named: str
) -> None:
    node = Node().grow()
    told: Any = to_json(evidence_of(node, app_hash=bytes(32)))
    inner = told["value"]
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    code, sentence = node.error("broadcast_evidence", evidence=told)
    assert code == -32603
    assert sentence.startswith("failed to add evidence: ")
    assert named in sentence
    assert node.answers.evidence.kept == ()


@pytest.mark.parametrize(
    ("evidence", "sentence"),
    [
        ({}, "interface type cannot be empty"),
        ("text", "interface type cannot be empty"),
        ({"type": "tendermint/Nonsense", "value": {}}, 'unknown type "tendermint/Nonsense"'),
    ],
)
def test_what_is_no_evidence_at_all_is_a_wrong_parameter(evidence: Any, sentence: str) -> None:
    code, data = Node().grow().error("broadcast_evidence", evidence=evidence)
    assert (code, data) == (-32602, f"error converting json params to arguments: {sentence}")
