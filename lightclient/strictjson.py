"""Reading JSON that a node sent: every field by name and type, every mistake named by its path.

Fields that nobody asks for are ignored, because newer nodes add some. Everything read has exactly one spelling (integers
without leading zeros, upper-case hex, canonical base64, times without trailing zeros), so that no byte of what is verified
can be altered without notice. Nesting and lists have bounds, names occur once, and numbers are whole: garbage costs as
little as an honest answer.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from typing import Any, Final, NoReturn

from lightclient import rfc3339
from lightclient.errors import NodeGarbage

MAX_LEVELS: Final = 32
"""Nesting of what is read; answers of nodes have about ten levels."""
MAX_ITEMS: Final = 10_000
"""Length of a list where its reader names no other: as many validators as CometBFT allows in a set."""
MAX_INT64_DIGITS: Final = 19
MAX_INT64: Final = 2**63 - 1

_BRACKETS: Final = re.compile(r"[\[\]{}]+")


def load(data: bytes | str) -> Any:
    """Parse JSON in UTF-8 without fractions and doubled names, at most MAX_LEVELS deep. Raises NodeGarbage."""
    try:
        text = data if isinstance(data, str) else data.decode()
        if _is_too_deep(text):
            raise NodeGarbage("message", f"JSON of at most {MAX_LEVELS} levels")
        return _DECODER.decode(text)
    except ValueError as error:
        raise NodeGarbage("message", "JSON with whole numbers and no name twice") from error


def _is_too_deep(text: str) -> bool:
    """Whether brackets outside of strings are nested deeper than allowed, or close what they did not open.

    Taking away all innermost pairs at once, each round takes one level, at the speed of C and without recursion. Which kind of
    bracket closes which is left to the parser.
    """
    if text.count("{") + text.count("[") <= MAX_LEVELS:
        return False
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    brackets = "".join(_BRACKETS.findall("".join(text.split('"')[::2]))).replace("{", "[").replace("}", "]")
    for _ in range(MAX_LEVELS):
        if not brackets:
            return False
        brackets = brackets.replace("[]", "")
    return bool(brackets)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _whole(digits: str) -> int:
    if len(digits) > MAX_INT64_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_whole, parse_float=_no_number, parse_constant=_no_number
)


class Fields:
    """One JSON object and where it stands. Each reader raises NodeGarbage when the field is missing or of another form.

    `missing` is what a field that is not there stands for: Go leaves out the zero of some.
    """

    __slots__ = ("_object", "_place")

    def __init__(self, value: Any, place: str) -> None:
        if type(value) is not dict:
            raise NodeGarbage(place, "an object")
        self._object: dict[str, Any] = value
        self._place = place

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._object.get(name) is not None

    def inner(self, name: str) -> Fields:
        return Fields(self._object.get(name), f"{self._place}.{name}")

    def objects(self, name: str, most: int = MAX_ITEMS) -> list[Fields]:
        """A list of at most `most` objects; null is the empty list, as Go writes it."""
        return [Fields(item, f"{self._place}.{name}[{index}]") for index, item in enumerate(self.raw_list(name, most))]

    def raw_list(self, name: str, most: int = MAX_ITEMS) -> list[Any]:
        """A list of at most `most` things of any kind; null is the empty list."""
        value = self._object.get(name)
        if value is None:
            return []
        if type(value) is not list or len(value) > most:
            raise self._wrong(name, f"a list of at most {most}")
        return value

    def text(self, name: str) -> str:
        value = self._object.get(name)
        if type(value) is not str or not (value.isascii() or _is_unicode(value)):
            raise self._wrong(name, "text")
        return value

    def ascii(self, name: str) -> str:
        text = self.text(name)
        if not text.isascii():
            raise self._wrong(name, "ASCII text")
        return text

    def flag(self, name: str) -> bool:
        value = self._object.get(name)
        if type(value) is not bool:
            raise self._wrong(name, "true or false")
        return value

    def number(self, name: str, missing: int | None = None) -> int:
        """An int32 or uint32, which CometBFT writes as a JSON number; never negative in what is read here."""
        value = self._object.get(name, missing)
        if type(value) is not int or not 0 <= value < 2**32:
            raise self._wrong(name, "a number from 0 to 2^32 - 1")
        return value

    def int64(self, name: str, missing: str | None = None) -> int:
        """An int64 or uint64, which CometBFT writes as a string; never negative in what is read here."""
        value = self._object.get(name, missing)
        if type(value) is not str or not value.isascii() or not value.isdigit() or len(value) > MAX_INT64_DIGITS:
            raise self._wrong(name, "digits in quotes")
        if (value[0] == "0" and len(value) > 1) or int(value) > MAX_INT64:
            raise self._wrong(name, "an int64 without leading zeros")
        return int(value)

    def time_ns(self, name: str) -> int:
        try:
            return rfc3339.parse_ns(self.text(name))
        except ValueError as error:
            raise self._wrong(name, "an RFC 3339 time in UTC, as Go writes it") from error

    def hex(self, name: str) -> bytes:
        """Bytes in upper-case hex; empty text is no bytes."""
        text = self.text(name)
        try:
            value = bytes.fromhex(text)
        except ValueError as error:
            raise self._wrong(name, "upper-case hex") from error
        if value.hex().upper() != text:
            raise self._wrong(name, "upper-case hex")
        return value

    def base64(self, name: str, missing: str | None = None) -> bytes:
        """Bytes in base64; null and empty text are no bytes, as Go writes them."""
        value = self._object.get(name, missing)
        if value is None and name in self._object:
            return b""
        return decode_base64(value, f"{self._place}.{name}")

    def _wrong(self, name: str, expected: str) -> NodeGarbage:
        return NodeGarbage(f"{self._place}.{name}", expected)


def _is_unicode(text: str) -> bool:
    """Whether the text can be written anywhere: JSON can spell halves of characters, and those cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def decode_base64(text: Any, place: str) -> bytes:
    """Canonical base64. Raises NodeGarbage."""
    try:
        value = a2b_base64(text, strict_mode=True) if type(text) is str else None
    except (Base64Error, ValueError) as error:
        raise NodeGarbage(place, "base64") from error
    if value is None or encode_base64(value) != text:
        raise NodeGarbage(place, "base64")
    return value


def encode_base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode("ascii")
