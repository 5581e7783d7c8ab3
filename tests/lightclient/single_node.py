"""A client of one node, without witnesses, and a chain with something in it."""

from __future__ import annotations

from lightclient.client import LightClient
from lightclient.options import Options
from lightclient.store import LightStore, MemoryStore
from tests.lightclient.fake_chain import OPTIONS, FakeChain, FakeClock, Lie, Member


def chain_with(heights: int, **content: str) -> FakeChain:
    chain = FakeChain([Member(1), Member(2), Member(3), Member(4)])
    chain.cut({key.encode(): value.encode() for key, value in content.items()})
    for _ in range(heights - 1):
        chain.cut()
    return chain


def client_of(
    chain: FakeChain, lie: Lie | None = None, store: LightStore | None = None, options: Options = OPTIONS
) -> LightClient:
    chain.lie = lie
    return LightClient({"node": chain.transport()}, chain.anchor, options, FakeClock(chain), store or MemoryStore())
