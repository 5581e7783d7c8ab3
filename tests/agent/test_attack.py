"""A fork signed with the validator's key, shown by one node: agents halt trading, not control, and go on from a new anchor."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from agent.status import Trouble
from drivers.simulated.freezer import FreezerPart
from lightclient.evidence import AttackKind
from lightclient.options import TrustAnchor
from lightclient.state import LightState
from lightclient.store import MemoryStore
from storeforward.records import Stream
from tests.agent.kit import Society, play, small_scenario
from tests.tools.society.fork import ForkedFront
from tools.society.keys import seeded_validator_key

FREEZER = "home-01-freezer"
FORKED_AT = 2.5
"""Slots from the start of the scenario, as in `until`."""
ANCHORED_AT = 7.5


@pytest.mark.parametrize("forked", ["node-1", "node-2"], ids=["by the primary", "by a witness"])
def test_a_fork_halts_trading_and_not_control_until_there_is_a_new_anchor(tmp_path: Path, forked: str) -> None:
    async def test(society: Society, stack: AsyncExitStack) -> None:
        stores = {device.name: MemoryStore() for device in society.cast.devices}
        agents = {}
        for name, store in stores.items():
            agents[name] = await stack.enter_async_context(society.agent(name, store=store))
            society.start(agents[name])
        await society.until(FORKED_AT)
        assert not any(agent.status.snapshot() for agent in agents.values())

        engine, key = society.node.engine, seeded_validator_key(society.cast.seed, "node")
        fork = ForkedFront(society.node.fronts[forked], key, engine.height + 1)
        for wire in society.wires.values():
            wire.fronts[forked] = fork
        await society.until(4.1)
        sent = {name: agent.messages_sent for name, agent in agents.items()}
        for name, agent in agents.items():
            if name != "utility":  # it looks at the ledger every few hours only
                assert agent.client.situation.state is LightState.UNDER_ATTACK, name
                assert Trouble.UNDER_ATTACK in agent.status, name
        kept = society.node.answers.evidence.kept
        assert {(piece.kind, piece.conflicting.height >= 2) for piece in kept} == {(AttackKind.LUNATIC, True)}
        assert all(piece.byzantine == engine.validators.validators for piece in kept)

        await society.until(ANCHORED_AT)
        assert {name: agent.messages_sent for name, agent in agents.items()} == sent, "nobody trades"
        assert society.reading(FREEZER, 5) is None, "nobody reports either"
        part = society.house.part(FREEZER)
        assert isinstance(part, FreezerPart)
        society.house.measure(part)
        assert part.too_warm_s(society.house.advance()) == 0, "the freezer is steered all the same"
        measured = await agents[FREEZER].journal.read_records(Stream.ENERGY)
        assert len(measured) == 7, "and every slot is measured"

        signed = society.node.engine.store.signed_header(engine.height)
        for name, wire in society.wires.items():
            wire.fronts[forked] = society.node.fronts[forked]
            await stores[name].re_anchor(TrustAnchor(signed.height, signed.hash))
        await society.until(12)
        for name, agent in agents.items():
            assert set(agent.status.snapshot()) <= {Trouble.NODE}, name
            assert agent.client.situation.state is LightState.SYNCED, name
        assert all(society.reading(FREEZER, slot) is not None for slot in range(11)), "what waited was delivered"
        assert agents["battery"].messages_sent > sent["battery"], "and trading goes on"

    play(small_scenario(absent=frozenset()), tmp_path, test)
