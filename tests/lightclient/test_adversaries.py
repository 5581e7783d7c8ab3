"""Each way of lying fails against the client, and each has its way once the guard named beside it is taken out.

So no guard can go, and no scenario can lose its point, without a test that fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

from lightclient import client, crosscheck, ed25519, follower, ics23, provider, rules, verifier
from lightclient.blocks import ExecTxResult, Header, LightBlock
from lightclient.crosscheck import CrossCheck
from lightclient.detector import Divergence
from lightclient.errors import DuplicateNode
from lightclient.follower import Follower
from lightclient.halt import Halt
from lightclient.nodes import Nodes
from lightclient.pool import Fault
from lightclient.provider import Provider
from lightclient.proving import Proven, ProvenTx, prove_tx, prove_value
from lightclient.rpcjson import BlockResults, QueryAnswer, TxAnswer
from lightclient.store import MemoryStore
from lightclient.tally import Tally
from lightclient.transport import BytesTransport
from lightclient.verifier import Verified
from tests.lightclient import adversaries as liars
from tests.lightclient.fake_net import FakeNode

Patch = tuple[object, str, object]
Scenario = Callable[[], Coroutine[Any, Any, bool]]


def nothing(*args: object, **named: object) -> None:
    """A check that lets everything pass."""


async def nothing_awaited(*args: object, **named: object) -> None:
    """The same for one that asks nodes or the disk."""


async def undistinguished(
    check: CrossCheck, witnesses: Sequence[Provider], primary: Provider, causes: dict[str, str]
) -> list[Provider]:
    return list(witnesses)


def blamed_as_a_liar(nodes: Nodes, provider: Provider, error: DuplicateNode) -> None:
    nodes._leave_alone(provider, Fault.LIED, str(error))


def of_the_key_answered(answer: QueryAnswer, key: bytes, header: Header) -> Proven:
    return prove_value(answer, answer.key, header)


def of_the_height_answered(answer: QueryAnswer, key: bytes, header: Header) -> Proven:
    """What it takes as well: an old header whose app_hash the proof leads to."""
    old = liars.orchard().chain.blocks[answer.height].header
    return prove_value(answer, key, old)


def of_the_hash_answered(answer: TxAnswer, tx_hash: bytes, header: Header) -> ProvenTx:
    return prove_tx(answer, answer.tx_hash, header)


def as_answered(answer: BlockResults, next_header: Header) -> tuple[ExecTxResult, ...]:
    return answer.results


async def unexamined(self: CrossCheck, trace: list[LightBlock], other: LightBlock, *_: object) -> Divergence:
    return Divergence(trace[-1], other, trace[-2], (trace[-2], other))


async def uncontradicted(*_: object) -> str:
    return "contradicts"


def primary_only(self: Nodes) -> Iterator[Provider]:
    yield self.primary


def unbounded(self: FakeNode) -> BytesTransport:
    return BytesTransport(self._handle, self.chain.subscribe, max_bytes=10**9)


SAME: Patch = (provider, "_same", nothing)
CONFIRM: Patch = (CrossCheck, "confirm", nothing_awaited)

GUARDS: list[tuple[Scenario, list[Patch]]] = [
    (liars.value_of_another_key, [SAME, (client, "prove_value", of_the_key_answered)]),
    (liars.value_of_an_older_height, [SAME, (client, "prove_value", of_the_height_answered)]),
    (liars.state_of_a_header_against_its_own_app_hash, [(ics23, "verify_membership", nothing)]),
    (liars.present_value_presented_as_empty, [(ics23, "verify_non_membership", nothing)]),
    (liars.absent_value_presented_as_present, [(ics23, "verify_membership", nothing)]),
    (liars.transaction_of_another_hash, [SAME, (client, "prove_tx", of_the_hash_answered)]),
    (liars.results_of_another_block, [SAME, (client, "prove_results", as_answered)]),
    (liars.header_signed_by_one_third_of_those_trusted, [(Tally, "power_of_trusted", lambda *_: 10**9)]),
    (liars.header_signed_by_half_of_its_own_validators, [(verifier, "_check_two_thirds", nothing)]),
    (liars.next_header_signed_by_others_than_announced, [(rules, "check_announced_validators", nothing)]),
    (liars.header_with_signatures_of_nobody, [(ed25519, "verify", lambda *_: True)]),
    (liars.header_of_another_protocol, [(rules, "check_header", nothing)]),
    (liars.header_from_the_future, [(rules, "check_not_from_future", nothing)]),
    (liars.header_by_keys_of_long_ago, [(rules, "check_trusting_period", nothing)]),
    (
        liars.history_by_keys_of_long_ago_while_the_clock_is_behind,
        [(Follower, "_now_ns", lambda self: self._clock.now_ns())],
    ),
    (liars.header_below_that_nobody_links_to, [(rules, "check_linked", nothing)]),
    (liars.a_chain_that_is_not_the_anchors, [(follower, "verify_anchor", lambda anchor, block, _: Verified(block))]),
    (liars.a_device_held_in_the_past, [(Follower, "refuse_stale", nothing)]),
    (liars.a_fork_by_the_old_validators, [CONFIRM]),
    (liars.a_fork_that_one_witness_only_does_not_share, [(CrossCheck, "_contradicted", uncontradicted)]),
    (liars.a_fork_while_all_witnesses_are_silent, [CONFIRM]),
    (liars.a_fork_confirmed_by_the_same_node_under_a_second_name, [(CrossCheck, "_distinct", undistinguished)]),
    (liars.a_header_of_a_height_that_the_chain_has_not_reached, [(crosscheck, "latest_conflicts", lambda *_: False)]),
    (liars.a_primary_that_changes_its_mind_in_a_way_that_verifies, [(Follower, "_changed_its_mind", nothing_awaited)]),
    (liars.a_primary_that_changes_its_mind, [(Follower, "_changed_its_mind", nothing_awaited)]),
    (liars.a_liar_as_primary_stops_the_client, [(Nodes, "in_turn", primary_only)]),
    (liars.a_liar_as_witness_stops_the_client, [(CrossCheck, "examine", unexamined)]),
    (liars.a_liar_takes_an_honest_nodes_name, [(Nodes, "note", blamed_as_a_liar)]),
    (liars.a_node_that_closes_every_third_call_stops_the_client, [(Nodes, "in_turn", primary_only)]),
    (liars.a_transaction_is_swallowed, [(client, "BROADCAST_TO", 1)]),
    (liars.something_is_believed_after_an_attack, [(Halt, "refuse", nothing_awaited)]),
    (liars.an_attack_is_forgotten_over_a_restart, [(MemoryStore, "note_attack", nothing_awaited)]),
    (liars.ten_thousand_fake_validators_are_read, [(FakeNode, "transport", unbounded)]),
]


NAMES = [scenario.__name__ for scenario, _ in GUARDS]


@pytest.mark.parametrize("scenario", [scenario for scenario, _ in GUARDS], ids=NAMES)
def test_the_liar_fails(scenario: Scenario) -> None:
    assert not asyncio.run(scenario())


@pytest.mark.parametrize(("scenario", "guard"), GUARDS, ids=NAMES)
def test_without_the_guard_the_liar_has_his_way(
    scenario: Scenario, guard: list[Patch], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, attribute, replacement in guard:
        monkeypatch.setattr(owner, attribute, replacement)
    assert asyncio.run(scenario())


def test_every_scenario_stands_in_the_table() -> None:
    scenarios = {scenario for scenario, _ in GUARDS}
    found = {
        value
        for value in vars(liars).values()
        if asyncio.iscoroutinefunction(value)
        and value.__module__ == liars.__name__
        and value.__annotations__.get("return") == "bool"
        and "client" not in value.__annotations__
    }
    assert found == scenarios
