"""Evidence is handed in until every node but the accused has taken it, over restarts too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lightclient.detector import Divergence
from lightclient.errors import NodeSilent, RpcRefused
from lightclient.evidence import AttackKind, evidence_hash, hash_of_json, to_json
from lightclient.nodes import Nodes
from lightclient.reporting import Reporter
from lightclient.store import AttackRecord
from lightclient.strictjson import decode_base64, encode_base64
from lightclient.transport import BytesTransport
from tests.lightclient.fake_chain import FakeChain, FakeClock
from tests.lightclient.test_evidence import ATTACKS, HONEST, recorded_evidence
from tools.bench.answers import commit_answer, validators_answer
from tools.recording.evidence import decode_block

NAMES = ("first", "second", "third")


@dataclass
class Node(BytesTransport):
    """Takes evidence as it is told to, and shows the honest chain of the recording."""

    refuses: bool = False
    silent: bool = False
    taken: list[dict[str, Any]] = field(default_factory=list)

    @property
    def block_events(self) -> int:
        return 0

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:
        if self.silent:
            raise NodeSilent("gone")
        if method == "broadcast_evidence":
            if self.refuses:
                raise RpcRefused(-32603, "Internal error", "don't have commit at height #7")
            self.taken.append(params["evidence"])
            return {"hash": encode_base64(hash_of_json(params["evidence"]))}
        block = HONEST[int(params["height"])]
        if method == "commit":
            return commit_answer(block.signed_header)
        return validators_answer(block.height, block.validators)


def net() -> tuple[Nodes, dict[str, Node]]:
    transports = {name: Node() for name in NAMES}
    chain_id = next(iter(HONEST.values())).header.chain_id
    return Nodes(transports, chain_id, FakeClock(FakeChain())), transports


def divergence_of(name: str) -> Divergence:
    forged = decode_block(ATTACKS[name]["forged"])
    trusted = HONEST[min(forged.height, max(HONEST))]
    common = HONEST[max(height for height in HONEST if height < trusted.height)]
    return Divergence(forged, trusted=trusted, common=common, source_trace=(common, trusted))


@pytest.mark.parametrize("name", ["lunatic, wrong state", "equivocation"])
def test_everybody_but_the_accused_gets_it_until_they_take_it(name: str) -> None:
    async def run() -> None:
        nodes, by_name = net()
        reporter = Reporter(nodes)
        evidence = reporter.add(divergence_of(name), accused=nodes.everyone[0])
        by_name["second"].refuses = True
        by_name["third"].silent = True
        assert not await reporter.send()
        assert not reporter.accepted_by
        by_name["second"].refuses = by_name["third"].silent = False
        assert await reporter.send()
        assert not await reporter.send()  # once is enough for each
        assert reporter.accepted_by == ("second", "third")
        assert [by_name[name].taken for name in NAMES] == [[], [to_json(evidence)], [to_json(evidence)]]

    asyncio.run(run())


def test_amnesia_is_kept_and_not_handed_in() -> None:
    async def run() -> None:
        nodes, by_name = net()
        reporter = Reporter(nodes)
        evidence = reporter.add(divergence_of("amnesia"), accused=nodes.everyone[0])
        assert evidence.kind is AttackKind.AMNESIA
        assert not await reporter.send()
        assert not any(node.taken for node in by_name.values())

    asyncio.run(run())


def test_after_a_restart_it_goes_to_those_who_have_not_taken_it() -> None:
    async def run() -> None:
        nodes, by_name = net()
        kept = tuple(ATTACKS[name]["evidence"] for name in ("lunatic, wrong state", "amnesia"))
        record = AttackRecord("lunatic", 5, ("first", "second"), 0, (*kept, {"type": "altered"}), accepted_by=("third",))
        reporter = Reporter(nodes)
        reporter.resume(record)
        assert await reporter.send()
        reporter.resume(record)
        assert not await reporter.send()
        assert reporter.accepted_by == ("third", "first", "second")
        assert [len(by_name[name].taken) for name in NAMES] == [1, 1, 0]

    asyncio.run(run())


@pytest.mark.parametrize("name", ATTACKS)
def test_evidence_read_back_goes_by_the_same_name(name: str) -> None:
    assert hash_of_json(ATTACKS[name]["evidence"]) == evidence_hash(recorded_evidence(ATTACKS[name]))
    assert decode_base64(ATTACKS[name]["answer"]["hash"], "hash") == hash_of_json(ATTACKS[name]["evidence"])
