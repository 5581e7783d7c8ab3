"""The state tree: batches, deletions, history and proofs, against a naive tree and the light client's own verifier."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.errors import ProofError, ProofFailed
from lightclient.ics23 import decode_proof, verify_membership, verify_non_membership
from tools.fullnode.rules.smt import EMPTY_ROOT, EmptyTreeError, Tree

keys = st.integers(0, 60).map(lambda number: b"key %d" % number)
values = st.binary(min_size=1, max_size=8)
contents = st.dictionaries(keys, values, max_size=40)
batches = st.lists(st.dictionaries(keys, st.none() | values, max_size=20), max_size=6)


def naive_root(content: dict[bytes, bytes]) -> bytes:
    """The specification, word by word: split by bits, a subtree with one leaf is that leaf."""
    leaves = sorted((sha256(key).digest(), sha256(value).digest()) for key, value in content.items())

    def subtree(part: list[tuple[bytes, bytes]], depth: int) -> bytes:
        if not part:
            return EMPTY_ROOT
        if len(part) == 1:
            return sha256(b"\x00" + part[0][0] + part[0][1]).digest()
        ones = [leaf for leaf in part if leaf[0][depth // 8] >> (7 - depth % 8) & 1]
        zeros = [leaf for leaf in part if leaf not in ones]
        return sha256(b"\x01" + subtree(zeros, depth + 1) + subtree(ones, depth + 1)).digest()

    return subtree(leaves, 0)


@given(batches)
def test_batches_lead_to_the_root_of_the_specification_and_old_trees_stay(changes: list[dict[bytes, bytes | None]]) -> None:
    tree, content = Tree(), dict[bytes, bytes]()
    history = [(tree, content)]
    for batch in changes:
        tree = tree.update_many(batch.items())
        merged = {**content, **batch}
        content = {key: value for key, value in merged.items() if value is not None}
        history.append((tree, content))
    for old, held in history:
        assert old.root == naive_root(held)
        assert dict(old.items()) == held
        assert all(old.get(key) == value for key, value in held.items())


@given(contents, keys)
def test_presence_and_absence_are_proven(content: dict[bytes, bytes], key: bytes) -> None:
    content = {**content, b"genesis": b"1"}
    tree = Tree().update_many(content.items())
    proof = decode_proof(tree.prove(key))
    if key in content:
        verify_membership(tree.root, proof, key, content[key])
        with pytest.raises(ProofFailed):
            verify_non_membership(tree.root, proof, key)
    else:
        verify_non_membership(tree.root, proof, key)
        with pytest.raises(ProofFailed):
            verify_membership(tree.root, proof, key, b"1")


@given(contents, keys, st.data())
def test_no_byte_of_a_proof_can_be_altered(content: dict[bytes, bytes], key: bytes, data: st.DataObject) -> None:
    tree = Tree().update_many({**content, b"genesis": b"1"}.items())
    proof = bytearray(tree.prove(key))
    at = data.draw(st.integers(0, len(proof) - 1))
    proof[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        check(tree, bytes(proof), key)


def check(tree: Tree, proof: bytes, key: bytes) -> None:
    value = tree.get(key)
    if value is None:
        verify_non_membership(tree.root, decode_proof(proof), key)
    else:
        verify_membership(tree.root, decode_proof(proof), key, value)


def test_a_large_tree_equals_one_built_key_by_key() -> None:
    content = {b"%d" % number: b"v%d" % number for number in range(2_000)}
    bulk, single = Tree().update_many(content.items()), Tree()
    for item in content.items():
        single = single.update_many([item])
    assert bulk.root == single.root == naive_root(content)
    for number in range(2_000, 2_200):
        check(bulk, bulk.prove(b"%d" % number), b"%d" % number)


def test_deleting_everything_leaves_the_empty_tree() -> None:
    tree = Tree().update_many([(b"a", b"1"), (b"b", b"2")]).update_many([(b"a", None), (b"b", None), (b"c", None)])
    assert tree.root == EMPTY_ROOT
    with pytest.raises(EmptyTreeError):
        tree.prove(b"a")


@pytest.mark.parametrize(("key", "value"), [(b"", b"1"), (b"a", b"")])
def test_what_cannot_be_proven_is_not_taken(key: bytes, value: bytes) -> None:
    with pytest.raises(ValueError, match="empty"):
        Tree().update_many([(key, value)])
