"""The light client's benchmark measures what it says: blocks that verify, every byte of a connection, and few fetches."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from lightclient.errors import WrongSignature
from lightclient.hashing import header_hash
from lightclient.verifier import NotEnoughTrust, Verified, verify
from lightclient.websocket import WebsocketTransport
from tools.bench import lightclient_ratio, lightclient_traffic, lightclient_verify
from tools.bench.lightclient_child import Plan, run_child
from tools.bench.lightclient_node import CHAIN_ID, OPTIONS, S_NS, START_NS, Chain, Validators, nodes_of
from tools.bench.lightclient_sockets import Relay, served
from tools.bench.lightclient_traffic import BOOK_BYTES, in_process, url, wake_bytes, week_rows
from tools.bench.lightclient_verify import header_rows, proof_rows, verify_all
from tools.bench.table import Bench
from tools.fullnode.rules.smt import Tree


class Kept(Bench):
    """Keeps the figures instead of printing them."""

    def __init__(self) -> None:
        self.figures: dict[str, tuple[float, str]] = {}

    def row(self, figure: str, unit: str, value: float) -> None:
        assert figure not in self.figures
        self.figures[figure] = (value, unit)


def test_blocks_are_the_same_each_time_and_follow_from_each_other() -> None:
    chain = Chain(Validators(4, blocks_per_change=10), height=100)
    assert chain.block(50) == chain.block(50)
    for trusted, untrusted in ((1, 2), (9, 10), (10, 11), (1, 20)):
        verdict = verify(chain.block(trusted), chain.block(untrusted), OPTIONS, chain.now_ns())
        assert isinstance(verdict, Verified), (trusted, untrusted)
    strangers = verify(chain.block(1), chain.block(95), OPTIONS, chain.now_ns())
    assert isinstance(strangers, NotEnoughTrust)
    verify_all(chain.block(95))


def test_verify_all_counts_every_signature() -> None:
    chain = Chain(Validators(40), height=2)
    block = chain.block(2)
    signed = block.signed_header
    *others, last = signed.commit.signatures
    commit = replace(signed.commit, signatures=(*others, replace(last, signature=bytes(64))))
    forged = replace(block, signed_header=replace(signed, commit=commit))
    assert isinstance(verify(chain.block(1), forged, OPTIONS, chain.now_ns()), Verified)
    with pytest.raises(WrongSignature, match="signature 39"):
        verify_all(forged)


def test_every_row_of_time_is_measured_on_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def once(call: Callable[[], object]) -> float:
        called.append(call())
        return 1.0

    monkeypatch.setattr(lightclient_verify, "best_us", once)
    bench = Kept()
    header_rows(bench)
    proof_rows(bench)
    assert len(called) == 3 * len(lightclient_verify.SIZES) + 2 + 4
    assert {unit for _, unit in bench.figures.values()} == {"us", "1/s"}


@pytest.mark.parametrize("mode", ["client", "traced", "heights"])
def test_a_child_follows_the_chain_and_tells_what_it_took(mode: str) -> None:
    async def run() -> dict[str, int]:
        chain = Chain(Validators(4), height=1 if mode != "heights" else 6)
        async with served(chain) as ports:
            urls = {name: url(port) for name, port in ports.items()}
            plan = Plan(CHAIN_ID, urls, chain.anchor.hash.hex(), START_NS + 6 * S_NS, blocks=5)
            return await run_child(mode, plan)

    measured = asyncio.run(run())
    assert measured
    assert all(value > 0 for value in measured.values())


def test_a_child_that_fails_says_why() -> None:
    plan = Plan(CHAIN_ID, {}, "00" * 32, START_NS, blocks=1)
    with pytest.raises(RuntimeError, match="a light client has a primary and two witnesses"):
        asyncio.run(run_child("client", plan))


def test_a_week_of_stable_validators_takes_three_headers() -> None:
    bench = Kept()
    asyncio.run(week_rows(bench))
    calls = {figure: value for figure, (value, unit) in bench.figures.items() if figure.endswith("header fetches")}
    stable, slow, fast = calls.values()
    assert stable <= 3
    assert stable < slow < fast < 20


def test_a_proof_adds_the_value_to_a_wake_up() -> None:
    async def run() -> None:
        state = Tree().update_many([(b"genesis", b"1"), (lightclient_traffic.BOOK, bytes(BOOK_BYTES))])
        per_wake = []
        for keys in ((), (lightclient_traffic.BOOK,)):
            chain = Chain(Validators(4), height=1, state=state)
            async with in_process(chain) as (awake, total_bytes):
                per_wake.append(await wake_bytes(chain, keys, awake, total_bytes))
        headers, with_proof = per_wake
        assert 1_000 < headers < 10_000
        assert with_proof - headers > BOOK_BYTES * 4 / 3  # base64

    asyncio.run(run())


def test_the_relay_counts_what_the_wire_carries_and_changes_nothing() -> None:
    async def run() -> None:
        chain = Chain(Validators(4), height=7)
        relay = Relay()
        async with AsyncExitStack() as stack:
            ports = await stack.enter_async_context(served(chain))
            port = await stack.enter_async_context(relay.before(ports["node-1"]))
            node = await stack.enter_async_context(WebsocketTransport(url(port)))
            before = relay.received
            answer = await node.call("commit", {"height": "7"})
            grown = relay.received - before
        wanted = json.loads(nodes_of(chain)["node-1"].answer(b'{"id":1,"method":"commit","params":{"height":"7"}}'))
        assert answer == wanted["result"]
        assert grown > len(json.dumps(answer, separators=(",", ":")))
        assert relay.bytes == relay.sent + relay.received

    asyncio.run(run())


def test_nodes_know_their_height_and_themselves() -> None:
    chain = Chain(Validators(3), height=5)
    first, second, _ = nodes_of(chain).values()

    def result(method: str, **params: Any) -> Any:
        message = json.loads(first.answer(json.dumps({"id": 1, "method": method, "params": params}).encode()))
        return message.get("result", message.get("error"))

    assert "must be less than or equal to" in result("commit", height="6")["data"]
    result("grow")
    shown = result("commit")["signed_header"]
    assert shown["header"]["height"] == "6"
    assert shown["commit"]["block_id"]["hash"] == header_hash(chain.block(6).header).hex().upper()
    ids = {json.loads(node.answer(b'{"id":1,"method":"status"}'))["result"]["node_info"]["id"] for node in (first, second)}
    assert len(ids) == 2


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COMETBFT", raising=False)
    monkeypatch.setenv("PATH", "")
    bench = Kept()
    asyncio.run(lightclient_ratio.ratio_rows(bench))
    assert bench.figures == {}
    assert "no cometbft in PATH" in capsys.readouterr().out
    monkeypatch.setenv("COMETBFT", "/somewhere/cometbft")
    assert lightclient_ratio.cometbft() == "/somewhere/cometbft"


def test_processor_time_is_read_for_a_process() -> None:
    assert lightclient_ratio.processor_us(os.getpid()) > 0


def test_the_clock_stands_at_the_newest_block() -> None:
    chain = Chain(Validators(1), height=3)
    assert chain.now_ns() == chain.block(3).header.time_ns == START_NS + 3 * S_NS
