"""The JSON-RPC dispatcher: bytes in, HTTP status and bytes out. It owns no socket and waits for nothing.

Subscriptions exist on websockets alone; `call` answers one request of either kind of transport, see `server`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tools.fullnode.engine.mempool import MempoolError
from tools.fullnode.rpc import jsonrpc
from tools.fullnode.rpc.answers import AnswerError, Answers, NodeIdentity
from tools.fullnode.rpc.evidence import EvidenceRefused, attack_evidence
from tools.fullnode.rpc.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, Request
from tools.fullnode.rpc.params import ParamError, Signature, base64_bytes, boolean, hex_bytes, integer, read, read_uri, text

_URI_ID: Final = -1


@dataclass(frozen=True, slots=True)
class Method:
    """A method's parameters and the function that answers it with an encoded result."""

    signature: Signature
    answer: Callable[..., bytes]


class RpcDispatcher:
    """Answers requests as one front of a node; fronts differ in the identity that `status` shows."""

    def __init__(self, answers: Answers, identity: NodeIdentity) -> None:
        height: Signature = {"height": integer}
        self.methods = {
            "health": Method({}, answers.health),
            "status": Method({}, lambda: answers.status(identity)),
            "genesis": Method({}, answers.genesis),
            "blockchain": Method({"minHeight": integer, "maxHeight": integer}, answers.blockchain),
            "header": Method(height, answers.header),
            "header_by_hash": Method({"hash": hex_bytes}, answers.header_by_hash),
            "block": Method(height, answers.block),
            "block_results": Method(height, answers.block_results),
            "commit": Method(height, answers.commit),
            "validators": Method({"height": integer, "page": integer, "per_page": integer}, answers.validators),
            "tx": Method({"hash": base64_bytes, "prove": boolean}, answers.tx),
            "abci_info": Method({}, answers.abci_info),
            "abci_query": Method({"path": text, "data": hex_bytes, "height": integer, "prove": boolean}, answers.abci_query),
            "broadcast_tx_sync": Method({"tx": base64_bytes}, answers.broadcast_tx_sync),
            "broadcast_evidence": Method({"evidence": attack_evidence}, answers.broadcast_evidence),
        }

    def handle(self, body: bytes) -> tuple[int, bytes]:
        """Answer an HTTP body. An array of one gets a bare object, nothing but notifications an empty body."""
        if len(body) > jsonrpc.MAX_BODY_BYTES:
            return jsonrpc.body_too_large()
        try:
            requests = jsonrpc.parse(body)
        except jsonrpc.NoRequest as error:
            return 500, jsonrpc.failure(None, PARSE_ERROR, str(error))
        if len(requests) > jsonrpc.MAX_BATCH:
            sentence = f"batch request exceeds maximum ({jsonrpc.MAX_BATCH}) allowed number of requests"
            return 200, jsonrpc.failure(None, INVALID_REQUEST, sentence)
        responses = [self.call(request) for request in requests if request.id is not None]
        if len(responses) > 1:
            return 200, b"[" + b",".join(responses) + b"]"
        return 200, responses[0] if responses else b""

    def call(self, request: Request, invalid_params: int = INVALID_PARAMS) -> bytes:
        """Answer one request that has an id. `invalid_params` is the code for parameters of the wrong form."""
        if request.id is None:
            raise ValueError("a notification gets no answer")
        method = self.methods.get(request.method)
        if method is None:
            return jsonrpc.failure(request.id, METHOD_NOT_FOUND)
        try:
            arguments = read(method.signature, request.params)
        except ParamError as error:
            return jsonrpc.failure(request.id, invalid_params, f"error converting json params to arguments: {error}")
        try:
            return jsonrpc.success(request.id, method.answer(**arguments))
        except (AnswerError, MempoolError, EvidenceRefused) as error:
            return jsonrpc.failure(request.id, INTERNAL_ERROR, str(error))

    def handle_uri(self, name: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        """Answer the GET form, for people with a browser or curl. Errors come with HTTP 500, as in CometBFT."""
        method = self.methods.get(name)
        if method is None:
            return 404, jsonrpc.failure(_URI_ID, METHOD_NOT_FOUND)
        try:
            return 200, jsonrpc.success(_URI_ID, method.answer(**read_uri(method.signature, query)))
        except ParamError as error:
            sentence = f"error converting http params to arguments: {error}"
            return 500, jsonrpc.failure(_URI_ID, INVALID_PARAMS, sentence)
        except (AnswerError, MempoolError, EvidenceRefused) as error:
            return 500, jsonrpc.failure(_URI_ID, INTERNAL_ERROR, str(error))
