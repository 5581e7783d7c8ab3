"""The text format: whatever stands in a label or a help text, a strict reader gets it back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.metrics.exposition import Family, Sample, Type, render
from tests.agent.metrics.parser import parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.text('\\"\n{}, =n', max_size=12)
NUMBERS = st.integers(-(2**63), 2**63) | st.floats(allow_nan=False)


def test_how_it_looks() -> None:
    family = Family("kwh_total", Type.COUNTER, 'Of the "day\\night"\ntariff.', (Sample(5, {"at": 'a"b\\c\nd'}), Sample(0.5)))
    assert render([family], {"device": "ev"}) == (
        '# HELP kwh_total Of the "day\\\\night"\\ntariff.\n'
        "# TYPE kwh_total counter\n"
        'kwh_total{device="ev",at="a\\"b\\\\c\\nd"} 5\n'
        'kwh_total{device="ev"} 0.5\n'
    )


@given(TEXTS, st.dictionaries(TEXTS, NUMBERS, min_size=1, max_size=4), TEXTS)
def test_a_reader_gets_back_what_was_written(device: str, values: dict[str, float], help_text: str) -> None:
    samples = tuple(Sample(value, {"name": name}) for name, value in values.items())
    read = parse(
        render([Family("a", Type.GAUGE, help_text, samples), Family("b", Type.GAUGE, "", samples)], {"device": device})
    )
    assert list(read) == ["a", "b"]
    assert (read["a"].help, read["a"].type) == (help_text, "gauge")
    assert read["a"].by("name") == {name: float(value) for name, value in values.items()}
    assert set(read["a"].by("device")) == {device}


def test_what_has_no_samples_is_not_named() -> None:
    assert render([Family("a", Type.GAUGE, "", ())], {"device": "ev"}) == ""


@pytest.mark.parametrize(
    ("name", "kind", "labels"),
    [
        ("", Type.GAUGE, {}),
        ("1a", Type.GAUGE, {}),
        ("a-b", Type.GAUGE, {}),
        ("a\n", Type.GAUGE, {}),
        ("a", Type.COUNTER, {}),
        ("a_total", Type.GAUGE, {}),
        ("a", Type.GAUGE, {"b-c": ""}),
        ("a", Type.GAUGE, {"__b": ""}),
        ("a", Type.GAUGE, {"": ""}),
    ],
)
def test_names_that_the_format_does_not_allow(name: str, kind: Type, labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"name|counters"):
        Family(name, kind, "", (Sample(1, labels),))


@pytest.mark.parametrize(
    "text",
    [
        "a 1",
        "a 1\n",
        "# HELP a \n# TYPE a gauge\n",
        "# HELP a \na 1\n",
        "# TYPE a gauge\n# HELP a \na 1\n",
        "# HELP a \n# TYPE a gauge\na 1\na 2\n",
        "# HELP a \n# TYPE a gauge\nb 1\n",
        "# HELP a \n# TYPE a gauge\na 1 \n",
        "# HELP a \n# TYPE a gauge\na one\n",
        '# HELP a \n# TYPE a gauge\na{b="\\c"} 1\n',
        '# HELP a \n# TYPE a gauge\na{b="c",} 1\n',
        '# HELP a \n# TYPE a gauge\na{b="c"}1\n',
        '# HELP a \n# TYPE a gauge\na{b="c" d="e"} 1\n',
        "# HELP a \\x\n# TYPE a gauge\na 1\n",
        "# HELP a \n# TYPE a gauge\n\na 1\n",
    ],
)
def test_the_reader_is_strict(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        parse(text)
