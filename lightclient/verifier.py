"""Whether a header follows from one that is trusted. Pure: no I/O, no clock; it only orders the rules.

Adjacent headers follow by the announced validator set, others by the overlap of the trusted set with the signers.
Divergence between nodes, and evidence of it, is not judged here. Source: CometBFT v0.38 light/verifier.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from lightclient import rules
from lightclient.blocks import LightBlock
from lightclient.errors import NotEnoughPower, VerificationError, WrongAnchor
from lightclient.options import Options, TrustAnchor
from lightclient.tally import Tally


@dataclass(frozen=True, slots=True)
class Verified:
    """The block may be trusted from now on."""

    block: LightBlock


@dataclass(frozen=True, slots=True)
class NotEnoughTrust:
    """Advice, not a failure: too few of the trusted validators signed, so try a height nearer to what is trusted."""

    signed_power: int
    needed_above: int


@dataclass(frozen=True, slots=True)
class Invalid:
    """The block must not be trusted, and why."""

    reason: VerificationError


Verdict = Verified | NotEnoughTrust | Invalid


def verify(trusted: LightBlock, untrusted: LightBlock, options: Options, now_ns: int) -> Verdict:
    """Judge a later block. `now_ns` is one value for a whole run of verifications. Go: light.Verify."""
    try:
        rules.check_trusting_period(trusted.header, options, now_ns)
        _check_form(untrusted, options.chain_id)
        rules.check_later(trusted.header, untrusted.header)
        rules.check_not_from_future(untrusted.header, options, now_ns)
        tally = Tally(options.chain_id, untrusted.signed_header.commit)
        if untrusted.height == trusted.height + 1:
            rules.check_announced_validators(trusted.header, untrusted.header)
        else:
            part, whole = options.trust_level
            needed_above = trusted.validators.total_power * part // whole
            signed = tally.power_of_trusted(trusted.validators, needed_above)
            if signed <= needed_above:
                return NotEnoughTrust(signed, needed_above)
        _check_two_thirds(untrusted, tally)
    except VerificationError as error:
        return Invalid(error)
    return Verified(untrusted)


def verify_anchor(anchor: TrustAnchor, block: LightBlock, options: Options) -> Verified | Invalid:
    """Judge the first block: it has the anchor's hash and is signed by its own set. Go: light.NewClient."""
    try:
        _check_form(block, options.chain_id)
        if (block.height, block.signed_header.hash) != (anchor.height, anchor.hash):
            raise WrongAnchor(anchor.height, anchor.hash, block.signed_header.hash)
        _check_two_thirds(block, Tally(options.chain_id, block.signed_header.commit))
    except VerificationError as error:
        return Invalid(error)
    return Verified(block)


def _check_form(block: LightBlock, chain_id: str) -> None:
    rules.check_header(block.header, chain_id)
    rules.check_commit(block.signed_header.commit)
    rules.check_validators(block.validators)
    rules.check_belongs_together(block)


def _check_two_thirds(block: LightBlock, tally: Tally) -> None:
    """Raise NotEnoughPower unless more than 2/3 of the block's own power signed it. Go: VerifyCommitLight."""
    rules.check_votes_at_their_places(block)
    needed_above = block.validators.total_power * 2 // 3
    signed = tally.power_of_own(block.validators, needed_above)
    if signed <= needed_above:
        raise NotEnoughPower(signed, needed_above)
