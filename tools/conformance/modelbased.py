"""Model-based tests of single steps: `initial` is trusted, every `input` comes with the verdict that a verifier must give.

Made by tendermint-rs from a TLA+ model; Go's light/mbt reads the same files. Their JSON has older spellings than JSON-RPC
(`part_set_header`, `power`, null for no block), which are translated; then the strict decoders of the client read them.
Source: informalsystems/tendermint-rs, light-client/tests/model_based.rs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, assert_never

from lightclient import hashing, rfc3339, rpcjson
from lightclient.blocks import ZERO_TIME_NS, BlockIdFlag, LightBlock, SignedHeader, ValidatorSet
from lightclient.errors import NodeGarbage
from lightclient.options import Options
from lightclient.strictjson import Fields
from lightclient.verifier import Invalid, NotEnoughTrust, Verdict, Verified, verify
from tools.conformance import reading
from tools.conformance.findings import Findings, Kind

NO_BLOCK: Final = {"hash": "", "parts": {"total": 0, "hash": ""}}
ABSENT_TIME: Final = rfc3339.format_ns(ZERO_TIME_NS)


def is_single_step(document: Any) -> bool:
    """Whether a JSON document has the shape of these files."""
    return isinstance(document, dict) and isinstance(document.get("initial"), dict) and isinstance(document.get("input"), list)


def check_file(path: Path) -> Findings:
    """Take every step in turn; what is verified is trusted in the next one."""
    findings = Findings()
    document = reading.read_json(path)
    try:
        trusted = _trusted(document["initial"])
        period_ns = Fields(document["initial"], "initial").int64("trusting_period")
    except NodeGarbage as error:
        findings.check(Kind.STEPS, path, "initial", f"cannot be read: {error}")
        return findings
    options = Options(trusted.header.chain_id, max(1, period_ns), freshness_ns=1, drift_ns=0)
    for number, step in enumerate(document["input"], start=1):
        expected = step.get("verdict") if isinstance(step, dict) else None
        verdict = _judge(trusted, step, options)
        got = _name(verdict)
        findings.note(Kind.STEPS, f"expected {expected}")
        wrong = None if got == expected else f"expected {expected}, the verdict is {got}{_reason(verdict)}"
        findings.check(Kind.STEPS, path, f"step {number}", wrong)
        try:
            trusted = _trusted(step["block"]) if isinstance(verdict, Verified) else trusted
        except NodeGarbage as error:
            findings.check(Kind.STEPS, path, f"after step {number}", f"cannot be read: {error}")
            break
    return findings


def _judge(trusted: LightBlock, step: Any, options: Options) -> Verdict | NodeGarbage:
    try:
        fields = Fields(step, "input")
        block = _object(step.get("block"), "input.block")
        untrusted = LightBlock(_signed_header(block.get("signed_header")), _validators(block.get("validator_set")))
        return verify(trusted, untrusted, options, fields.time_ns("now"))
    except NodeGarbage as error:
        return error


def _name(verdict: Verdict | NodeGarbage) -> str:
    match verdict:
        case Verified():
            return "SUCCESS"
        case NotEnoughTrust():
            return "NOT_ENOUGH_TRUST"
        case Invalid() | NodeGarbage():
            return "INVALID"
        case _:
            assert_never(verdict)


def _reason(verdict: Verdict | NodeGarbage) -> str:
    if isinstance(verdict, Invalid):
        return f" ({verdict.reason})"
    return f" ({verdict})" if isinstance(verdict, NodeGarbage) else ""


def _trusted(value: Any) -> LightBlock:
    """A trusted header vouches by the set that it announced for the height after it."""
    block = _object(value, "block")
    return LightBlock(_signed_header(block.get("signed_header")), _validators(block.get("next_validator_set")))


def _signed_header(value: Any) -> SignedHeader:
    signed = _object(value, "signed_header")
    header, commit = _object(signed.get("header"), "header"), _object(signed.get("commit"), "commit")
    header = header | {"last_block_id": _block_id(header.get("last_block_id"))}
    votes = [_vote(vote) for vote in Fields(commit, "commit").raw_list("signatures")]
    commit = commit | {"block_id": _block_id(commit.get("block_id")), "signatures": votes}
    return rpcjson.decode_commit({"signed_header": {"header": header, "commit": commit}})


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise NodeGarbage(place, "an object")
    return value


def _block_id(block_id: Any) -> Any:
    if block_id is None:
        return NO_BLOCK
    if isinstance(block_id, dict) and "part_set_header" in block_id:
        return {"hash": block_id.get("hash"), "parts": block_id["part_set_header"]}
    return block_id


def _vote(vote: Any) -> Any:
    """The model gives absent votes some time, which no rule reads; on the wire they have none."""
    if isinstance(vote, dict) and vote.get("block_id_flag") == BlockIdFlag.ABSENT:
        return vote | {"timestamp": ABSENT_TIME}
    return vote


def _validators(value: Any) -> ValidatorSet:
    """The set in the order that hashes depend on: power descending, then address. The model lists it in any order."""
    listed = reading.validator_set([_member(member) for member in Fields(value, "validators").raw_list("validators")])
    by_power = sorted(listed.validators, key=lambda member: (-member.voting_power, hashing.address(member.public_key)))
    return ValidatorSet(tuple(by_power))


def _member(member: Any) -> Any:
    if isinstance(member, dict) and "voting_power" not in member and "power" in member:
        return member | {"voting_power": member["power"]}
    return member
