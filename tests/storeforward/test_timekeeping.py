"""Dating: what anchors say of other instants of their boot, honestly, and when they say nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storeforward.boots import Between, Boot, starts
from storeforward.timekeeping import DRIFT_PPM, NS_PER_S, STEADY_DRIFT_PPM, TOLERANCE_NS, Anchor, Dated, Dating, Source

BOOT = bytes(range(16))
T0_NS = 1_772_323_200 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S
DAY_NS = 24 * HOUR_NS


def anchor(
    at_ns: int, off_ns: int = 0, uncertainty_ns: int = 0, source: Source = Source.SYSTEM, width_ns: int = 0, ppm: int = 0
) -> Anchor:
    """What a source that is wrong by `off_ns` says of a clock that was started at T0 and is `ppm` too fast."""
    utc_ns = T0_NS + at_ns - at_ns * ppm // 1_000_000 + off_ns
    return Anchor(source, BOOT, at_ns - width_ns, at_ns + width_ns, utc_ns, uncertainty_ns)


def test_an_anchor_survives_its_encoding() -> None:
    told = Anchor(Source.LEDGER, BOOT, 5, 9, T0_NS, 7, 12, bytes(32))
    assert Anchor.decode(told.encode()) == told
    for body in (b"", b"\xc0", told.encode()[:-1], b"\x92\x02\x01", told.encode()[:1] + b"\x02" + told.encode()[2:]):
        with pytest.raises(ValueError, match="anchor"):
            Anchor.decode(body)


def test_an_anchor_dates_what_came_before_it_as_well_as_what_came_after() -> None:
    dating = Dating([anchor(HOUR_NS, uncertainty_ns=1_000_000)])
    drift_ns = HOUR_NS * DRIFT_PPM // 1_000_000
    assert dating.date(0) == Dated(T0_NS, 1_000_000 + drift_ns)
    assert dating.date(HOUR_NS) == Dated(T0_NS + HOUR_NS, 1_000_000)
    assert dating.date(2 * HOUR_NS) == Dated(T0_NS + 2 * HOUR_NS, 1_000_000 + drift_ns)


def test_without_anchors_there_is_no_date() -> None:
    assert Dating().date(0) is None
    assert Dating().conflict is None


def test_the_time_on_the_way_is_part_of_the_uncertainty() -> None:
    assert Dating([anchor(HOUR_NS, width_ns=NS_PER_S)]).date(HOUR_NS) == Dated(T0_NS + HOUR_NS, NS_PER_S)


def test_a_ledger_that_lags_does_not_make_an_exact_clock_less_exact() -> None:
    told = [anchor(HOUR_NS), anchor(HOUR_NS, -20 * NS_PER_S, 10 * NS_PER_S, Source.LEDGER)]
    assert Dating(told).date(HOUR_NS) == Dated(T0_NS + HOUR_NS, 0)
    assert Dating(told).conflict is None


def test_another_source_narrows_bounds_that_have_grown_wide() -> None:
    ledger = anchor(10 * DAY_NS, 3 * NS_PER_S, 10 * NS_PER_S, Source.LEDGER)
    alone = Dating([anchor(0)]).date(10 * DAY_NS)
    both = Dating([anchor(0), ledger]).date(10 * DAY_NS)
    assert alone is not None
    assert both is not None
    assert alone.uncertainty_ns == 10 * DAY_NS * DRIFT_PPM // 1_000_000
    assert both.uncertainty_ns == 10 * NS_PER_S


def test_two_sources_an_hour_apart_are_both_not_believed() -> None:
    dating = Dating([anchor(0, HOUR_NS), anchor(0, 0, 10 * NS_PER_S, Source.LEDGER)])
    assert dating.date(0) is None
    assert dating.conflict is not None
    assert str(dating.conflict) == "the ledger and the system are 3590 s apart"


def test_a_third_source_decides_between_two() -> None:
    told = [anchor(0, HOUR_NS), anchor(0, 0, 10 * NS_PER_S, Source.LEDGER)]
    dating = Dating([*told, anchor(0, 2 * NS_PER_S, 5 * NS_PER_S, Source.OPERATOR)])
    assert dating.sources == {Source.LEDGER, Source.OPERATOR}
    assert dating.conflict is not None
    assert dating.conflict.other == {Source.SYSTEM}
    date = dating.date(0)
    assert date is not None
    assert date.earliest_ns <= T0_NS <= date.latest_ns


def test_a_source_that_corrects_itself_is_believed_where_another_agrees() -> None:
    wrong, right = anchor(0, HOUR_NS), anchor(60 * NS_PER_S)
    assert Dating([wrong, right]).date(0) is None
    date = Dating([wrong, right, anchor(61 * NS_PER_S, 0, 10 * NS_PER_S, Source.LEDGER)]).date(0)
    assert date is not None
    assert abs(date.utc_ns - T0_NS) <= date.uncertainty_ns <= NS_PER_S


@pytest.mark.parametrize("ppm", [0, 40, 100, 300, -100])
def test_a_clock_that_drifts_more_than_assumed_is_dated_honestly(ppm: int) -> None:
    """Also beyond the last anchor: what the anchors showed of it counts."""
    dating = Dating([anchor(hours * HOUR_NS, 0, NS_PER_S // 100, ppm=ppm) for hours in (0, 6, 12)])
    for hours in range(20):
        at_ns = hours * HOUR_NS
        date = dating.date(at_ns)
        assert date is not None
        true_ns = T0_NS + at_ns - at_ns * ppm // 1_000_000
        assert date.earliest_ns <= true_ns <= date.latest_ns
        assert date.uncertainty_ns < 12 * NS_PER_S


@pytest.mark.parametrize(
    ("hours", "uncertainty_ms", "ppm", "drift_ppm"),
    [
        ((0, 6), 40, 1, STEADY_DRIFT_PPM),
        ((0, 6, 12, 18, 24), 200, 0, STEADY_DRIFT_PPM),
        ((0, 6), 100, 0, DRIFT_PPM),
        ((0, 5), 1, 0, DRIFT_PPM),
        ((0, 6, 12), 1, 20, DRIFT_PPM),
        ((0,), 0, 0, DRIFT_PPM),
    ],
    ids=["exact", "inexact but long", "inexact", "too short", "the rate is wrong", "one anchor"],
)
def test_a_clock_whose_rate_was_set_right_drifts_less(
    hours: tuple[int, ...], uncertainty_ms: int, ppm: int, drift_ppm: int
) -> None:
    dating = Dating([anchor(hour * HOUR_NS, 0, uncertainty_ms * 1_000_000, ppm=ppm) for hour in hours])
    last_ns = hours[-1] * HOUR_NS
    last, later = dating.date(last_ns), dating.date(last_ns + 7 * DAY_NS)
    assert last is not None
    assert later is not None
    assert later.uncertainty_ns - last.uncertainty_ns == 7 * DAY_NS * drift_ppm // 1_000_000


def test_a_rate_that_was_right_only_for_a_while_is_not_reckoned_with() -> None:
    """It was set right on the first day; what came on the second no steady clock explains."""
    steady = [anchor(hours * HOUR_NS, 0, 1_000_000) for hours in (0, 6, 12, 18, 24)]
    strayed = anchor(48 * HOUR_NS, 3 * NS_PER_S, 1_000_000)
    date = Dating([*steady, strayed]).date(49 * HOUR_NS)
    assert date is not None
    assert date.uncertainty_ns >= HOUR_NS * DRIFT_PPM // 1_000_000


def test_a_source_that_is_less_exact_than_it_says_is_met_in_the_middle() -> None:
    dating = Dating([anchor(0), anchor(NS_PER_S, 4 * NS_PER_S)])
    date = dating.date(0)
    assert date is not None
    assert dating.conflict is None
    assert date.earliest_ns <= T0_NS <= T0_NS + 4 * NS_PER_S <= date.latest_ns


TRUTHS = st.lists(
    st.tuples(
        st.integers(0, 10 * DAY_NS),
        st.integers(0, 20 * NS_PER_S),
        st.floats(-1, 1),
        st.sampled_from(Source),
        st.integers(0, 10**9),
    ),
    min_size=1,
    max_size=12,
)
WRONG = st.integers(-2 * TOLERANCE_NS, 2 * TOLERANCE_NS)
INSTANTS = st.lists(st.integers(-DAY_NS, 12 * DAY_NS), min_size=2, max_size=30).map(sorted)


@given(TRUTHS, st.integers(-DRIFT_PPM, DRIFT_PPM), INSTANTS)
def test_who_is_told_the_truth_dates_truly(
    truths: list[tuple[int, int, float, Source, int]], ppm: int, instants: list[int]
) -> None:
    """Whatever the anchors' order, sources and exactness: the true time lies within the bounds."""
    told = [anchor(at, round(unc * share), unc + 1, source, width, ppm) for at, unc, share, source, width in truths]
    dating = Dating(told)
    assert dating.conflict is None
    for at_ns in instants:
        date = dating.date(at_ns)
        assert date is not None
        assert date.earliest_ns - 20 <= T0_NS + at_ns - at_ns * ppm // 1_000_000 <= date.latest_ns + 20  # rounding


@given(TRUTHS, st.lists(WRONG, min_size=12, max_size=12), INSTANTS)
def test_dates_of_a_boot_are_monotone_whatever_is_told(
    told: list[tuple[int, int, float, Source, int]], wrong: list[int], instants: list[int]
) -> None:
    dating = Dating(
        [anchor(at, off, unc, source, width) for (at, unc, _, source, width), off in zip(told, wrong, strict=False)]
    )
    dates = [dating.date(at_ns) for at_ns in instants]
    assert all(date is None for date in dates) or None not in dates
    for before, after in pairwise(date for date in dates if date is not None):
        assert before.utc_ns <= after.utc_ns


@pytest.mark.parametrize(
    ("at_s", "uncertainty_s", "spans"),
    [(0, 0.9, False), (0, 1, True), (5, 4, False), (5, 6, True), (895, 6, True), (450, 400, False)],
)
def test_whether_an_instant_spans_a_slots_edge(at_s: int, uncertainty_s: float, spans: bool) -> None:
    assert Dated(T0_NS + at_s * NS_PER_S, round(uncertainty_s * NS_PER_S)).spans_edge(900) is spans


def boot(number: int, hours: int) -> Boot:
    return Boot(bytes([number]) * 16, 100 * number, 100 * number + 99, 0, hours * HOUR_NS)


def test_boots_without_a_clock_lie_between_those_that_had_one() -> None:
    boots = [boot(1, 2), boot(2, 3), boot(3, 1), boot(4, 5)]
    datings = {
        boots[0].boot_id: Dating([anchor(0)]),
        boots[3].boot_id: Dating([anchor(0, 20 * HOUR_NS)]),
    }
    first, second, third, fourth = starts(boots, datings)
    assert (first.width_ns, fourth.width_ns) == (0, 0)
    assert second == Between(T0_NS + 2 * HOUR_NS, T0_NS + (20 - 1 - 3) * HOUR_NS)
    assert third == Between(T0_NS + (2 + 3) * HOUR_NS, T0_NS + (20 - 1) * HOUR_NS)


def test_a_boot_that_nothing_bounds_has_no_bounds() -> None:
    assert starts([boot(1, 2)], {}) == [Between(None, None)]
    later = boot(2, 1)
    earlier, _ = starts([boot(1, 2), later], {later.boot_id: Dating([anchor(0)])})
    assert earlier == Between(None, T0_NS - 2 * HOUR_NS)
    assert earlier.width_ns is None
