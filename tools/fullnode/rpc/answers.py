"""What the node answers to each JSON-RPC method, in CometBFT v0.38's shapes, as encoded JSON.

It reads engine, store and application, and knows neither requests nor transports. An answer that cannot be given raises
AnswerError (or MempoolError, EvidenceRefused), whose sentence goes out as the error's data. Source: CometBFT v0.38
rpc/core/*.go and recorded answers of v0.38.25.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from lightclient import merkle, rfc3339, rpcjson
from lightclient.blocks import BLOCK_PROTOCOL, ZERO_TIME_NS
from lightclient.strictjson import encode_base64
from tools.fullnode.abci import QueryResult, TxResult
from tools.fullnode.engine.blockstore import BlockMeta
from tools.fullnode.engine.solo import APP_VERSION, SoloEngine
from tools.fullnode.rpc.evidence import EvidencePool
from tools.fullnode.rpc.jsonrpc import encode

COMETBFT_VERSION: Final = "0.38.25"
"""The release whose RPC this node speaks."""
PROOF_TYPE: Final = "ics23:smt"

_DEFAULT_PER_PAGE: Final = 30
_MAX_PER_PAGE: Final = 100
_MAX_METAS: Final = 20
_CACHED: Final = 64


class AnswerError(Exception):
    """A question that has no answer here; the sentence is for the asker."""


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """How a front of the node presents itself. `node_id`: 40 hex digits, the address of its node key."""

    node_id: str
    moniker: str = "homewatt"
    rpc_address: str = ""


class Answers:
    """The answers of one engine; several fronts may share them. Parameters have CometBFT's names.

    The commits and headers asked for last are kept encoded: every agent asks for every one of them.
    """

    def __init__(self, engine: SoloEngine) -> None:
        self._engine = engine
        self._store = engine.store
        self._app = engine.app
        self._genesis = encode({"genesis": engine.genesis.to_json()})
        self._validators = rpcjson.validators_to_json(engine.validators)
        self._commits: dict[tuple[int, bool], bytes] = {}
        self._headers: dict[int, bytes] = {}
        self.evidence = EvidencePool(engine.store, engine.validators)

    def health(self) -> bytes:
        return b"{}"

    def genesis(self) -> bytes:
        return self._genesis

    def status(self, identity: NodeIdentity) -> bytes:
        own = self._validators[0]
        return encode(
            {
                "node_info": {
                    "protocol_version": {"p2p": "8", "block": str(BLOCK_PROTOCOL), "app": str(APP_VERSION)},
                    "id": identity.node_id,
                    "listen_addr": "",
                    "network": self._engine.genesis.chain_id,
                    "version": COMETBFT_VERSION,
                    "channels": "",
                    "moniker": identity.moniker,
                    "other": {"tx_index": "on", "rpc_address": identity.rpc_address},
                },
                "sync_info": self._end("latest", self._store.height)
                | self._end("earliest", self._store.base)
                | {"catching_up": False},
                "validator_info": {name: own[name] for name in ("address", "pub_key", "voting_power")},
            }
        )

    def abci_info(self) -> bytes:
        info = self._app.info()
        response = {
            "data": "homewatt",
            "version": str(APP_VERSION),
            "app_version": str(APP_VERSION),
            "last_block_height": str(info.last_height),
            "last_block_app_hash": encode_base64(info.last_app_hash),
        }
        return encode({"response": response})

    def commit(self, height: int | None = None) -> bytes:
        height = self._height(height)
        canonical = height != self._store.height
        answer = self._commits.get((height, canonical))
        if answer is None:
            meta = self._meta(height)
            flag = "true" if canonical else "false"
            answer = f'{{"signed_header":{{"header":{meta.header},"commit":{meta.commit}}},"canonical":{flag}}}'.encode()
            self._commits[height, canonical] = answer
            _forget_oldest(self._commits)
        return answer

    def header(self, height: int | None = None) -> bytes:
        height = self._height(height)
        answer = self._headers.get(height)
        if answer is None:
            answer = self._headers[height] = f'{{"header":{self._meta(height).header}}}'.encode()
            _forget_oldest(self._headers)
        return answer

    def header_by_hash(self, hash: bytes = b"") -> bytes:
        height = self._store.height_of(hash)
        return b'{"header":null}' if height is None else self.header(height)

    def block(self, height: int | None = None) -> bytes:
        meta = self._meta(self._height(height))
        txs = encode([encode_base64(tx) for tx in self._store.txs(meta.height)]).decode()
        return (
            f'{{"block_id":{_block_id(meta)},"block":{{"header":{meta.header},"data":{{"txs":{txs}}},'
            f'"evidence":{{"evidence":[]}},"last_commit":{meta.last_commit}}}}}'
        ).encode()

    def block_results(self, height: int | None = None) -> bytes:
        height = self._height(height)
        results = self._store.results(height)
        return encode(
            {
                "height": str(height),
                "txs_results": [_tx_result(result) for result in results.tx_results] or None,
                "finalize_block_events": None,
                "validator_updates": None,
                "consensus_param_updates": None,
                "app_hash": encode_base64(results.app_hash),
            }
        )

    def blockchain(self, minHeight: int = 0, maxHeight: int = 0) -> bytes:
        if minHeight < 0 or maxHeight < 0:
            raise AnswerError("heights must be non-negative")
        highest = min(self._store.height, maxHeight or self._store.height)
        lowest = max(self._store.base, minHeight or 1, highest - _MAX_METAS + 1)
        if lowest > highest:
            raise AnswerError(f"min height {lowest} can't be greater than max height {highest}")
        metas = [
            f'{{"block_id":{_block_id(meta)},"block_size":"{meta.size_bytes}","header":{meta.header},"num_txs":"{meta.txs}"}}'
            for meta in (self._meta(height) for height in range(highest, lowest - 1, -1))
        ]
        return f'{{"last_height":"{self._store.height}","block_metas":[{",".join(metas)}]}}'.encode()

    def validators(self, height: int | None = None, page: int | None = None, per_page: int | None = None) -> bytes:
        height = self._height(height, latest=self._store.height + 1)
        total = len(self._validators)
        size = per_page if per_page is not None and per_page >= 1 else _DEFAULT_PER_PAGE
        size = min(size, _MAX_PER_PAGE)
        pages = -(-total // size)
        page = 1 if page is None else page
        if not 1 <= page <= pages:
            raise AnswerError(f"page should be within [1, {pages}] range, given {page}")
        shown = self._validators[(page - 1) * size : page * size]
        return encode({"block_height": str(height), "validators": shown, "count": str(len(shown)), "total": str(total)})

    def tx(self, hash: bytes = b"", prove: bool = False) -> bytes:
        place = self._store.find_tx(hash)
        if place is None:
            raise AnswerError(f"tx ({hash.hex().upper()}) not found")
        height, index = place
        txs = self._store.txs(height)
        answer: dict[str, Any] = {
            "hash": hash.hex().upper(),
            "height": str(height),
            "index": index,
            "tx_result": _tx_result(self._store.results(height).tx_results[index]),
            "tx": encode_base64(txs[index]),
        }
        if prove:
            leaves = [sha256(tx).digest() for tx in txs]
            proof = merkle.prove(leaves, index)
            answer["proof"] = {
                "root_hash": merkle.root(leaves).hex().upper(),
                "data": answer["tx"],
                "proof": {
                    "total": str(proof.total),
                    "index": str(proof.index),
                    "leaf_hash": encode_base64(merkle.leaf_hash(leaves[index])),
                    "aunts": [encode_base64(aunt) for aunt in proof.aunts],
                },
            }
        return encode(answer)

    def abci_query(self, path: str = "", data: bytes = b"", height: int = 0, prove: bool = False) -> bytes:
        return _query_response(self._app.query(path, data, height, prove))

    def broadcast_tx_sync(self, tx: bytes = b"") -> bytes:
        result = self._engine.submit(tx)
        return b'{"code":%d,"data":"%b","log":%b,"codespace":"","hash":"%b"}' % (
            result.code,
            result.data.hex().upper().encode(),
            encode(result.log),
            sha256(tx).hexdigest().upper().encode(),
        )

    def broadcast_evidence(self, evidence: Mapping[str, Any]) -> bytes:
        return encode({"hash": encode_base64(self.evidence.add(evidence))})

    def _height(self, height: int | None, latest: int | None = None) -> int:
        """The height meant; None is the latest. Raises AnswerError outside of what is kept."""
        if latest is None:
            latest = self._store.height
        if height is None and self._store.height:
            return latest
        height = 1 if height is None else height
        if height <= 0:
            raise AnswerError(f"height must be greater than 0, but got {height}")
        if height > latest:
            raise AnswerError(f"height {height} must be less than or equal to the current blockchain height {latest}")
        if height < self._store.base:
            raise AnswerError(f"height {height} is not available, lowest height is {self._store.base}")
        return height

    def _meta(self, height: int) -> BlockMeta:
        meta = self._store.meta(height)
        if meta is None:
            raise AnswerError(f"height {height} is not available")
        return meta

    def _end(self, which: str, height: int) -> dict[str, str]:
        """One end of the chain in `status`; of an empty chain, Go's zero values."""
        if height == 0:
            found = ("", "", rfc3339.format_ns(ZERO_TIME_NS))
        else:
            meta = self._meta(height)
            header = json.loads(meta.header)
            found = (json.loads(_block_id(meta))["hash"], header["app_hash"], header["time"])
        return {
            f"{which}_block_hash": found[0],
            f"{which}_app_hash": found[1],
            f"{which}_block_height": str(height),
            f"{which}_block_time": found[2],
        }


def _forget_oldest(answers: dict[Any, bytes]) -> None:
    if len(answers) > _CACHED:
        del answers[next(iter(answers))]


def _block_id(meta: BlockMeta) -> str:
    return encode(json.loads(meta.commit)["block_id"]).decode()


def _tx_result(result: TxResult) -> dict[str, Any]:
    return {
        "code": result.code,
        "data": encode_base64(result.data) if result.data else None,
        "log": result.log,
        "info": "",
        "gas_wanted": "0",
        "gas_used": "0",
        "events": [],
        "codespace": "",
    }


def _query_response(result: QueryResult) -> bytes:
    """Written by hand: it is the answer that agents ask for most."""
    ops = "null"
    if result.proof:
        ops = (
            f'{{"ops":[{{"type":"{PROOF_TYPE}","key":"{encode_base64(result.key)}","data":"{encode_base64(result.proof)}"}}]}}'
        )
    return (
        f'{{"response":{{"code":{result.code},"log":{encode(result.log).decode()},"info":"","index":"0",'
        f'"key":{_base64_or_null(result.key)},"value":{_base64_or_null(result.value)},"proofOps":{ops},'
        f'"height":"{result.height}","codespace":""}}}}'
    ).encode()


def _base64_or_null(value: bytes) -> str:
    return f'"{encode_base64(value)}"' if value else "null"
