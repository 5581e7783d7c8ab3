"""Asking the witnesses whether they see the same chain, and what follows when one does not.

A header that verifies and that no witness confirms is not believed. A witness that contradicts has to show a chain that
verifies; when it does, somebody signed twice, and the client has to halt (halt.py). Source: CometBFT v0.38
light/detector.go, detectDivergence; light client specification, detection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from lightclient.blocks import LightBlock
from lightclient.detector import Divergence, Examination, latest_conflicts
from lightclient.errors import DuplicateNode, HeightTooHigh, LightClientError, NodeError, NotCrossChecked, VerificationError
from lightclient.nodes import Nodes
from lightclient.options import Options
from lightclient.provider import Provider

ASK_AGAIN_S: Final = 0.5
"""How soon a witness that lags is asked again."""


class Search(Protocol):
    """A core that says which block it wants next: a bisection or an examination."""

    @property
    def wanted(self) -> int | None: ...

    def give(self, block: LightBlock) -> None: ...


async def carry_out(search: Search, provider: Provider) -> None:
    """Give a search the blocks that it wants, from one node. Raises NodeError, VerificationError."""
    while (height := search.wanted) is not None:
        search.give(await provider.light_block(height))


class AttackSeen(Exception):
    """Carries a proven attack to the client, which remembers it before it does anything else.

    accused: the node whose blocks the divergence holds against. witness: the one that contradicted. now_ns: what both chains
    were verified with.
    """

    def __init__(self, divergence: Divergence, accused: Provider, witness: Provider, now_ns: int) -> None:
        super().__init__(f"{accused.name} and {witness.name} part at height {divergence.conflicting.height}")
        self.divergence = divergence
        self.accused = accused
        self.witness = witness
        self.now_ns = now_ns


class CrossCheck:
    """The witnesses' part. It keeps nothing; what was proven leaves it as AttackSeen."""

    def __init__(self, nodes: Nodes, options: Options) -> None:
        self._nodes = nodes
        self._options = options

    async def confirm(self, trace: Sequence[LightBlock], primary: Provider, now_ns: int) -> None:
        """Return when at least one witness shows the last block of `trace`, and none another that verifies.

        trace: what `primary` had verified, from what was trusted before on. Raises NotCrossChecked, AttackSeen, and NodeError
        where the primary does not say who it is.
        """
        if len(self._nodes) == 1:
            return  # single_operator: the owner said that there is nobody to ask
        causes: dict[str, str] = {}
        if await self._is_confirmed(self._nodes.but(primary), trace, primary, now_ns, causes):
            return
        rest = [witness for witness in self._nodes.at_last() if witness is not primary and witness.name not in causes]
        if not await self._is_confirmed(rest, trace, primary, now_ns, causes):
            raise NotCrossChecked(trace[-1].height, causes)

    async def _is_confirmed(
        self, asked: Sequence[Provider], trace: Sequence[LightBlock], primary: Provider, now_ns: int, causes: dict[str, str]
    ) -> bool:
        """Whether one of these shows the same header; `causes` gets why another does not."""
        confirmed = False
        witnesses = await self._distinct(asked, primary, causes)
        answers = await asyncio.gather(
            *(self._other_block(witness, trace[-1]) for witness in witnesses), return_exceptions=True
        )
        for witness, answer in zip(witnesses, answers, strict=True):
            if answer is None:
                self._nodes.praise(witness)
                confirmed = True
            elif isinstance(answer, LightBlock):
                causes[witness.name] = await self._contradicted(trace, answer, primary, witness, now_ns)
            elif isinstance(answer, LightClientError):
                self._nodes.blame(witness, answer)
                causes[witness.name] = str(answer)
            else:
                raise answer
        return confirmed

    async def examine(self, trace: Sequence[LightBlock], other: LightBlock, source: Provider, now_ns: int) -> Divergence:
        """Where the chain of `source`, which shows `other`, parts from the trace. Raises NodeError, VerificationError."""
        examination = Examination(trace, other, self._options, now_ns)
        await carry_out(examination, source)
        return examination.divergence

    async def mirror(self, attack: AttackSeen) -> Divergence:
        """The same attack, as if the witness had been followed. Raises NodeError, VerificationError."""
        seen = attack.divergence
        return await self.examine(seen.source_trace, seen.conflicting, attack.accused, attack.now_ns)

    async def _distinct(self, witnesses: Sequence[Provider], primary: Provider, causes: dict[str, str]) -> list[Provider]:
        """The witnesses that are not the primary under a second name.

        Two witnesses with one id may both be asked: they are one voice, and one is all it takes.
        """
        primary_id = await primary.node_id()
        distinct = []
        for witness in witnesses:
            try:
                witness_id = await witness.node_id()
            except NodeError as error:
                self._nodes.blame(witness, error)
                causes[witness.name] = str(error)
                continue
            if witness_id == primary_id:
                twin = DuplicateNode(witness.name, primary.name, witness_id)
                self._nodes.note(witness, twin)
                causes[witness.name] = str(twin)
            else:
                distinct.append(witness)
        return distinct

    async def _other_block(self, witness: Provider, target: LightBlock) -> LightBlock | None:
        """None where the witness shows the same header, else the block that contradicts. Raises LightClientError."""
        loop = asyncio.get_running_loop()
        patient_until_s = loop.time() + self._options.witness_patience_ns / 1e9
        while True:
            try:
                header = await witness.header(target.height)
            except HeightTooHigh:
                # It may lag. Or the header is from a future that only one node has seen: then the witness' newest, lower
                # header comes to be not earlier than the target's. Source: detector.go, forward lunatic attack.
                latest = await witness.latest()
                if latest_conflicts(target.header, latest.header):
                    return await witness.with_validators(latest)
                if loop.time() >= patient_until_s:
                    raise
            else:
                if header == target.header:
                    return None
                return await witness.light_block(target.height)
            await asyncio.sleep(ASK_AGAIN_S)

    async def _contradicted(
        self, trace: Sequence[LightBlock], other: LightBlock, primary: Provider, witness: Provider, now_ns: int
    ) -> str:
        """Why the witness' block counts for nothing. Raises AttackSeen where it verifies."""
        try:
            divergence = await self.examine(trace, other, witness, now_ns)
        except (NodeError, VerificationError) as error:
            self._nodes.blame(witness, error)
            return f"shows another header, which does not verify: {error}"
        raise AttackSeen(divergence, primary, witness, now_ns)
