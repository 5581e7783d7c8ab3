"""Counting the voting power behind a commit. Every signature is verified at most once per tally.

Up to 32 validators all signatures are verified, also those that change nothing about the outcome: it costs next to
nothing and no byte of a commit goes unchecked. Above, counting stops once the threshold is passed, as in Go.
Source: CometBFT v0.38 types/validation.go.
"""

from __future__ import annotations

from typing import Final

from lightclient import ed25519, hashing
from lightclient.blocks import BlockIdFlag, Commit, ValidatorSet
from lightclient.errors import DoubleVote, WrongSignature

VERIFY_ALL_UP_TO: Final = 32


class Tally:
    """The votes of one commit. The rules of form hold before it is made."""

    def __init__(self, chain_id: str, commit: Commit) -> None:
        self._commit = commit
        self._signed = hashing.CommitSignBytes(chain_id, commit)
        self._verified: set[tuple[int, bytes]] = set()
        self._all = len(commit.signatures) <= VERIFY_ALL_UP_TO

    def power_of_own(self, validators: ValidatorSet, needed_above: int) -> int:
        """Power that signed, votes looked up by index in the block's own set; rules.check_votes_at_their_places holds.

        Raises WrongSignature. Go: VerifyCommitLight.
        """
        power = 0
        for index, (vote, member) in enumerate(zip(self._commit.signatures, validators.validators, strict=True)):
            if vote.flag == BlockIdFlag.ABSENT:
                continue
            # Stricter than Go, which passes nil votes by: a vote for the block cannot be shown as one for nil.
            self._verify(index, member.public_key)
            if vote.flag == BlockIdFlag.NIL:
                continue
            power += member.voting_power
            if power > needed_above and not self._all:
                break
        return power

    def power_of_trusted(self, trusted: ValidatorSet, needed_above: int) -> int:
        """Power of those trusted validators who signed, votes looked up by address alone.

        Raises DoubleVote, WrongSignature. Go: VerifyCommitLightTrusting.
        """
        by_address = {hashing.address(member.public_key): member for member in trusted.validators}
        power = 0
        seen: set[bytes] = set()
        for index, vote in enumerate(self._commit.signatures):
            member = by_address.get(vote.validator_address)
            if vote.flag != BlockIdFlag.COMMIT or member is None:
                continue
            if vote.validator_address in seen:
                raise DoubleVote(vote.validator_address)
            seen.add(vote.validator_address)
            self._verify(index, member.public_key)
            power += member.voting_power
            if power > needed_above and not self._all:
                break
        return power

    def _verify(self, index: int, public_key: bytes) -> None:
        if (index, public_key) in self._verified:
            return
        vote = self._commit.signatures[index]
        if not ed25519.verify(public_key, self._signed.of(vote), vote.signature):
            raise WrongSignature(index, vote.validator_address)
        self._verified.add((index, public_key))
