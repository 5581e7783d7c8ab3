"""Record how CometBFT takes our evidence of attacks: `python -m tools.recording.evidence --cometbft BINARY --out DIR`.

Three of four validators run a chain. With the keys of all four, headers of every kind of attack are forged; from the honest
and the forged blocks evidence is made, sent to a node, and looked for in the blocks that follow. DIR/attacks.json holds it
all, so that tests can repeat it without a network: given these blocks, the evidence is what the engine accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import hashing, rpcjson
from lightclient.blocks import LightBlock, ValidatorSet
from lightclient.detector import Examination
from lightclient.evidence import AttackEvidence, evidence_hash, make_evidence, to_json
from lightclient.options import Options
from lightclient.strictjson import encode_base64
from tools.bench.answers import commit_answer, validators_answer
from tools.recording.forgery import forge
from tools.recording.network import Network, RecordingError, Refused, running_network

CHAIN_ID: Final = "homewatt-attack-1"
POWERS: Final = (20, 10, 20, 10)
RUNNING: Final = 3
HONEST_BLOCKS: Final = 9
DAY_NS: Final = 86_400 * 10**9
OPTIONS: Final = Options(CHAIN_ID, trusting_period_ns=20 * DAY_NS, freshness_ns=60 * 10**9)
BLOCKS_UNTIL_TAKEN: Final = 10
AHEAD: Final = 20
"""How far above the chain the forward lunatic header lies when it is forged: nearer than the chain comes meanwhile."""

Answers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attack:
    """What a lying node shows: honest blocks of these heights and, after them, a forged one."""

    name: str
    shared: tuple[int, ...]
    forged: LightBlock


def decode_block(answers: Mapping[str, Any]) -> LightBlock:
    """The block in a node's answers to `commit` and `validators`."""
    members = rpcjson.decode_validators(answers["validators"]).validators
    return LightBlock(rpcjson.decode_commit(answers["commit"]), ValidatorSet(members))


def encode_block(block: LightBlock) -> Answers:
    """The answers that a node would give about the block."""
    return {
        "commit": commit_answer(block.signed_header),
        "validators": validators_answer(block.height, block.validators),
    }


def forge_attacks(honest: Mapping[int, LightBlock], keys: Mapping[bytes, Ed25519PrivateKey]) -> list[Attack]:
    """One attack per way to lie. A new time stands for all that validators may choose freely."""
    last = max(honest)
    absent = (hashing.address(honest[1].validators.validators[-1].public_key),)
    few = ValidatorSet(tuple(replace(member, voting_power=1) for member in honest[1].validators.validators[:3]))
    wrong_state = replace(honest[5].header, app_hash=sha256(b"another state").digest())
    wrong_validators = replace(honest[7].header, validators_hash=hashing.validators_hash(few))
    other_time = replace(honest[4].header, time_ns=honest[4].header.time_ns + 1)
    other_round = replace(honest[6].header, time_ns=honest[6].header.time_ns + 1)
    not_yet = replace(wrong_state, height=last + AHEAD, time_ns=honest[last].header.time_ns)

    def by_all(header_of: int) -> ValidatorSet:
        return honest[header_of].validators

    round_of = {height: block.signed_header.commit.round for height, block in honest.items()}
    return [
        Attack("forward lunatic", (3, 6), forge(not_yet, 0, by_all(last), keys)),
        Attack("lunatic, wrong state", (2, 3), forge(wrong_state, 0, by_all(5), keys, absent)),
        Attack("lunatic, wrong validators", (1, 2, 4), forge(wrong_validators, 0, few, keys)),
        Attack("equivocation", (1, 3), forge(other_time, round_of[4], by_all(4), keys)),
        Attack("amnesia", (2,), forge(other_round, round_of[6] + 1, by_all(6), keys, absent)),
    ]


def examine(attack: Attack, honest: Mapping[int, LightBlock]) -> AttackEvidence:
    """Evidence against the forged block, with the honest chain as the other node's."""
    trace = [*(honest[height] for height in attack.shared), attack.forged]
    target = honest.get(attack.forged.height, honest[max(honest)])
    examination = Examination(trace, target, OPTIONS, honest[max(honest)].header.time_ns)
    while examination.wanted is not None:
        examination.give(honest[examination.wanted])
    return make_evidence(examination.divergence)


async def record(network: Network) -> dict[str, Any]:
    await network.call("broadcast_tx_sync", tx=encode_base64(b"light=on"))
    await network.wait_height(HONEST_BLOCKS)
    answers = {height: await network.block_answers(height) for height in range(1, HONEST_BLOCKS + 1)}
    honest = {height: decode_block(answer) for height, answer in answers.items()}
    attacks = forge_attacks(honest, network.keys)
    return {
        "chain_id": CHAIN_ID,
        "honest": list(answers.values()),
        "false accusation": await _accuse_falsely(network, attacks[1], honest),
        "attacks": [await _prosecute(network, attack, examine(attack, honest)) for attack in attacks],
    }


async def _prosecute(network: Network, attack: Attack, evidence: AttackEvidence) -> dict[str, Any]:
    """Send the evidence and find the block that holds it. Raises Refused, RecordingError.

    A node looks up its own commit at the conflicting height, which it has once the next block is there: what comes
    earlier is refused, and is sent again then.
    """
    sent, too_early = to_json(evidence), None
    if attack.forged.height > await network.height():
        too_early = await _refusal(network, sent)
        await network.wait_height(attack.forged.height)
    answer = await network.call("broadcast_evidence", evidence=sent)
    if answer["hash"] != encode_base64(evidence_hash(evidence)):
        raise RecordingError(f"{attack.name}: the node calls it {answer['hash']}")
    return {
        "name": attack.name,
        "shared": attack.shared,
        "forged": encode_block(attack.forged),
        "evidence": sent,
        "too_early": too_early,
        "answer": answer,
        "in_block": await _find_in_blocks(network),
    }


async def _find_in_blocks(network: Network) -> dict[str, Any] | None:
    """The next evidence that a block holds, as the node shows it; None where none comes (see AttackKind.AMNESIA)."""
    first = await network.height()
    for height in range(first, first + BLOCKS_UNTIL_TAKEN):
        await network.wait_height(height)
        block = (await network.call("block", height=str(height)))["block"]
        if found := block["evidence"]["evidence"]:
            return {"height": block["header"]["height"], "evidence": found}
    return None


async def _refusal(network: Network, sent: dict[str, Any]) -> dict[str, Any]:
    """The node's error, without the dump of the evidence at its end. Raises RecordingError where it takes it."""
    try:
        await network.call("broadcast_evidence", evidence=sent)
    except Refused as refused:
        return refused.error | {"data": refused.error["data"].partition(" Evidence: ")[0]}
    raise RecordingError("the node took what it should refuse")


async def _accuse_falsely(network: Network, attack: Attack, honest: Mapping[int, LightBlock]) -> dict[str, Any]:
    """What an honest node says to evidence against its own block."""
    block, common = attack.forged, honest[attack.shared[-1]]
    examination = Examination([common, honest[block.height]], block, OPTIONS, honest[max(honest)].header.time_ns)
    examination.give(common)
    sent = to_json(make_evidence(examination.divergence))
    return {"evidence": sent, "error": await _refusal(network, sent)}


async def _run(cometbft: Path, folder: Path, first_address: str) -> dict[str, Any]:
    async with running_network(cometbft, folder, CHAIN_ID, POWERS, RUNNING, first_address) as network:
        return await record(network)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.recording.evidence", description=__doc__.splitlines()[0])
    parser.add_argument("--cometbft", type=Path, required=True, help="the engine's program, v0.38.25")
    parser.add_argument("--out", type=Path, required=True, help="folder for attacks.json")
    parser.add_argument("--first-address", default="127.0.9.1", help="loopback address of the first validator")
    chosen = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="recording-") as folder:
        recording = asyncio.run(_run(chosen.cometbft.resolve(), Path(folder), chosen.first_address))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "attacks.json").write_text(json.dumps(recording, indent=1) + "\n")


if __name__ == "__main__":
    main()
