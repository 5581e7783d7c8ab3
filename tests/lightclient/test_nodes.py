"""Who is asked, who is blamed and who is asked again, on a clock that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from lightclient import errors
from lightclient.nodes import KEPT_ALARMS, fault_of, worst
from lightclient.pool import Condition, Fault
from lightclient.state import SYNCED, LightState
from tests.lightclient.adversaries import instead, show
from tests.lightclient.fake_chain import SECOND_NS, START_NS, FakeChain, sign
from tests.lightclient.fake_net import FOUR, NAMES, THREE_NODES, Net
from tools.society.virtualclock import VirtualClock, run_virtual

TIMEOUT_S = 10.0
PATIENT = replace(THREE_NODES, witness_patience_ns=3 * SECOND_NS)


class Living:
    """A net whose chain grows by a block every `block_s`, and a client of it, on virtual time."""

    def __init__(self, clock: VirtualClock, block_s: int) -> None:
        self.net = Net(blocks=1)
        self.block_s = block_s
        self.clock = clock
        for node in self.net.nodes.values():
            node.timeout_s = TIMEOUT_S
        self.client = self.net.client(PATIENT, clock)
        self._grow_later()

    def _grow_later(self) -> None:
        asyncio.get_running_loop().call_later(self.block_s, self._grow)

    def _grow(self) -> None:
        self.net.chain.now_ns = self.clock.now_ns()
        self.net.chain.cut()
        self._grow_later()

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def primary(self) -> str:
        return next(node.name for node in self.client.nodes() if node.is_primary)

    def cooling(self) -> set[str]:
        return {node.name for node in self.client.nodes() if node.condition is Condition.COOLING}

    async def run_until(self, until_s: float, pause_s: float = 0.5) -> int:
        """Update again and again; how many of them failed."""
        failed = 0
        while self.now_s < until_s:
            try:
                header = await self.client.update()
                assert header == self.net.chain.blocks[header.height - 1].header
            except errors.LightClientError:
                failed += 1
            await asyncio.sleep(pause_s)
        return failed


def living(scenario: Callable[[Living], Awaitable[Any]], block_s: int = 1) -> Any:
    async def run(clock: VirtualClock) -> Any:
        return await scenario(Living(clock, block_s))

    return run_virtual(run, START_NS // SECOND_NS + 1)


def test_a_silent_primary_is_replaced_within_the_update_however_long_it_keeps_silent() -> None:
    async def scenario(world: Living) -> None:
        await world.client.update()
        world.net["one"].silent = True
        world.net["one"].timeout_s = 45  # meanwhile the chain goes on: its newest header lies in this update's future
        await asyncio.sleep(1.5)
        header = await world.client.update()
        assert world.now_s == 46.5
        assert header == world.net.chain.blocks[-1].header
        assert world.primary == "two"
        assert world.client.alarms == ()

    living(scenario)


def test_a_node_that_comes_back_is_used_again() -> None:
    async def scenario(world: Living) -> None:
        await world.client.update()
        world.net["one"].silent = True
        assert await world.run_until(60) == 0
        assert world.primary == "two"
        assert "one" in world.cooling()
        world.net["one"].silent = False
        asked = len(world.net["one"].called)
        assert await world.run_until(400) == 0
        assert len(world.net["one"].called) > asked + 10  # a witness again, and in good standing
        assert world.cooling() == set()
        world.net["two"].silent = True
        assert await world.run_until(460) == 0
        assert world.primary in ("one", "three")

    living(scenario)


def test_a_silent_node_is_asked_ever_more_seldom() -> None:
    async def scenario(world: Living) -> list[int]:
        world.net["three"].silent = True
        asked = []
        for minute in range(1, 61):
            before = len(world.net["three"].called)
            assert await world.run_until(minute * 60, pause_s=5) == 0
            asked.append(len(world.net["three"].called) - before)
        return asked

    asked = living(scenario, block_s=5)
    assert sum(asked[:3]) > 3
    assert sum(asked[-30:]) <= 7  # every five minutes


def test_all_silent_is_behind_and_the_first_update_after_it_succeeds() -> None:
    async def scenario(world: Living) -> None:
        await world.client.update()
        for node in world.net.nodes.values():
            node.silent = True
        before = sum(len(node.called) for node in world.net.nodes.values())
        assert await world.run_until(3_600, pause_s=1) > 50
        assert sum(len(node.called) for node in world.net.nodes.values()) > before + 50  # there is always somebody to ask
        assert world.client.situation.state is LightState.BEHIND
        for node in world.net.nodes.values():
            node.silent = False
        await asyncio.sleep(1)
        assert await world.client.update() == world.net.chain.blocks[-1].header
        assert world.client.situation == SYNCED

    living(scenario)


def test_a_client_with_one_node_left_confirms_nothing_and_recovers() -> None:
    async def scenario(world: Living) -> None:
        await world.client.update()
        world.net["two"].silent = world.net["three"].silent = True
        assert await world.run_until(100) > 0
        assert world.client.situation.state is LightState.NO_TRUST
        world.net["three"].silent = False
        await world.run_until(160)
        assert await world.run_until(200) == 0

    living(scenario)


def test_a_lagging_primary_is_replaced_when_its_header_grows_old() -> None:
    async def scenario(world: Living) -> None:
        await world.run_until(60)
        world.net["one"].lag = 40
        header = await world.client.update()
        assert header == world.net.chain.blocks[-1].header
        assert world.primary == "two"
        assert world.client.alarms == ()

    living(scenario)


def test_a_liar_waits_ever_longer_and_is_named_each_time() -> None:
    async def scenario(world: Living) -> tuple[list[int], int]:
        world.net["three"].lie = instead("header", lambda _, result: {"header": {**result["header"], "app_hash": "00" * 32}})
        while world.now_s < 6 * 3_600:
            await world.client.update()
            await asyncio.sleep(60)
        alarms = world.client.alarms
        assert {alarm.node for alarm in alarms} == {"three"}
        return [(alarm.at_ns - START_NS) // (60 * SECOND_NS) for alarm in alarms], len(world.net["three"].called)

    minutes, asked = living(scenario, block_s=20)
    gaps = [later - earlier for earlier, later in pairwise(minutes)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= 10
    assert len(minutes) <= 7
    assert asked < 30


def test_a_liar_that_is_honest_once_is_not_forgiven_before_its_time() -> None:
    async def run() -> None:
        net = Net(names=("one", "two"))
        client = net.client(replace(THREE_NODES, single_operator=True))
        await client.update()
        net["one"].lie = instead("abci_query", lambda _, result: {"response": {**result["response"], "value": "cmVk"}})
        assert (await client.get(b"genesis")).value == b"1"
        net.chain.cut()
        assert await client.update() == net.chain.blocks[-1].header
        (one,) = (node for node in client.nodes() if node.name == "one")
        assert (one.condition, one.fault) == (Condition.COOLING, Fault.LIED)

    asyncio.run(run())


def test_alarms_are_bounded_in_number_and_length() -> None:
    async def run() -> None:
        chain = FakeChain(FOUR).grow(3)
        net = Net(chain=chain, names=("one",))
        client = net.client(replace(THREE_NODES, single_operator=True))
        await client.update()
        block = sign(replace(chain.next_header(), chain_id="x" * 100_000), FOUR)
        show(net["one"], block)
        for _ in range(KEPT_ALARMS + 5):
            with pytest.raises(errors.MalformedHeader):
                await client.update()
        assert len(client.alarms) == KEPT_ALARMS
        assert all(len(alarm.cause) < 1_000 for alarm in client.alarms)

    asyncio.run(run())


def test_a_node_under_a_second_name_is_named_and_stands_in_when_the_first_fails() -> None:
    async def run() -> None:
        net = Net()
        net["two"].node_id = net["one"].node_id
        client = net.client()
        await client.update()
        assert [(node.fault, "same node as one" in node.cause) for node in client.nodes()][1] == (Fault.DUPLICATE, True)
        assert not client.alarms, "an id is a claim, and nobody knows whose it is"
        net["one"].silent = True
        net.chain.cut()
        assert await client.update() == net.chain.blocks[-1].header
        assert next(node.fault for node in client.nodes() if node.name == "two") is None

    asyncio.run(run())


@pytest.mark.parametrize(("ahead_s", "fault"), [(12, Fault.SILENT), (3_600, Fault.LIED)])
def test_a_header_from_the_future_is_a_lie_only_where_the_own_clock_cannot_explain_it(ahead_s: int, fault: Fault) -> None:
    async def run() -> None:
        net = Net()
        client = net.client()
        await client.update()
        header = replace(net.chain.next_header(), time_ns=net.chain.now_ns + ahead_s * SECOND_NS)
        show(net["one"], sign(header, FOUR))
        assert await client.update() == net.chain.blocks[-1].header
        assert client.nodes()[0].fault is fault
        assert [alarm.node for alarm in client.alarms] == (["one"] if fault is Fault.LIED else [])

    asyncio.run(run())


def test_a_clock_that_is_behind_is_nobodys_lie() -> None:
    async def run() -> None:
        net = Net(blocks=60)
        net.clock.ahead_ns = -3_600 * SECOND_NS
        client = net.client()
        with pytest.raises(errors.HeaderFromFuture):
            await client.update()
        assert client.situation.state is LightState.NO_TRUST
        assert "clock" in client.situation.next_step
        assert client.alarms == ()
        net.clock.ahead_ns = 0
        assert await client.update() == net.chain.blocks[-1].header

    asyncio.run(run())


def test_own_failures_and_expired_trust_are_nobodys_fault() -> None:
    own: list[errors.LightClientError] = [
        errors.DamagedStore("trust", "full"),
        errors.TrustExpired(1, 2),
        errors.UnderAttack("lunatic", 1, NAMES[:2]),
        errors.NotCrossChecked(1, {}),
        errors.HeaderUnknown(1, "gone"),
        errors.NothingCommitted("none"),
    ]
    assert [fault_of(error) for error in own] == [None] * len(own)


def test_the_worst_of_several_failures_is_told() -> None:
    silent, future = errors.NodeSilent("gone"), errors.HeaderFromFuture(30, 10, 5)
    stale, unseen = errors.StaleHeader(1, 2, 1), errors.NotCrossChecked(3, {})
    wrong = errors.WrongSignature(0, bytes(20))
    ranked: list[errors.LightClientError] = [silent, future, stale, unseen, wrong]
    for count in range(1, len(ranked) + 1):
        assert worst(ranked[:count]) is ranked[count - 1]
        assert worst(ranked[:count][::-1]) is ranked[count - 1]


def test_a_transaction_goes_to_two_nodes_and_accepted_by_one_is_accepted() -> None:
    async def run() -> None:
        net = Net()
        client = net.client()
        await client.broadcast(b"first")
        assert [b"first" in net[name].txs for name in NAMES] == [True, True, False]
        net["one"].lie = instead("broadcast_tx_sync", lambda _, result: {**result, "code": 5, "log": "refused"})
        assert (await client.broadcast(b"second")).code == 0
        net["one"].silent = True
        await client.broadcast(b"third")
        assert b"third" in net["two"].txs & net["three"].txs
        net["two"].silent = net["three"].silent = True
        with pytest.raises(errors.NodeSilent):
            await client.broadcast(b"fourth")

    asyncio.run(run())
