"""One websocket conversation with the node: requests, and subscriptions to new headers. It owns no socket.

Subscriptions are a wake-up, nothing more: a client that cares fetches and verifies the commit. Of CometBFT's queries the
node knows `tm.event='NewBlockHeader'`; any other is refused, because silence would look like no events.
Source: CometBFT v0.38 rpc/core/events.go, rpc/jsonrpc/server/ws_handler.go.
"""

from __future__ import annotations

import re
from typing import Final

from tools.fullnode.rpc import jsonrpc
from tools.fullnode.rpc.dispatcher import RpcDispatcher
from tools.fullnode.rpc.jsonrpc import INTERNAL_ERROR, PARSE_ERROR, Request, RequestId
from tools.fullnode.rpc.params import ParamError, read, text

MAX_QUERY: Final = 512
_NEW_HEADER: Final = re.compile(r"\s*tm\.event\s*=\s*'NewBlockHeader'\s*")
_EVENT_TYPE: Final = "tendermint/event/NewBlockHeader"


class SubscriptionRefused(Exception):
    """A subscribe or unsubscribe that cannot be carried out."""


class WebsocketSession:
    """What one client said and subscribed to."""

    def __init__(self, dispatcher: RpcDispatcher) -> None:
        self._dispatcher = dispatcher
        self._subscription: tuple[RequestId, str] | None = None
        self._methods = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "unsubscribe_all": self._unsubscribe_all,
        }

    def receive(self, message: bytes | str) -> bytes | None:
        """Answer one message; None for a notification. Unlike on HTTP there are no batches, and ids are integers."""
        try:
            requests = jsonrpc.parse(message)
        except jsonrpc.NoRequest as error:
            return jsonrpc.failure(None, PARSE_ERROR, str(error))
        if len(requests) != 1 or message.lstrip()[:1] in (b"[", "["):
            return jsonrpc.failure(None, PARSE_ERROR, "error unmarshaling request: a websocket takes no batches")
        request = requests[0]
        if request.id is None:
            return None
        if type(request.id) is not int:
            return jsonrpc.failure(None, INTERNAL_ERROR, "invalid request ID type")
        if request.method not in self._methods:
            return self._dispatcher.call(request, invalid_params=INTERNAL_ERROR)
        return self._change(request, request.id)

    def new_header(self, header_json: str) -> bytes | None:
        """The event that a subscriber gets for a new header; None for anybody else."""
        if self._subscription is None:
            return None
        request_id, query = self._subscription
        value = f'{{"type":"{_EVENT_TYPE}","value":{{"header":{header_json}}}}}'
        shown = jsonrpc.encode(query).decode()
        result = f'{{"query":{shown},"data":{value},"events":{{"tm.event":["NewBlockHeader"]}}}}'
        return jsonrpc.success(request_id, result.encode())

    def _change(self, request: Request, request_id: RequestId) -> bytes:
        try:
            query = read({"query": text}, request.params).get("query", "")
            self._methods[request.method](request_id, query)
        except ParamError as error:
            return jsonrpc.failure(request_id, INTERNAL_ERROR, f"error converting json params to arguments: {error}")
        except SubscriptionRefused as error:
            return jsonrpc.failure(request_id, INTERNAL_ERROR, str(error))
        return jsonrpc.success(request_id, b"{}")

    def _subscribe(self, request_id: RequestId, query: str) -> None:
        _check_query(query)
        if self._subscription is not None:
            raise SubscriptionRefused("already subscribed")
        self._subscription = (request_id, query)

    def _unsubscribe(self, request_id: RequestId, query: str) -> None:
        _check_query(query)
        self._unsubscribe_all(request_id, query)

    def _unsubscribe_all(self, request_id: RequestId, query: str) -> None:
        if self._subscription is None:
            raise SubscriptionRefused("subscription not found")
        self._subscription = None


def _check_query(query: str) -> None:
    if len(query) > MAX_QUERY:
        raise SubscriptionRefused("maximum query length exceeded")
    if _NEW_HEADER.fullmatch(query) is None:
        raise SubscriptionRefused("failed to parse query: this node offers tm.event='NewBlockHeader' and nothing else")
