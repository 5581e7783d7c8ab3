"""JSON-RPC 2.0 requests and responses as CometBFT v0.38 frames them. It knows no methods.

A body is one request or an array of them. A request without an id is a notification and gets no answer. Errors of methods
come with HTTP 200; only a body that is no request at all gets HTTP 500, and one that is too long HTTP 400.
Source: CometBFT v0.38 rpc/jsonrpc/types/types.go, rpc/jsonrpc/server/http_json_handler.go.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

MAX_BODY_BYTES: Final = 1_000_000
MAX_BATCH: Final = 10

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

_MESSAGES: Final = {
    PARSE_ERROR: "Parse error. Invalid JSON",
    INVALID_REQUEST: "Invalid Request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
}

RequestId = int | str


class NoRequest(ValueError):
    """A body that holds no request."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `id` is None for a notification; `params` is what the JSON held, None when absent."""

    id: RequestId | None
    method: str
    params: Any


def parse(body: bytes | str) -> list[Request]:
    """Split a body into its requests. Raises NoRequest."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NoRequest(f"error unmarshaling request: {error}") from None
    if type(value) is list:
        return [_request(item) for item in value]
    return [_request(value)]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"invalid character '{name[0]}' looking for beginning of value")


def _request(value: Any) -> Request:
    if value is None:
        return Request(None, "", None)
    if type(value) is not dict:
        raise NoRequest(f"error unmarshaling request: a request is an object, not {type(value).__name__}")
    request_id = value.get("id")
    if type(request_id) is float and math.isfinite(request_id):
        request_id = int(request_id)
    if request_id is not None and type(request_id) is not int and type(request_id) is not str:
        raise NoRequest(f"error unmarshaling request: json-rpc ID ({request_id}) is of unknown type")
    method = value.get("method", "")
    if type(method) is not str:
        raise NoRequest("error unmarshaling request: method is not a string")
    return Request(request_id, method, value.get("params"))


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return _encode(value).encode()


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def success(request_id: RequestId, result: bytes) -> bytes:
    """A response around an encoded result."""
    shown = b"%d" % request_id if type(request_id) is int else encode(request_id)
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (shown, result)


def failure(request_id: RequestId | None, code: int, data: str | None = None) -> bytes:
    """An error response. Without an id (the request could not be read) the member is left out, as CometBFT does."""
    error: dict[str, Any] = {"code": code, "message": _MESSAGES[code]}
    if data is not None:
        error["data"] = data
    head: dict[str, Any] = {"jsonrpc": "2.0"}
    if request_id is not None:
        head["id"] = request_id
    return encode(head | {"error": error})


def body_too_large() -> tuple[int, bytes]:
    """HTTP status and body for a request of more than MAX_BODY_BYTES."""
    return 400, failure(None, INVALID_REQUEST, "error reading request body: http: request body too large")
