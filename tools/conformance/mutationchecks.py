"""No recording is believed with one field altered, except where no light client reads the field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lightclient.blocks import BlockIdFlag, LightBlock
from lightclient.errors import NodeGarbage
from lightclient.tally import VERIFY_ALL_UP_TO
from lightclient.verifier import Invalid, Verified, verify
from tools.conformance import chains
from tools.conformance.chainchecks import lasting_options, now_ns, refusal_by_itself, sound_chain
from tools.conformance.chains import Source
from tools.conformance.findings import Findings, Kind
from tools.conformance.mutations import LEFT_OUT, Mutation, Place, mutations

UNREAD_FIELDS: Final = frozenset({"proposer", "proposer_priority"})
"""No hash covers them, and the client reads neither."""

SIGNED_FIELDS: Final = frozenset({"block_id_flag", "timestamp", "signature"})
"""What nothing but the signature of a vote tells right from wrong; its address follows from its place."""

WITHOUT_APP: Final = Mutation(("header", "version", "app"), LEFT_OUT)
"""The same header where the version was 0: Go leaves it out, others write it."""

_HEADER: Final = (
    "version block app chain_id height time last_block_id hash parts total last_commit_hash data_hash validators_hash"
    " next_validators_hash consensus_hash app_hash last_results_hash evidence_hash proposer_address"
)
_COMMIT: Final = "height round block_id hash parts total signatures block_id_flag validator_address timestamp signature"
_VALIDATOR: Final = "address pub_key type value voting_power proposer_priority"
KNOWN_FIELDS: Final = frozenset(f"header commit validators {_HEADER} {_COMMIT} {_VALIDATOR}".split())
"""Fields of a header, a commit and a validator in CometBFT 0.34 to 0.40."""


def check_mutations(parent: Path, chain_id: str, source: Source) -> Findings:
    """Alter one recording: judged from the nearest height below, or by itself where that one does not vouch for it.

    Above 32 validators the votes past the one with which two thirds are reached need not be counted: of those, what only a
    signature vouches for is left alone.
    """
    findings = Findings()
    parts = source.read()
    original = chains.decode(parts)
    trusted = _trusted_below(parent, chain_id, original)
    unknown = set(_names(parts)) - KNOWN_FIELDS
    unread = unknown | UNREAD_FIELDS
    counted = _counted_votes(parts)

    def is_spared(place: Place) -> bool:
        if place[:2] == ("commit", "signatures") and place[-1] in SIGNED_FIELDS and int(place[2]) >= counted:
            return True
        return place[-1] in unread

    latest_ns = now_ns(parent, chain_id)
    for mutation in mutations(parts, is_spared):
        if mutation == WITHOUT_APP and original.header.version_app == 0:
            continue
        wrong = _acceptance(parts, original, mutation, trusted, latest_ns)
        findings.check(Kind.MUTATIONS, source.file, str(mutation), wrong)
    for name in sorted(unknown):
        findings.note(Kind.MUTATIONS, f"recordings with {name}, which no block has: left alone")
    if uncounted := len(original.signed_header.commit.signatures) - counted:
        findings.note(Kind.MUTATIONS, "votes that need not be counted: flag, time and signature left alone", uncounted)
    return findings


def _acceptance(
    parts: dict[str, Any], original: LightBlock, mutation: Mutation, trusted: LightBlock | None, latest_ns: int
) -> str | None:
    """How an altered block came to be believed, or what it broke; None where it was refused."""
    chain_id = original.header.chain_id
    try:
        altered = chains.decode(parts, original, mutation.place[0])
        if trusted is not None:
            verdict = verify(trusted, altered, lasting_options(chain_id), latest_ns)
            if isinstance(verdict, Verified):
                return f"accepted from {trusted.height}"
            if isinstance(verdict, Invalid):
                return None
        return None if refusal_by_itself(altered, chain_id) else "accepted by itself"
    except NodeGarbage:
        return None
    except Exception as error:  # whatever it is: no answer of a node may end in anything but the client's own errors
        return f"broke the client: {type(error).__name__}: {error}"


def _trusted_below(parent: Path, chain_id: str, block: LightBlock) -> LightBlock | None:
    below = [recorded.block for recorded in sound_chain(parent, chain_id) if recorded.height < block.height]
    if not below:
        return None
    verdict = verify(below[-1], block, lasting_options(chain_id), now_ns(parent, chain_id))
    return below[-1] if isinstance(verdict, Verified) else None


def _counted_votes(parts: dict[str, Any]) -> int:
    """How many votes, from the first on, make more than 2/3; all of them where every vote is verified."""
    votes, members = parts["commit"]["signatures"], parts["validators"]
    if len(members) <= VERIFY_ALL_UP_TO:
        return len(votes)
    total = sum(int(member["voting_power"]) for member in members)
    signed = 0
    for number, (vote, member) in enumerate(zip(votes, members, strict=True), start=1):
        signed += int(member["voting_power"]) if vote["block_id_flag"] == BlockIdFlag.COMMIT else 0
        if 3 * signed > 2 * total:
            return number
    return len(votes)


def _names(node: Any) -> Iterator[str]:
    """The name of every field, however deep, but not below those that are left alone."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield name
            if name not in UNREAD_FIELDS:
                yield from _names(value)
    elif isinstance(node, list):
        for entry in node:
            yield from _names(entry)
