"""Errors of the light client.

LightClientError
├── NodeError                what a node did; another try, or another node, can help
│   ├── NodeSilent           no answer within the time allowed, or no connection
│   ├── NodeGarbage          an answer that is not of the form the protocol gives it
│   ├── RpcRefused           a JSON-RPC error
│   ├── HeightTooHigh        the node has no block of that height yet
│   ├── HeightPruned         the node keeps no block of that height any more
│   ├── QueryRefused         a query answered with a code above 0
│   ├── WrongAnswer          an answer to something else than what was asked
│   ├── NoConflict           the node contradicted, and its chain turns out to be the same
│   └── DuplicateNode        two of the configured nodes are one and the same
├── VerificationError        a header that must not be believed
│   ├── MalformedHeader      basic checks: header, commit or validator set is not well-formed or does not belong together
│   ├── TrustExpired         the trusting period is over: the client needs a new anchor
│   ├── HeaderFromFuture     the header's time lies beyond the own clock and the allowed drift
│   ├── HeaderNotLater       height or time does not lie after what is trusted
│   ├── WrongValidators      the validator set is not the one that the trusted header announced
│   ├── WrongSignature       a signature in the commit does not verify
│   ├── DoubleVote           one validator stands twice in a commit
│   ├── NotEnoughPower       at most 2/3 of the voting power signed
│   ├── ConflictingHeader    another header than the trusted one, at its height
│   ├── NotLinked            a header below the trusted ones whose hash the next one does not name
│   └── WrongAnchor          the header at the anchor's height has another hash
├── ProofError               a value or an absence that is not proven
│   ├── MalformedProof       bytes that are not a commitment proof of the expected form
│   └── ProofFailed          a proof that does not lead from the key and value asked to the app_hash
├── NodeBehind               the node's newest header is older than what is already trusted
├── NotCrossChecked          the header verifies, and no witness confirms it
├── UnderAttack              two nodes show headers that both verify: nothing is believed any more
├── StaleHeader              the newest header verifies, and is too old to act upon
├── HeaderUnknown            an answer is about a height whose header cannot be had
├── NothingCommitted         no state is proven yet: that takes a verified header above height 1
├── AnchorError              a signed anchor that must not be taken
│   ├── MalformedAnchor      bytes that are not a signed anchor
│   ├── WrongAnchorChain     an anchor of another chain
│   ├── UnknownAnchorKey     signed by a key that the configuration does not name
│   └── WrongAnchorSignature the signature does not verify
└── DamagedStore             the folder of what is trusted cannot be read or written
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from lightclient.rfc3339 import format_ns

SHOWN_CHARS: Final = 128


class LightClientError(Exception):
    """Base of all light client errors. `retry` says whether trying again, with this node or another, can help."""

    retry: ClassVar[bool] = False


class NodeError(LightClientError):
    """What a node did or did not do."""

    retry = True


class NodeSilent(NodeError):
    """No answer within the time allowed, or no connection."""


class NodeGarbage(NodeError):
    """An answer that is not of the form the protocol gives it; `place` is the path of the field."""

    def __init__(self, place: str, expected: str) -> None:
        super().__init__(f"{place}: expected {expected}")
        self.place = place
        self.expected = expected


class RpcRefused(NodeError):
    """A JSON-RPC error, as the node worded it."""

    def __init__(self, code: int, message: str, data: str) -> None:
        super().__init__(f"{message} ({code}): {data}" if data else f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data


class QueryRefused(NodeError):
    """The application answered a query with a code above 0, for instance because the height is not kept any more."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"query refused with code {code}: {log}")
        self.code = code
        self.log = log


class WrongAnswer(NodeError):
    """The node answered something else than what was asked: `what` is the field that differs."""

    def __init__(self, what: str, asked: object, got: object) -> None:
        super().__init__(f"asked for {what} {_shown(asked)}, the answer is about {_shown(got)}")
        self.what = what
        self.asked = asked
        self.got = got


class NoConflict(NodeError):
    """The node contradicted a verified header, and then showed no chain that parts from the verified one."""

    def __init__(self, height: int) -> None:
        super().__init__(f"the node contradicts header {height}, and shows nothing that conflicts with it")
        self.height = height


class HeightTooHigh(NodeError):
    """The node has no block of that height yet."""

    def __init__(self, height: int | None) -> None:
        super().__init__("the node has no block yet" if height is None else f"the node has no block {height} yet")
        self.height = height


class HeightPruned(NodeError):
    """The node keeps no block of that height any more; another node may."""

    def __init__(self, height: int | None, words: str) -> None:
        super().__init__(f"block {height}: {words}")
        self.height = height


class DuplicateNode(NodeError):
    """Two of the configured nodes carry one node id: a node cannot be its own witness."""

    def __init__(self, name: str, other: str, node_id: str) -> None:
        super().__init__(f"{name} is the same node as {other} (node id {node_id}): it cannot confirm what that one says")
        self.name = name
        self.other = other
        self.node_id = node_id


class VerificationError(LightClientError):
    """A header that must not be believed."""


class MalformedHeader(VerificationError):
    """A basic check failed. `rule` says which."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class TrustExpired(VerificationError):
    """The trusting period is over; only a new anchor helps."""

    def __init__(self, expires_at_ns: int, now_ns: int) -> None:
        super().__init__(
            f"what was trusted expired at {format_ns(expires_at_ns)}, it is {format_ns(now_ns)}: a new anchor is needed"
        )
        self.expires_at_ns = expires_at_ns
        self.now_ns = now_ns


class HeaderFromFuture(VerificationError):
    """The header's time lies beyond the own clock and the allowed drift: the node lies, or the own clock is behind."""

    retry = True

    def __init__(self, header_time_ns: int, now_ns: int, drift_ns: int) -> None:
        super().__init__(
            f"header time {format_ns(header_time_ns)} lies {_seconds(header_time_ns - now_ns)} ahead,"
            f" allowed are {_seconds(drift_ns)}"
        )
        self.header_time_ns = header_time_ns
        self.now_ns = now_ns
        self.drift_ns = drift_ns


class HeaderNotLater(VerificationError):
    """Height or time does not lie after what is trusted. `what` is "height" or "time_ns"."""

    def __init__(self, what: str, trusted: int, untrusted: int) -> None:
        super().__init__(f"{what} {untrusted} does not lie after the trusted {trusted}")
        self.what = what
        self.trusted = trusted
        self.untrusted = untrusted


class WrongValidators(VerificationError):
    """The set that signed is not the one that the trusted header announced for the next height."""

    def __init__(self, announced: bytes, got: bytes) -> None:
        super().__init__(f"validators_hash is {got.hex()}, announced was {announced.hex()}")
        self.announced = announced
        self.got = got


class WrongSignature(VerificationError):
    """The signature at `index` of the commit does not verify."""

    def __init__(self, index: int, address: bytes) -> None:
        super().__init__(f"signature {index} of validator {address.hex()} does not verify")
        self.index = index
        self.address = address


class DoubleVote(VerificationError):
    """One validator stands twice in a commit."""

    def __init__(self, address: bytes) -> None:
        super().__init__(f"validator {address.hex()} stands twice in the commit")
        self.address = address


class NotEnoughPower(VerificationError):
    """At most 2/3 of the header's own validators signed."""

    def __init__(self, signed: int, needed_above: int) -> None:
        super().__init__(f"voting power {signed} signed, more than {needed_above} is needed")
        self.signed = signed
        self.needed_above = needed_above


class ConflictingHeader(VerificationError):
    """The node shows another header at the height of the trusted one."""

    def __init__(self, height: int, trusted: bytes, got: bytes) -> None:
        super().__init__(f"height {height}: trusted is {trusted.hex()}, the node shows {got.hex()}")
        self.height = height
        self.trusted = trusted
        self.got = got


class NotLinked(VerificationError):
    """Going backwards: the header at `height` does not have the hash that the one above it names."""

    def __init__(self, height: int, named: bytes, got: bytes) -> None:
        super().__init__(f"height {height}: the header above names {named.hex()}, the node shows {got.hex()}")
        self.height = height
        self.named = named
        self.got = got


class WrongAnchor(VerificationError):
    """The header at the anchor's height has another hash: wrong chain, or wrong anchor."""

    def __init__(self, height: int, expected: bytes, got: bytes) -> None:
        super().__init__(f"height {height}: the anchor says {expected.hex()}, the node shows {got.hex()}")
        self.height = height
        self.expected = expected
        self.got = got


class ProofError(LightClientError):
    """A value or an absence that is not proven; another node may prove it."""

    retry = True


class MalformedProof(ProofError):
    """Bytes that are not a commitment proof of the expected form."""


class ProofFailed(ProofError):
    """The proof does not lead from the key and value asked to the app_hash. `rule` says which step failed."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class NodeBehind(LightClientError):
    """The node's newest header is older than what is already trusted."""

    retry = True

    def __init__(self, trusted_height: int, node_height: int) -> None:
        super().__init__(f"the node stands at height {node_height}, trusted is {trusted_height}")
        self.trusted_height = trusted_height
        self.node_height = node_height


class NotCrossChecked(LightClientError):
    """The header verifies, and no witness confirms it: silent, behind or refused. `causes` says why, by node."""

    retry = True

    def __init__(self, height: int, causes: Mapping[str, str]) -> None:
        reasons = "; ".join(f"{name}: {cause}" for name, cause in causes.items()) or "there is no witness"
        super().__init__(f"no witness confirms header {height}: {reasons}")
        self.height = height
        self.causes = dict(causes)


class UnderAttack(LightClientError):
    """Two nodes show headers of one height that both verify. Only an anchor that the society signed ends this."""

    def __init__(self, attack: str, height: int, nodes: tuple[str, str]) -> None:
        shown = f"{nodes[0]} and {nodes[1]} show headers" if nodes[0] != nodes[1] else f"{nodes[0]} shows two headers"
        super().__init__(f"{attack} attack at height {height}: {shown} that both verify; evidence is kept")
        self.attack = attack
        self.height = height
        self.nodes = nodes


class StaleHeader(LightClientError):
    """The newest header verifies, and is too old to act upon."""

    retry = True

    def __init__(self, height: int, age_ns: int, freshness_ns: int) -> None:
        super().__init__(f"header {height} is {_seconds(age_ns)} old, allowed are {_seconds(freshness_ns)}")
        self.height = height
        self.age_ns = age_ns
        self.freshness_ns = freshness_ns


class NothingCommitted(LightClientError):
    """No state is proven yet: the state at height H is proven by header H + 1, and there is no such header above 1."""

    retry = True


class HeaderUnknown(LightClientError):
    """An answer is about a height whose header cannot be had. Who answered may be ahead of the others, or may lie."""

    retry = True

    def __init__(self, height: int, cause: str) -> None:
        super().__init__(f"header {height} cannot be had: {cause}")
        self.height = height
        self.cause = cause


class AnchorError(LightClientError):
    """A signed anchor that must not be taken."""


class MalformedAnchor(AnchorError):
    """Bytes that are not a signed anchor; `reason` names the field."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a signed anchor: {reason}")
        self.reason = reason


class WrongAnchorChain(AnchorError):
    """An anchor of another chain."""

    def __init__(self, chain_id: str, expected: str) -> None:
        super().__init__(f"the anchor is of the chain {chain_id!r}, not of {expected!r}")
        self.chain_id = chain_id
        self.expected = expected


class UnknownAnchorKey(AnchorError):
    """The anchor is signed by a key that the configuration does not name."""

    def __init__(self, public_key: bytes) -> None:
        super().__init__(f"the anchor is signed by {public_key.hex()}, which is no key that may sign anchors")
        self.public_key = public_key


class WrongAnchorSignature(AnchorError):
    """The anchor's signature does not verify: it was altered, or never signed."""

    def __init__(self, public_key: bytes) -> None:
        super().__init__(f"the anchor's signature by {public_key.hex()} does not verify")
        self.public_key = public_key


class DamagedStore(LightClientError):
    """The folder of what is trusted cannot be read or written; what it holds is left for a person to look at."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.1f} s"


def _shown(value: object) -> str:
    """Bytes in hex; of what a node made long, the beginning."""
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"
