"""Evidence of an attack on light clients, in the form that full nodes take: who signed two chains, and how.

It is formed from two blocks that both verify and the last block that both chains share. Where they come from is the
detector's matter, who is told the client's. A node that receives evidence works out each field again from its own chain
and refuses what differs. Source: light client specification, LCAI-FUNC-MAIN.1; CometBFT v0.38 light/detector.go
(newLightClientAttackEvidence), types/evidence.go (LightClientAttackEvidence), evidence/verify.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

from lightclient import ed25519, hashing, rfc3339, rpcjson
from lightclient.blocks import (
    ABSENT_VOTE,
    BlockIdFlag,
    Commit,
    CommitSig,
    Header,
    LightBlock,
    SignedHeader,
    Validator,
    ValidatorSet,
)
from lightclient.detector import Divergence
from lightclient.protobuf import uvarint
from lightclient.strictjson import Fields

JSON_TYPE: Final = "tendermint/LightClientAttackEvidence"


class AttackKind(StrEnum):
    """The three ways to sign two chains; there is no fourth."""

    LUNATIC = "lunatic"
    """The header does not follow from the chain: wrong validators, parameters, state or results."""
    EQUIVOCATION = "equivocation"
    """Two blocks signed in one round."""
    AMNESIA = "amnesia"
    """Two blocks signed in different rounds, a lock forgotten; nobody can tell from two commits who did.

    Such evidence must not be sent to CometBFT 0.38 to 0.40: the node takes it, and then its peers refuse every block that
    it proposes and cut their connections to it, because the empty list, once decoded, is not the missing one that they
    expect. Seen on v0.38.25, evidence/verify.go, validateABCIEvidence.
    """


@dataclass(frozen=True, slots=True)
class AttackEvidence:
    """Against those who signed `conflicting`. `byzantine` is empty for amnesia, and ordered by power, then address.

    common_height, total_power and time_ns are of the block that both chains share for a lunatic attack, and of the
    trusted block for the others: the set that is bonded there answers for it.
    """

    kind: AttackKind
    conflicting: LightBlock
    common_height: int
    byzantine: tuple[Validator, ...]
    total_power: int
    time_ns: int


def make_evidence(divergence: Divergence) -> AttackEvidence:
    """Evidence against the conflicting block, for those on whose chain the trusted one is. LCAI-FUNC-MAIN.1.

    A forward lunatic attack may copy all that a header must derive from the chain; it is lunatic by its height, and
    nodes fill in the fields as for the other kinds.
    """
    conflicting, trusted = _with_valid_votes(divergence.conflicting), _with_valid_votes(divergence.trusted)
    signers = _signers(conflicting)
    if violates_validity(trusted.header, conflicting.header):
        kind, shared = AttackKind.LUNATIC, divergence.common
        byzantine = _ordered(member for member in shared.validators.validators if _address(member) in signers)
    elif trusted.signed_header.commit.round == conflicting.signed_header.commit.round:
        kind, shared = AttackKind.EQUIVOCATION, trusted
        both = signers & _signers(trusted)
        byzantine = _ordered(member for member in conflicting.validators.validators if _address(member) in both)
    else:
        kind, shared, byzantine = AttackKind.AMNESIA, trusted, ()
    return AttackEvidence(
        kind=kind if conflicting.height == trusted.height else AttackKind.LUNATIC,
        conflicting=conflicting,
        common_height=shared.height,
        byzantine=byzantine,
        total_power=shared.validators.total_power,
        time_ns=shared.header.time_ns,
    )


def violates_validity(trusted: Header, conflicting: Header) -> bool:
    """Whether a field differs that every header derives from the chain before it. LCAI-NONVALID-OUTPUT.1.

    Go: ConflictingHeaderIsInvalid.
    """
    return (
        conflicting.validators_hash != trusted.validators_hash
        or conflicting.next_validators_hash != trusted.next_validators_hash
        or conflicting.consensus_hash != trusted.consensus_hash
        or conflicting.app_hash != trusted.app_hash
        or conflicting.last_results_hash != trusted.last_results_hash
    )


def to_json(evidence: AttackEvidence) -> dict[str, Any]:
    """The object that `broadcast_evidence` takes, as Go's encoder writes it.

    A set has to name a proposer and no hash covers which, so it is the first validator.
    """
    validators = rpcjson.validators_to_json(evidence.conflicting.validators)
    return {
        "type": JSON_TYPE,
        "value": {
            "ConflictingBlock": {
                "signed_header": rpcjson.signed_header_to_json(evidence.conflicting.signed_header),
                "validator_set": {"validators": validators, "proposer": validators[0]},
            },
            "CommonHeight": str(evidence.common_height),
            "ByzantineValidators": rpcjson.validators_to_json(ValidatorSet(evidence.byzantine)) or None,
            "TotalVotingPower": str(evidence.total_power),
            "Timestamp": rfc3339.format_ns(evidence.time_ns),
        },
    }


def evidence_hash(evidence: AttackEvidence) -> bytes:
    """The name that nodes give to it, and answer with. Go: LightClientAttackEvidence.Hash.

    Go leaves out the last byte of the header's hash, by a slip that nodes now have to agree on; the height is a signed
    varint of protobuf (zigzag).
    """
    return _name(evidence.conflicting.header, evidence.common_height)


def hash_of_json(evidence: Mapping[str, Any]) -> bytes:
    """The same of what `to_json` made. Raises NodeGarbage, KeyError."""
    value = evidence["value"]
    header = rpcjson.decode_header(value["ConflictingBlock"]["signed_header"])
    return _name(header, Fields(value, "evidence.value").int64("CommonHeight"))


def _name(conflicting: Header, common_height: int) -> bytes:
    return sha256(hashing.header_hash(conflicting)[:-1] + b"\0" + uvarint(common_height << 1)).digest()


def _with_valid_votes(block: LightBlock) -> LightBlock:
    """The block with every vote that does not verify written as absent.

    Above 32 validators a header is believed before all signatures are counted. A wrong one among the rest would have
    nodes refuse the evidence, or accuse somebody who did not sign.
    """
    header, commit = block.header, block.signed_header.commit
    members = block.validators.validators
    votes = tuple(
        vote if _is_valid(header.chain_id, commit, vote, member) else ABSENT_VOTE
        for vote, member in zip(commit.signatures, members, strict=True)
    )
    return replace(block, signed_header=SignedHeader(header, replace(commit, signatures=votes)))


def _is_valid(chain_id: str, commit: Commit, vote: CommitSig, member: Validator) -> bool:
    if vote.flag == BlockIdFlag.ABSENT or vote.validator_address != _address(member):
        return False
    return ed25519.verify(member.public_key, hashing.commit_sign_bytes(chain_id, commit, vote), vote.signature)


def _signers(block: LightBlock) -> set[bytes]:
    """Addresses of those who voted for the block."""
    return {vote.validator_address for vote in block.signed_header.commit.signatures if vote.flag == BlockIdFlag.COMMIT}


def _ordered(members: Iterable[Validator]) -> tuple[Validator, ...]:
    """By power descending, then address. Go: ValidatorsByVotingPower."""
    return tuple(sorted(members, key=lambda member: (-member.voting_power, _address(member))))


def _address(member: Validator) -> bytes:
    return hashing.address(member.public_key)
