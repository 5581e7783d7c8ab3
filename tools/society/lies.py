"""What a node can say that is not so, without having a validator's key. One lie, one function; the tables order them by method.

A lie is given a `Call` and returns the bytes of a response, None for no response. It raises Untold where there is nothing
to lie about: the value that should be hidden does not exist, or the older state is the same.

Nothing here costs an agent time, as silence and feigned lagging do: who waits a second hands in behind the others, and the
order of a block decides to whom the last Wh of a call goes. So bills can be compared to the millionth of a euro.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from lightclient import hashing, keys, rfc3339, rpcjson
from lightclient.blocks import SignedHeader
from lightclient.strictjson import decode_base64, encode_base64
from lightclient.transport import MAX_ANSWER_BYTES
from tools.fullnode.rpc import jsonrpc

NS: Final = 1_000_000_000
BLOCKS_BACK: Final = 100
"""How old a stale header is: about five slots of a society, older than anybody who is online has."""
BLOCKS_AHEAD: Final = 1_000_000
REFUSED_CODE: Final = 99


class Untold(Exception):
    """This lie does not fit this question."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and the honest node to make the answer of. `noise`: 32 bytes that no other call has."""

    request_id: Any
    method: str
    params: Mapping[str, Any]
    honest: Callable[[bytes], bytes]
    peer_id: str
    noise: bytes

    def ask(self, method: str, **params: Any) -> Any:
        """What the honest node answers. Raises Untold where it refuses."""
        body = jsonrpc.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = json.loads(self.honest(body))
        if "result" not in answer:
            raise Untold
        return answer["result"]

    def truth(self) -> Any:
        """The result that an honest node gives to this call. Raises Untold where it refuses."""
        return self.ask(self.method, **self.params)

    def signed_header(self) -> SignedHeader:
        """The truth of `commit`."""
        return rpcjson.decode_commit(self.truth())

    def answer(self, result: Any) -> bytes:
        return jsonrpc.success(self.request_id, jsonrpc.encode(result))

    def refuse(self, sentence: str) -> bytes:
        return jsonrpc.failure(self.request_id, jsonrpc.INTERNAL_ERROR, sentence)


Lie = Callable[[Call], bytes | None]


def altered_value(call: Call) -> bytes:
    """The true proof, beside a value with one bit turned."""
    truth = call.truth()
    value = bytearray(_value(truth))
    value[call.noise[0] % len(value)] ^= 1
    truth["response"]["value"] = encode_base64(bytes(value))
    return call.answer(truth)


def value_of_another_key(call: Call) -> bytes:
    """A value that is true and proven, but stands under another key; the answer names the key asked."""
    asked = bytes.fromhex(call.params["data"])
    if asked == keys.PARAMS:
        raise Untold
    other = call.ask(call.method, **{**call.params, "data": keys.PARAMS.hex()})
    return call.answer(_renamed(other, asked))


def value_of_an_older_height(call: Call) -> bytes:
    """A value that was true, with the proof that it was, given out as that of the height asked."""
    older = call.ask(call.method, **{**call.params, "height": str(int(call.params["height"]) - BLOCKS_BACK)})
    older["response"]["height"] = call.params["height"]
    if older["response"]["code"] != 0 or older == call.truth():
        raise Untold
    return call.answer(older)


def absence_for_presence(call: Call) -> bytes:
    """No value, with the proof that a key nobody ever wrote has none."""
    _value(call.truth())
    nobodys = call.ask(call.method, **{**call.params, "data": call.noise.hex()})
    return call.answer(_renamed(nobodys, bytes.fromhex(call.params["data"])))


def presence_for_absence(call: Call) -> bytes:
    """A value where there is none, with the proof that there is none."""
    truth = call.truth()
    if truth["response"]["value"] is not None:
        raise Untold
    truth["response"]["value"] = encode_base64(call.noise)
    return call.answer(truth)


def empty_value(call: Call) -> bytes:
    """The proof that there is a value, and no value beside it."""
    truth = call.truth()
    _value(truth)
    truth["response"]["value"] = None
    return call.answer(truth)


def no_such_height(call: Call) -> bytes:
    """A refusal, as if the state asked for were not kept any more."""
    truth = call.truth()
    truth["response"] |= {"code": 1, "log": "this height is not kept", "value": None, "proofOps": None}
    return call.answer(truth)


def altered_header(call: Call) -> bytes:
    """The header one second later than it was, under its old signatures."""
    truth = call.truth()
    header = truth["header"] if call.method == "header" else truth["signed_header"]["header"]
    header["time"] = rfc3339.format_ns(rfc3339.parse_ns(header["time"]) + NS)
    return call.answer(truth)


def forged_state(call: Call) -> bytes:
    """A header with an app_hash of one's own, a commit that names its hash, and the signatures of the true one."""
    signed = call.signed_header()
    return _shown(call, replace(signed, header=replace(signed.header, app_hash=call.noise)))


def far_ahead(call: Call) -> bytes:
    """A header a million blocks from now, with a commit of noise."""
    signed = call.signed_header()
    height = signed.height + BLOCKS_AHEAD
    header = replace(signed.header, height=height, time_ns=signed.header.time_ns + NS, app_hash=call.noise)
    votes = tuple(replace(vote, signature=call.noise * 2) for vote in signed.commit.signatures)
    return _shown(call, SignedHeader(header, replace(signed.commit, height=height, signatures=votes)))


def stale_header(call: Call) -> bytes:
    """A header that is true and old, given out as the newest."""
    height = call.signed_header().height - BLOCKS_BACK
    return call.answer(call.ask("commit", height=str(height)))


def another_height(call: Call) -> bytes:
    """The block below the one that was asked for."""
    return call.answer(call.ask(call.method, **{**call.params, "height": str(int(call.params["height"]) - 1)}))


def block_not_kept(call: Call) -> bytes:
    """As if the node had thrown the block away."""
    height = int(call.params["height"])
    return call.refuse(f"height {height} is not available, lowest height is {height + 1}")


def invented_validators(call: Call) -> bytes:
    """A validator whom nobody ever chose."""
    truth = call.truth()
    member = truth["validators"][0]
    member["pub_key"]["value"] = encode_base64(call.noise)
    member["address"] = hashing.address(call.noise).hex().upper()
    return call.answer(truth)


def ten_thousand_validators(call: Call) -> bytes:
    """The first page of a set that would take a hundred more."""
    return call.answer(call.truth() | {"total": "10000"})


def another_chain(call: Call) -> bytes:
    """The status of a node that follows another chain."""
    truth = call.truth()
    truth["node_info"]["network"] = "somewhere-else"
    return call.answer(truth)


def id_of_another_node(call: Call) -> bytes:
    """The name of an honest node, so that it looks like a second entrance to this one."""
    truth = call.truth()
    truth["node_info"]["id"] = call.peer_id
    return call.answer(truth)


def swallowed(call: Call) -> bytes:
    """Accepted, says the answer; the transaction goes nowhere."""
    return call.answer(_check_tx(0, "", _tx_hash(call)))


def refused_though_fine(call: Call) -> bytes:
    """Refused by rules that the ledger does not have; the transaction goes nowhere."""
    return call.answer(_check_tx(REFUSED_CODE, "not today", _tx_hash(call)))


def known_already(call: Call) -> bytes:
    """It stands in the cache, says the answer, where nobody has put it."""
    return call.refuse("tx already exists in cache")


def another_transaction(call: Call) -> bytes:
    """Accepted, and the hash is that of something else."""
    return call.answer(_check_tx(0, "", call.noise))


def no_json(call: Call) -> bytes:
    """An answer that breaks off."""
    return jsonrpc.success(call.request_id, b"{")[:-2]


def nested_without_end(call: Call) -> bytes:
    """Brackets within brackets, to use up the reader's stack."""
    return b"[" * 100_000


def one_byte_too_long(call: Call) -> bytes:
    """More than any answer needs, to use up the reader's memory."""
    return b" " * (MAX_ANSWER_BYTES + 1)


def answer_to_another_call(call: Call) -> bytes:
    """The truth, under the number of another request."""
    return jsonrpc.success(call.request_id + 1, jsonrpc.encode(call.truth()))


def no_answer(call: Call) -> None:
    """Nothing, and a closed connection."""


LIES: Final[Mapping[str, tuple[Lie, ...]]] = {
    "abci_query": (
        altered_value,
        value_of_another_key,
        value_of_an_older_height,
        absence_for_presence,
        presence_for_absence,
        empty_value,
        no_such_height,
    ),
    "commit": (altered_header, forged_state, far_ahead, stale_header),
    "header": (altered_header, another_height, block_not_kept),
    "validators": (invented_validators, ten_thousand_validators),
    "status": (another_chain, id_of_another_node),
    "broadcast_tx_sync": (swallowed, refused_though_fine, known_already, another_transaction),
}
"""What can be told of each method's answer."""
LIES_ABOUT_ANYTHING: Final[tuple[Lie, ...]] = (
    no_json,
    nested_without_end,
    one_byte_too_long,
    answer_to_another_call,
    no_answer,
)


def _value(result: Any) -> bytes:
    value = result["response"]["value"]
    if value is None:
        raise Untold
    return decode_base64(value, "value")


def _renamed(result: Any, key: bytes) -> Any:
    """The answer about one key, given out as one about another."""
    response = result["response"]
    if response["proofOps"] is None:
        raise Untold
    response["key"] = response["proofOps"]["ops"][0]["key"] = encode_base64(key)
    return result


def _shown(call: Call, signed: SignedHeader) -> bytes:
    """An answer to `commit` whose parts fit together, but for what only a validator can make."""
    signed_id = replace(signed.commit.block_id, hash=hashing.header_hash(signed.header))
    commit = replace(signed.commit, block_id=signed_id)
    shown = rpcjson.signed_header_to_json(replace(signed, commit=commit))
    return call.answer({"signed_header": shown, "canonical": "height" in call.params})


def _tx_hash(call: Call) -> bytes:
    return sha256(decode_base64(call.params["tx"], "tx")).digest()


def _check_tx(code: int, log: str, tx_hash: bytes) -> Any:
    return {"code": code, "data": "", "log": log, "codespace": "", "hash": tx_hash.hex().upper()}
