"""Bodies of messages: what decodes to itself, and what is out of bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightclient.messages import Notice, OpenReading, decode_body
from lightclient.wire import MAX_SEQ, Malformed

HASH = bytes(range(32))
numbers = st.integers(0, MAX_SEQ)


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    """Notices within their bounds."""
    gaps = draw(numbers)
    events = draw(st.integers(0 if gaps else 1, MAX_SEQ))
    evicted = draw(numbers) if gaps else 0
    last_s = draw(numbers) if evicted else 0
    first_s, record_hash = draw(st.integers(0, last_s)), draw(st.binary(min_size=32, max_size=32))
    return Notice(draw(numbers), events, gaps, evicted, first_s, last_s, record_hash)


@given(notices())
def test_a_notice_decodes_to_itself(notice: Notice) -> None:
    assert decode_body(Notice.KIND, notice.body()) == notice


@pytest.mark.parametrize(
    "body",
    [
        (MAX_SEQ, 0, 1, 0, 0, 0, HASH),
        (0, 1, 0, 0, 0, 0, HASH),
        (0, 0, 1, 1, 0, 0, HASH),
        (0, 0, 1, 1, 0, MAX_SEQ, HASH),
        (0, MAX_SEQ, MAX_SEQ, MAX_SEQ, MAX_SEQ, MAX_SEQ, HASH),
    ],
)
def test_a_notice_at_an_end_of_its_bounds(body: tuple[object, ...]) -> None:
    assert decode_body(Notice.KIND, body).body() == body


@pytest.mark.parametrize(
    "body",
    [
        (-1, 1, 0, 0, 0, 0, HASH),
        (MAX_SEQ + 1, 1, 0, 0, 0, 0, HASH),
        (0, MAX_SEQ + 1, 0, 0, 0, 0, HASH),
        (0, -1, 1, 0, 0, 0, HASH),
        (0, 1, -1, 0, 0, 0, HASH),
        (0, 1, MAX_SEQ + 1, 0, 0, 0, HASH),
        (0, 0, 1, MAX_SEQ + 1, 0, 0, HASH),
        (0, 0, 1, -1, 0, 0, HASH),
        (0, 0, 1, 1, -1, 0, HASH),
        (0, 0, 1, 1, 0, MAX_SEQ + 1, HASH),
        (0, 0, 0, 0, 0, 0, HASH),  # about no record
        (0, 1, 0, 1, 0, 0, HASH),  # records went, but no gap says so
        (0, 0, 1, 0, 0, 1, HASH),  # nothing went, but at a time
        (0, 0, 1, 1, 2, 1, HASH),  # the first after the last
        (0, 0, 1, 0, 1, 0, HASH),
        (0, True, 0, 0, 0, 0, HASH),
        (b"", 1, 0, 0, 0, 0, HASH),
        (0, 1, 0, 0, 0, (), HASH),
        (0, 1, 0, 0, 0, 0, HASH[1:]),
        (0, 1, 0, 0, 0, 0, HASH + b"\x00"),
        (0, 1, 0, 0, 0, 0, 0),
        (0, 1, 0, 0, 0, HASH),
        (0, 1, 0, 0, 0, 0, HASH, HASH),
        (),
    ],
)
def test_a_notice_out_of_its_bounds_is_malformed(body: tuple[object, ...]) -> None:
    with pytest.raises(Malformed):
        decode_body(Notice.KIND, body)


@pytest.mark.parametrize("registers", [(2, 0, 1, 0), (0, 2, 0, 1), (-1, 0, 0, 0), (0, 0, MAX_SEQ + 1, 0)])
def test_a_register_that_goes_back_or_out_of_its_bounds_is_malformed(registers: tuple[int, ...]) -> None:
    with pytest.raises(Malformed):
        decode_body(OpenReading.KIND, (0, *registers, HASH))


@pytest.mark.parametrize("kind", [0, 11, MAX_SEQ])
def test_a_kind_that_nobody_knows_is_malformed(kind: int) -> None:
    with pytest.raises(Malformed, match="unknown kind"):
        decode_body(kind, ())
