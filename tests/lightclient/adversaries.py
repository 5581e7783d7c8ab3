"""What nodes do that lie, each as a scenario: it tells whether the liar had his way with the client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, TypeVar

from lightclient import hashing
from lightclient.blocks import BlockIdFlag, CommitSig, Header, LightBlock
from lightclient.client import LightClient
from lightclient.errors import LightClientError, UnderAttack
from lightclient.options import Options, TrustAnchor
from lightclient.state import LightState
from lightclient.store import MemoryStore
from lightclient.strictjson import encode_base64
from tests.lightclient.fake_chain import OPTIONS, SECOND_NS, FakeChain, Lie, Member, set_of, sign
from tests.lightclient.fake_net import FOUR, FakeNode, Net

HOUR_NS: Final = 3_600 * SECOND_NS
STRANGERS: Final = [Member(number) for number in range(11, 15)]

_Answer = TypeVar("_Answer")


async def attempt(question: Awaitable[_Answer]) -> _Answer | None:
    """The answer, or None where the client refuses."""
    try:
        return await question
    except LightClientError:
        return None


async def alone(net: Net, options: Options = OPTIONS) -> tuple[FakeNode, LightClient]:
    """A client of one node only, so that nothing but its own checks stands against the node."""
    client = net.client(options)
    await client.update()
    return net["one"], client


def instead(method: str, make: Callable[[Mapping[str, Any], Any], Any]) -> Lie:
    """A lie about one method."""
    return lambda asked, params, result: make(params, result) if asked == method else result


def show(node: FakeNode, block: LightBlock) -> None:
    """The node shows this block as its newest, whatever its height, upon the chain that it has."""
    shown = node.chain.fork(min(block.height, len(node.chain.blocks)) - 1)
    shown.blocks += [block] * (block.height - len(shown.blocks))
    node.chain, node.lag = shown, 0


def orchard() -> Net:
    """One node over 8 blocks: apples change in 3 and 7, transactions stand in 4 and 5."""
    chain = FakeChain(FOUR)
    chain.cut({b"apple": b"red", b"pear": b"green"})
    chain.cut()
    chain.cut({b"apple": b"blue"})
    chain.cut(txs=[b"first", b"second"])
    chain.cut(txs=[b"third"])
    chain.grow(2)
    chain.cut({b"apple": b"purple"})
    return Net(chain=chain, names=("one",))


async def value_of_another_key() -> bool:
    node, client = await alone(orchard())
    node.lie = instead("abci_query", lambda params, _: node.chain.result("abci_query", {**params, "data": b"pear".hex()}))
    got = await attempt(client.get(b"apple"))
    return got is not None and got.value == b"green"


async def value_of_an_older_height() -> bool:
    node, client = await alone(orchard())
    node.lie = instead("abci_query", lambda params, _: node.chain.result("abci_query", {**params, "height": "2"}))
    got = await attempt(client.get(b"apple"))
    return got is not None and got.value == b"red"


async def state_of_a_header_against_its_own_app_hash() -> bool:
    """The header at H commits to the state after H - 1; the node shows the one after H."""
    node, client = await alone(orchard())

    def later(params: Mapping[str, Any], result: Any) -> Any:
        answer = node.chain.result("abci_query", {**params, "height": "8"})["response"]
        return {"response": {**answer, "height": params["height"]}}

    node.lie = instead("abci_query", later)
    got = await attempt(client.get(b"apple"))
    return got is not None and got.value == b"purple"


async def present_value_presented_as_empty() -> bool:
    node, client = await alone(orchard())
    node.lie = instead("abci_query", lambda _, result: {"response": {**result["response"], "value": ""}})
    got = await attempt(client.get(b"apple"))
    return got is not None and got.value is None


async def absent_value_presented_as_present() -> bool:
    node, client = await alone(orchard())
    node.lie = instead("abci_query", lambda _, result: {"response": {**result["response"], "value": "cmVk"}})
    got = await attempt(client.get(b"plum"))
    return got is not None and got.value == b"red"


async def transaction_of_another_hash() -> bool:
    node, client = await alone(orchard())
    other = node.chain.result("tx", {"hash": encode_base64(sha256(b"third").digest()), "prove": True})
    node.lie = instead("tx", lambda *_: other)
    proven = await attempt(client.prove_tx(sha256(b"first").digest()))
    return proven is not None and proven.tx == b"third"


async def results_of_another_block() -> bool:
    node, client = await alone(orchard())
    node.lie = instead("block_results", lambda params, _: node.chain.result("block_results", {"height": "5"}))
    results = await attempt(client.prove_results(4))
    return results is not None and results == tuple(node.chain.results(5))


def forged(net: Net, members: list[Member], absent: tuple[int, ...] = (), height: int = 0, **fields: Any) -> LightBlock:
    """A block with another state two above the chain, or at a height, signed by `members` as its validators."""
    chain = net.chain
    fields = {"app_hash": sha256(b"forged").digest(), "time_ns": chain.now_ns, **fields}
    validators_hash = hashing.validators_hash(set_of(members))
    height = height or len(chain.blocks) + 2
    return sign(replace(chain.next_header(), height=height, validators_hash=validators_hash, **fields), members, absent)


async def believes(net: Net, block: LightBlock, client: LightClient, node: str = "one") -> bool:
    show(net[node], block)
    return await attempt(client.update()) == block.header


async def header_signed_by_one_third_of_those_trusted() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    return await believes(net, forged(net, [FOUR[0], *STRANGERS[1:]]), client)


async def header_signed_by_half_of_its_own_validators() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    return await believes(net, forged(net, FOUR, absent=(1, 2)), client)


async def next_header_signed_by_others_than_announced() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    return await believes(net, forged(net, STRANGERS, height=len(net.chain.blocks) + 1), client)


async def header_with_signatures_of_nobody() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    block = forged(net, FOUR)
    commit = block.signed_header.commit
    votes = tuple(replace(vote, signature=bytes(64)) for vote in commit.signatures)
    signed = replace(block.signed_header, commit=replace(commit, signatures=votes))
    return await believes(net, replace(block, signed_header=signed), client)


async def header_of_another_protocol() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    return await believes(net, forged(net, FOUR, version_block=12), client)


async def header_from_the_future() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    return await believes(net, forged(net, FOUR, time_ns=net.chain.now_ns + HOUR_NS), client)


async def header_by_keys_of_long_ago() -> bool:
    net = Net(names=("one",))
    _, client = await alone(net)
    net.chain.now_ns += OPTIONS.trusting_period_ns
    return await believes(net, forged(net, FOUR), client)


async def history_by_keys_of_long_ago_while_the_clock_is_behind() -> bool:
    """The clock fell back behind the newest header. With it, an anchor that has long expired would look young."""
    net = Net(blocks=60, names=("one",))
    net.store = MemoryStore(kept_blocks=2)
    node, client = await alone(net, replace(OPTIONS, trusting_period_ns=100 * SECOND_NS))
    net.chain.grow(90)
    await client.update()
    node.chain = net.chain.fork(49)
    node.chain.cut()
    net.clock.ahead_ns = -90 * SECOND_NS
    return await attempt(client.header_at(50)) == node.chain.blocks[49].header


async def header_below_that_nobody_links_to() -> bool:
    net = Net(blocks=8, names=("one",))
    client = LightClient({"one": net["one"].transport()}, anchor_at(net.chain, 6), OPTIONS, net.clock, net.store)
    await client.update()
    other = net.chain.fork(3)
    other.cut()
    net["one"].lie = instead(
        "header", lambda params, result: other.result("header", params) if params["height"] == "4" else result
    )
    return await attempt(client.header_at(4)) == other.blocks[3].header


def anchor_at(chain: FakeChain, height: int) -> TrustAnchor:
    return TrustAnchor(height, chain.blocks[height - 1].signed_header.hash)


async def a_chain_that_is_not_the_anchors() -> bool:
    net = Net(names=("one",))
    client = net.client(OPTIONS)
    net["one"].chain = FakeChain(STRANGERS).grow(5)
    return await attempt(client.update()) is not None


async def a_device_held_in_the_past() -> bool:
    net = Net()
    net.chain.now_ns += HOUR_NS
    return await attempt(net.client().update()) is not None


def fork_all(net: Net, *names: str, shared: int = 3) -> Header:
    """These nodes show a second chain by the old validators, from the height after `shared` on."""
    other = net.chain.fork(shared).grow(len(net.chain.blocks) - shared + 1)
    net.chain.cut()
    for name in names:
        net[name].chain = other
    return other.blocks[-1].header


async def settled() -> tuple[Net, LightClient]:
    """Three nodes, and a client that trusts the third block."""
    net = Net(blocks=3)
    client = net.client()
    await client.update()
    net.chain.grow(3)
    return net, client


async def a_fork_by_the_old_validators() -> bool:
    net, client = await settled()
    header = fork_all(net, "one")
    return await attempt(client.update()) == header


async def a_fork_that_one_witness_only_does_not_share() -> bool:
    net, client = await settled()
    header = fork_all(net, "one", "two")
    return await attempt(client.update()) == header


async def a_fork_while_all_witnesses_are_silent() -> bool:
    net, client = await settled()
    header = fork_all(net, "one")
    net["two"].silent = net["three"].silent = True
    return await attempt(client.update()) == header


async def a_fork_confirmed_by_the_same_node_under_a_second_name() -> bool:
    net = Net(blocks=3)
    net["two"].node_id = net["one"].node_id
    client = net.client()
    await client.update()
    net.chain.grow(3)
    header = fork_all(net, "one", "two")
    net["three"].silent = True
    return await attempt(client.update()) == header


async def a_header_of_a_height_that_the_chain_has_not_reached() -> bool:
    """A forward lunatic: nobody can contradict its height, but its time lies in what others have seen."""
    net, client = await settled()
    last = net.chain.blocks[-1].header
    lunatic = sign(replace(last, height=last.height + 5, app_hash=bytes(32)), FOUR)
    show(net["one"], lunatic)
    show(net["two"], lunatic)
    return await attempt(client.update()) == lunatic.header


async def a_primary_that_changes_its_mind_in_a_way_that_verifies() -> bool:
    net, client = await settled()
    await client.update()
    show(net["one"], forged(net, FOUR, height=6))
    await attempt(client.update())
    return client.situation.state is not LightState.UNDER_ATTACK


async def a_primary_that_changes_its_mind() -> bool:
    net, client = await settled()
    await client.update()
    show(net["one"], forged(net, STRANGERS, height=6))
    header = await attempt(client.update())
    return header != net.chain.blocks[-1].header or [alarm.node for alarm in client.alarms] != ["one"]


async def a_liar_as_primary_stops_the_client() -> bool:
    net, client = await settled()
    show(net["one"], forged(net, STRANGERS))
    header = await attempt(client.update())
    return header != net.chain.blocks[-1].header or [alarm.node for alarm in client.alarms] != ["one"]


async def a_liar_as_witness_stops_the_client() -> bool:
    net, client = await settled()
    show(net["three"], forged(net, STRANGERS, height=6))
    header = await attempt(client.update())
    return header != net.chain.blocks[-1].header or [alarm.node for alarm in client.alarms] != ["three"]


async def a_liar_takes_an_honest_nodes_name() -> bool:
    """Then it goes away, and two honest nodes are left, one of which seems to be nobody of its own."""
    net = Net()
    net["one"].node_id = net["three"].node_id
    client = net.client()
    await client.update()
    net["one"].silent = True
    net.chain.cut()
    return await attempt(client.update()) is None


async def a_node_that_closes_every_third_call_stops_the_client() -> bool:
    net = Net()
    net["one"].closes_every = 3
    client = net.client()
    for _ in range(20):
        net.chain.cut()
        if await attempt(client.update()) != net.chain.blocks[-1].header:
            return True
    return False


async def a_transaction_is_swallowed() -> bool:
    net = Net()
    net["one"].swallows = True
    outcome = await net.client().broadcast(b"tx")
    return outcome.code == 0 and not any(node.txs for node in net.nodes.values())


async def something_is_believed_after_an_attack() -> bool:
    net, client = await settled()
    fork_all(net, "three")
    await attempt(client.update())
    questions: list[Awaitable[object]] = [
        client.broadcast(b"tx"),
        client.get(b"genesis"),
        client.prove_results(2),
        client.header_at(2),
        client.update(),
    ]
    return [await attempt(question) for question in questions] != [None] * len(questions)


async def an_attack_is_forgotten_over_a_restart() -> bool:
    net, client = await settled()
    fork_all(net, "three")
    await attempt(client.update())
    net["three"].chain = net.chain
    try:
        await net.client().broadcast(b"tx")
    except UnderAttack:
        return False
    return True


async def ten_thousand_fake_validators_are_read() -> bool:
    net = Net(names=("one",))
    node, client = await alone(net)
    block = forged(net, STRANGERS)
    time_ns = block.header.time_ns
    votes = tuple(CommitSig(BlockIdFlag.COMMIT, number.to_bytes(20, "big"), time_ns, bytes(64)) for number in range(10_000))
    signed = replace(block.signed_header, commit=replace(block.signed_header.commit, signatures=votes))
    before = len(node.called)
    await believes(net, replace(block, signed_header=signed), client)
    return len(node.called) > before + 1  # more than the one answer that was cut off
