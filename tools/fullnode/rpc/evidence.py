"""Evidence of attacks that light clients hand in: worked out again from the node's own chain, and remembered if it agrees.

With one validator there is nobody to take evidence into a block against; the operator finds it here. Source: CometBFT v0.38
libs/json/decoder.go, types/evidence.go (ValidateBasic), evidence/verify.go (VerifyLightClientAttack).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lightclient import hashing, rules
from lightclient.blocks import LightBlock, ValidatorSet
from lightclient.detector import Divergence
from lightclient.errors import LightClientError, NotEnoughPower
from lightclient.evidence import JSON_TYPE, AttackEvidence, AttackKind, evidence_hash, make_evidence, to_json
from lightclient.rpcjson import decode_commit, decode_validators
from lightclient.strictjson import Fields
from lightclient.tally import Tally
from tools.fullnode.engine.blockstore import BlockStore
from tools.fullnode.rpc.params import ParamError

MOST_KEPT: Final = 64
_WORKED_OUT: Final = ("CommonHeight", "ByzantineValidators", "TotalVotingPower", "Timestamp")
"""Fields that follow from the two blocks and the node's own chain."""


class EvidenceRefused(Exception):
    """Evidence that is malformed or proves nothing, in CometBFT's words."""

    retry = False


def attack_evidence(value: Any) -> Mapping[str, Any]:
    """Read the parameter of `broadcast_evidence`. Raises ParamError."""
    kind = value.get("type") if type(value) is dict else None
    if not kind:
        raise ParamError("interface type cannot be empty")
    if kind != JSON_TYPE or type(value.get("value")) is not dict:
        raise ParamError(f'unknown type "{kind}"')
    fields: dict[str, Any] = value["value"]
    return fields


class EvidencePool:
    """The evidence that was handed in lately. `validators` are those of every height: a solo engine never changes them."""

    def __init__(self, store: BlockStore, validators: ValidatorSet) -> None:
        self._store = store
        self._validators = validators
        self._kept: dict[bytes, AttackEvidence] = {}

    @property
    def kept(self) -> tuple[AttackEvidence, ...]:
        """Oldest first."""
        return tuple(self._kept.values())

    def add(self, value: Mapping[str, Any]) -> bytes:
        """Check evidence and remember it; returns its hash. Raises EvidenceRefused."""
        try:
            evidence = self._verified(value)
        except (LightClientError, LookupError) as error:
            raise EvidenceRefused(f"failed to add evidence: {error}") from error
        name = evidence_hash(evidence)
        self._kept[name] = evidence
        if len(self._kept) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return name

    def _verified(self, value: Mapping[str, Any]) -> AttackEvidence:
        conflicting, common_height = _decode(value)
        _check_signed(conflicting)
        common = self._own_block(common_height)
        trusted = self._own_block(min(conflicting.height, self._store.height))
        if hashing.header_hash(conflicting.header) == trusted.signed_header.hash:
            raise EvidenceRefused("failed to add evidence: the conflicting block is this chain's own")
        evidence = make_evidence(Divergence(conflicting, trusted, common, (common, trusted)))
        if not evidence.byzantine and evidence.kind is not AttackKind.AMNESIA:
            raise EvidenceRefused("failed to add evidence: none of this chain's validators signed the conflicting block")
        expected = to_json(evidence)["value"]
        for name in _WORKED_OUT:
            if value.get(name) != expected[name]:
                raise EvidenceRefused(f"failed to add evidence: {name} does not follow from this node's chain")
        return evidence

    def _own_block(self, height: int) -> LightBlock:
        return LightBlock(self._store.signed_header(height), self._validators)


def _decode(value: Mapping[str, Any]) -> tuple[LightBlock, int]:
    """The conflicting block and the common height. Raises NodeGarbage."""
    fields = Fields(value, "evidence")
    block = value.get("ConflictingBlock")
    members = Fields(block, "evidence.ConflictingBlock").inner("validator_set").raw_list("validators")
    page = {"block_height": fields.text("CommonHeight"), "validators": members, "total": str(len(members))}
    return LightBlock(decode_commit(block), ValidatorSet(decode_validators(page).validators)), fields.int64("CommonHeight")


def _check_signed(block: LightBlock) -> None:
    """Raise VerificationError unless the block is well-formed and more than 2/3 of its own validators signed it."""
    rules.check_header(block.header, block.header.chain_id)
    rules.check_commit(block.signed_header.commit)
    rules.check_validators(block.validators)
    rules.check_belongs_together(block)
    needed_above = block.validators.total_power * 2 // 3
    signed = Tally(block.header.chain_id, block.signed_header.commit).power_of_own(block.validators, needed_above)
    if signed <= needed_above:
        raise NotEnoughPower(signed, needed_above)
