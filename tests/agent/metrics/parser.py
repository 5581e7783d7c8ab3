"""A strict reader of Prometheus' text exposition format 0.0.4, written from its public description alone.

Source: prometheus.io/docs/instrumenting/exposition_formats. Stricter than that: every name has HELP and TYPE, in this order and
before its samples, all samples of a name stand together, and there is nothing else in the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
DIGITS = "0123456789"
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")


@dataclass
class Read:
    """One name with all that was said of it. Samples by their labels, sorted."""

    help: str
    type: str = ""
    samples: dict[tuple[tuple[str, str], ...], float] = field(default_factory=dict)

    def by(self, label: str) -> dict[str, float]:
        """The samples by the value of one label."""
        return {dict(labels)[label]: value for labels, value in self.samples.items()}

    @property
    def only(self) -> float:
        (value,) = self.samples.values()
        return value


def parse(text: str) -> dict[str, Read]:
    """All names of a text. Raises ValueError for whatever the format does not allow."""
    if not text.endswith("\n"):
        raise ValueError("the last line has no end")
    found: dict[str, Read] = {}
    for line in text[:-1].split("\n"):
        _take(line, found)
    for name, read in found.items():
        if not read.samples:
            raise ValueError(f"{name} has no samples")
    return found


def _take(line: str, found: dict[str, Read]) -> None:
    newest = next(reversed(found), "")
    if line.startswith("# HELP "):
        name, _, text = line[7:].partition(" ")
        _check_name(name, ":")
        if name in found:
            raise ValueError(f"a second HELP of {name}")
        found[name] = Read(_unescape(text, "\\n"))
    elif line.startswith("# TYPE "):
        name, _, kind = line[7:].partition(" ")
        if name != newest or found[name].type or found[name].samples or kind not in TYPES:
            raise ValueError(f"TYPE in the wrong place, or of a wrong kind: {line}")
        found[name].type = kind
    else:
        name, labels, value = _sample(line)
        if name != newest or not found[name].type:
            raise ValueError(f"a sample in the wrong place: {line}")
        if labels in found[name].samples:
            raise ValueError(f"a sample twice: {line}")
        found[name].samples[labels] = float(value)


def _sample(line: str) -> tuple[str, tuple[tuple[str, str], ...], str]:
    name = line[: min(line.find(end) % (len(line) + 1) for end in "{ ")]
    _check_name(name, ":")
    rest, labels = line[len(name) :], {}
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            label, quote, rest = rest.partition('="')
            _check_name(label, "")
            end = _end_of_value(rest)
            if not quote or label in labels:
                raise ValueError(f"labels: {line}")
            labels[label] = _unescape(rest[:end], '\\n"')
            rest = rest[end + 1 :]
            if rest.startswith(",") and not rest.startswith(",}"):
                rest = rest[1:]
            elif not rest.startswith("}"):
                raise ValueError(f"labels: {line}")
        rest = rest[1:]
    if not rest.startswith(" ") or " " in rest[1:]:
        raise ValueError(f"no value, or something behind it: {line}")
    return name, tuple(sorted(labels.items())), rest[1:]


def _end_of_value(text: str) -> int:
    """Where the quote stands that ends a value."""
    at = 0
    while text[at] != '"':
        at += 2 if text[at] == "\\" else 1
    return at


def _unescape(text: str, known: str) -> str:
    """`known` are the characters that may follow a backslash."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            if text[at] not in known:
                raise ValueError(f"\\{text[at]} means nothing")
            out += "\n" if text[at] == "n" else text[at]
        else:
            out += text[at]
        at += 1
    return out


def _check_name(name: str, also: str) -> None:
    if not name or name[0] not in LETTERS + also or any(sign not in LETTERS + DIGITS + also for sign in name):
        raise ValueError(f"{name!r} is no name")
