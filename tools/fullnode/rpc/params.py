"""Parameters of JSON-RPC methods, read as CometBFT reads them: names it does not know are ignored, null means the default.

Integers come as strings (or, tolerated by CometBFT v0.38.25, as numbers), byte strings in base64, what CometBFT calls
HexBytes in hex without a prefix. The sentences are those of Go's decoders where a client could match on them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]*)", re.ASCII)
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)
_NOT_HEX: Final = re.compile(r"[^0-9a-fA-F]")
_INT64_MAX: Final = 2**63 - 1


class ParamError(ValueError):
    """A parameter of the wrong form."""


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return {str: "string", int: "number", float: "number", list: "array", dict: "object"}[type(value)]


def integer(value: Any) -> int:
    """A 64-bit integer."""
    if type(value) is int:
        text = str(value)
    elif type(value) is str:
        text = value
    else:
        raise ParamError(f"json: cannot unmarshal {_kind(value)} into Go value of type int64")
    if _INTEGER.fullmatch(text) is not None and len(text) <= len(str(-_INT64_MAX)) + 1:
        number = int(text)
        if -_INT64_MAX - 1 <= number <= _INT64_MAX:
            return number
    if _NUMBER.fullmatch(text) is not None:
        raise ParamError(f"json: cannot unmarshal number {text[:40]} into Go value of type int64")
    if not text:
        raise ParamError("unexpected end of JSON input")
    raise ParamError(f"invalid character '{text[0]}' looking for beginning of value")


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise ParamError(f"json: cannot unmarshal {_kind(value)} into Go value of type bool")
    return value


def text(value: Any) -> str:
    if type(value) is not str:
        raise ParamError(f"json: cannot unmarshal {_kind(value)} into Go value of type string")
    return value


def base64_bytes(value: Any) -> bytes:
    if type(value) is not str:
        raise ParamError(f"json: cannot unmarshal {_kind(value)} into Go value of type []uint8")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ParamError(f"illegal base64 data: {error}") from None


def hex_bytes(value: Any) -> bytes:
    if type(value) is not str:
        raise ParamError(f"json: cannot unmarshal {_kind(value)} into Go value of type string")
    try:
        if (value.isascii() and value.isalnum()) or not value:
            return bytes.fromhex(value)
    except ValueError:
        pass
    wrong = _NOT_HEX.search(value)
    if wrong is not None:
        raise ParamError(f"encoding/hex: invalid byte: U+{ord(wrong.group()):04X} '{wrong.group()}'")
    raise ParamError("encoding/hex: odd length hex string")


Reader = Callable[[Any], Any]
Signature = Mapping[str, Reader]
"""Names of a method's parameters in their order, and how each is read."""


def read(signature: Signature, params: Any) -> dict[str, Any]:
    """Decode the `params` member of a request by name or by position; what is absent or null is left out.

    Raises ParamError.
    """
    if params is None:
        return {}
    if type(params) is list:
        if len(params) != len(signature):
            raise ParamError(f"expected {len(signature)} parameters ({list(signature)}), got {len(params)}")
        params = dict(zip(signature, params, strict=True))
    elif type(params) is not dict:
        raise ParamError("unknown type for JSON params. Expected map or array")
    found = {}
    for name, value in params.items():
        if value is not None and (reader := signature.get(name)) is not None:
            found[name] = reader(value)
    return found


def read_uri(signature: Signature, query: Mapping[str, str]) -> dict[str, Any]:
    """Decode the query string of the GET form: numbers bare, bytes as 0x... or "text", text in quotes, true or false.

    Raises ParamError.
    """
    return {name: _read_uri_value(signature[name], value) for name, value in query.items() if value and name in signature}


def _read_uri_value(reader: Reader, value: str) -> Any:
    quoted = value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else None
    if reader in (base64_bytes, hex_bytes):
        if value[:2].lower() == "0x":
            return hex_bytes(value[2:])
        return reader(value) if quoted is None else quoted.encode()
    if reader is boolean and value in ("true", "false"):
        return value == "true"
    return reader(value if quoted is None else quoted)
