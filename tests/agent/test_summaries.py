"""Means of samples: exact in sum, also as means of means, and unmoved by what is no sample."""

from __future__ import annotations

from itertools import accumulate

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journaling import entries
from agent.journaling.summaries import Mean, MeansOfSamples, decode_means
from agent.vocabulary import Reading
from storeforward.records import NO_HASH, NewRecord, Record, Stream
from tests.storeforward.kit import BOOT_ID, DEVICE, START_S

MEANS = MeansOfSamples(900)


def sealed(new: NewRecord, seq: int = 1, monotonic_ns: int = 0) -> Record:
    return Record(DEVICE, BOOT_ID, seq, monotonic_ns, new.taken_ns or 0, new.stream, new.body, NO_HASH, b"")


def sample(at_s: int, power_w: int, import_wh: int) -> Record:
    return sealed(entries.sample(Reading(at_s, power_w, import_wh, 0), at_s * 10**9))


def means_of(records: list[NewRecord]) -> list[Mean]:
    return [mean for new in records for mean in decode_means(new.body)]


def test_a_minute_says_what_its_samples_said() -> None:
    (new,) = MEANS.minutes([sample(START_S + second, second - 10, 100 + second) for second in range(90)])
    first, second = decode_means(new.body)
    assert first == Mean(b"", START_S * 10**9, (START_S + 59) * 10**9, 60, 1170, -10, 49, 100, 0, 159, 0)
    assert (first.mean_w, second.count, second.import_start_wh) == (19, 30, 160)
    assert new.taken_ns == (START_S + 89) * 10**9


steps = st.lists(st.tuples(st.integers(1, 700), st.integers(-9_000, 9_000), st.integers(0, 50)), min_size=1, max_size=60)


@given(steps=steps, cut=st.integers(0, 60))
def test_means_of_means_are_those_of_the_samples_wherever_a_step_ended(steps: list[tuple[int, int, int]], cut: int) -> None:
    times, registers = list(accumulate(step[0] for step in steps)), list(accumulate(step[2] for step in steps))
    taken = [sample(START_S + at_s, steps[place][1], registers[place]) for place, at_s in enumerate(times)]
    minutes = [*MEANS.minutes(taken[:cut]), *MEANS.minutes(taken[cut:])]
    assert sum(mean.count for mean in means_of(minutes)) == len(taken)
    assert means_of(MEANS.slots([sealed(new) for new in minutes])) == means_of(MEANS.slots(taken))
    slots = [mean.from_ns // (900 * 10**9) for mean in means_of(MEANS.slots(taken))]
    assert slots == sorted(set(slots)), "one mean per slot"


def test_a_clock_set_back_begins_a_new_mean() -> None:
    found = means_of(MEANS.minutes([sample(START_S + at_s, 5, 0) for at_s in (30, 40, 10, 20)]))
    assert [(mean.from_ns // 10**9 - START_S, mean.until_ns // 10**9 - START_S) for mean in found] == [(30, 40), (10, 20)]


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\x94\x01", msgpack.packb([1, "2", 3, 4]), msgpack.packb(7), msgpack.packb([1])]
)
def test_what_is_no_sample_counts_for_nothing(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        entries.decode_sample(body)
    broken = sealed(NewRecord(Stream.SAMPLE, None, body))
    good = sample(START_S, 5, 0)
    assert means_of(MEANS.minutes([broken, good, broken])) == means_of(MEANS.minutes([good]))
    assert MEANS.minutes([broken]) == []
    assert MEANS.slots([sealed(NewRecord(Stream.MINUTE_MEAN, None, body))]) == []


def test_means_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        decode_means(bytes(msgpack.packb([2, []])))
    with pytest.raises(ValueError, match="no means"):
        decode_means(bytes(msgpack.packb([1, [[1, 2]]])))
