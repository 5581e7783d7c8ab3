"""Every way to alter one field of a JSON document: other values of the same form, other forms, nothing at all.

What a mutation means is not known here; who judges it decides from the place whether it had to be noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from lightclient import rfc3339

Place = tuple[str | int, ...]
"""Where a field stands: names and indices from the top."""

LEFT_OUT: Final = "left out"
VOTE_FLAGS: Final = range(5)
_HEX: Final = re.compile(r"(?:[0-9A-F]{2}){20,}", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]{22,}={0,2}", re.ASCII)
_DIGITS: Final = re.compile(r"\d{1,19}", re.ASCII)
_BASE64_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One alteration, by the place of the field and what was done to it."""

    place: Place
    what: str

    def __str__(self) -> str:
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.place)[1:] + f" {self.what}"


class _Gone:
    """Stands for a key or an entry that is left out."""


_GONE: Final = _Gone()


def mutations(document: dict[str, Any], is_spared: Callable[[Place], bool]) -> Iterator[Mutation]:
    """Alter the document in place, one mutation at a time; it is whole again before the next, and at the end.

    Fields for which `is_spared` holds are left alone with all below them.
    """
    for container, key, place in list(_fields(document, (), is_spared)):
        for what, other in (*_alternatives(container[key], place[-1]), (LEFT_OUT, _GONE)):
            yield from _altered(container, key, other, Mutation(place, what))
    for entries, place in _lists(document, ()):
        yield from _reordered(entries, place, is_spared)


def _fields(node: Any, place: Place, is_spared: Callable[[Place], bool]) -> Iterator[tuple[Any, Any, Place]]:
    """Every field and list entry: what holds it, its key there, its place."""
    keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
    for key in keys:
        below = (*place, key)
        if not is_spared(below):
            yield node, key, below
            yield from _fields(node[key], below, is_spared)


def _lists(node: Any, place: Place) -> Iterator[tuple[list[Any], Place]]:
    if isinstance(node, list):
        yield node, place
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _lists(value, (*place, key))


def _altered(container: Any, key: Any, other: Any, mutation: Mutation) -> Iterator[Mutation]:
    original = container[key]
    if other is _GONE:
        del container[key]
    else:
        container[key] = other
    yield mutation
    if other is _GONE and isinstance(container, list):
        container.insert(key, original)
    else:
        container[key] = original


def _reordered(entries: list[Any], place: Place, is_spared: Callable[[Place], bool]) -> Iterator[Mutation]:
    for index in range(len(entries)):
        if is_spared((*place, index)):
            continue
        entries.insert(index, entries[index])
        yield Mutation((*place, index), "doubled")
        del entries[index]
        if index + 1 < len(entries) and entries[index] != entries[index + 1]:
            entries[index], entries[index + 1] = entries[index + 1], entries[index]
            yield Mutation((*place, index), "swapped with the next")
            entries[index], entries[index + 1] = entries[index + 1], entries[index]


def _alternatives(value: Any, name: str | int) -> Iterator[tuple[str, Any]]:
    """Other values; each means something else than `value` does, or nothing."""
    if isinstance(value, bool):
        yield "negated", not value
    elif isinstance(value, int):
        yield from _other_numbers(value, name)
    elif isinstance(value, str):
        yield from _other_texts(value)
    elif value is None:
        yield "made one byte", "AA=="
    elif isinstance(value, list):
        yield "emptied", []
    else:
        yield "made a list", [value]
    if value is not None and value != "":  # Go writes bytes that are not there as either
        yield "made null", None


def _other_numbers(value: int, name: str | int) -> Iterator[tuple[str, Any]]:
    if name == "block_id_flag":
        for flag in VOTE_FLAGS:
            if flag != value:
                yield f"made {flag}", flag
    else:
        yield "plus 1", value + 1
        yield "minus 1", value - 1
    yield "made text", str(value)


def _other_texts(value: str) -> Iterator[tuple[str, Any]]:
    if not value:
        yield "made a hash", "00" * 32
        return
    if _DIGITS.fullmatch(value):
        yield "plus 1", str(int(value) + 1)
        yield "last digit altered", value[:-1] + str((int(value[-1]) + 5) % 10)
        yield "with a leading zero", "0" + value
        yield "negative", "-" + value
        yield "made a number", int(value)
    elif _HEX.fullmatch(value):
        yield "first digit altered", _next_in("0123456789ABCDEF", value[0]) + value[1:]
        yield "last digit altered", value[:-1] + _next_in("0123456789ABCDEF", value[-1])
        yield "last byte cut", value[:-2]
        yield "one byte longer", value + "00"
        if value.lower() != value:
            yield "in lower case", value.lower()
    elif _BASE64.fullmatch(value):
        end = len(value.rstrip("=")) - 1
        for what, at in (("first", 0), ("middle", end // 2), ("last", end)):
            yield f"{what} character altered", value[:at] + _next_in(_BASE64_ALPHABET, value[at]) + value[at + 1 :]
        yield "without padding", value.rstrip("=") if value.endswith("=") else value[:-1]
        yield "three bytes longer", "AAAA" + value
    elif (time_ns := _time_ns(value)) is not None:
        yield from _other_times(time_ns)
    else:
        yield "first character altered", chr(ord(value[0]) ^ 1) + value[1:]
        yield "one character longer", value + "x"
    yield "emptied", ""


def _other_times(time_ns: int) -> Iterator[tuple[str, str]]:
    for what, by_ns in (("1 ns later", 1), ("1 ns earlier", -1), ("1 s later", 10**9), ("1 s earlier", -(10**9))):
        try:
            yield what, rfc3339.format_ns(time_ns + by_ns)
        except OverflowError:  # before year 1: no such time can be written
            continue


def _time_ns(text: str) -> int | None:
    try:
        return rfc3339.parse_ns(text)
    except ValueError:
        return None


def _next_in(alphabet: str, character: str) -> str:
    return alphabet[(alphabet.index(character) + 1) % len(alphabet)]
