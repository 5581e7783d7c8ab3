"""Reads tables of a configuration strictly into frozen dataclasses: the annotations are the schema.

Supported are int, bool, str, bytes (written in hexadecimal), Path (relative to the file), enumerations of strings, Literal,
`X | None`, tuple[X, ...], nested dataclasses, and Mapping (a table that somebody else judges). `Annotated[int, Between(a, b)]`
bounds a number. A ValueError from `__post_init__` becomes a WrongSection.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from agent.errors import MissingKey, UnknownKey, WrongSection, WrongValue

Table = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a number, both included."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands: the file, and the section's dotted name, empty for the top."""

    file: Path
    section: str = ""

    def inner(self, key: str) -> Place:
        return Place(self.file, f"{self.section}.{key}" if self.section else key)


def from_table(cls: type[T], table: Table, place: Place) -> T:
    """Build `cls` from a table. Raises UnknownKey, MissingKey, WrongValue, WrongSection."""
    hints = typing.get_type_hints(cls, include_extras=True)
    known = {field.name: field for field in fields(typing.cast(Any, cls)) if field.init}
    for key in table:
        if key not in known:
            raise UnknownKey(str(place.file), place.section, key, sorted(known))
    for name, field in known.items():
        if name not in table and not _has_default(field):
            raise MissingKey(str(place.file), place.section, name, _words(hints[name]))
    values = {key: _value(hints[key], value, place, key) for key, value in table.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise WrongSection(str(place.file), place.section, str(error)) from error


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _value(hint: Any, value: object, place: Place, key: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (hint,) = [choice for choice in arguments if choice is not types.NoneType]
        return _value(hint, value, place, key)
    if is_dataclass(hint) and isinstance(value, Mapping):
        return from_table(typing.cast(type[Any], hint), value, place.inner(key))
    if origin is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], entry, place, f"{key}[{index}]") for index, entry in enumerate(value))
    if (origin or hint) is Mapping and isinstance(value, Mapping):
        return types.MappingProxyType(dict(value))
    converted = _scalar(hint, value, place)
    if converted is None:
        raise WrongValue(str(place.file), place.section, key, _words(hint), repr(value))
    return converted


def _scalar(hint: Any, value: object, place: Place) -> object | None:
    """The value in its type, None where it does not fit."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        inner, bounds = arguments
        converted = _scalar(inner, value, place)
        return converted if isinstance(converted, int) and bounds.low <= converted <= bounds.high else None
    if origin is Literal:
        return value if value in arguments else None
    if hint in (int, bool):
        return value if type(value) is hint else None
    if not isinstance(value, str):
        return None
    if hint is str:
        return value or None
    if hint is Path:
        return place.file.parent / value if value else None
    if hint is bytes:
        return _from_hex(value)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return hint(value) if value in list(hint) else None
    return None


def _from_hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


_NAMES: dict[Any, str] = {
    int: "a whole number",
    bool: "true or false",
    str: "text",
    bytes: "hexadecimal text",
    Path: "a path",
}


def _words(hint: Any) -> str:
    """What a value must be, for people."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return f"{_words(arguments[0])} from {arguments[1].low} to {arguments[1].high}"
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (types.UnionType, typing.Union):
        return _words(next(choice for choice in arguments if choice is not types.NoneType))
    if origin is tuple:
        return f"a list, each entry {_words(arguments[0])}"
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return "one of " + ", ".join(hint)
    return _NAMES.get(hint, "a table")
