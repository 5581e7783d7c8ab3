"""What witnesses do to a header: confirm it, hold it up, or prove an attack; and what the client does then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lightclient import errors, hashing
from lightclient.blocks import LightBlock
from lightclient.client import LightClient
from lightclient.evidence import AttackKind
from lightclient.filestore import FileStore
from lightclient.pool import Fault
from lightclient.state import LightState
from lightclient.store import AttackRecord, MemoryStore
from tests.lightclient.adversaries import anchor_at, fork_all, settled, show
from tests.lightclient.fake_chain import CHAIN_ID, SECOND_NS, START_NS, key_of, set_of, sign
from tests.lightclient.fake_net import FOUR, NAMES, THREE_NODES, Net
from tools.recording.forgery import forge
from tools.society.virtualclock import VirtualClock, run_virtual

PATIENT = replace(THREE_NODES, witness_patience_ns=3 * SECOND_NS)


def faults(client: LightClient) -> dict[str, Fault | None]:
    return {node.name: node.fault for node in client.nodes()}


def test_all_nodes_are_asked_and_who_they_are_only_once() -> None:
    async def run() -> None:
        net = Net(blocks=3)
        client = net.client()
        for _ in range(3):
            net.chain.cut()
            assert await client.update() == net.chain.blocks[-1].header
        assert net.all_called().count("status") == 3
        assert net["one"].called.count("commit") == 4  # the anchor and three headers
        assert [net[name].called.count("header") for name in NAMES] == [0, 3, 3]
        assert client.situation.state is LightState.SYNCED
        assert client.alarms == ()

    asyncio.run(run())


def test_one_witness_is_enough_and_the_silent_one_is_left_alone() -> None:
    async def run() -> None:
        net = Net()
        net["two"].silent = True
        client = net.client()
        await client.update()
        asked = len(net["two"].called)
        net.chain.cut()
        await client.update()
        assert len(net["two"].called) == asked
        assert faults(client) == {"one": None, "two": Fault.SILENT, "three": None}

    asyncio.run(run())


def test_what_nobody_confirms_is_not_trusted_and_says_why() -> None:
    async def run() -> None:
        net, client = await settled()
        trusted = client.verified
        net["two"].silent = net["three"].silent = True
        with pytest.raises(errors.NotCrossChecked, match=r"two: .*three: ") as refused:
            await client.update()
        assert set(refused.value.causes) == {"two", "three"}
        assert client.situation.state is LightState.NO_TRUST
        assert client.verified == trusted
        assert await net.store.newest() == net.chain.blocks[2]
        net["two"].silent = net["three"].silent = False
        assert await client.update() == net.chain.blocks[-1].header

    asyncio.run(run())


def on_virtual_time(net: Net, options: Any, scenario: Callable[[LightClient, VirtualClock], Any]) -> Any:
    """Run a scenario where waiting takes no time; blocks come when the scenario cuts them."""

    async def run(clock: VirtualClock) -> Any:
        return await scenario(net.client(options, clock), clock)

    return run_virtual(run, START_NS // SECOND_NS + len(net.chain.blocks))


@pytest.mark.parametrize("lag_s", [1, 2])
def test_a_witness_that_lags_is_waited_for(lag_s: int) -> None:
    net = Net()
    net["two"].lag = net["three"].lag = 1

    async def scenario(client: LightClient, clock: VirtualClock) -> float:
        loop = asyncio.get_running_loop()
        for name in ("two", "three"):
            loop.call_later(lag_s - 0.1, setattr, net[name], "lag", 0)
        await client.update()
        assert set(faults(client).values()) == {None}
        return loop.time()

    assert on_virtual_time(net, PATIENT, scenario) == lag_s


def test_a_witness_that_lags_longer_is_left_alone_and_the_other_confirms() -> None:
    net = Net()
    net["two"].lag = 1

    async def scenario(client: LightClient, clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert await client.update() == net.chain.blocks[-1].header
        assert loop.time() == 3
        assert faults(client) == {"one": None, "two": Fault.BEHIND, "three": None}
        net.chain.cut()
        await client.update()
        assert loop.time() == 3  # nobody waits for it while it is left alone

    on_virtual_time(net, PATIENT, scenario)


def test_a_witness_that_answers_slowly_does_not_stretch_the_wait() -> None:
    net = Net()
    net["two"].lag = 1

    async def scenario(client: LightClient, clock: VirtualClock) -> float:
        handle = net["two"]._handle

        async def slowly(request: bytes) -> bytes:
            await asyncio.sleep(2)
            return await handle(request)

        net["two"]._handle = slowly  # type: ignore[method-assign]
        client = net.client(PATIENT, clock)
        await client.update()
        return asyncio.get_running_loop().time()

    # status, then header and newest header until 3 s have passed since the first question
    assert on_virtual_time(net, PATIENT, scenario) <= 2 + 3 + 2 * 2


# What can be attacked with two thirds of the old validators, by a node and against one


@dataclass(frozen=True)
class Attack:
    kind: AttackKind
    round: int
    fields: dict[str, Any]
    is_sent: bool = True


ATTACKS = [
    Attack(AttackKind.LUNATIC, 0, {"app_hash": bytes(32)}),
    Attack(AttackKind.EQUIVOCATION, 0, {"data_hash": bytes(32)}),
    Attack(AttackKind.AMNESIA, 1, {"data_hash": bytes(32)}, is_sent=False),
]


def attacked(net: Net, attack: Attack) -> LightBlock:
    header = replace(net.chain.blocks[-1].header, **attack.fields)
    keys = {hashing.address(member.validator.public_key): key_of(member.number) for member in FOUR}
    return forge(header, attack.round, set_of(FOUR), keys)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.kind)
@pytest.mark.parametrize("liar", NAMES)
def test_a_second_header_that_verifies_is_an_attack_whoever_shows_it(attack: Attack, liar: str) -> None:
    async def run() -> None:
        net, client = await settled()
        trusted = client.verified
        show(net[liar], attacked(net, attack))
        with pytest.raises(errors.UnderAttack) as seen:
            await client.update()
        assert (seen.value.attack, seen.value.height) == (attack.kind, 6)
        assert liar in seen.value.nodes
        assert client.situation.state is LightState.UNDER_ATTACK
        assert client.verified == trusted
        record = await net.store.attack()
        assert record is not None
        assert (record.kind, record.height, record.nodes) == (attack.kind, 6, seen.value.nodes)
        assert len(record.evidence) == 2
        if not attack.is_sent:
            assert not any(node.evidence for node in net.nodes.values())
            return
        # Each side is accused before all others: the honest block's height is the same, so hashes tell the two apart.
        first, second = seen.value.nodes
        bystander = next(name for name in NAMES if name not in seen.value.nodes)
        assert net[second].evidence == [record.evidence[0]]
        assert net[first].evidence == [record.evidence[1]]
        assert net[bystander].evidence == list(record.evidence)
        assert set(record.accepted_by) == set(NAMES)

    asyncio.run(run())


def test_a_forward_lunatic_is_an_attack() -> None:
    async def run() -> None:
        net, client = await settled()
        last = net.chain.blocks[-1].header
        show(net["one"], sign(replace(last, height=last.height + 5, app_hash=bytes(32)), FOUR))
        with pytest.raises(errors.UnderAttack, match="lunatic attack at height 11"):
            await client.update()
        assert net["two"].evidence
        assert net["three"].evidence

    asyncio.run(run())


def test_an_attack_that_history_shows_halts_as_well() -> None:
    async def run() -> None:
        net, client = await settled()
        net.chain.grow(10)
        await client.update()
        fork_all(net, "three")
        with pytest.raises(errors.UnderAttack):
            await client.header_at(10)
        assert client.situation.state is LightState.UNDER_ATTACK
        net["three"].chain = net.chain
        with pytest.raises(errors.UnderAttack):
            await client.update()

    asyncio.run(run())


@pytest.mark.parametrize("on_disk", [False, True])
def test_only_a_new_anchor_ends_an_attack(tmp_path: Path, on_disk: bool) -> None:
    async def run() -> None:
        net, client = await settled()
        if on_disk:
            net.store = FileStore(tmp_path)
            client = net.client()
            await client.update()
            net.chain.grow(3)
        fork_all(net, "three", shared=6 if on_disk else 3)
        with pytest.raises(errors.UnderAttack):
            await client.update()
        net["three"].chain = net.chain
        restarted = net.client()
        for each in (client, restarted):
            for _ in range(2):
                with pytest.raises(errors.UnderAttack):
                    await each.update()
        anchor = anchor_at(net.chain, len(net.chain.blocks) - 1)
        await (FileStore(tmp_path) if on_disk else net.store).re_anchor(anchor)  # by another process, where there is a disk
        for each in (client, restarted):
            assert await each.update() == net.chain.blocks[-1].header
            assert each.situation.state is LightState.SYNCED
            assert (await each.get(b"genesis")).value == b"1"

    asyncio.run(run())


class BrokenStore(MemoryStore):
    """A disk that fails whenever it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def _check(self) -> None:
        if self.broken:
            raise errors.DamagedStore("trust", "Input/output error")

    async def save(self, blocks: Sequence[LightBlock]) -> None:
        self._check()
        await super().save(blocks)

    async def attack(self) -> AttackRecord | None:
        self._check()
        return await super().attack()

    async def note_attack(self, record: AttackRecord) -> None:
        self._check()
        await super().note_attack(record)

    async def at_or_below(self, height: int) -> LightBlock | None:
        self._check()
        return await super().at_or_below(height)


def test_a_disk_that_fails_does_not_end_an_attack() -> None:
    async def run() -> None:
        net, _ = await settled()
        store = net.store = BrokenStore()
        client = net.client()
        await client.update()
        fork_all(net, "three", shared=6)
        store.broken = True
        for _ in range(2):
            with pytest.raises(errors.UnderAttack):
                await client.update()
        with pytest.raises(errors.UnderAttack):
            await client.broadcast(b"tx")
        store.broken = False
        assert await store.attack() is None
        with pytest.raises(errors.UnderAttack):
            await client.update()
        assert await store.attack() is not None  # noted as soon as the disk takes it
        await store.re_anchor(anchor_at(net.chain, 6))
        net["three"].chain = net.chain
        assert await client.update() == net.chain.blocks[-1].header

    asyncio.run(run())


def test_a_disk_that_fails_is_nobody_elses_fault() -> None:
    async def run() -> None:
        net, _ = await settled()
        store = net.store = BrokenStore()
        client = net.client()
        await client.update()
        store.broken = True
        show(net["one"], sign(replace(net.chain.blocks[-1].header, app_hash=bytes(32)), FOUR))
        with pytest.raises(errors.DamagedStore):
            await client.update()
        assert set(faults(client).values()) == {None}
        with pytest.raises(errors.DamagedStore):
            await net.client().broadcast(b"tx")  # whether there was an attack cannot be known

    asyncio.run(run())


def test_evidence_is_handed_in_again_until_it_is_taken() -> None:
    async def run() -> None:
        net, client = await settled()
        fork_all(net, "three")

        def too_early(method: str, params: Any, result: Any) -> Any:
            if method == "broadcast_evidence":
                net["two"].evidence.clear()
                raise LookupError("don't have commit at height #7")
            return result

        net["two"].lie = too_early
        with pytest.raises(errors.UnderAttack):
            await client.update()
        record = await net.store.attack()
        assert record is not None
        assert "two" not in record.accepted_by
        net["two"].lie = None
        with pytest.raises(errors.UnderAttack):
            await client.update()
        record = await net.store.attack()
        assert record is not None
        assert set(record.accepted_by) == set(NAMES)
        assert len(net["two"].evidence) == 2

    asyncio.run(run())


def test_a_liar_who_goes_silent_when_examined_is_still_a_liar() -> None:
    async def run() -> None:
        net, client = await settled()
        await client.update()
        show(net["one"], sign(replace(net.chain.blocks[-1].header, app_hash=bytes(32)), FOUR))

        def closing(method: str, params: Any, result: Any) -> Any:
            if params.get("height") == "3":
                raise LookupError("gone")
            return result

        net["one"].lie = closing
        assert await client.update() == net.chain.blocks[-1].header
        assert [alarm.node for alarm in client.alarms] == ["one"]
        assert "the node shows" in client.alarms[0].cause

    asyncio.run(run())


def test_the_chain_of_the_nodes_is_the_one_asked_for() -> None:
    async def run() -> None:
        net = Net()
        client = net.client(replace(THREE_NODES, chain_id="other"))
        with pytest.raises(errors.MalformedHeader, match=f"chain_id is '{CHAIN_ID}', not 'other'"):
            await client.update()

    asyncio.run(run())
