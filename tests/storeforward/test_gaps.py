"""Gaps: what went is named, to the number, also when many gaps have become one."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeforward.gaps import Gap, Kept, Why, digest_of, merged, runs_of
from storeforward.records import Stream

seqs = st.sets(st.integers(1, 500), min_size=1).map(sorted)
gaps = st.builds(
    Gap,
    level=st.integers(0, 9),
    evicted=st.dictionaries(st.sampled_from(Stream), seqs.map(runs_of), min_size=1),
    first_ns=st.integers(0, 2**62),
    last_ns=st.integers(0, 2**62),
    digest=st.binary(min_size=32, max_size=32),
    kept=st.sampled_from(Kept),
    why=st.sampled_from(Why),
)


def named(gap: Gap) -> dict[Stream, list[int]]:
    return {stream: [seq for first, last in runs for seq in range(first, last + 1)] for stream, runs in gap.evicted.items()}


@given(gap=gaps)
def test_a_gap_reads_back(gap: Gap) -> None:
    assert Gap.decode(gap.encode()) == gap


@given(numbers=seqs)
def test_runs_name_every_number_and_no_other(numbers: list[int]) -> None:
    runs = runs_of(numbers)
    assert [seq for first, last in runs for seq in range(first, last + 1)] == numbers
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(runs)), "neighbours are one run"


@given(numbers=seqs, data=st.data())
def test_a_gap_for_many_names_what_they_named_and_them(numbers: list[int], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(numbers)), max_size=4)))
    parts = [part for first, last in zip([0, *cuts], [*cuts, len(numbers)], strict=True) if (part := numbers[first:last])]
    singles = []
    for place, part in enumerate(parts):
        gap = Gap(0, {Stream.SAMPLE: runs_of(part)}, 10 * place, 10 * place + 5, bytes(32), Kept.NOTHING, Why.SIZE)
        singles.append((1000 + 2 * place, hashlib.sha256(b"%d" % place).digest(), gap))
    one = merged(singles)
    assert named(one) == {Stream.SAMPLE: numbers, Stream.GAP: [seq for seq, _, _ in singles]}
    assert (one.level, one.kept, one.why) == (1, Kept.GAP, Why.COUNT)
    assert one.last_ns == 10 * len(parts) - 5
    assert one.digest == digest_of(record_hash for _, record_hash, _ in singles)


def test_where_nothing_was_kept_in_between_runs_grow_together() -> None:
    singles = [
        (100 + place, bytes(32), Gap(0, {Stream.SAMPLE: ((4 * place + 1, 4 * place + 4),)}, 0, 0, b"", Kept.NOTHING, Why.SIZE))
        for place in range(8)
    ]
    one = merged(singles)
    assert one.evicted == {Stream.SAMPLE: ((1, 32),), Stream.GAP: ((100, 107),)}
    assert (one.first_ns, one.last_ns) == (0, 0), "no time is known"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgpack.packb([2, 0, [], 0, 0, b"", "nothing", "size"]),
        msgpack.packb([1, 0, [[5, [1, 0]]], 0, 0, b"", "nothing", "size"]),
        msgpack.packb([1, 0, [[5, [1, 2, 0, 2]]], 0, 0, b"", "nothing", "size"]),
        msgpack.packb([1, 0, [[5, [1]]], 0, 0, b"", "nothing", "size"]),
        msgpack.packb([1, 0, [[99, [1, 1]]], 0, 0, b"", "nothing", "size"]),
        msgpack.packb([1, 0, [], 0, 0, b"", "everything", "size"]),
    ],
)
def test_what_is_no_gap_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Gap.decode(body)
