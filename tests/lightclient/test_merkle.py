from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient import merkle
from tests.lightclient.vectors import load

RFC6962 = load("transcribed/merkle_rfc6962.json")
items_of_a_tree = st.lists(st.binary(max_size=4), min_size=1, max_size=20)


@pytest.mark.parametrize("case", RFC6962["root"])
def test_roots_of_cometbft(case: dict[str, object]) -> None:
    items = [bytes.fromhex(item) for item in case["items_hex"]]  # type: ignore[attr-defined]
    assert merkle.root(items).hex() == case["want"]


@pytest.mark.parametrize("case", RFC6962["inner"])
def test_inner_hash_of_cometbft(case: dict[str, str]) -> None:
    assert merkle.inner_hash(bytes.fromhex(case["left_hex"]), bytes.fromhex(case["right_hex"])).hex() == case["want"]


def split_root(items: list[bytes]) -> bytes:
    """RFC 6962, word by word: split at the largest power of two below n."""
    if len(items) == 1:
        return merkle.leaf_hash(items[0])
    split = 1 << (len(items) - 1).bit_length() - 1
    return merkle.inner_hash(split_root(items[:split]), split_root(items[split:]))


@given(items_of_a_tree, st.data())
def test_every_item_is_proven_and_no_other(items: list[bytes], data: st.DataObject) -> None:
    root = merkle.root(items)
    assert root == split_root(items)
    index = data.draw(st.integers(0, len(items) - 1))
    proof = merkle.prove(items, index)
    assert merkle.verify(proof, root, items[index])
    assert not merkle.verify(proof, root, items[index] + b"x")
    assert not merkle.verify(replace(proof, aunts=(*proof.aunts, root)), root, items[index])
    assert not merkle.verify(replace(proof, index=len(items)), root, items[index])
    if proof.aunts:
        assert not merkle.verify(replace(proof, aunts=proof.aunts[:-1]), root, items[index])


def test_there_is_no_proof_of_what_is_not_there() -> None:
    with pytest.raises(IndexError):
        merkle.prove([b"a"], 1)
