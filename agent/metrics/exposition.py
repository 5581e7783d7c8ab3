"""Writes figures in Prometheus' text exposition format, version 0.0.4. No I/O.

Source: prometheus.io/docs/instrumenting/exposition_formats ("Text format details"); the rules for names are those of
prometheus.io/docs/concepts/data_model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_METRIC_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL_NAME: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Type(StrEnum):
    """What may be done with the values of a family."""

    GAUGE = "gauge"
    """It may rise and fall."""
    COUNTER = "counter"
    """It only rises, but for a start from 0. Its name ends in `_total`."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value, and what sets it apart from the others of its family."""

    value: int | float
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name. Raises ValueError for names that the format does not allow."""

    name: str
    type: Type
    help: str
    samples: tuple[Sample, ...]

    def __post_init__(self) -> None:
        if not _METRIC_NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no name of a metric")
        if (self.type is Type.COUNTER) != self.name.endswith("_total"):
            raise ValueError(f"{self.name}: counters, and no others, end in _total")
        for label in (label for sample in self.samples for label in sample.labels):
            if not _LABEL_NAME.fullmatch(label):
                raise ValueError(f"{self.name}: {label!r} is no name of a label")


def render(families: Iterable[Family], labels: Mapping[str, str]) -> str:
    """The whole text; `labels` stand on every sample. A family without samples is left out."""
    return "".join(f"{line}\n" for family in families if family.samples for line in _lines(family, labels))


def _lines(family: Family, labels: Mapping[str, str]) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help.translate(_IN_HELP)}"
    yield f"# TYPE {family.name} {family.type}"
    for sample in family.samples:
        pairs = ",".join(f'{name}="{text.translate(_IN_LABEL)}"' for name, text in {**labels, **sample.labels}.items())
        yield f"{family.name}{{{pairs}}} {sample.value}"
