"""JSON-RPC 2.0 messages as CometBFT speaks it. Bytes in, values out; who carries the bytes is not known here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lightclient import strictjson
from lightclient.errors import NodeGarbage, RpcRefused

MAX_WORDS_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Result:
    """What a call gave. Events carry the id of their subscription."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a call failed; the id is missing where the node could not read it."""

    id: int | None
    error: RpcRefused


Message = Result | Refused


def encode_request(request_id: int, method: str, params: Mapping[str, Any]) -> bytes:
    """A call. CometBFT wants 64-bit integers in `params` as text."""
    request = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(request, separators=(",", ":")).encode()


def decode_message(data: bytes | str) -> Message:
    """One answer or event. Raises NodeGarbage."""
    message = strictjson.load(data)
    if type(message) is not dict:
        raise NodeGarbage("message", "an object")
    request_id = message.get("id")
    if "error" in message:
        fields = message["error"]
        if type(fields) is not dict or type(fields.get("code")) is not int:
            raise NodeGarbage("error", "an object with a code")
        error = RpcRefused(fields["code"], words(fields.get("message", "")), words(fields.get("data", "")))
        return Refused(request_id if type(request_id) is int else None, error)
    if type(request_id) is not int:
        raise NodeGarbage("id", "the number of a request")
    if "result" not in message:
        raise NodeGarbage("message", "a result or an error")
    return Result(request_id, message["result"])


def words(value: Any) -> str:
    """What a node says to people, fit for logs and terminals: one line without control characters, of bounded length."""
    text = value if type(value) is str else ""
    return "".join(char if char.isprintable() else "?" for char in text[:MAX_WORDS_CHARS])
