"""A node that lies: each lie by itself before a light client, and all of them in a running society."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256

import pytest

from agent.line.sealing import Sealer
from agent.vocabulary import Kind
from lightclient import keys
from lightclient.client import LightClient
from lightclient.errors import NodeSilent
from lightclient.hashing import header_hash
from lightclient.messages import PostTariff
from lightclient.options import Options, TrustAnchor
from lightclient.store import MemoryStore
from tests.tools.society.kit import hours, week_a
from tests.tools.society.test_ledgerbook import D, Society
from tests.tools.society.test_run import SUNNY_H, figures, play
from tools.cli import main
from tools.fullnode.rpc import jsonrpc
from tools.fullnode.rpc.local import Front, LocalFront
from tools.society.cast import NODES, UTILITY
from tools.society.liar import LyingFront
from tools.society.lies import BLOCKS_BACK, LIES, LIES_ABOUT_ANYTHING, Call, Lie, Untold
from tools.society.node import NS
from tools.society.options import SocietyOptions
from tools.society.outage import Network
from tools.society.page.data import page_data
from tools.society.page.render import render
from tools.society.record import LiarRecord, RunRecord
from tools.society.table import figures_table

LIAR = NODES[0]
UNWRITTEN = b"a key that nobody writes"
EVERY_LIE = [(method, lie) for method, lies in LIES.items() for lie in (*lies, *LIES_ABOUT_ANYTHING)]
LOOK_LIKE_TROUBLE = {
    "swallowed",
    "refused_though_fine",
    "known_already",
    "no_such_height",
    "block_not_kept",
    "no_answer",
    "stale_header",
    "id_of_another_node",
}
"""What an honest node says when it is in trouble, or what nobody can see at once: nobody is accused of it."""


@dataclass
class OneLie:
    """A front that lies about one method, always, and in one way where that fits."""

    honest: LocalFront
    method: str
    lie: Lie
    peer_id: str
    told: int = field(default=0)

    async def handle(self, body: bytes) -> bytes:
        request = json.loads(body)
        if request["method"] == self.method:
            noise = sha256(body).digest()
            try:
                call = Call(request["id"], self.method, request["params"], self.honest.answer, self.peer_id, noise)
                response = self.lie(call)
            except Untold:
                return self.honest.answer(body)
            self.told += 1
            if response is None:
                raise NodeSilent("closed")
            return response
        return self.honest.answer(body)

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        return self.honest.subscribe(wake)


def grown() -> Society:
    """A ledger that is older than a stale header, and whose newest block wrote something new."""
    society = Society()
    for second in range(BLOCKS_BACK + 5):
        society.block(society.scenario.start_s - D + second)
    society.send(UTILITY, PostTariff(society.scenario.start_s, ((200_000, 40_000),)))
    for second in range(2):
        society.block(society.clock.now_s + second + 1)
    return society


@pytest.mark.parametrize(("method", "lie"), EVERY_LIE, ids=lambda part: getattr(part, "__name__", part))
def test_no_lie_is_believed_and_each_call_is_answered_all_the_same(method: str, lie: Lie) -> None:
    async def ask() -> None:
        society = grown()
        store, tariff = society.node.engine.store, keys.tariff(society.scenario.start_s)
        liar = OneLie(society.node.fronts[LIAR], method, lie, society.node.fronts[NODES[1]].identity.node_id)
        fronts: dict[str, Front] = {**society.node.fronts, LIAR: liar}
        transports = Network(fronts, society.clock, ()).transports(first=1 if method == "header" else 0)
        anchored = store.signed_header(society.node.engine.height - BLOCKS_BACK + 20)
        options = Options(society.cast.chain_id, trusting_period_ns=D * NS, freshness_ns=60 * NS)
        client = LightClient(transports, TrustAnchor(anchored.height, anchored.hash), options, society.clock, MemoryStore())
        header = await client.update()
        assert store.height_of(header_hash(header)) == header.height == society.node.engine.height
        written, unwritten = await client.get_many([tariff, UNWRITTEN])
        assert written.value == society.node.read(tariff, header.height - 1)
        assert written.value is not None
        assert unwritten.value is None
        utility = next(device for device in society.cast.devices if device.kind is Kind.UTILITY)
        tx = Sealer(society.cast.chain_id, utility.device_id, utility.key.sign).seal(
            PostTariff(society.scenario.start_s + D, ((210_000, 40_000),)), 1, 10_000
        )
        outcome = await client.broadcast(tx.tx)
        assert (outcome.code, outcome.tx_hash) == (0, sha256(tx.tx).digest())
        society.block(society.clock.now_s + 1)
        assert store.find_tx(outcome.tx_hash) is not None, "what one node swallows another takes"
        assert {alarm.node for alarm in client.alarms} <= {LIAR}, "nobody else is accused"
        if liar.told and lie.__name__ not in LOOK_LIKE_TROUBLE:
            assert client.alarms
        assert liar.told or lie.__name__ in ("value_of_an_older_height",), "the state of a hundred blocks ago is the same here"

    asyncio.run(ask())


def test_lies_follow_from_the_seed_and_the_order_of_calls() -> None:
    society = grown()

    async def hear(seed: int) -> list[bytes]:
        liar = LyingFront(LIAR, society.node.fronts, seed)
        heard = []
        for number in range(200):
            body = jsonrpc.encode({"jsonrpc": "2.0", "id": number, "method": "commit", "params": {}})
            try:
                heard.append(await liar.handle(body))
            except NodeSilent:
                heard.append(b"")
        assert 10 < liar.told.total() < 50, "most of the time it is honest"
        return heard

    assert asyncio.run(hear(1)) == asyncio.run(hear(1)) != asyncio.run(hear(2))


@cache
def played(liar: str | None) -> RunRecord:
    return play(hours(week_a(), SUNNY_H, 4, homes=3), SocietyOptions(liar=liar))


@pytest.mark.parametrize("liar", NODES)
def test_with_a_liar_a_run_ends_with_the_same_ledger_and_the_same_bills_and_an_alarm(liar: str) -> None:
    honest, lied_to = played(None), played(liar)
    assert lied_to.paid_ueur == honest.paid_ueur
    assert (lied_to.app_hash, lied_to.height) == (honest.app_hash, honest.height)
    assert lied_to.comfort == honest.comfort
    assert honest.liar is None
    record = lied_to.liar
    assert record is not None
    assert record.node == liar
    assert len(record.told) > 10, "kinds of lies"
    assert len(record.caught_by) > record.agents // 2
    assert record.believed_by == ()


def test_table_figures_and_page_say_who_lied_and_who_noticed() -> None:
    record = played(LIAR)
    assert record.liar is not None
    shown = figures(record)
    told = shown["liar"]
    assert isinstance(told, dict)
    assert told["node"] == LIAR
    assert told["told"] == sum(told["lies"].values()) > 0
    assert told["caught_by"] == list(record.liar.caught_by)
    alarm = (
        f"{LIAR} lied {told['told']} times; {len(told['caught_by'])} of {told['agents']} agents caught it; nobody believed it"
    )
    assert told["alarm"] == alarm
    table = figures_table(shown)
    assert f"ALARM: {alarm}" in table
    assert all(kind in table for kind in told["lies"])
    assert page_data(record, shown)["figures"]["liar"]["alarm"] == alarm
    assert 'id="alarm"' in render(page_data(record, shown))


def test_the_command_tells_of_lies_at_the_end_and_not_a_thousand_times_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tools.society.command._scenario", lambda args: hours(week_a(), SUNNY_H, 1, homes=2))
    assert main(["society", "--liar", "node-3"]) == 0
    assert "ALARM: node-3 lied" in capsys.readouterr().out
    assert caplog.records == []


def test_without_a_liar_there_is_no_alarm() -> None:
    shown = figures(played(None))
    assert shown["liar"] is None
    assert "ALARM" not in figures_table(shown)


def test_a_lie_that_was_believed_would_be_said() -> None:
    record = LiarRecord("node-2", {"forged state": 3}, agents=5, caught_by=("array",), believed_by=("battery",))
    assert record.alarm == "node-2 lied 3 times; 1 of 5 agents caught it; 1 believed it"


@pytest.mark.parametrize(
    "arguments", [["--liar", "node-2", "--write", "folder"], ["--scenario", "story", "--liar", "node-1"], ["--liar", "node-4"]]
)
def test_a_liar_that_does_not_fit_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["society", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    assert "--liar" in capsys.readouterr().err
