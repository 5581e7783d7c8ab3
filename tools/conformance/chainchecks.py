"""What must hold for a recorded chain: every height by itself, and every forward pair as its votes have it.

What is expected of a pair is worked out from the JSON alone, in the plainest way: the client's own counting is what is
tested.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from lightclient.bisection import Bisection
from lightclient.blocks import LightBlock
from lightclient.errors import LightClientError, TrustExpired
from lightclient.options import Options, TrustAnchor
from lightclient.rules import HASH_BYTES
from lightclient.verifier import Invalid, NotEnoughTrust, Verdict, Verified, verify, verify_anchor
from tools.conformance import chains
from tools.conformance.chains import Recorded
from tools.conformance.findings import Findings, Kind

SECOND_NS: Final = 10**9
LONG_NS: Final = 1_000 * 365 * 86_400 * SECOND_NS
"""A trusting period that no recording outlasts."""


def check_heights(parent: Path) -> Findings:
    """Every recording by itself: form, hashes, more than 2/3. Two recordings of one height are of one block."""
    findings = Findings()
    found = chains.recordings(parent)
    for unreadable in found.unreadable:
        findings.check(
            Kind.HEIGHTS, unreadable.source.file, unreadable.source.folder.name, f"cannot be read: {unreadable.cause}"
        )
    first: dict[tuple[str, int], LightBlock] = {}
    for recorded in found.readable:
        header = recorded.block.header
        other = first.setdefault((header.chain_id, header.height), recorded.block)
        wrong = refusal_by_itself(recorded.block, header.chain_id)
        if wrong is None and (other.header, other.validators) != (header, recorded.block.validators):
            wrong = "another block than the other recording of this height"
        findings.check(Kind.HEIGHTS, recorded.source.file, str(recorded.height), wrong)
    return findings


@functools.cache
def sound_recordings(parent: Path, chain_id: str) -> tuple[Recorded, ...]:
    """The recordings that are accepted by themselves: the others are named once, not again for every pair."""
    readable = chains.recordings(parent).readable
    of_chain = (recorded for recorded in readable if recorded.block.header.chain_id == chain_id)
    return tuple(recorded for recorded in of_chain if refusal_by_itself(recorded.block, chain_id) is None)


@functools.cache
def sound_chain(parent: Path, chain_id: str) -> tuple[Recorded, ...]:
    """One recording for every height that has a sound one, in their order."""
    by_height: dict[int, Recorded] = {}
    for recorded in sound_recordings(parent, chain_id):
        by_height.setdefault(recorded.height, recorded)
    return tuple(by_height.values())


def now_ns(parent: Path, chain_id: str) -> int:
    """A time at which no header of the chain lies in the future."""
    return max(recorded.block.header.time_ns for recorded in sound_chain(parent, chain_id)) + SECOND_NS


def check_pairs(parent: Path, chain_id: str, index: int) -> Findings:
    """One trusted height and each later one: by skipping, by bisection, and with trust that has expired."""
    findings = Findings()
    chain = sound_chain(parent, chain_id)
    trusted, later = chain[index], chain[index + 1 :]
    lasting, latest_ns = lasting_options(chain_id), now_ns(parent, chain_id)
    for untrusted in later:
        file, case = untrusted.source.file, f"from {trusted.height} to {untrusted.height}"
        verdict = verify(trusted.block, untrusted.block, lasting, latest_ns)
        enough = _has_enough_trust(trusted, untrusted)
        findings.note(Kind.PAIRS, "expected to be accepted" if enough else "expected to be not enough trust")
        findings.check(Kind.PAIRS, file, case, _wrong_verdict(verdict, enough))
        if isinstance(verdict, NotEnoughTrust):
            _check_bisection(findings, trusted, untrusted, later, latest_ns)

        gap_ns = untrusted.block.header.time_ns - trusted.block.header.time_ns
        brief = Options(chain_id, max(1, gap_ns - 1), freshness_ns=1)
        expired = verify(trusted.block, untrusted.block, brief, untrusted.block.header.time_ns)
        is_expired = isinstance(expired, Invalid) and isinstance(expired.reason, TrustExpired)
        findings.check(Kind.EXPIRY, file, case, None if is_expired else f"the verdict is {_shown(expired)}")
    return findings


def _check_bisection(
    findings: Findings, trusted: Recorded, untrusted: Recorded, later: Sequence[Recorded], latest_ns: int
) -> None:
    blocks = {recorded.height: recorded.block for recorded in later}
    file, case = untrusted.source.file, f"from {trusted.height} to {untrusted.height}"
    try:
        bisection = Bisection(trusted.block, untrusted.block, lasting_options(trusted.block.header.chain_id), latest_ns)
        while bisection.wanted is not None:
            if bisection.wanted not in blocks:
                findings.note(Kind.BISECTIONS, "not tried to the end: a height between is not there")
                return
            bisection.give(blocks[bisection.wanted])
    except LightClientError as error:
        findings.check(Kind.BISECTIONS, file, case, f"refused: {error}")
        return
    is_there = bisection.trace[-1] is untrusted.block
    findings.check(Kind.BISECTIONS, file, case, None if is_there else "ended at another block")


def _has_enough_trust(trusted: Recorded, untrusted: Recorded) -> bool:
    """Whether the pair must be accepted: adjacent, or more than a third of the trusted power signed."""
    signed = sum(power for address, power in trusted.powers.items() if address in untrusted.signers)
    return untrusted.height == trusted.height + 1 or 3 * signed > sum(trusted.powers.values())


def _wrong_verdict(verdict: Verdict, enough: bool) -> str | None:
    if isinstance(verdict, Verified if enough else NotEnoughTrust):
        return None
    return f"expected {'Verified' if enough else 'NotEnoughTrust'}, the verdict is {_shown(verdict)}"


def refusal_by_itself(block: LightBlock, chain_id: str) -> str | None:
    """Why a block is refused by whoever takes its own word for its hash; None: it is accepted."""
    if block.height < 1 or len(block.signed_header.hash) != HASH_BYTES:
        return "there is no anchor of this height and hash"
    anchor = TrustAnchor(block.height, block.signed_header.hash)
    verdict = verify_anchor(anchor, block, lasting_options(chain_id))
    return str(verdict.reason) if isinstance(verdict, Invalid) else None


def lasting_options(chain_id: str) -> Options:
    """With these, trust does not expire."""
    return Options(chain_id, LONG_NS, freshness_ns=1)


def _shown(verdict: Verdict) -> str:
    if isinstance(verdict, Invalid):
        return f"Invalid: {verdict.reason}"
    return type(verdict).__name__
