"""A node whose owner has the validator's key and signs a second chain: the attack that only witnesses can see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import hashing, rpcjson
from lightclient.blocks import BlockId, SignedHeader
from tools.fullnode.rpc import jsonrpc
from tools.fullnode.rpc.local import LocalFront


def forge(signed: SignedHeader, key: Ed25519PrivateKey, **fields: Any) -> SignedHeader:
    """The header with some fields changed, signed by the only validator there is as if it were the block."""
    header = replace(signed.header, **fields)
    commit = replace(signed.commit, block_id=replace(signed.commit.block_id, hash=hashing.header_hash(header)))
    (vote,) = commit.signatures
    vote = replace(vote, signature=key.sign(hashing.commit_sign_bytes(header.chain_id, commit, vote)))
    return SignedHeader(header, replace(commit, signatures=(vote,)))


class ForkedFront:
    """A front that shows the honest chain up to a height, and from there on one of its own with another state."""

    def __init__(self, honest: LocalFront, key: Ed25519PrivateKey, first_forged: int) -> None:
        self._honest = honest
        self._key = key
        self._first_forged = first_forged
        self._forged: dict[int, SignedHeader] = {}

    async def handle(self, body: bytes) -> bytes:
        answer = self._honest.answer(body)
        request = json.loads(body)
        if request["method"] not in ("commit", "header"):
            return answer
        result = json.loads(answer)["result"]
        shown = result["header"] if request["method"] == "header" else result["signed_header"]["header"]
        height = int(shown["height"])
        if height < self._first_forged:
            return answer
        forged = self._block(height)
        header = rpcjson.header_to_json(forged.header)
        if request["method"] == "header":
            return jsonrpc.success(request["id"], jsonrpc.encode({"header": header}))
        pair = {"header": header, "commit": rpcjson.commit_to_json(forged.commit)}
        return jsonrpc.success(request["id"], jsonrpc.encode({"signed_header": pair, "canonical": result["canonical"]}))

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self._honest.subscribe(wake)

    def _block(self, height: int) -> SignedHeader:
        """Each block of the fork names the one below it, as a chain does."""
        for missing in range(max(self._forged, default=self._first_forged - 1) + 1, height + 1):
            body = jsonrpc.encode({"jsonrpc": "2.0", "id": 1, "method": "commit", "params": {"height": str(missing)}})
            honest = rpcjson.decode_commit(json.loads(self._honest.answer(body))["result"])
            fields: dict[str, Any] = {"app_hash": sha256(b"another state %d" % missing).digest()}
            if missing > self._first_forged:
                below: BlockId = self._forged[missing - 1].commit.block_id
                fields["last_block_id"] = below
            self._forged[missing] = forge(honest, self._key, **fields)
        return self._forged[height]
